"""What a drive's record tells without truth: time, counts, confidence, flicker, odd frames."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from squeezedet_ros.data.truth_message import NANOSECONDS
from squeezedet_ros.detections import Detections
from squeezedet_ros.evaluation.drive_record import FrameRecord
from squeezedet_ros.settings import check_settings, setting
from squeezedet_ros.tracking import Tracker

FLICKER_FRAMES = 2
_PERCENTILES = (50, 95, 99)
_MOST_EVENTS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class DriveConfig:
    """How a drive is told."""

    truth_tolerance: float = setting(
        0.0,
        'seconds that the stamps of an image and of its truth may differ; 0 for equal ones',
        bounds=(0.0, 10.0),
    )
    gap_factor: float = setting(
        1.5, 'a gap is a time between stamps so many times the usual one', bounds=(1.0, 100.0)
    )
    timeline_steps: int = setting(
        200, 'steps at most, in which counts and confidence are told over time', bounds=(1, 10_000)
    )

    def __post_init__(self) -> None:
        check_settings(self)


class Shown(NamedTuple):
    """A frame that was looked at: its place in the record, and what would be published of it."""

    place: int
    frame: FrameRecord
    detections: Detections


class Flicker(NamedTuple):
    """An object that was not seen for a frame or two; ``place`` is of the first of them."""

    place: int
    label: int
    frames: int


def describe_drive(
    frames: Sequence[FrameRecord],
    shown: Sequence[Shown],
    events: Sequence[Flicker],
    classes: Sequence[str],
    config: DriveConfig,
) -> dict[str, Any]:
    """
    Return what a record tells without truth, as an object of JSON.

    :param frames: in the order of the bag, at least one.
    :param shown: of :func:`show_frames`.
    :param events: of :func:`find_flicker`.
    """
    stamps = np.array([frame.stamp_ns for frame in frames], np.int64)
    return {
        'frames': len(frames),
        'looked_at': len(shown),
        'outcomes': dict(Counter(frame.outcome for frame in frames)),
        'stamps': _stamps(stamps, config.gap_factor),
        'milliseconds': _milliseconds(frames),
        'detections': {
            name: _one_class(shown, label, events) for label, name in enumerate(classes)
        },
        'flicker': [
            {
                'frame': event.place,
                'stamp_ns': frames[event.place].stamp_ns,
                'class': classes[event.label],
                'frames': event.frames,
            }
            for event in events[:_MOST_EVENTS]
        ],
        'timeline': _timeline(stamps, shown, classes, config.timeline_steps),
    }


def show_frames(frames: Sequence[FrameRecord], published: Sequence[Detections]) -> list[Shown]:
    """
    Return the frames that were looked at, each with what would be published of it.

    :raises ValueError: when these are not as many.
    """
    seen = [item for item in enumerate(frames) if item[1].detections is not None]
    return [Shown(*item, found) for item, found in zip(seen, published, strict=True)]


def find_flicker(shown: Sequence[Shown]) -> Iterator[Flicker]:
    """
    Yield each time that an object is not seen for one or two frames, and then again.

    Objects are those of the node's tracker, which pairs by IOU; a frame that was not looked at
    hides nothing.
    """
    tracker = Tracker()
    last: dict[int, int] = {}
    for row, (_, frame, found) in enumerate(shown):
        ids = tracker.update(found, frame.stamp_ns).ids
        for number, label in zip(() if ids is None else ids.tolist(), found.labels, strict=True):
            missing = row - last.get(number, row) - 1
            if number and 1 <= missing <= FLICKER_FRAMES:
                yield Flicker(shown[row - missing].place, int(label), missing)
            last[number] = row


def percentiles(values: Sequence[float] | NDArray[Any]) -> dict[str, float] | None:
    """Return mean, p50, p95, p99 and the most of some numbers, None where there are none."""
    if not len(values):
        return None
    column = np.asarray(values, np.float64)
    parts = np.percentile(column, _PERCENTILES)
    return {
        'mean': float(column.mean()),
        **{f'p{share}': float(part) for share, part in zip(_PERCENTILES, parts, strict=True)},
        'max': float(column.max()),
    }


def _stamps(stamps: NDArray[np.int64], gap_factor: float) -> dict[str, Any]:
    """Say when the frames were taken; the usual time between two is the median."""
    steps = np.diff(stamps)
    forward = steps[steps > 0]
    usual = float(np.median(forward)) if len(forward) else 0.0
    gaps = np.flatnonzero(steps > gap_factor * usual) if usual else np.zeros(0, np.int64)
    return {
        'first_ns': int(stamps[0]),
        'last_ns': int(stamps[-1]),
        'seconds': float(stamps.max() - stamps.min()) / NANOSECONDS,
        'gap_factor': gap_factor,
        'rate_hz': NANOSECONDS / usual if usual else None,
        'backwards': int((steps < 0).sum()),
        'repeated': len(stamps) - len(np.unique(stamps)),
        'gaps': [
            {'after_ns': int(stamps[place]), 'seconds': float(steps[place]) / NANOSECONDS}
            for place in gaps
        ],
    }


def _milliseconds(frames: Sequence[FrameRecord]) -> dict[str, Any]:
    """
    Sum up what frames that were looked at took.

    By stage, all together, and the age at which detections were published.
    """
    columns: dict[str, list[float]] = {}
    for frame in frames:
        if frame.detections is None:
            continue
        stages = dict(frame.milliseconds)
        # The node tells a total of its own, with what lies between its stages.
        stages.setdefault('total', sum(stages.values()))
        for stage, value in stages.items():
            columns.setdefault(stage, []).append(value)
        if frame.published_ns is not None:
            columns.setdefault('age', []).append((frame.published_ns - frame.stamp_ns) / 1e6)
    return {stage: percentiles(values) for stage, values in columns.items()}


def _one_class(shown: Sequence[Shown], label: int, events: Sequence[Flicker]) -> dict[str, Any]:
    counts = [int((item.detections.labels == label).sum()) for item in shown]
    scores = np.concatenate(
        [np.zeros(0)] + [item.detections.scores[item.detections.labels == label] for item in shown]
    )
    vanished = Counter(event.frames for event in events if event.label == label)
    return {
        'count': sum(counts),
        'per_frame': float(np.mean(counts)) if counts else None,
        'frames': sum(count > 0 for count in counts),
        'score': {
            f'p{share}': float(np.percentile(scores, share)) if len(scores) else None
            for share in (10, 50, 90)
        },
        'vanished': {str(frames): vanished[frames] for frames in range(1, FLICKER_FRAMES + 1)},
    }


def _timeline(
    stamps: NDArray[np.int64], shown: Sequence[Shown], classes: Sequence[str], most: int
) -> dict[str, Any]:
    """Sum up counts and mean scores in equal steps of time."""
    first, span = int(stamps.min()), int(stamps.max() - stamps.min())
    steps = min(most, len(stamps))
    step_ns = span // steps + 1
    looked_at = np.zeros(steps, np.int64)
    counts = np.zeros((steps, len(classes)), np.int64)
    sums = np.zeros((steps, len(classes)))
    for item in shown:
        step = (item.frame.stamp_ns - first) // step_ns
        labels, scores = item.detections.labels, item.detections.scores
        looked_at[step] += 1
        counts[step] += np.bincount(labels, minlength=len(classes))
        sums[step] += np.bincount(labels, scores, minlength=len(classes))
    means = np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)
    return {
        'first_ns': first,
        'step_ns': step_ns,
        'frames': np.bincount((stamps - first) // step_ns, minlength=steps).tolist(),
        'looked_at': looked_at.tolist(),
        'count': dict(zip(classes, counts.T.tolist(), strict=True)),
        'score': {
            name: [None if np.isnan(value) else float(value) for value in row]
            for name, row in zip(classes, means.T, strict=True)
        },
    }
