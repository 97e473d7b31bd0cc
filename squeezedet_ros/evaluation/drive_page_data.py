"""What the page of a drive computes with: the recorded frames, as compact JSON."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from squeezedet_ros.config import SelectionConfig
from squeezedet_ros.detections import Detections
from squeezedet_ros.evaluation.average_precision import (
    evaluate_detections,
    kitti_min_overlap,
    SAMPLE_POINTS,
)
from squeezedet_ros.evaluation.drive_gaps import find_gaps, frame_times
from squeezedet_ros.evaluation.drive_matches import find_matches, FrameMatches
from squeezedet_ros.evaluation.drive_record import DriveRecord
from squeezedet_ros.evaluation.evaluator import LabelledDetections
from squeezedet_ros.evaluation.kitti_matching import ALL, count_outcomes, make_scenes
from squeezedet_ros.evaluation.report import graded_classes
from squeezedet_ros.named_values import read_thresholds
from squeezedet_ros.postprocessing import make_selector

AGE = 'age when published'
_THRESHOLDS = np.round(np.linspace(0, 1, 101), 2)


def seen_with_truth(record: DriveRecord) -> LabelledDetections:
    """Return truth and detections of the frames that were looked at and have truth."""
    pairs = [
        (frame.truth, frame.detections)
        for frame in record.frames
        if frame.truth is not None and frame.detections is not None
    ]
    return LabelledDetections([truth for truth, _ in pairs], [found for _, found in pairs])


def page_data(
    record: DriveRecord,
    selection: SelectionConfig,
    min_overlap: float | None,
    gap_factor: float,
) -> dict[str, Any]:
    """
    Return the frames of a drive as an object of JSON.

    Per frame there are ``times`` in seconds since the first, ``outcomes``, ``stages`` in
    milliseconds, ``found``, how many detections were recorded or null where nobody looked, and
    ``truth``, :class:`FrameMatches`'s objects or null. Per detection, frame after frame, there are
    ``scores`` (float32), ``labels`` (uint16) and ``flags`` (uint8) in base64, little-endian.

    :param selection: what the page shows at first.
    :param min_overlap: intersection over union that a match must exceed; None without truth.
    :param gap_factor: as :func:`find_gaps` takes it.
    :raises ConfigError: when the selection names a class that is not among them.
    """
    own = make_selector(selection, record.classes).thresholds
    matches = _matches(record, min_overlap)
    found = [frame.detections or Detections.empty() for frame in record.frames]
    data: dict[str, Any] = {
        'classes': list(record.classes),
        'thresholds': {
            'common': selection.plot_prob_thresh,
            'own': read_thresholds('class_thresh', selection.class_thresh),
            'left_out': np.flatnonzero(np.isinf(own)).tolist(),
        },
        'times': frame_times(record).round(4).tolist(),
        'outcomes': [frame.outcome for frame in record.frames],
        'found': [
            None if frame.detections is None else len(frame.detections) for frame in record.frames
        ],
        'scores': _base64(np.concatenate([np.zeros(0, '<f4'), *(each.scores for each in found)])),
        'labels': _base64(np.concatenate([np.zeros(0), *(each.labels for each in found)]), '<u2'),
        'flags': _base64(_flags(matches, found), 'u1'),
        'truth': [match and match.objects for match in matches],
        'stages': _stages(record),
        'gaps': [
            (round(gap.start, 4), round(gap.end, 4), gap.outcome)
            for gap in find_gaps(record, gap_factor)
        ],
    }
    if min_overlap is not None:
        labelled = seen_with_truth(record)
        data['curves'] = _precision_curves(labelled, record.classes, min_overlap)
        data['sweep'] = _sweep(labelled, record.classes, min_overlap)
    return data


def _matches(record: DriveRecord, min_overlap: float | None) -> list[FrameMatches | None]:
    return [
        None
        if frame.truth is None or min_overlap is None
        else find_matches(
            frame.truth, frame.detections or Detections.empty(), record.classes, min_overlap
        )
        for frame in record.frames
    ]


def _flags(
    matches: Sequence[FrameMatches | None], found: Sequence[Detections]
) -> NDArray[np.uint8]:
    columns = [
        np.zeros(len(each), np.uint8) if match is None else match.flags
        for match, each in zip(matches, found, strict=True)
    ]
    return np.concatenate([np.zeros(0, np.uint8), *columns])


def _base64(values: NDArray[Any], kind: str = '<f4') -> str:
    return b64encode(values.astype(kind).tobytes()).decode()


def _stages(record: DriveRecord) -> dict[str, list[float | None]]:
    """Return milliseconds by stage, and how old the detections of a frame were when published."""
    names = dict.fromkeys(name for frame in record.frames for name in frame.milliseconds)
    stages: dict[str, list[float | None]] = {
        name: [_rounded(frame.milliseconds.get(name)) for frame in record.frames] for name in names
    }
    if any(frame.published_ns is not None for frame in record.frames):
        stages[AGE] = [
            None
            if frame.published_ns is None
            else _rounded((frame.published_ns - frame.stamp_ns) / 1e6)
            for frame in record.frames
        ]
    return stages


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def _precision_curves(
    labelled: LabelledDetections, classes: Sequence[str], min_overlap: float
) -> list[list[dict[str, Any]]]:
    """Return for each class its curves: difficulty, overlap, precision at each sampled recall."""
    truths, detections = labelled
    graded = graded_classes(truths, classes)
    curves: list[list[dict[str, Any]]] = [[] for _ in classes]
    for overlap in (min_overlap, None):
        result = evaluate_detections(truths, detections, classes, overlap)
        for own, name in zip(curves, classes, strict=True):
            limit = kitti_min_overlap(name) if overlap is None else overlap
            if any(curve['overlap'] == limit for curve in own):
                continue
            own += [
                {
                    'difficulty': difficulty,
                    'overlap': limit,
                    'ap40': curve.ap40,
                    'precision': curve.precision.round(4).tolist(),
                }
                for difficulty, curve in result.curves[name].items()
                if curve.truth and (name in graded or difficulty == ALL.name)
            ]
    return curves


def _sweep(
    labelled: LabelledDetections, classes: Sequence[str], min_overlap: float
) -> dict[str, Any]:
    """Return right, wrong and missed of each class at thresholds that are the same for all."""
    counts = [
        count_outcomes(make_scenes(*labelled, label, name), ALL, min_overlap, _THRESHOLDS.tolist())
        for label, name in enumerate(classes)
    ]
    return {
        'thresholds': _THRESHOLDS.tolist(),
        'recalls': np.linspace(0, 1, SAMPLE_POINTS).round(3).tolist(),
        'counts': [[column.tolist() for column in row] for row in counts],
    }
