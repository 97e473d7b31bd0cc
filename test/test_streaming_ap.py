"""Three ways to score a drive, with numbers computed by hand."""

import numpy as np
import pytest
from squeezedet_ros.config import SelectionConfig
from squeezedet_ros.data.ground_truth import GroundTruth
from squeezedet_ros.detections import Detections
from squeezedet_ros.evaluation.drive_record import FrameRecord
from squeezedet_ros.evaluation.streaming_ap import (
    newest_published,
    pair_all,
    pair_looked_at,
    pair_streaming,
    score_three_ways,
)

MS = 1_000_000
START = 1_700_000_000_000 * MS
STEP = 100 * MS
LEFT = [10.0, 20.0, 60.0, 70.0]
RIGHT = [200.0, 20.0, 250.0, 70.0]


def truth(box):
    return GroundTruth(
        np.array([box], np.float32), ('Car',), np.zeros(1, np.float32), np.zeros(1, np.int64)
    )


def seen(box, score=0.9):
    return Detections(np.array([box], np.float32), np.array([score], np.float32), np.zeros(1, int))


def frame(index, box=LEFT, *, latency_ms=0.0, looked=True, labelled=True):
    """Return a frame 100 ms after the one before, in which all is found where it is."""
    stamp = START + index * STEP
    return FrameRecord(
        stamp_ns=stamp,
        size=(100, 300),
        outcome='detected' if looked else 'superseded',
        detections=seen(box) if looked else None,
        truth=truth(box) if labelled else None,
        published_ns=stamp + round(latency_ms * MS) if looked else None,
    )


def score(frames, plot_prob_thresh=0.4):
    selection = SelectionConfig(plot_prob_thresh=plot_prob_thresh)
    return score_three_ways(frames, ('car',), 0.5, selection)


def moving(latency_ms, **options):
    """Return 41 frames; the car is left in 20 of them, then right."""
    boxes = [LEFT] * 20 + [RIGHT] * 21
    return [frame(index, box, latency_ms=latency_ms, **options) for index, box in enumerate(boxes)]


@pytest.mark.parametrize(
    ('latency_ms', 'expected'),
    [
        (0, [0, 1, 2, 3]),
        (1e-6, [None, 0, 1, 2]),
        (100, [None, 0, 1, 2]),
        (150, [None, None, 0, 1]),
        (1000, [None] * 4),
    ],
)
def test_what_is_newest_at_each_stamp(latency_ms, expected):
    assert newest_published([frame(i, latency_ms=latency_ms) for i in range(4)]) == expected


def test_a_dropped_frame_leaves_the_one_before_it():
    # Frame 1 is dropped; 0 is published at 50 ms, 2 at 250 ms, 3 at 350 ms.
    frames = [frame(i, latency_ms=50, looked=i != 1) for i in range(5)]
    assert newest_published(frames) == [None, 0, 0, 2, 3]


def test_newest_is_what_is_published_last():
    # Frame 0 takes 350 ms and comes after frame 1, which takes 20.
    frames = [frame(0, latency_ms=350), frame(1, latency_ms=20), *map(frame_without, range(2, 5))]
    assert newest_published(frames) == [None, None, 1, 1, 0]


def frame_without(index):
    return frame(index, looked=False)


def test_of_two_published_at_once_the_later_frame_counts():
    frames = [frame(0, latency_ms=150), frame(1, latency_ms=50), frame_without(2)]
    assert newest_published(frames) == [None, None, 1]


def test_streaming_of_a_car_that_jumps():
    # 150 ms: frames 0 and 1 have nothing yet, 20 and 21 still see the car where it was.
    report = score(moving(150))['streaming']
    counts = report['counts']['classes']['car']
    assert report['images'] == 41
    assert counts['true_positives'] == 37
    assert counts['false_positives'] == 2
    assert counts['false_negatives'] == 4
    # The greatest recall, 37/41, reaches the samples 0, 0.1, ..., 0.9.
    assert report['kitti']['ap11']['car']['all'] == pytest.approx(10 / 11 * 37 / 39)
    assert report['unanswered'] == 2
    assert report['lag_ms'] == pytest.approx(200)


def test_detections_at_once_are_as_good_as_offline():
    three = score(moving(0))
    assert three['streaming']['unanswered'] == 0
    assert three['streaming']['lag_ms'] == 0
    for way in ('looked_at', 'all', 'streaming'):
        assert three[way]['kitti']['ap11']['car']['all'] == pytest.approx(1.0)


def test_dropped_frames_are_missed_only_where_all_count():
    frames = moving(10)
    # Of 41 only the first and the last 20 are looked at.
    frames[1:21] = [frame(index, looked=False) for index in range(1, 21)]
    three = score(frames)
    assert three['looked_at']['images'] == 21
    assert three['looked_at']['counts']['classes']['car']['recall'] == 1.0
    assert three['all']['images'] == three['streaming']['images'] == 41
    every = three['all']['counts']['classes']['car']
    assert (every['true_positives'], every['false_negatives']) == (21, 20)
    assert every['false_positives'] == 0


def test_frames_without_truth_are_not_scored_but_count_as_the_newest():
    frames = [
        frame(0, LEFT, latency_ms=10),
        frame(1, RIGHT, latency_ms=10, labelled=False),
        frame(2, RIGHT, looked=False),
    ]
    for pair, images in ((pair_looked_at, 1), (pair_all, 2), (pair_streaming, 2)):
        assert [len(column) for column in pair(frames)] == [images] * 2
    assert pair_streaming(frames).detections[1].boxes.tolist() == [RIGHT]


def test_counts_are_of_what_is_published():
    three = score(moving(0), plot_prob_thresh=0.95)
    for way in ('looked_at', 'all', 'streaming'):
        assert three[way]['counts']['classes']['car']['false_negatives'] == 41
        assert three[way]['kitti']['ap11']['car']['all'] == pytest.approx(1.0)


def test_offline_nothing_streams():
    frames = [
        FrameRecord(
            stamp_ns=START,
            size=(9, 9),
            outcome='detected',
            detections=seen(LEFT),
            truth=truth(LEFT),
        )
    ]
    assert score(frames)['streaming'] is None


def test_nothing_was_published_in_time():
    streaming = score([frame(0, latency_ms=5)])['streaming']
    assert streaming['unanswered'] == 1
    assert streaming['lag_ms'] is None


def test_a_drive_of_which_no_frame_was_looked_at_streams_nothing():
    three = score([frame_without(index) for index in range(3)])
    assert three['looked_at']['images'] == 0
    for way in ('all', 'streaming'):
        assert three[way]['counts']['classes']['car']['false_negatives'] == 3
