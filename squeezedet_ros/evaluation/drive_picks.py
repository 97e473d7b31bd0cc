"""Frames of a drive that are worth a look, and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from squeezedet_ros.evaluation.drive_statistics import Flicker, Shown
from squeezedet_ros.evaluation.gallery import rank_frames

_UNSURE = 0.1


class Pick(NamedTuple):
    """A frame by its place in the record, and why it is worth a look."""

    place: int
    reason: str


def pick_frames(
    shown: Sequence[Shown],
    events: Sequence[Flicker],
    classes: Sequence[str],
    *,
    threshold: float,
    min_overlap: float,
    most: int,
) -> list[Pick]:
    """
    Return some frames that were looked at: of each reason in turn, each frame once.

    :param events: of :func:`~.drive_statistics.find_flicker`.
    :param threshold: least probability of what is published; a detection near it is unsure.
    :param min_overlap: intersection over union of a match with truth.
    :param most: how many at most.
    """
    waiting = [
        _worst(shown, classes, min_overlap),
        _flickering(events, classes),
        _changing(shown),
        _unsure(shown, threshold),
    ]
    picked: dict[int, Pick] = {}
    while waiting and len(picked) < most:
        reason = waiting.pop(0)
        pick = next((item for item in reason if item.place not in picked), None)
        if pick is not None:
            picked[pick.place] = pick
            waiting.append(reason)
    return list(picked.values())


def _worst(shown: Sequence[Shown], classes: Sequence[str], min_overlap: float) -> Iterator[Pick]:
    pairs = [(item, item.frame.truth) for item in shown]
    told = [(item, truth) for item, truth in pairs if truth is not None]
    truths = [truth for _, truth in told]
    ranked = rank_frames(truths, [item.detections for item, _ in told], classes, min_overlap)
    for row in ranked:
        if row.missed + row.false_alarms:
            reason = f'{row.missed} missed ({row.badly_placed} badly placed)'
            yield Pick(told[row.frame][0].place, f'{reason}, {row.false_alarms} false')


def _flickering(events: Sequence[Flicker], classes: Sequence[str]) -> Iterator[Pick]:
    """Frames in which most objects are not seen that are before and after."""
    hidden: dict[int, list[str]] = {}
    for event in events:
        hidden.setdefault(event.place, []).append(classes[event.label])
    for place, names in sorted(hidden.items(), key=lambda item: -len(item[1])):
        yield Pick(place, f'not seen here, but before and after: {", ".join(names)}')


def _changing(shown: Sequence[Shown]) -> Iterator[Pick]:
    changes = [
        (len(before.detections), len(after.detections), after.place)
        for before, after in pairwise(shown)
    ]
    for before, now, place in sorted(changes, key=lambda item: -abs(item[1] - item[0])):
        if now != before:
            yield Pick(place, f'{now} seen, {before} in the frame before')


def _unsure(shown: Sequence[Shown], threshold: float) -> Iterator[Pick]:
    counts = []
    for item in shown:
        found = item.frame.detections
        scores = np.zeros(0) if found is None else found.scores
        counts.append((int((np.abs(scores - threshold) < _UNSURE).sum()), item.place))
    for count, place in sorted(counts, key=lambda item: -item[0]):
        if count:
            yield Pick(place, f'{count} within {_UNSURE:g} of the threshold')
