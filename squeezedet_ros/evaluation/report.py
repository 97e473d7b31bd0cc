"""What an evaluation found, as the JSON that every evaluating command writes and as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from squeezedet_ros.config import SelectionConfig
from squeezedet_ros.data.ground_truth import GroundTruth
from squeezedet_ros.detections import Detections
from squeezedet_ros.evaluation.average_precision import (
    ApTable,
    count_matches,
    evaluate_detections,
    kitti_min_overlap,
    KittiResult,
    MatchCounts,
    SAMPLE_POINTS,
)
from squeezedet_ros.evaluation.coco_map import coco_available, evaluate_coco
from squeezedet_ros.evaluation.error_analysis import analyse_errors, ErrorCounts
from squeezedet_ros.evaluation.evaluator import published
from squeezedet_ros.evaluation.kitti_matching import ALL, DIFFICULTIES
from squeezedet_ros.named_values import read_thresholds

_COCO_COLUMNS = ('map', 'map50', 'map75', 'map_small', 'map_medium', 'map_large')
_KINDS = ('correct', 'localisation', 'classification', 'background', 'repeated')


def make_report(
    truths: Sequence[GroundTruth],
    detections: Sequence[Detections],
    classes: Sequence[str],
    min_overlap: float,
    selection: SelectionConfig,
) -> dict[str, Any]:
    """
    Score a data set.

    ``kitti`` holds average precision at KITTI's own overlap of each class, ``kitti_iou50`` (for a
    ``min_overlap`` of 0.5) at one overlap for all; ``counts`` is at that one overlap. A class of
    which some object does not state its truncation or occlusion has no easy, moderate and hard.
    ``coco`` is null where pycocotools is not installed; ``errors`` are the reference's.

    :param truths: one for each image.
    :param detections: one for each image, down to a low score.
    :param selection: its thresholds say which detections are counted.
    :returns: an object of JSON, null where there is no truth.
    :raises ConfigError: when the selection names a class that is not among them.
    :raises ValueError: when there are not as many detections as truths.
    """
    single = f'kitti_iou{100 * min_overlap:g}'
    counts = count_matches(
        truths, published(detections, selection, classes), classes, min_overlap, -np.inf
    )
    graded = graded_classes(truths, classes)
    own = evaluate_detections(truths, detections, classes)
    one = evaluate_detections(truths, detections, classes, min_overlap)
    return {
        'images': len(truths),
        'kitti': _tables(own, graded),
        single: _tables(one, graded),
        'min_overlap': {
            'kitti': {name: kitti_min_overlap(name) for name in classes},
            single: dict.fromkeys(classes, min_overlap),
        },
        'counts': {
            'difficulty': ALL.name,
            'min_overlap': min_overlap,
            'plot_prob_thresh': selection.plot_prob_thresh,
            'class_thresh': read_thresholds('class_thresh', selection.class_thresh),
            'classes': {name: with_rates(row) for name, row in counts.items()},
        },
        'coco': evaluate_coco(truths, detections, classes) if coco_available() else None,
        'errors': _with_shares(analyse_errors(truths, detections, classes)),
    }


def graded_classes(truths: Sequence[GroundTruth], classes: Sequence[str]) -> set[str]:
    """Return the classes of which every object states its truncation and occlusion."""
    return {name for name in classes if _is_graded(name, truths)}


def _is_graded(name: str, truths: Sequence[GroundTruth]) -> bool:
    return all(
        truncated >= 0 and occluded >= 0
        for truth in truths
        for found, truncated, occluded in zip(
            truth.names, truth.truncated, truth.occluded, strict=True
        )
        if found.lower() == name.lower()
    )


def _tables(result: KittiResult, graded: set[str]) -> dict[str, ApTable]:
    return {
        points: {
            name: {
                difficulty: value if name in graded or difficulty == ALL.name else None
                for difficulty, value in row.items()
            }
            for name, row in table.items()
        }
        for points, table in (('ap11', result.ap11), ('ap40', result.ap40))
    }


def with_rates(counts: MatchCounts) -> dict[str, float | None]:
    """Return counts with precision and recall, None where nothing was seen, or is there."""
    _, hits, false_alarms, misses = counts
    return {
        **counts._asdict(),
        'precision': hits / (hits + false_alarms) if hits + false_alarms else None,
        'recall': hits / (hits + misses) if hits + misses else None,
    }


def _with_shares(errors: ErrorCounts) -> dict[str, Any]:
    row = errors._asdict()
    shares = {
        kind: row[kind] / errors.detections if errors.detections else None for kind in _KINDS
    }
    return {
        **row,
        'shares': shares,
        'recall': errors.correct / errors.objects if errors.objects else None,
    }


def format_report(report: dict[str, Any]) -> str:
    """Return the report of :func:`make_report` as lines of text."""
    parts = (_kitti_lines, _coco_lines, _counts_lines, _error_lines, _notes)
    lines = [line for part in parts for line in ('', *part(report))]
    return '\n'.join([f'{report["images"]} images', *lines]).rstrip()


def _kitti_lines(report: dict[str, Any]) -> list[str]:
    names = [difficulty.name for difficulty in DIFFICULTIES]
    heading = ''.join(f'{name:>10}' for name in names)
    lines = []
    for points in ('ap11', 'ap40'):
        lines += ['', f'{points.upper():<14}{"overlap":>8}{heading}']
        for section, overlaps in report['min_overlap'].items():
            for name, row in report[section][points].items():
                cells = ''.join(_cell(row[difficulty]) for difficulty in names)
                lines.append(f'{name:<14}{overlaps[name]:8.2f}{cells}')
    return lines[1:]


def _coco_lines(report: dict[str, Any]) -> list[str]:
    scores = report['coco']
    if scores is None:
        return ['COCO mAP: pycocotools is not installed (pip install pycocotools)']
    lines = [f'{"COCO":<14}' + ''.join(f'{name:>11}' for name in _COCO_COLUMNS)]
    for name, row in [('all classes', scores), *scores['classes'].items()]:
        cells = ''.join(_cell(row[key], 11) for key in _COCO_COLUMNS if key in row)
        lines.append(f'{name:<14}{cells}')
    return lines


def _counts_lines(report: dict[str, Any]) -> list[str]:
    counts = report['counts']
    own = ''.join(f', {name} {value:g}' for name, value in counts['class_thresh'].items())
    lines = [
        f'score >= {counts["plot_prob_thresh"]:g}{own}, overlap {counts["min_overlap"]:g}, '
        f'difficulty {counts["difficulty"]}',
        f'{"":<14}{"truth":>8}{"right":>10}{"wrong":>10}{"missed":>10}'
        f'{"precision":>10}{"recall":>10}',
    ]
    for name, row in counts['classes'].items():
        lines.append(
            f'{name:<14}{row["truth"]:8}{row["true_positives"]:10}{row["false_positives"]:10}'
            f'{row["false_negatives"]:10}{_cell(row["precision"])}{_cell(row["recall"])}'
        )
    return lines


def _error_lines(report: dict[str, Any]) -> list[str]:
    errors = report['errors']
    lines = [
        f'of the {errors["detections"]} most probable detections, as many in an image as it has '
        f'objects ({errors["objects"]} in all)'
    ]
    lines += [f'{kind:<14}{errors[kind]:8}{_cell(errors["shares"][kind])}' for kind in _KINDS]
    return [*lines, f'{"missed":<14}{errors["missed"]:8}    recall{_cell(errors["recall"], 6)}']


def _cell(value: float | None, width: int = 10) -> str:
    return f'{"-":>{width}}' if value is None else f'{value:{width}.3f}'


def _notes(report: dict[str, Any]) -> list[str]:
    notes = []
    counts = report['counts']['classes']
    ungraded = [name for name, row in report['kitti']['ap11'].items() if row['easy'] is None]
    few = [name for name, row in counts.items() if 0 < row['truth'] < SAMPLE_POINTS]
    if any(counts[name]['truth'] for name in ungraded):
        notes.append(
            'easy, moderate and hard need every object to state its truncation and occlusion'
        )
    if few:
        notes.append(
            f"{', '.join(few)}: fewer than {SAMPLE_POINTS} objects, with which KITTI's rules "
            'keep average precision below 1 whatever is detected'
        )
    return notes
