"""A comparison as lines of text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

_COCO_COLUMNS = ('map', 'map50', 'map75')


def format_comparison(report: dict[str, Any]) -> str:
    """Return the report of :func:`.comparison.compare` as lines of text."""
    parts = (_head, _ap_lines, _coco_lines, _agreement_lines, _frame_lines, _verdict)
    return '\n'.join(line for part in parts for line in part(report)).rstrip()


def _head(report: dict[str, Any]) -> Iterator[str]:
    yield f'A: {report["a"]}'
    yield f'B: {report["b"]}'
    if report['frames']:
        counts = report['frames']
        yield f'{counts["shared"]} frames compared, {counts["with_truth"]} with truth'
    yield from (f'note: {note}' for note in report['notes'])
    yield ''


def _ap_lines(report: dict[str, Any]) -> Iterator[str]:
    settings, points = report['settings'], report['settings']['points']
    rows = ap_rows(report)
    if not rows:
        return
    interval = any(row.change['resamples'] for row in rows)
    spread = f'{100 * settings["confidence"]:g} % interval, * without 0' if interval else ''
    yield (
        f'{points.upper():<14}{"overlap":>8}  {"difficulty":<10}{"A":>8}{"B":>8}{"B - A":>9}'
        f'  {spread}'
    ).rstrip()
    for row in rows:
        change = row.change
        yield (
            f'{row.name:<14}{row.overlap:8.2f}  {row.difficulty:<10}{change["a"]:8.3f}'
            f'{change["b"]:8.3f}{change["difference"]:+9.3f}  {_interval(change):<18}'
            f'{"  FALLS" if row.falls else ""}'
        ).rstrip()
    if interval:
        yield (
            f'{settings["resamples"]} sets drawn from the frames in blocks of '
            f'{settings["block_frames"]}, seed {settings["seed"]}'
        )
    yield ''


class ApRow(NamedTuple):
    """One average precision as it is shown; ``change`` as in the report."""

    name: str
    overlap: float
    difficulty: str
    change: dict[str, Any]
    falls: bool


def ap_rows(report: dict[str, Any]) -> list[ApRow]:
    """Return what to show; where two tables ask a class for the same overlap, once."""
    fallen = [
        tuple(item[key] for key in ('section', 'name', 'difficulty'))
        for item in report['regressions']
        if 'section' in item
    ]
    rows: dict[tuple[Any, ...], ApRow] = {}
    for section, tables in report['ap'].items():
        for name, table in tables[report['settings']['points']].items():
            overlap = report['min_overlap'][section][name]
            for difficulty, change in table.items():
                falls = (section, name, difficulty) in fallen
                row = ApRow(name, overlap, difficulty, change, falls)
                rows.setdefault((name, overlap, difficulty), row)
    return list(rows.values())


def _interval(change: dict[str, Any]) -> str:
    if change['low'] is None:
        return ''
    sure = change['low'] > 0 or change['high'] < 0
    return f'[{change["low"]:+.3f}, {change["high"]:+.3f}]{" *" if sure else ""}'


def _coco_lines(report: dict[str, Any]) -> Iterator[str]:
    if not report['coco']:
        return
    yield f'{"COCO":<14}{"":>8}  {"score":<10}{"A":>8}{"B":>8}{"B - A":>9}'
    scores = report['coco']
    for name, row in [('all classes', scores), *scores['classes'].items()]:
        for key in _COCO_COLUMNS:
            if key in row:
                change = row[key]
                yield (
                    f'{name:<14}{"":>8}  {key:<10}{change["a"]:8.3f}{change["b"]:8.3f}'
                    f'{change["difference"]:+9.3f}'
                )
    yield ''


def _agreement_lines(report: dict[str, Any]) -> Iterator[str]:
    agreement = report['agreement']
    if not agreement:
        return
    yield f'published detections that overlap by {report["settings"]["min_overlap"]:g} or more'
    yield (
        f'{"":<14}{"A":>8}{"B":>8}{"both":>8}{"only A":>8}{"only B":>8}{"agree":>8}'
        f'{"overlap":>9}{"score B-A":>11}'
    )
    for name, row in [*agreement['classes'].items(), ('all', agreement['all'])]:
        counts = ''.join(f'{row[key]:8}' for key in ('a', 'b', 'matched', 'only_a', 'only_b'))
        yield (
            f'{name:<14}{counts}{_number(row["agreement"], "8.3f")}'
            f'{_number(row["overlap"], "9.3f")}{_number(row["score_change"]["mean"], "+11.4f")}'
        )
    yield ''


def _frame_lines(report: dict[str, Any]) -> Iterator[str]:
    if report['changed_frames'] is None:
        return
    count, shown = report['frames_that_changed'], len(report['changed_frames'])
    most = f'; the {shown} that changed most' if shown else ''
    yield f'{count} frames changed in what is published{most}'
    for change in report['changed_frames']:
        yield f'{frame_title(change):<24}  {frame_change(change)}'
    yield ''


def frame_title(change: dict[str, Any]) -> str:
    """Return what a changed frame is called."""
    return str(change['name'] or f'{change["stamp_ns"]} ns')


def frame_change(change: dict[str, Any]) -> str:
    """Return in words what changed in a frame."""
    parts = [f'only A {change["only_a"]}, only B {change["only_b"]}']
    if change['a'] and change['b']:
        errors = (
            f'{side["missed"]} missed {side["false_alarms"]} false'
            for side in (change['a'], change['b'])
        )
        worse = change['worse_by']
        trend = f'worse by {worse}' if worse > 0 else f'better by {-worse}' if worse else 'equal'
        parts.insert(0, f'{trend}: {" -> ".join(errors)}')
    return f'{"; ".join(parts)}; scores by {change["score_change"]:.3f}'


def _verdict(report: dict[str, Any]) -> Iterator[str]:
    settings = report['settings']
    falls = [item for item in report['regressions'] if 'section' in item]
    certain = ', with an interval that excludes 0' if settings['only_certain'] else ''
    if report['ap']:
        yield (
            f'{len(falls)} of the average precisions ({settings["points"].upper()}) fall by more '
            f'than {settings["tolerance"]:g}{certain}'
        )
    for item in report['regressions']:
        if 'agreement' in item:
            yield f'agreement {item["agreement"]:.3f} is below {item["min_agreement"]:g}'


def _number(value: float | None, form: str) -> str:
    width = int(form.lstrip('+').split('.')[0])
    return f'{"-":>{width}}' if value is None else f'{value:{form}}'
