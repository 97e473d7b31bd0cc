"""
A drive through a node, scored in three ways.

Frames that were *looked at* say how good the detector is. *All* frames say what its user got: of
a frame that was dropped, every object is missed. *Streaming* says what its user knew of the world
at each moment: at the time of each truth, the newest detections that had been published by then
count, whatever frame they are of (M. Li, Y.-X. Wang, D. Ramanan, "Towards Streaming Perception",
ECCV 2020, arXiv 2005.10420, section 3; as in mtli/sAP:det/streaming_eval.py, what is published at
the very time of the truth counts already).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

import numpy as np
from squeezedet_ros.config import SelectionConfig
from squeezedet_ros.detections import Detections
from squeezedet_ros.evaluation.drive_record import FrameRecord
from squeezedet_ros.evaluation.evaluator import LabelledDetections
from squeezedet_ros.evaluation.report import make_report

_MILLISECOND = 1_000_000


def newest_published(frames: Sequence[FrameRecord]) -> list[int | None]:
    """
    Return for each frame the index of the one whose detections were the newest at its stamp.

    :returns: None where none had been published; of two published at once, the later frame's.
    """
    order = sorted(
        (frame.published_ns, index)
        for index, frame in enumerate(frames)
        if frame.published_ns is not None and frame.detections is not None
    )
    times = [published_ns for published_ns, _ in order]
    places = [bisect_right(times, frame.stamp_ns) for frame in frames]
    return [order[place - 1][1] if place else None for place in places]


def pair_looked_at(frames: Sequence[FrameRecord]) -> LabelledDetections:
    """Return truth and detections of the frames with truth that were looked at."""
    return _pair(frames, [frame.detections for frame in frames], every=False)


def pair_all(frames: Sequence[FrameRecord]) -> LabelledDetections:
    """Return truth and detections of the frames with truth; none where it was not looked at."""
    return _pair(frames, [frame.detections for frame in frames])


def pair_streaming(frames: Sequence[FrameRecord]) -> LabelledDetections:
    """Return truth of the frames that have it, and what had been published at its time."""
    newest = newest_published(frames)
    return _pair(frames, [None if row is None else frames[row].detections for row in newest])


def _pair(
    frames: Sequence[FrameRecord], seen: Sequence[Detections | None], *, every: bool = True
) -> LabelledDetections:
    pairs = LabelledDetections([], [])
    for frame, detections in zip(frames, seen, strict=True):
        if frame.truth is not None and (every or detections is not None):
            pairs.truths.append(frame.truth)
            pairs.detections.append(Detections.empty() if detections is None else detections)
    return pairs


def score_three_ways(
    frames: Sequence[FrameRecord],
    classes: Sequence[str],
    min_overlap: float,
    selection: SelectionConfig,
) -> dict[str, Any]:
    """
    Score the frames that have truth, in the three ways of this module.

    :param frames: in the order of the bag.
    :param selection: what the node would publish; the counts are of that.
    :returns: an object of JSON: ``looked_at``, ``all`` and ``streaming``, each as
        :func:`make_report` gives it. ``streaming`` is null where it is not known when detections
        were published; otherwise it has ``unanswered`` too, how many truths came before anything
        was published, and ``lag_ms``, by how much the detections were older than the truth, on
        average.
    :raises ConfigError: when the selection names a class that is not among them.
    """
    reports = {
        name: make_report(*pairs, classes, min_overlap, selection)
        for name, pairs in (('looked_at', pair_looked_at(frames)), ('all', pair_all(frames)))
    }
    if any(frame.detections is not None and frame.published_ns is None for frame in frames):
        return {**reports, 'streaming': None}
    streaming = make_report(*pair_streaming(frames), classes, min_overlap, selection)
    return {**reports, 'streaming': {**streaming, **_lag(frames)}}


def _lag(frames: Sequence[FrameRecord]) -> dict[str, float | int | None]:
    rows = [
        (frame.stamp_ns, None if row is None else frames[row].stamp_ns)
        for frame, row in zip(frames, newest_published(frames), strict=True)
        if frame.truth is not None
    ]
    lags = [(stamp - seen) / _MILLISECOND for stamp, seen in rows if seen is not None]
    return {
        'unanswered': len(rows) - len(lags),
        'lag_ms': float(np.mean(lags)) if lags else None,
    }
