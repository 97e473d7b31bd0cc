"""How far two detectors say the same, by hand."""

from kitti_scenes import found
import numpy as np
import pytest
from squeezedet_ros.detections import Detections
from squeezedet_ros.evaluation.agreement import match_frame, summarise

CLASSES = ('car', 'pedestrian')


def test_pairs_are_of_one_class_and_overlap():
    """
    Overlaps by hand: shifted by a fifth of its width a box shares 80 of 120, by half 50 of 150.

    The pedestrian of A stands where B has a car.
    """
    a = found((0, 0.9, 0, 0, 100, 50), (0, 0.8, 200, 0, 300, 50), (1, 0.7, 400, 0, 450, 50))
    b = found((0, 0.6, 20, 0, 120, 50), (0, 0.5, 250, 0, 350, 50), (0, 0.4, 400, 0, 450, 50))
    cars, pedestrians = match_frame(a, b, 2, 0.5)
    assert (cars.a, cars.b, cars.overlaps.tolist()) == (2, 3, [pytest.approx(80 / 120)])
    assert cars.changes.tolist() == [pytest.approx(-0.3)]
    assert (cars.unmatched, pedestrians.unmatched) == (3, 1)
    assert match_frame(a, b, 2, 0.3)[0].overlaps.tolist() == pytest.approx([80 / 120, 50 / 150])


def test_pairs_overlap_most_together():
    """Greedy by score would give the better of A the middle box and leave the other alone."""
    a = found((0, 0.9, 0, 0, 100, 50), (0, 0.8, 40, 0, 140, 50))
    b = found((0, 0.7, 20, 0, 120, 50), (0, 0.6, -20, 0, 80, 50))
    (cars,) = match_frame(a, b, 1, 0.5)
    assert cars.overlaps.tolist() == pytest.approx([80 / 120, 80 / 120])
    assert cars.changes.tolist() == pytest.approx([-0.3, -0.1])


def test_summary_of_two_frames():
    box, far = (0, 0, 100, 50), (500, 0, 600, 50)
    frames = [
        (found((0, 0.9, *box)), found((0, 0.8, *box), (1, 0.5, *far))),
        (found((0, 0.5, *box), (0, 0.4, *far)), found((0, 0.9, *box))),
    ]
    told = summarise([match_frame(*pair, 2, 0.5) for pair in frames], CLASSES)
    car = told['classes']['car']
    assert [car[key] for key in ('a', 'b', 'matched', 'only_a', 'only_b')] == [3, 2, 2, 1, 0]
    assert car['agreement'] == pytest.approx(4 / 5)
    assert car['overlap'] == 1
    assert car['score_change'] == {
        'mean': pytest.approx((-0.1 + 0.4) / 2),
        'mean_absolute': pytest.approx(0.25),
        'greatest': pytest.approx(0.4),
    }
    assert told['classes']['pedestrian']['agreement'] == 0
    assert told['all']['agreement'] == pytest.approx(4 / 6)


def test_of_nothing_there_is_no_agreement():
    told = summarise([match_frame(Detections.empty(), Detections.empty(), 2, 0.5)], CLASSES)
    assert told['all']['agreement'] is None
    assert told['all']['score_change'] == dict.fromkeys(('mean', 'mean_absolute', 'greatest'))


def test_the_same_twice_agrees_in_all():
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 500, (30, 2))
    boxes = np.hstack([corners, corners + rng.uniform(5, 90, (30, 2))]).astype(np.float32)
    seen = Detections(boxes, rng.random(30).astype(np.float32), rng.integers(0, 2, 30))
    told = summarise([match_frame(seen, seen, 2, 0.5)], CLASSES)
    assert told['all']['agreement'] == 1
    assert told['all']['score_change']['greatest'] == 0
