"""KITTI average precision: by hand, and against numbers of KITTI's own evaluator."""

from __future__ import annotations

from kitti_scenes import (
    backwards,
    CLASSES,
    found,
    random_boxes,
    random_set,
    truth,
    with_decimals,
)
import numpy as np
import pytest
from squeezedet_ros.detections import Detections
from squeezedet_ros.evaluation.average_precision import (
    count_matches,
    evaluate_detections,
    kitti_min_overlap,
    recall_thresholds,
)
from squeezedet_ros.evaluation.kitti_matching import (
    ALL,
    count_outcomes,
    make_scenes,
    recalled_scores,
)

BOX = (100, 100, 200, 150)
AWAY = (400, 100, 500, 150)

# What KITTI's evaluate_object.cpp (the kit of 2017 with 3D and bird's eye view), compiled with a
# fourth difficulty that takes every occlusion and truncation, gave for the sets written by
# kitti_writer and kitti_results: easy, moderate, hard, all of each class.
DEVKIT_AP11 = {
    'plain': (
        (0.118464, 0.244058, 0.297691, 0.370388),
        (0.030508, 0.113274, 0.321620, 0.356237),
        (0.013078, 0.191164, 0.374014, 0.361756),
    ),
    'ties': (
        (0.010846, 0.138747, 0.291320, 0.343513),
        (0.029459, 0.201361, 0.302655, 0.409064),
        (0.002392, 0.052569, 0.237980, 0.283826),
    ),
    'dont_care': (
        (0.100791, 0.361434, 0.508657, 0.549737),
        (0.031551, 0.258451, 0.351759, 0.388530),
        (0.009091, 0.142158, 0.343686, 0.397717),
    ),
    'random_boxes': (
        (0.001684, 0.030318, 0.051426, 0.069320),
        (0.000000, 0.010960, 0.023279, 0.030508),
        (0.000000, 0.016176, 0.033693, 0.042139),
    ),
    'file_order': (
        (0.001684, 0.030298, 0.039444, 0.069074),
        (0.000000, 0.010960, 0.023279, 0.030508),
        (0.000000, 0.016176, 0.033713, 0.042400),
    ),
    'decimals': (
        (0.176077, 0.301026, 0.397381, 0.429861),
        (0.123867, 0.268832, 0.341481, 0.379838),
        (0.058288, 0.240306, 0.305589, 0.327870),
    ),
}
DEVKIT_AP40 = {
    'plain': (
        (0.050610, 0.196408, 0.257782, 0.314535),
        (0.023729, 0.099049, 0.311069, 0.346165),
        (0.007193, 0.137014, 0.346799, 0.346423),
    ),
    'ties': (
        (0.003597, 0.136370, 0.279293, 0.319773),
        (0.021120, 0.195816, 0.292579, 0.402004),
        (0.000658, 0.047265, 0.226385, 0.279765),
    ),
    'dont_care': (
        (0.049668, 0.335375, 0.492758, 0.553636),
        (0.016369, 0.242222, 0.308526, 0.361221),
        (0.002500, 0.119360, 0.303066, 0.363318),
    ),
    'random_boxes': (
        (0.000463, 0.026037, 0.042106, 0.056797),
        (0.000000, 0.009042, 0.020657, 0.027447),
        (0.000000, 0.011784, 0.029319, 0.035261),
    ),
    'file_order': (
        (0.000463, 0.026014, 0.038596, 0.056526),
        (0.000000, 0.009042, 0.019029, 0.026670),
        (0.000000, 0.011784, 0.029425, 0.035404),
    ),
    'decimals': (
        (0.154454, 0.288855, 0.398034, 0.423166),
        (0.045831, 0.219763, 0.312435, 0.361908),
        (0.049801, 0.231132, 0.287225, 0.334783),
    ),
}
# The overlap is that of cars; pedestrians and cyclists had 0.5 in every run.
SETS = {
    'plain': (lambda: random_set(1, 150, 1 << 20, 1), None),
    'ties': (lambda: random_set(2, 150, 8, 1), None),
    'dont_care': (lambda: random_set(3, 150, 1000, 4), 0.5),
    'random_boxes': (lambda: random_boxes(4, 400), 0.5),
    'file_order': (lambda: backwards(*random_boxes(4, 400)), 0.5),
    'decimals': (lambda: with_decimals(*random_set(11, 300, 1 << 20, 1)), None),
}


@pytest.mark.parametrize('name', SETS)
def test_equals_kittis_own_evaluator(name):
    make_set, min_overlap = SETS[name]
    result = evaluate_detections(*make_set(), CLASSES, min_overlap)
    for table, expected in ((result.ap11, DEVKIT_AP11[name]), (result.ap40, DEVKIT_AP40[name])):
        got = [list(table[row].values()) for row in CLASSES]
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-6)


def curve(truths, detections, difficulty='all', name='car'):
    return evaluate_detections(truths, detections, CLASSES).curves[name][difficulty]


def test_perfect_detections_of_41_objects_score_one():
    scores = [0.9 - 0.01 * index for index in range(41)]
    got = curve([truth(('Car', *BOX))] * 41, [found((0, score, *BOX)) for score in scores])
    assert (got.truth, got.ap11, got.ap40) == (41, 1.0, 1.0)


def test_each_sample_needs_its_own_true_positive():
    got = curve([truth(('Car', *BOX))], [found((0, 0.9, *BOX))])
    assert got.precision.tolist() == [1.0] + [0.0] * 40
    assert got.ap11 == pytest.approx(1 / 11)
    assert got.ap40 == 0


def test_better_false_positive_halves_the_precision():
    got = curve([truth(('Car', *BOX))], [found((0, 0.9, *AWAY), (0, 0.5, *BOX))])
    assert got.precision[0] == 0.5


def test_weaker_false_positive_costs_nothing():
    got = curve([truth(('Car', *BOX))], [found((0, 0.5, *AWAY), (0, 0.9, *BOX))])
    assert got.precision[0] == 1


def test_a_false_positive_of_equal_score_counts():
    got = curve([truth(('Car', *BOX))], [found((0, 0.5, *AWAY), (0, 0.5, *BOX))])
    assert got.precision[0] == 0.5


def test_half_found_with_a_false_positive_after_each():
    """40 objects, the first 20 found; at the k-th there are k right and k - 1 wrong."""
    truths = [truth(('Car', *BOX))] * 40
    detections = [found((0, 0.9 - k / 50, *BOX), (0, 0.89 - k / 50, *AWAY)) for k in range(20)]
    got = curve(truths, detections + [Detections.empty()] * 20)
    steps = [k / (2 * k - 1) for k in range(1, 21)]
    assert got.precision.tolist() == pytest.approx(steps + [0.0] * 21)
    assert got.ap11 == pytest.approx((1 + 5 / 9 + 9 / 17 + 13 / 25 + 17 / 33) / 11)
    assert got.ap40 == pytest.approx(sum(steps[1:]) / 40)


def test_precision_is_the_best_at_or_beyond_a_recall():
    """Wrong first, then 40 right: precision rises from 1/2 to 40/41, which holds throughout."""
    detections = [found((0, 0.9 - k / 50, *BOX)) for k in range(40)]
    detections[0] = found((0, 0.99, *AWAY), (0, 0.9, *BOX))
    got = curve([truth(('Car', *BOX))] * 40, detections)
    assert got.precision.tolist() == pytest.approx([40 / 41] * 40 + [0])


def test_a_threshold_without_any_positive_has_no_precision():
    """
    The van takes the better detection when scores decide, and the weaker when overlap decides.

    The car is then left with the better one, too far off it and inside DontCare: neither right nor
    wrong is left at that threshold.
    """
    boxes = ((100, 100, 200, 200), (100, 110, 200, 210))
    scene = truth(('Van', *boxes[0]), ('Car', *boxes[1]), ('DontCare', 0, 0, 300, 205))
    better, weaker = (0, 0.9, 100, 85, 200, 185), (0, 0.5, 100, 104, 200, 204)
    scenes = make_scenes([scene], [found(better, weaker)], 0, 'car')
    assert recalled_scores(scenes, ALL, 0.7) == [0.5]
    assert [int(part[0]) for part in count_outcomes(scenes, ALL, 0.7, [0.5])] == [0, 0, 1]
    got = curve([scene], [found(better, weaker)])
    assert got.precision.tolist() == [0.0] * 41


def test_without_truth_there_is_no_precision():
    got = curve([truth()], [found((0, 0.9, *BOX))])
    assert (got.truth, got.ap11, got.ap40) == (0, None, None)


def test_truth_without_detections_scores_zero():
    got = curve([truth(('Car', *BOX))], [Detections.empty()])
    assert (got.truth, got.ap11, got.ap40) == (1, 0.0, 0.0)


def test_no_images_at_all():
    result = evaluate_detections([], [], CLASSES)
    assert {value for row in result.ap40.values() for value in row.values()} == {None}
    assert list(result.ap11) == list(CLASSES)
    assert list(result.ap11['car']) == ['easy', 'moderate', 'hard', 'all']


def test_images_and_detections_must_pair_up():
    with pytest.raises(ValueError, match=r'expected detections of 2 images.* got 1'):
        evaluate_detections([truth(), truth()], [Detections.empty()], CLASSES)


def test_kitti_asks_cars_for_more_overlap():
    assert [kitti_min_overlap(name) for name in ('Car', *CLASSES)] == [0.7, 0.7, 0.5, 0.5]


def test_min_overlap_is_for_every_class():
    """IOU of the boxes is 2/3: enough for a pedestrian, too little for KITTI's car."""
    shifted = (120, 100, 220, 150)
    truths = [truth(('Car', *BOX)), truth(('Pedestrian', *BOX))]
    detections = [found((0, 0.9, *shifted)), found((1, 0.9, *shifted))]
    own = evaluate_detections(truths, detections, CLASSES).ap11
    assert (own['car']['all'], own['pedestrian']['all']) == (0, pytest.approx(1 / 11))
    half = evaluate_detections(truths, detections, CLASSES, 0.5).ap11
    assert half['car']['all'] == half['pedestrian']['all'] == pytest.approx(1 / 11)


def test_recall_thresholds_take_every_second_of_80():
    """By hand: recall of the i-th is (i + 1) / 80, wanted k / 40: first 0, then 1, 3, 5, ..."""
    scores = [1 - index / 100 for index in range(80)]
    taken = [0, *range(1, 80, 2)]
    assert recall_thresholds(scores, 80) == [scores[index] for index in taken]


def test_recall_thresholds_keep_ties_and_the_last():
    assert recall_thresholds([0.5, 0.5], 2) == [0.5, 0.5]
    assert recall_thresholds([0.2, 0.9, 0.9], 400) == [0.9, 0.2]
    assert recall_thresholds([], 0) == []


def test_count_matches_at_one_score():
    truths = [truth(('Car', *BOX), ('Car', *AWAY), ('Pedestrian', *BOX))]
    detections = [found((0, 0.5, *BOX), (0, 0.4, *AWAY), (2, 0.9, *AWAY), (0, 0.8, 0, 0, 90, 90))]
    counts = count_matches(truths, detections, CLASSES, 0.5, 0.5)
    assert counts['car'] == (2, 1, 1, 1)
    assert counts['pedestrian'] == (1, 0, 0, 1)
    assert counts['cyclist'] == (0, 0, 1, 0)
