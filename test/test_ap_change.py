"""Differences of average precision and their intervals, by hand."""

from kitti_scenes import CLASSES, found, random_set, truth
import numpy as np
import pytest
from records import AWAY, BOX, car
from squeezedet_ros.detections import Detections
from squeezedet_ros.errors import ConfigError
from squeezedet_ros.evaluation.ap_change import (
    ApChange,
    ApKey,
    compare_detections,
    compare_tables,
    ComparisonConfig,
)
from squeezedet_ros.evaluation.average_precision import evaluate_detections
from squeezedet_ros.evaluation.pairing import Side

CAR = ApKey('kitti', 'ap11', 'car', 'all')


def side(detections):
    return Side(detections, detections)


def test_equals_the_evaluation_of_both():
    truths, first = random_set(1, 40, 1 << 20, 1)
    _, second = random_set(2, 40, 1 << 20, 1)
    config = ComparisonConfig(resamples=3, min_overlap=0.6)
    changes = compare_detections(truths, side(first), side(second), CLASSES, config)
    assert {key.section for key in changes} == {'kitti', 'kitti_iou60'}
    for overlap, section in ((None, 'kitti'), (0.6, 'kitti_iou60')):
        a, b = (evaluate_detections(truths, seen, CLASSES, overlap) for seen in (first, second))
        for points in ('ap11', 'ap40'):
            for name in CLASSES:
                for difficulty in ('easy', 'moderate', 'hard', 'all'):
                    change = changes[ApKey(section, points, name, difficulty)]
                    assert change.a == getattr(a, points)[name][difficulty]
                    assert change.b == getattr(b, points)[name][difficulty]


def test_interval_by_hand():
    """
    Two frames with a car each: A finds both, B the first alone, and both have one sample a car.

    A drawn set is frames (1, 1), (1, 2), (2, 2) in shares of 1/4, 1/2, 1/4. With two cars, found
    at recalls 1/2 and 1, the two samples stand at recalls 0 and 1/40: of the 11 points only the
    first is reached, A has 1/11 always. B has 1/11 where frame 1 is drawn at all, else 0.
    """
    truths = [truth(('Car', *BOX, -1, -1))] * 2
    a, b = [car(0.9), car(0.8)], [car(0.9), Detections.empty()]
    config = ComparisonConfig(resamples=400, confidence=0.8)
    change = compare_detections(truths, side(a), side(b), CLASSES, config)[CAR]
    assert (change.a, change.b) == (pytest.approx(1 / 11), pytest.approx(1 / 11))
    # The lowest quarter of the differences is -1/11, so the 10th percentile is; the 90th is 0.
    assert (change.low, change.high) == (pytest.approx(-1 / 11), 0)
    assert change.resamples == 400


def test_draws_are_paired():
    """What both sides have alike never differs, however hard the drawn set is."""
    truths, seen = random_set(3, 30, 1 << 20, 1)
    config = ComparisonConfig(resamples=50)
    changes = compare_detections(truths, side(seen), side(seen), CLASSES, config)
    assert {(change.low, change.high) for change in changes.values()} == {(0.0, 0.0)}


def test_draws_without_truth_do_not_count():
    """One frame of two has the only car: of the draws 1/4 have none."""
    truths = [truth(('Car', *BOX, -1, -1)), truth()]
    seen = [car(0.9), Detections.empty()]
    config = ComparisonConfig(resamples=1000)
    change = compare_detections(truths, side(seen), side(seen), CLASSES, config)[CAR]
    assert 700 < change.resamples < 800


def test_the_seed_makes_the_interval():
    truths, first = random_set(1, 40, 1 << 20, 1)
    second = [seen.select(np.arange(len(seen)) % 3 > 0) for seen in first]
    intervals = [
        compare_detections(
            truths, side(first), side(second), CLASSES, ComparisonConfig(resamples=60, seed=seed)
        )[CAR]
        for seed in (0, 0, 1)
    ]
    assert intervals[0] == intervals[1] != intervals[2]


def test_without_draws_there_is_no_interval():
    truths = [truth(('Car', *BOX))]
    config = ComparisonConfig(resamples=0)
    change = compare_detections(truths, side([car(0.9)]), side([car(0.8, AWAY)]), CLASSES, config)
    assert change[CAR] == ApChange(a=1 / 11, b=0.0)


def test_classes_without_truth_or_grades_are_left_out():
    truths = [truth(('Car', *BOX, -1, -1))]
    seen = side([found((0, 0.9, *BOX), (1, 0.9, *AWAY))])
    changes = compare_detections(truths, seen, seen, CLASSES, ComparisonConfig(resamples=2))
    assert {(key.name, key.difficulty) for key in changes} == {('car', 'all')}


@pytest.mark.parametrize(
    ('change', 'settings', 'falls'),
    [
        (ApChange(a=0.70, b=0.69), {}, False),
        (ApChange(a=0.70, b=0.689), {}, True),
        (ApChange(a=0.70, b=0.69), {'tolerance': 0.0}, True),
        (ApChange(a=0.70, b=0.70), {'tolerance': 0.0}, False),
        (ApChange(a=0.70, b=0.90), {}, False),
        (ApChange(a=0.70, b=0.60, low=-0.2, high=0.01), {'only_certain': True}, False),
        (ApChange(a=0.70, b=0.60, low=-0.2, high=-0.01), {'only_certain': True}, True),
        (ApChange(a=0.70, b=0.60), {'only_certain': True}, False),
    ],
)
def test_what_is_a_regression(change, settings, falls):
    assert change.falls(ComparisonConfig(**settings)) is falls


def test_tables_without_frames():
    a = {'kitti': {'ap11': {'car': {'easy': None, 'all': 0.5}, 'dog': {'all': 0.1}}, 'ap40': {}}}
    b = {'kitti': {'ap11': {'car': {'easy': 0.4, 'all': 0.75}}, 'ap40': {}}, 'coco': None}
    changes = compare_tables(a, b)
    assert changes == {CAR: ApChange(a=0.5, b=0.75)}
    assert changes[CAR].difference == 0.25


def test_a_certain_fall_needs_draws():
    with pytest.raises(ConfigError, match='only_certain needs intervals, got resamples 0'):
        ComparisonConfig(only_certain=True, resamples=0)


def test_bounds_are_checked():
    with pytest.raises(ConfigError, match=r'tolerance must be in \[0, 1\], got 2'):
        ComparisonConfig(tolerance=2)
    with pytest.raises(ConfigError, match='points must be one of ap11, ap40'):
        ComparisonConfig(points='ap12')
