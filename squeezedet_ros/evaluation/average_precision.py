"""
Average precision by the rules of KITTI's object benchmark.

The rules are those of the benchmark's development kit (evaluate_object.cpp: getThresholds,
eval_class); matching is in :mod:`.kitti_matching`. Average precision is in [0, 1].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from squeezedet_ros.data.ground_truth import GroundTruth
from squeezedet_ros.detections import Detections
from squeezedet_ros.evaluation.kitti_matching import (
    ALL,
    count_outcomes,
    count_truth,
    DIFFICULTIES,
    Difficulty,
    make_scenes,
    recalled_scores,
    Scene,
)

SAMPLE_POINTS = 41
DEFAULT_MIN_OVERLAP = 0.5
KITTI_MIN_OVERLAP = {'car': 0.7}

ApTable = dict[str, dict[str, float | None]]


class PrecisionCurve(NamedTuple):
    """
    Precision over recall of one class at one difficulty.

    :param truth: number of true objects that must be found.
    :param precision: (41,) greatest precision at or beyond each sampled recall, 0 where it is not
        reached. Each sample needs a true positive of its own, so KITTI's rules keep even perfect
        detections of fewer than 41 objects below 1.
    """

    truth: int
    precision: NDArray[np.float64]

    @property
    def ap11(self) -> float | None:
        """Return the mean over recalls 0, 0.1, ..., 1 (KITTI until 2019); None without truth."""
        return float(self.precision[::4].mean()) if self.truth else None

    @property
    def ap40(self) -> float | None:
        """Return the mean over recalls 1/40, ..., 1 (KITTI since 2019); None without truth."""
        return float(self.precision[1:].mean()) if self.truth else None


class MatchCounts(NamedTuple):
    """What must be found, and what the detections at or above one score make of it."""

    truth: int
    true_positives: int
    false_positives: int
    false_negatives: int


@dataclass(frozen=True, slots=True)
class KittiResult:
    """
    Precision curves of a data set.

    :param curves: by class name and difficulty name.
    """

    curves: dict[str, dict[str, PrecisionCurve]]

    @property
    def ap11(self) -> ApTable:
        """Return 11-point average precision by class and difficulty; None without truth."""
        return {
            name: {difficulty: curve.ap11 for difficulty, curve in row.items()}
            for name, row in self.curves.items()
        }

    @property
    def ap40(self) -> ApTable:
        """Return 40-point average precision by class and difficulty; None without truth."""
        return {
            name: {difficulty: curve.ap40 for difficulty, curve in row.items()}
            for name, row in self.curves.items()
        }


def kitti_min_overlap(name: str) -> float:
    """Return the overlap KITTI asks of a class."""
    return KITTI_MIN_OVERLAP.get(name.lower(), DEFAULT_MIN_OVERLAP)


def evaluate_detections(
    truths: Sequence[GroundTruth],
    detections: Sequence[Detections],
    classes: Sequence[str],
    min_overlap: float | None = None,
) -> KittiResult:
    """
    Score the detections of a data set: every class, every difficulty.

    :param truths: one for each image.
    :param detections: one for each image, in the same order, down to a low score: an object whose
        detection was cut off cannot be recalled.
    :param classes: names that the labels of the detections index; the truth's names are compared
        without regard to case.
    :param min_overlap: intersection over union that a match must exceed; None for KITTI's own.
    :raises ValueError: when there are not as many detections as truths.
    """
    curves = {}
    for label, name in enumerate(classes):
        overlap = kitti_min_overlap(name) if min_overlap is None else min_overlap
        scenes = make_scenes(truths, detections, label, name)
        curves[name] = {
            difficulty.name: _precision_curve(scenes, difficulty, overlap)
            for difficulty in DIFFICULTIES
        }
    return KittiResult(curves)


def count_matches(
    truths: Sequence[GroundTruth],
    detections: Sequence[Detections],
    classes: Sequence[str],
    min_overlap: float,
    min_score: float,
) -> dict[str, MatchCounts]:
    """
    Return by class what the detections at or above one score get right, at difficulty ``all``.

    :raises ValueError: when there are not as many detections as truths.
    """
    counts = {}
    for label, name in enumerate(classes):
        scenes = make_scenes(truths, detections, label, name)
        outcomes = count_outcomes(scenes, ALL, min_overlap, [min_score])
        counts[name] = MatchCounts(count_truth(scenes, ALL), *(int(part[0]) for part in outcomes))
    return counts


def recall_thresholds(scores: Sequence[float], truth: int) -> list[float]:
    """
    Return the scores at which recall comes nearest to 0, 1/40, ..., 1 (getThresholds).

    :param scores: of the true positives, in any order; equal ones each take a sample of their own.
    :param truth: number of true objects that must be found.
    """
    ordered = sorted(scores, reverse=True)
    return [ordered[place] for place in recall_places(len(ordered), truth)]


def recall_places(count: int, truth: int) -> list[int]:
    """
    Return which of the true positives, by descending score, are the samples of the curve.

    KITTI's loop looks at all of them; this one steps from sample to sample.

    :param count: number of true positives.
    :param truth: number of true objects that must be found.
    """
    places: list[int] = []
    wanted = 0.0
    place = 0
    while place < count:
        # One less than where the exact numbers would end, for the rounding of the test below.
        place = max(place, min(ceil(wanted * truth - 1.5) - 1, count - 1))
        while place < count - 1 and (place + 2) / truth - wanted < wanted - (place + 1) / truth:
            place += 1
        places.append(place)
        place += 1
        wanted += 1 / (SAMPLE_POINTS - 1)
    return places


def _precision_curve(
    scenes: Sequence[Scene], difficulty: Difficulty, min_overlap: float
) -> PrecisionCurve:
    truth = count_truth(scenes, difficulty)
    scores = recalled_scores(scenes, difficulty, min_overlap)
    thresholds = recall_thresholds(scores, truth)
    hits, false_alarms, _ = count_outcomes(scenes, difficulty, min_overlap, thresholds)
    return make_curve(truth, hits, false_alarms)


def make_curve(
    truth: int, hits: NDArray[np.int64], false_alarms: NDArray[np.int64]
) -> PrecisionCurve:
    """
    Return the curve through its samples.

    :param hits: (T,) true positives at the score of each sample that is reached.
    :param false_alarms: (T,) false positives there.
    """
    precision = np.zeros(SAMPLE_POINTS)
    # The greedy matching can leave a threshold without any positive; KITTI divides 0 by 0 there.
    precision[: len(hits)] = hits / np.maximum(hits + false_alarms, 1)
    return PrecisionCurve(truth, np.maximum.accumulate(precision[::-1])[::-1])
