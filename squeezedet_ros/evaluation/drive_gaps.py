"""Where a drive has frames that nobody looked at, or no frames."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from squeezedet_ros.evaluation.drive_record import DriveRecord

NO_FRAME = 'no frame'
# A camera's jitter is well below it; one lost frame is twice the usual interval.
_LONGEST_INTERVAL = 1.8


class Gap(NamedTuple):
    """
    A stretch of a drive without detections.

    :param start: in seconds since the first frame.
    :param end: in seconds since the first frame.
    :param frames: that were not looked at, 0 where the bag has none.
    :param outcome: what became of them, or ``no frame``.
    """

    start: float
    end: float
    frames: int
    outcome: str


def frame_times(record: DriveRecord) -> NDArray[np.float64]:
    """Return (N,) seconds since the earliest stamp, by frame."""
    stamps = np.array([frame.stamp_ns for frame in record.frames], np.int64)
    return (stamps - stamps.min(initial=stamps[0])) / 1e9 if len(stamps) else np.zeros(0)


def find_gaps(record: DriveRecord) -> list[Gap]:
    """
    Return the gaps of a drive in the order of time.

    A frame reaches half the usual interval to both sides. Where two frames are nearly two usual
    intervals apart or more, there is none between them.
    """
    times = frame_times(record)
    order = np.argsort(times, kind='stable')
    intervals = np.diff(times[order])
    usual = float(np.median(intervals)) if len(intervals) else 0.0
    gaps = [*_dropped(record, times, order, usual), *_holes(times[order], intervals, usual)]
    return sorted(gaps)


def _dropped(
    record: DriveRecord, times: NDArray[np.float64], order: NDArray[np.int64], usual: float
) -> Iterator[Gap]:
    def fate(frame: int) -> str | None:
        shown = record.frames[frame]
        return shown.outcome if shown.detections is None else None

    for outcome, run in groupby(order, fate):
        rows = list(run)
        if outcome is not None:
            start, end = times[rows[0]] - usual / 2, times[rows[-1]] + usual / 2
            yield Gap(float(start), float(end), len(rows), outcome)


def _holes(
    times: NDArray[np.float64], intervals: NDArray[np.float64], usual: float
) -> Iterator[Gap]:
    for row in np.flatnonzero(intervals > _LONGEST_INTERVAL * usual):
        start, end = float(times[row]) + usual / 2, float(times[row + 1]) - usual / 2
        if usual:
            yield Gap(start, end, 0, NO_FRAME)
