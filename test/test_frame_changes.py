"""Which frames changed most, by hand."""

from kitti_scenes import found, truth
import pytest
from records import AWAY, BOX, car, frame, record
from squeezedet_ros.detections import Detections
from squeezedet_ros.evaluation.agreement import match_frame
from squeezedet_ros.evaluation.frame_changes import rank_changes
from squeezedet_ros.evaluation.pairing import pair_records

TRUTH = truth(('Car', *BOX))


def rank(a, b):
    paired = pair_records(record(*a), record(*b), 'looked_at')
    pairs = zip(paired.a.published, paired.b.published, strict=True)
    matches = [match_frame(*pair, len(paired.classes), 0.5) for pair in pairs]
    return paired, rank_changes(paired, matches, 0.5)


def test_errors_come_first_then_partners_then_scores():
    both = found((0, 0.9, *BOX), (0, 0.8, *AWAY))
    paired, changes = rank(
        [
            frame(1, car(0.9), TRUTH),
            frame(2, car(0.9), TRUTH),
            frame(3, car(0.9), TRUTH),
            frame(4, car(0.9), TRUTH),
            frame(5, car(0.9)),
        ],
        [
            frame(1, car(0.7), TRUTH),
            frame(2, car(0.9), TRUTH),
            frame(3, both, TRUTH),
            frame(4, car(0.8, AWAY), TRUTH),
            frame(5, both),
        ],
    )
    assert [paired.frames[change.row].stamp_ns for change in changes] == [4, 3, 5, 1]
    moved, more, unknown, weaker = changes
    assert (moved.worse_by, moved.only_a, moved.only_b) == (2, 1, 1)
    assert (moved.b.missed, moved.b.false_alarms) == (1, 1)
    assert (more.worse_by, more.only_a, more.only_b) == (1, 0, 1)
    assert (unknown.a, unknown.b, unknown.only_b) == (None, None, 1)
    assert weaker.score_change == pytest.approx(0.2)


def test_better_is_told_as_less_than_nothing():
    _, (change,) = rank([frame(1, Detections.empty(), TRUTH)], [frame(1, car(0.9), TRUTH)])
    assert change.worse_by == -1


def test_as_json():
    paired, (change,) = rank([frame(7, car(0.9), TRUTH)], [frame(7, Detections.empty(), TRUTH)])
    assert change.to_json(paired) == {
        'stamp_ns': 7,
        'name': '',
        'a': {'missed': 0, 'false_alarms': 0, 'badly_placed': 0},
        'b': {'missed': 1, 'false_alarms': 0, 'badly_placed': 0},
        'worse_by': 1,
        'only_a': 1,
        'only_b': 0,
        'score_change': 0.0,
    }


def test_what_is_not_published_changes_nothing():
    _, changes = rank([frame(1, car(0.3), TRUTH)], [frame(1, car(0.1, AWAY), TRUTH)])
    assert changes == []
