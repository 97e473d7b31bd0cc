"""Which frames of two records belong together."""

from dataclasses import replace

from kitti_scenes import found, truth
import numpy as np
import pytest
from records import AWAY, BOX, car, frame, record
from squeezedet_ros.detections import Detections
from squeezedet_ros.errors import DatasetError
from squeezedet_ros.evaluation.pairing import FrameCounts, pair_records

TRUTH = truth(('Car', *BOX))


def test_frames_go_by_their_stamps():
    a = record(frame(1, car(0.9), TRUTH), frame(2, car(0.8)), frame(3, car(0.7)))
    b = record(frame(4, car(0.1)), frame(2, car(0.2)), frame(1, car(0.3)))
    paired = pair_records(a, b, 'looked_at')
    assert [item.stamp_ns for item in paired.frames] == [1, 2]
    assert [item.scores.tolist() for item in paired.a.detections] == [
        [np.float32(0.9)],
        [np.float32(0.8)],
    ]
    assert [item.scores.tolist() for item in paired.b.detections] == [
        [np.float32(0.3)],
        [np.float32(0.2)],
    ]
    assert paired.counts == FrameCounts(
        shared=2,
        with_truth=1,
        only_a=1,
        only_b=1,
        unseen_a=0,
        unseen_b=0,
        repeated=0,
        other_truth=0,
    )
    truths, first, second = paired.scored()
    assert (len(truths), len(first.detections), len(second.published)) == (1, 1, 1)


def test_frames_with_names_go_by_them():
    a = record(frame(0, car(0.9), name='x'), frame(1, car(0.8), name='y'))
    b = record(frame(0, car(0.7), name='y'), frame(1, car(0.6), name='z'))
    paired = pair_records(a, b, 'looked_at')
    assert [item.name for item in paired.frames] == ['y']
    assert (paired.counts.only_a, paired.counts.only_b) == (1, 1)


def test_what_was_not_looked_at_is_left_out_or_empty():
    a = record(frame(1, car(0.9)), frame(2, None), frame(3, car(0.5)))
    b = record(frame(1, None), frame(2, car(0.8)), frame(3, car(0.4)))
    left_out = pair_records(a, b, 'looked_at')
    assert [item.stamp_ns for item in left_out.frames] == [3]
    empty = pair_records(a, b, 'all')
    assert [len(item) for item in empty.a.detections] == [1, 0, 1]
    assert [len(item) for item in empty.b.detections] == [0, 1, 1]
    assert (empty.counts.unseen_a, empty.counts.unseen_b) == (1, 1)


def test_streaming_counts_what_was_published_at_the_time():
    """A answers after 15, a frame and a half: at 30 the newest is that of 10, at 20 nothing."""
    a = [
        replace(frame(stamp, car(score), TRUTH), published_ns=stamp + 15)
        for stamp, score in ((10, 0.9), (20, 0.8), (30, 0.7))
    ]
    b = [replace(item, published_ns=item.stamp_ns) for item in a]
    paired = pair_records(record(*a), record(*b), 'streaming')
    scores = [item.scores.tolist() for item in paired.a.detections]
    assert scores == [[], [], [np.float32(0.9)]]
    assert [len(item) for item in paired.b.detections] == [1, 1, 1]
    assert (paired.counts.unseen_a, paired.counts.unseen_b) == (2, 0)
    with pytest.raises(
        DatasetError, match=r'times at which detections were published, .* in late'
    ):
        pair_records(record(*a), record(frame(10, car(0.9)), name='late'), 'streaming')


def test_published_is_what_each_record_says():
    seen = found((0, 0.5, *BOX), (1, 0.4, *AWAY), (2, 0.1, *AWAY))
    a = record(frame(1, seen), plot_prob_thresh=0.4)
    b = record(frame(1, seen), plot_prob_thresh=0.45)
    paired = pair_records(a, b, 'looked_at')
    assert len(paired.a.published[0]) == 2
    assert len(paired.b.published[0]) == 1
    assert len(paired.b.detections[0]) == 3


def test_published_goes_by_the_thresholds_of_single_classes():
    seen = found((0, 0.5, *BOX), (1, 0.3, *AWAY), (1, 0.2, *AWAY), (2, 0.5, *AWAY))
    a = record(frame(1, seen), class_thresh={'pedestrian': 0.25, 'cyclist': 0.9})
    paired = pair_records(a, a, 'looked_at')
    assert paired.a.published[0].labels.tolist() == [0, 1]


def test_labels_are_of_the_shared_classes():
    """A knows car, tram and bike; B knows Bike and car: 0 is car, 1 is bike, 2 any other."""
    seen = found((0, 0.9, *BOX), (1, 0.8, *BOX), (2, 0.7, *BOX), (3, 0.6, *BOX))
    a = record(frame(1, seen), classes=('car', 'tram', 'bike'))
    b = record(frame(1, seen.select(seen.labels < 2)), classes=('Bike', 'car'))
    paired = pair_records(a, b, 'looked_at')
    assert paired.classes == ('car', 'bike')
    assert paired.left_out == ('tram',)
    assert paired.a.detections[0].labels.tolist() == [0, 2, 1, 2]
    assert paired.b.detections[0].labels.tolist() == [1, 0]


def test_truth_of_a_counts_and_b_lends_what_a_lacks():
    other = truth(('Car', *AWAY))
    a = record(frame(1, car(0.9), TRUTH), frame(2, car(0.9)))
    b = record(frame(1, car(0.9), other), frame(2, car(0.9), other))
    paired = pair_records(a, b, 'looked_at')
    assert paired.truths == [TRUTH, other]
    assert paired.counts.other_truth == 1


def test_of_frames_that_repeat_the_first_counts():
    a = record(frame(1, car(0.9)), frame(1, Detections.empty()))
    paired = pair_records(a, record(frame(1, car(0.8))), 'looked_at')
    assert [len(item) for item in paired.a.detections] == [1]
    assert paired.counts.repeated == 1


@pytest.mark.parametrize(
    ('b', 'message'),
    [
        (
            record(frame(7, car(0.9))),
            'frames of the same stamp, got none in .*1 ns to 1 ns.* 7 ns',
        ),
        (record(), 'none in .* and drive .no frame.'),
        (record(frame(1, None)), 'frames that both looked at, got none among the 1 '),
        (record(frame(1, car(0.9)), classes=('dog',)), 'car, pedestrian, cyclist .* and dog'),
    ],
)
def test_what_cannot_be_paired_is_told(b, message):
    with pytest.raises(DatasetError, match=message):
        pair_records(record(frame(1, car(0.9))), b, 'looked_at')
