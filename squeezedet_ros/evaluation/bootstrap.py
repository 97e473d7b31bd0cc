"""
Average precision of data sets drawn anew, frame by frame, from the one there is (the bootstrap).

What each frame adds to the counts of :mod:`.average_precision` is worked out once; a drawn set is
then no more than how often each frame is in it. ``F`` frames, ``M`` true positives when each
object takes its most probable match, ``E`` scores of a frame at which its counts change.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from squeezedet_ros.evaluation.average_precision import (
    make_curve,
    PrecisionCurve,
    recall_places,
)
from squeezedet_ros.evaluation.kitti_matching import (
    count_outcomes,
    count_truth,
    Difficulty,
    recalled_scores,
    Scene,
)

Integers = NDArray[np.int64]

_NO_COUNTS = np.zeros(0), np.zeros(0, np.int64), np.zeros(0, np.int64)


class _Steps(NamedTuple):
    """
    A count over all frames that changes as the score falls.

    :param frames: (E,) which frame changes, by descending score.
    :param changes: (E,) by how much.
    :param ends: (M,) how many changes are at or above the score of each true positive.
    """

    frames: Integers
    changes: Integers
    ends: Integers

    def total(self, weights: Integers, places: Sequence[int] | Integers) -> Integers:
        """Return the count at the score of some true positives, each frame by its weight."""
        ends = self.ends[places]
        used = slice(int(ends.max(initial=0)))
        sums = np.cumsum(self.changes[used] * weights[self.frames[used]])
        return np.append(0, sums)[ends]


class CurveByFrame(NamedTuple):
    """
    A precision curve taken apart into what each of F frames adds to it.

    :param truth: (F,) true objects that must be found.
    :param recalled: (M,) the frame of each true positive, by descending score.
    """

    truth: Integers
    recalled: Integers
    hits: _Steps
    false_alarms: _Steps

    def weighted(self, weights: Integers) -> PrecisionCurve:
        """
        Return the curve of a set in which each frame is so many times.

        With all weights 1 it is that of :func:`.average_precision.evaluate_detections`.

        :param weights: (F,) 0 or more.
        """
        truth = int(weights @ self.truth)
        ranks = np.cumsum(weights[self.recalled])
        wanted = recall_places(int(ranks[-1]) if len(ranks) else 0, truth)
        places = np.searchsorted(ranks, wanted, side='right')
        return make_curve(
            truth,
            self.hits.total(weights, places),
            self.false_alarms.total(weights, places),
        )


def split_curve(
    scenes: Sequence[Scene], difficulty: Difficulty, min_overlap: float
) -> CurveByFrame:
    """
    Take a precision curve apart.

    :param scenes: one for each frame, as :func:`.kitti_matching.make_scenes` has them.
    :param min_overlap: intersection over union that a match must exceed.
    """
    recalled = [
        (score, frame)
        for frame, scene in enumerate(scenes)
        for score in recalled_scores([scene], difficulty, min_overlap)
    ]
    recalled.sort(reverse=True)
    scores = np.array([score for score, _ in recalled])
    lowest = scores[-1] if len(scores) else np.inf
    parts = [_counts(scene, difficulty, min_overlap, lowest) for scene in scenes]
    frames = np.repeat(np.arange(len(scenes)), [len(part[0]) for part in parts])
    falling, hits, false_alarms = map(np.concatenate, zip(_NO_COUNTS, *parts, strict=True))
    return CurveByFrame(
        np.array([count_truth([scene], difficulty) for scene in scenes], np.int64),
        np.array([frame for _, frame in recalled], np.int64),
        _steps(falling, frames, hits, scores),
        _steps(falling, frames, false_alarms, scores),
    )


def _counts(
    scene: Scene, difficulty: Difficulty, min_overlap: float, lowest: float
) -> tuple[NDArray[np.float64], Integers, Integers]:
    """Return the scores of a frame, falling, and its hits and false alarms at each."""
    own = scene.scores[scene.labelled]
    scores = np.sort(own[own >= lowest])[::-1]
    if not len(scores):
        return _NO_COUNTS
    hits, false_alarms, _ = count_outcomes([scene], difficulty, min_overlap, scores.tolist())
    return scores.astype(np.float64), hits, false_alarms


def _steps(
    falling: NDArray[np.float64], frames: Integers, counts: Integers, scores: NDArray[np.float64]
) -> _Steps:
    changes = counts.copy()
    same = frames[1:] == frames[:-1]
    changes[1:][same] -= counts[:-1][same]
    kept = np.flatnonzero(changes)
    kept = kept[np.argsort(-falling[kept], kind='stable')]
    ends = np.searchsorted(-falling[kept], -scores, side='right')
    return _Steps(frames[kept], changes[kept], ends)


def draw_weights(frames: int, block: int, seed: int, resamples: int) -> Iterator[Integers]:
    """
    Give for each drawn set how often each frame is in it, (F,), as many in all as there are.

    Frames that follow each other in a drive show nearly the same; drawing blocks of them, ends
    joined, keeps the interval from being too narrow (circular block bootstrap, Politis and Romano
    1992).

    :param frames: F, at least 1.
    :param block: frames that are drawn together.
    """
    rng = np.random.default_rng(seed)
    for _ in range(resamples):
        starts = rng.integers(0, frames, ceil(frames / block))
        rows = (starts[:, None] + np.arange(block)).ravel()[:frames] % frames
        yield np.bincount(rows, minlength=frames)
