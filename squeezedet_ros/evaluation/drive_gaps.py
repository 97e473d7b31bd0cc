"""Where a drive has frames that nobody looked at, or no frames."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from squeezedet_ros.evaluation.drive_record import DriveRecord
from squeezedet_ros.evaluation.drive_statistics import DriveConfig

NO_FRAME = 'no frame'


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


def gap_factor_of(report: dict[str, Any]) -> float:
    """Return the factor with which the report of a drive was made, the default if it has none."""
    stamps = report.get('drive', {}).get('stamps', {})
    return float(stamps.get('gap_factor', DriveConfig().gap_factor))


def find_gaps(record: DriveRecord, gap_factor: float) -> list[Gap]:
    """
    Return the gaps of a drive in the order of time.

    A frame reaches half the usual interval to both sides, which is the median of those that are
    not 0.

    :param gap_factor: usual intervals between two frames above which there is none between them.
    """
    times = frame_times(record)
    order = np.argsort(times, kind='stable')
    intervals = np.diff(times[order])
    forward = intervals[intervals > 0]
    usual = float(np.median(forward)) if len(forward) else 0.0
    holes = _holes(times[order], intervals, usual, gap_factor) if usual else ()
    return sorted([*_dropped(record, times, order, usual), *holes])


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
    times: NDArray[np.float64], intervals: NDArray[np.float64], usual: float, gap_factor: float
) -> Iterator[Gap]:
    for row in np.flatnonzero(intervals > gap_factor * usual):
        start, end = float(times[row]) + usual / 2, float(times[row + 1]) - usual / 2
        yield Gap(start, end, 0, NO_FRAME)
