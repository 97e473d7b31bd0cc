"""Resampled average precision: by hand, and against scoring the resampled set itself."""

from __future__ import annotations

from time import perf_counter

from kitti_scenes import CLASSES, found, random_boxes, random_set, truth
import numpy as np
import pytest
from squeezedet_ros.detections import Detections
from squeezedet_ros.evaluation.average_precision import evaluate_detections, recall_places
from squeezedet_ros.evaluation.bootstrap import draw_weights, split_curve
from squeezedet_ros.evaluation.kitti_matching import ALL, DIFFICULTIES, make_scenes

BOX = (100, 100, 200, 150)
AWAY = (400, 100, 500, 150)
SETS = {
    'plain': lambda: random_set(1, 60, 1 << 20, 1),
    'ties': lambda: random_set(2, 60, 8, 1),
    'dont_care': lambda: random_set(3, 60, 1000, 4),
    'random_boxes': lambda: random_boxes(4, 150),
}


@pytest.mark.parametrize('name', SETS)
def test_equals_the_evaluation_of_the_drawn_set(name):
    truths, detections = SETS[name]()
    drawn = [np.ones(len(truths), np.int64), *draw_weights(len(truths), 7, 3, 3)]
    results = []
    for weights in drawn:
        rows = np.repeat(np.arange(len(truths)), weights)
        results.append(
            evaluate_detections(
                [truths[row] for row in rows], [detections[row] for row in rows], CLASSES, 0.5
            )
        )
    for label, kind in enumerate(CLASSES):
        scenes = make_scenes(truths, detections, label, kind)
        for difficulty in DIFFICULTIES:
            split = split_curve(scenes, difficulty, 0.5)
            for weights, result in zip(drawn, results, strict=True):
                expected = result.curves[kind][difficulty.name]
                got = split.weighted(weights)
                assert got.truth == expected.truth
                assert got.precision.tolist() == expected.precision.tolist()


def test_weights_by_hand():
    """Frame 0: a car found at 0.9. Frame 1: a car found at 0.5 below a false alarm at 0.8."""
    truths = [truth(('Car', *BOX)), truth(('Car', *BOX))]
    detections = [found((0, 0.9, *BOX)), found((0, 0.8, *AWAY), (0, 0.5, *BOX))]
    split = split_curve(make_scenes(truths, detections, 0, 'car'), ALL, 0.5)
    assert split.weighted(np.array([1, 1])).precision[:3].tolist() == [1, pytest.approx(2 / 3), 0]
    assert split.weighted(np.array([0, 1])).precision[:2].tolist() == [0.5, 0]
    got = split.weighted(np.array([1, 2]))
    assert got.truth == 3
    assert got.precision[:4].tolist() == [1, pytest.approx(3 / 5), pytest.approx(3 / 5), 0]


def test_without_truth_or_detections():
    nothing = split_curve(make_scenes([truth()], [found((0, 0.9, *BOX))], 0, 'car'), ALL, 0.5)
    assert nothing.weighted(np.array([3])).ap40 is None
    scenes = make_scenes([truth(('Car', *BOX))], [Detections.empty()], 0, 'car')
    assert split_curve(scenes, ALL, 0.5).weighted(np.array([2])).ap40 == 0


def test_recall_places_are_those_of_kittis_loop():
    for truth_count in (1, 2, 39, 40, 41, 77, 80, 441, 1000):
        for count in {0, 1, truth_count // 3, truth_count - 1, truth_count}:
            expected, wanted = [], 0.0
            for index in range(count):
                here, following = (index + 1) / truth_count, (index + 2) / truth_count
                if index < count - 1 and following - wanted < wanted - here:
                    continue
                expected.append(index)
                wanted += 1 / 40
            assert recall_places(count, truth_count) == expected


def test_draws_are_seeded_and_as_many_as_there_are():
    first, second, other = (list(draw_weights(10, 1, seed, 5)) for seed in (1, 1, 2))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)
    assert [weights.sum() for weights in first] == [10] * 5


def test_blocks_are_drawn_whole():
    """10 frames in blocks of 5: two runs of five, ends joined."""
    for weights in draw_weights(10, 5, 0, 20):
        starts = np.flatnonzero(np.diff(weights, prepend=weights[-1]) > 0)
        assert weights.sum() == 10
        assert len(starts) <= 2
    (whole,) = draw_weights(4, 100, 0, 1)
    assert whole.tolist() == [1, 1, 1, 1]


def test_a_thousand_draws_are_quick():
    truths, detections = random_set(5, 400, 1 << 20, 1)
    split = split_curve(make_scenes(truths, detections, 0, 'car'), ALL, 0.5)
    start = perf_counter()
    values = [split.weighted(weights).ap40 for weights in draw_weights(400, 1, 0, 1000)]
    assert perf_counter() - start < 5
    assert 0.01 < np.std(values) < 0.1
