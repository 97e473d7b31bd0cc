"""Two evaluations side by side: what got better, what got worse, and where."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any, NamedTuple

from squeezedet_ros.errors import ConfigError, DatasetError
from squeezedet_ros.evaluation.agreement import match_frame, summarise
from squeezedet_ros.evaluation.ap_change import (
    ApChanges,
    compare_detections,
    compare_tables,
    ComparisonConfig,
    Overlaps,
    section_overlaps,
)
from squeezedet_ros.evaluation.coco_map import coco_available, evaluate_coco
from squeezedet_ros.evaluation.comparison_input import Evaluated
from squeezedet_ros.evaluation.frame_changes import FrameChange, rank_changes
from squeezedet_ros.evaluation.pairing import pair_records, Paired


class Comparison(NamedTuple):
    """
    What a comparison found.

    :param report: all of it, an object of JSON.
    :param paired: the frames that were compared, None without records.
    :param changed: of them, those that changed most.
    """

    report: dict[str, Any]
    paired: Paired | None
    changed: list[FrameChange]

    @property
    def is_regression(self) -> bool:
        """Return whether B is worse than A by more than is tolerated."""
        return bool(self.report['regressions'])


def compare(a: Evaluated, b: Evaluated, config: ComparisonConfig) -> Comparison:
    """
    Compare two evaluations by their records, or where one has none, by their reports.

    ``ap`` of the result holds ``a``, ``b``, ``difference`` (B less A), and the interval ``low``
    to ``high`` by table, points, class and difficulty; ``agreement`` and ``changed_frames`` are
    null without records, ``coco`` also without truth.

    :raises ConfigError: when intervals or agreement are to decide and there are none.
    :raises DatasetError: when the two have nothing in common.
    """
    if a.record is not None and b.record is not None:
        return _by_frames(a, b, pair_records(a.record, b.record, config.scoring), config)
    if config.only_certain or config.min_agreement or config.scoring != 'looked_at':
        raise ConfigError(
            'only_certain, min_agreement and other scoring than looked_at need what was seen in '
            'each frame, got no record of '
            f'{a.path if a.record is None else b.path} (squeezedet evaluate --save-record)'
        )
    if a.report is None or b.report is None:
        lacking = a if a.report is None else b
        raise DatasetError(
            f'expected two evaluations with average precision, or two with records, got '
            f'{lacking.path} without average precision and no record of the other'
        )
    changes = compare_tables(a.report, b.report)
    if not changes:
        raise DatasetError(
            f'{a.path} and {b.path} have no average precision in common: expected the same '
            'classes and tables, with truth'
        )
    report = _report(a, b, config, changes, a.report['min_overlap'], None)
    report['notes'] = _table_notes(a.report, b.report, a.path.name, b.path.name)
    return Comparison(report, None, [])


def _by_frames(a: Evaluated, b: Evaluated, paired: Paired, config: ComparisonConfig) -> Comparison:
    classes = paired.classes
    truths, first, second = paired.scored()
    changes: ApChanges = {}
    if truths:
        if len(truths) <= config.block_frames:
            if config.only_certain:
                raise ConfigError(
                    f'only_certain needs intervals, and they more frames than block_frames '
                    f'({config.block_frames}), got {len(truths)} with truth'
                )
            config = replace(config, resamples=0)
        changes = compare_detections(truths, first, second, classes, config)
    elif config.only_certain:
        raise ConfigError(
            'only_certain needs intervals, and they truth in frames that both looked at, got none'
        )
    published = zip(paired.a.published, paired.b.published, strict=True)
    matches = [match_frame(*pair, len(classes), config.min_overlap) for pair in published]
    changed = rank_changes(paired, matches, config.min_overlap)
    overlaps = section_overlaps(classes, config.min_overlap)
    report = _report(a, b, config, changes, overlaps, summarise(matches, classes))
    if truths and coco_available():
        scores = [evaluate_coco(truths, side.detections, classes) for side in (first, second)]
        report['coco'] = _coco_changes(*scores)
    # A report's own tables are of what was looked at.
    stale = _stale_notes(a, b, paired, changes) if config.scoring == 'looked_at' else []
    report |= {
        'classes': list(classes),
        'classes_left_out': list(paired.left_out),
        'frames': paired.counts._asdict(),
        'frames_that_changed': len(changed),
        'changed_frames': [item.to_json(paired) for item in changed[: config.changed_frames]],
        'notes': _warnings(a) + _warnings(b) + _frame_notes(paired, config) + stale,
    }
    return Comparison(report, paired, changed[: config.changed_frames])


def _report(
    a: Evaluated,
    b: Evaluated,
    config: ComparisonConfig,
    changes: ApChanges,
    overlaps: Overlaps,
    agreement: dict[str, Any] | None,
) -> dict[str, Any]:
    table: dict[str, Any] = {}
    for (section, points, name, difficulty), change in changes.items():
        row = table.setdefault(section, {}).setdefault(points, {}).setdefault(name, {})
        row[difficulty] = {**asdict(change), 'difference': change.difference}
    return {
        'a': str(a.path),
        'b': str(b.path),
        'ap': table,
        'coco': None,
        'agreement': agreement,
        'frames': None,
        'changed_frames': None,
        'min_overlap': overlaps,
        'regressions': _falls(changes, overlaps, config) + _disagreement(agreement, config),
        'settings': asdict(config),
    }


def _falls(
    changes: ApChanges, overlaps: Overlaps, config: ComparisonConfig
) -> list[dict[str, Any]]:
    """Return what falls too far; where two tables ask a class for the same overlap, once."""
    falls: dict[tuple[Any, ...], dict[str, Any]] = {}
    for key, change in changes.items():
        if key.points == config.points and change.falls(config):
            overlap = overlaps.get(key.section, {}).get(key.name, key.section)
            fall = {**key._asdict(), 'difference': change.difference}
            falls.setdefault((overlap, key.name, key.difficulty), fall)
    return list(falls.values())


def _disagreement(
    agreement: dict[str, Any] | None, config: ComparisonConfig
) -> list[dict[str, Any]]:
    share = agreement['all']['agreement'] if agreement else None
    if share is None or share >= config.min_agreement:
        return []
    return [{'agreement': share, 'min_agreement': config.min_agreement}]


def _coco_changes(a: dict[str, Any], b: dict[str, Any]) -> dict[str, Any]:
    """Return the scores of both, those of the classes too, that are known."""
    changes: dict[str, Any] = {}
    for key, first in a.items():
        second = b[key]
        if isinstance(first, dict):
            changes[key] = _coco_changes(first, second)
        elif first is not None and second is not None:
            changes[key] = {'a': first, 'b': second, 'difference': second - first}
    return changes


def _table_notes(a: dict[str, Any], b: dict[str, Any], name_a: str, name_b: str) -> list[str]:
    notes = ['no record beside both: no intervals and no frames (evaluate --save-record)']
    if a['images'] != b['images']:
        notes.append(
            f'{name_a} is of {a["images"]} images, {name_b} of {b["images"]}: differences may be '
            'those of the sets'
        )
    alone = sorted(set(a['kitti']['ap40']) ^ set(b['kitti']['ap40']))
    if alone:
        notes.append(f'classes of one side only, left out: {", ".join(alone)}')
    return notes


def _warnings(side: Evaluated) -> list[str]:
    """Return what was told when the record was made, of damage above all."""
    found = side.record.settings.get('warnings') if side.record else None
    return [f'{side.path}: {warning}' for warning in found] if isinstance(found, list) else []


def _frame_notes(paired: Paired, config: ComparisonConfig) -> list[str]:
    counts = paired.counts
    treated = {
        'looked_at': 'did not look at, left out',
        'all': 'did not look at, nothing seen',
        'streaming': 'had published nothing for yet, nothing seen',
    }[config.scoring]
    told = [
        (counts.only_a, 'frames of A only, left out'),
        (counts.only_b, 'frames of B only, left out'),
        (counts.unseen_a, f'shared frames that A {treated}'),
        (counts.unseen_b, f'shared frames that B {treated}'),
        (counts.repeated, 'frames of a name or stamp that was there before, left out'),
        (counts.other_truth, "frames with another truth in B than in A; A's counts for both"),
        (counts.shared - counts.with_truth, 'compared frames without truth, not scored'),
    ]
    notes = [f'{text}: {number}' for number, text in told if number]
    if counts.with_truth and counts.with_truth <= config.block_frames:
        notes.append(
            f'no intervals: the {counts.with_truth} frames with truth are one block of '
            f'{config.block_frames} (block_frames)'
        )
    if paired.left_out:
        notes.append(f'classes of one side only, left out: {", ".join(paired.left_out)}')
    return notes


def _with_truth(side: Evaluated) -> int:
    return sum(frame.truth is not None for frame in side.record.frames) if side.record else 0


def _stale_notes(a: Evaluated, b: Evaluated, paired: Paired, changes: ApChanges) -> list[str]:
    """Tell of a report that says something else than the record beside it."""
    counts = paired.counts
    notes = []
    for side, other, alone in ((a, 'a', counts.only_a), (b, 'b', counts.only_b)):
        whole = not (alone or counts.unseen_a or counts.unseen_b or counts.repeated)
        if side.report is None or not whole or counts.other_truth or paired.left_out:
            continue
        if _with_truth(side) != counts.with_truth:
            # It has some of the other side, which its report does not know.
            continue
        own = compare_tables(side.report, side.report)
        wrong = [
            key
            for key, change in own.items()
            if key in changes and abs(getattr(changes[key], other) - change.a) > 1e-6
        ]
        if wrong:
            notes.append(
                f'{side.path.name} says other than the record beside it, which is used here '
                f'({wrong[0].name}, {wrong[0].difficulty}): were both written by one run?'
            )
    return notes
