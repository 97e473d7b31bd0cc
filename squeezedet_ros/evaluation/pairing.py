"""The frames that two records share, as scoring and matching want them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from squeezedet_ros.data.ground_truth import GroundTruth
from squeezedet_ros.detections import Detections
from squeezedet_ros.errors import DatasetError
from squeezedet_ros.evaluation.drive_record import DriveRecord, FrameRecord
from squeezedet_ros.evaluation.streaming_ap import newest_published
from squeezedet_ros.postprocessing import drop_improbable

Scoring = Literal['looked_at', 'all', 'streaming']
_Key = str | int


class Side(NamedTuple):
    """
    What one detector saw in the shared frames.

    :param detections: one for each frame, labels by the shared classes; those of any other class
        have the label after the last, since KITTI's rules look at small ones of every class.
    :param published: those at or above the record's thresholds.
    """

    detections: list[Detections]
    published: list[Detections]

    def rows(self, rows: Sequence[int]) -> Side:
        """Return the same of some frames."""
        return Side(*([column[row] for row in rows] for column in self))


class FrameCounts(NamedTuple):
    """
    How many frames are compared, and why others are not.

    :param shared: those that are compared.
    :param with_truth: those of them of which the truth is known.
    :param only_a: in A alone.
    :param only_b: in B alone.
    :param unseen_a: in both, but not looked at by A, or streaming, before anything was published;
        left out of what was looked at, else nothing was seen in them.
    :param unseen_b: the same of B.
    :param repeated: of a stamp or name that was there before; the first counts.
    :param other_truth: with another truth in B than in A; that of A counts.
    """

    shared: int
    with_truth: int
    only_a: int
    only_b: int
    unseen_a: int
    unseen_b: int
    repeated: int
    other_truth: int


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Paired:
    """
    The frames that two records share, in the order of the first.

    :param classes: those that both know, named as in A.
    :param left_out: classes that only one knows.
    :param frames: as A has them.
    :param truths: one for each frame, None where nothing says.
    """

    classes: tuple[str, ...]
    left_out: tuple[str, ...]
    frames: list[FrameRecord]
    truths: list[GroundTruth | None]
    a: Side
    b: Side
    counts: FrameCounts

    def scored(self) -> tuple[list[GroundTruth], Side, Side]:
        """Return truth and both sides of the frames that have truth."""
        rows = [row for row, truth in enumerate(self.truths) if truth is not None]
        truths = [truth for truth in self.truths if truth is not None]
        return truths, self.a.rows(rows), self.b.rows(rows)


def pair_records(a: DriveRecord, b: DriveRecord, scoring: Scoring) -> Paired:
    """
    Find the frames that two records share: by name where all have one, else by stamp.

    :param scoring: which of the ways of :mod:`.streaming_ap`; in a frame that was not looked at
        nothing was seen, or with ``looked_at`` it is left out of both.
    :raises DatasetError: when no frame or no class is shared, or streaming is asked for and a
        record does not say when detections were published.
    """
    if scoring == 'streaming':
        a, b = _streamed(a), _streamed(b)
    classes, left_out = _shared_classes(a, b)
    named = all(frame.name for record in (a, b) for frame in record.frames)
    first, second = _by_key(a, named), _by_key(b, named)
    shared = [key for key in first if key in second]
    pairs = [(first[key], second[key]) for key in shared]
    looked = [pair for pair in pairs if scoring != 'looked_at' or _is_seen(*pair)]
    if not looked:
        raise DatasetError(_nothing_shared(a, b, named, len(shared)))
    truths = [one.truth if one.truth is not None else other.truth for one, other in looked]
    return Paired(
        classes=classes,
        left_out=left_out,
        frames=[one for one, _ in looked],
        truths=truths,
        a=_side([one for one, _ in looked], a, classes),
        b=_side([other for _, other in looked], b, classes),
        counts=FrameCounts(
            shared=len(looked),
            with_truth=sum(truth is not None for truth in truths),
            only_a=len(first) - len(shared),
            only_b=len(second) - len(shared),
            unseen_a=sum(one.detections is None for one, _ in pairs),
            unseen_b=sum(other.detections is None for _, other in pairs),
            repeated=len(a.frames) + len(b.frames) - len(first) - len(second),
            other_truth=sum(_differs(one.truth, other.truth) for one, other in looked),
        ),
    )


def _streamed(record: DriveRecord) -> DriveRecord:
    """Return a record with the newest detections that were published at the stamp of a frame."""
    frames = record.frames
    if any(frame.detections is not None and frame.published_ns is None for frame in frames):
        raise DatasetError(
            f'expected the times at which detections were published, got none in {record.name}: '
            'streaming is of drives through the node'
        )
    newest = [None if row is None else frames[row].detections for row in newest_published(frames)]
    pairs = zip(frames, newest, strict=True)
    return replace(record, frames=[replace(frame, detections=seen) for frame, seen in pairs])


def _shared_classes(a: DriveRecord, b: DriveRecord) -> tuple[tuple[str, ...], tuple[str, ...]]:
    known_a, known_b = ({name.lower() for name in record.classes} for record in (a, b))
    shared = tuple(name for name in a.classes if name.lower() in known_b)
    if not shared:
        raise DatasetError(
            f'expected classes that both know, got {", ".join(a.classes) or "none"} in {a.name} '
            f'and {", ".join(b.classes) or "none"} in {b.name}'
        )
    alone = [name for name in a.classes if name.lower() not in known_b]
    alone += [name for name in b.classes if name.lower() not in known_a]
    return shared, tuple(alone)


def _by_key(record: DriveRecord, named: bool) -> dict[_Key, FrameRecord]:
    frames: dict[_Key, FrameRecord] = {}
    for frame in record.frames:
        frames.setdefault(frame.name if named else frame.stamp_ns, frame)
    return frames


def _is_seen(*frames: FrameRecord) -> bool:
    return all(frame.detections is not None for frame in frames)


def _nothing_shared(a: DriveRecord, b: DriveRecord, named: bool, shared: int) -> str:
    if shared:
        return (
            f'expected frames that both looked at, got none among the {shared} that {a.name} and '
            f'{b.name} share'
        )
    what = 'name' if named else 'stamp'
    spans = (
        f'{record.name} ({_span(record, named) if record.frames else "no frame"})'
        for record in (a, b)
    )
    return f'expected frames of the same {what}, got none in {" and ".join(spans)}'


def _span(record: DriveRecord, named: bool) -> str:
    ends = record.frames[0], record.frames[-1]
    first, last = (frame.name if named else f'{frame.stamp_ns} ns' for frame in ends)
    return f'{len(record.frames)} frames, {first} to {last}'


def _differs(one: GroundTruth | None, other: GroundTruth | None) -> bool:
    if one is None or other is None:
        return False
    return one.names != other.names or not np.array_equal(one.boxes, other.boxes)


def _side(frames: Sequence[FrameRecord], record: DriveRecord, classes: Sequence[str]) -> Side:
    places = {name.lower(): label for label, name in enumerate(classes)}
    labels = [places.get(name.lower(), len(classes)) for name in record.classes]
    # One more: result files of others may hold types that are no class at all.
    table = np.array([*labels, len(classes)], np.int64)
    common = record.plot_prob_thresh
    least = [record.class_thresh.get(name, common) for name in record.classes]
    thresholds = np.array([*least, common], np.float32)
    seen = [
        Detections.empty() if frame.detections is None else _known(frame.detections, len(least))
        for frame in frames
    ]
    published = [drop_improbable(found, thresholds) for found in seen]
    return Side(*([_relabelled(found, table) for found in column] for column in (seen, published)))


def _relabelled(
    found: Detections, table: np.ndarray[tuple[int], np.dtype[np.int64]]
) -> Detections:
    return Detections(found.boxes, found.scores, table[found.labels], found.ids)


def _known(found: Detections, classes: int) -> Detections:
    """Return the same with one label for whatever is no class."""
    return Detections(found.boxes, found.scores, np.minimum(found.labels, classes), found.ids)
