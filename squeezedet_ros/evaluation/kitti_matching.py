"""
Which detection stands for which true object, by the rules of KITTI's object benchmark.

The rules are those of the benchmark's development kit (evaluate_object.cpp: cleanData,
computeStatistics). ``G`` true boxes, ``D`` detections, ``T`` score thresholds; boxes are xyxy in
pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from squeezedet_ros.data.ground_truth import DONT_CARE, GroundTruth
from squeezedet_ros.detections import Detections

# Found or missed, an object of the neighbouring class counts neither way.
NEIGHBOURS = {'car': 'van', 'pedestrian': 'person_sitting'}

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


class Difficulty(NamedTuple):
    """
    Which true objects of a class count; the others count neither way, found or missed.

    :param min_height: in pixels; a true object must be higher (in KITTI's kit since
        2017; before, equally high ones counted), a detection must not be lower.
    """

    name: str
    min_height: float
    max_occluded: float
    max_truncated: float


ALL = Difficulty('all', 25, inf, inf)
DIFFICULTIES = (
    Difficulty('easy', 40, 0, 0.15),
    Difficulty('moderate', 25, 1, 0.3),
    Difficulty('hard', 25, 2, 0.5),
    ALL,
)


class Scene(NamedTuple):
    """
    One image as one class sees it: G true objects of the class or its neighbour, all D detections.

    :param rows: (G,) place of each object in the image's truth.
    :param overlaps: (G, D) intersection over union.
    :param own: (G,) whether a true object is of the class itself.
    :param heights: (G,) pixels.
    :param truncated: (G,) as in :class:`GroundTruth`.
    :param occluded: (G,) as in :class:`GroundTruth`.
    :param covered: (D,) greatest share of a detection inside one DontCare region.
    :param labelled: (D,) whether a detection is of the class.
    :param detected_heights: (D,) pixels.
    :param scores: (D,).
    """

    rows: NDArray[np.int64]
    overlaps: Floats
    own: Mask
    heights: Floats
    truncated: NDArray[np.float32]
    occluded: NDArray[np.int64]
    covered: Floats
    labelled: Mask
    detected_heights: Floats
    scores: NDArray[np.float32]


class Counts(NamedTuple):
    """
    Outcome of the detections at or above each threshold.

    :param true_positives: (T,).
    :param false_positives: (T,).
    :param false_negatives: (T,).
    """

    true_positives: NDArray[np.int64]
    false_positives: NDArray[np.int64]
    false_negatives: NDArray[np.int64]


class Roles(NamedTuple):
    """
    What counts in a scene at one difficulty.

    :param counted: (G,) true objects that must be found.
    :param valid: (D,) detections of the class.
    :param small: (D,) detections of any class below the least height, as KITTI has it.
    """

    counted: Mask
    valid: Mask
    small: Mask


def make_scenes(
    truths: Sequence[GroundTruth], detections: Sequence[Detections], label: int, name: str
) -> list[Scene]:
    """
    Return every image as one class sees it.

    :param label: the class in the detections.
    :param name: the class in the truth, in any case.
    :raises ValueError: when there are not as many detections as truths.
    """
    if len(truths) != len(detections):
        raise ValueError(
            f'expected detections of {len(truths)} images, as there is truth for, '
            f'got {len(detections)}'
        )
    return [
        _make_scene(truth, found, label, name.lower())
        for truth, found in zip(truths, detections, strict=True)
    ]


def _make_scene(truth: GroundTruth, found: Detections, label: int, name: str) -> Scene:
    names = np.array([item.lower() for item in truth.names], np.str_)
    rows = np.flatnonzero((names == name) | (names == NEIGHBOURS.get(name, name)))
    boxes = _as_written(truth.boxes[rows])
    regions = _as_written(truth.boxes[names == DONT_CARE.lower()])
    detected = _as_written(found.boxes)
    return Scene(
        rows=rows,
        overlaps=intersection_over_union(boxes, detected),
        own=names[rows] == name,
        heights=boxes[:, 3] - boxes[:, 1],
        truncated=truth.truncated[rows],
        occluded=truth.occluded[rows],
        covered=_share_inside(detected, regions).max(1, initial=0),
        labelled=found.labels == label,
        detected_heights=np.abs(detected[:, 3] - detected[:, 1]),
        scores=found.scores,
    )


def _as_written(boxes: NDArray[np.float32]) -> Floats:
    """
    Return boxes in the decimals of the file they come from, which float32 blurs.

    KITTI's evaluator reads double precision, and an overlap or a height just at its limit counts.
    """
    return np.asarray(boxes.astype(np.float64).round(3))


def _intersection(first: Floats, second: Floats) -> Floats:
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    return np.asarray(np.clip(high - low, 0, None).prod(-1))


def _area(boxes: Floats) -> Floats:
    return np.asarray((boxes[:, 2:] - boxes[:, :2]).prod(-1))


def intersection_over_union(first: Floats, second: Floats) -> Floats:
    """Return (N, M) of N and M boxes; 0 for boxes without area."""
    shared = _intersection(first, second)
    union = _area(first)[:, None] + _area(second)[None] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=shared > 0)


def _share_inside(boxes: Floats, regions: Floats) -> Floats:
    shared = _intersection(boxes, regions)
    area = np.broadcast_to(_area(boxes)[:, None], shared.shape)
    return np.divide(shared, area, out=np.zeros_like(shared), where=shared > 0)


def roles(scene: Scene, difficulty: Difficulty) -> Roles:
    """Return what counts in a scene at one difficulty."""
    small = scene.detected_heights < difficulty.min_height
    counted = (
        scene.own
        & (scene.heights > difficulty.min_height)
        & (scene.occluded <= difficulty.max_occluded)
        # In the labels' own precision, so that 0.15 in a file is within the limit 0.15.
        & (scene.truncated <= np.float32(difficulty.max_truncated))
    )
    return Roles(counted, scene.labelled & ~small, small)


def count_truth(scenes: Sequence[Scene], difficulty: Difficulty) -> int:
    """Return how many true objects must be found."""
    return sum(int(roles(scene, difficulty).counted.sum()) for scene in scenes)


def recalled_scores(
    scenes: Sequence[Scene], difficulty: Difficulty, min_overlap: float
) -> list[float]:
    """Return the scores of the true positives when each object takes its most probable match."""
    return [
        score for scene in scenes for score in _recalled_scores(scene, difficulty, min_overlap)
    ]


def _recalled_scores(scene: Scene, difficulty: Difficulty, min_overlap: float) -> list[float]:
    counted, valid, small = roles(scene, difficulty)
    free = valid | small
    near = scene.overlaps > min_overlap
    scores = []
    for row in np.flatnonzero(near.any(1)):
        candidates = np.flatnonzero(near[row] & free)
        if not len(candidates):
            continue
        best = candidates[scene.scores[candidates].argmax()]
        free[best] = False
        if counted[row] and valid[best]:
            scores.append(float(scene.scores[best]))
    return scores


def count_outcomes(
    scenes: Sequence[Scene], difficulty: Difficulty, min_overlap: float, thresholds: list[float]
) -> Counts:
    """Count over all images what the detections at or above each threshold get right."""
    total = np.zeros((3, len(thresholds)), np.int64)
    for scene in scenes:
        total += _count_outcomes(scene, difficulty, min_overlap, np.array(thresholds, np.float32))
    return Counts(*total)


def _count_outcomes(
    scene: Scene, difficulty: Difficulty, min_overlap: float, thresholds: NDArray[np.float32]
) -> Counts:
    """
    Count one image; each object takes, in the order of the labels, what overlaps it most.

    A too small detection is taken only where no other overlaps enough; such a pair counts neither
    way. The same holds for an object that need not be found and for what takes part with it.
    """
    counted, valid, small = roles(scene, difficulty)
    free = (scene.scores >= thresholds[:, None]) & (valid | small)
    near = scene.overlaps > min_overlap
    reached = near.any(1)
    hits = np.zeros(len(thresholds), np.int64)
    misses = np.full(len(thresholds), (counted & ~reached).sum())
    for row in np.flatnonzero(reached):
        candidates = free & (near[row] & valid)
        matched = candidates.any(1)
        best = np.where(candidates, scene.overlaps[row], 0).argmax(1)
        fallback = free & (near[row] & small)
        found = matched | fallback.any(1)
        taken = np.where(matched, best, fallback.argmax(1))
        free[np.flatnonzero(found), taken[found]] = False
        if counted[row]:
            hits += matched
            misses += ~found
    false_alarms = (free & (valid & (scene.covered <= min_overlap))).sum(1)
    return Counts(hits, false_alarms, misses)
