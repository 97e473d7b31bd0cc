from drives import drive, frame, PERIOD_NS, START_NS
import pytest
from squeezedet_ros.detections import Detections
from squeezedet_ros.evaluation.drive_gaps import find_gaps, frame_times

SEEN = Detections.empty()


def rounded(record):
    return [
        (round(g.start, 6), round(g.end, 6), g.frames, g.outcome) for g in find_gaps(record, 1.5)
    ]


def test_neighbours_with_one_outcome_are_one_gap():
    frames = [frame(number, SEEN) for number in range(8)]
    frames[2] = frame(2)
    frames[4:7] = frame(4), frame(5), frame(6, outcome='stale')
    assert rounded(drive(*frames)) == [
        (0.15, 0.25, 1, 'superseded'),
        (0.35, 0.55, 2, 'superseded'),
        (0.55, 0.65, 1, 'stale'),
    ]


def test_frames_that_are_not_in_the_bag_are_a_gap():
    record = drive(*(frame(number, SEEN) for number in (0, 1, 2, 4, 5)))
    assert rounded(record) == [(0.25, 0.35, 0, 'no frame')]


def test_stamps_that_go_backwards_are_put_in_order():
    record = drive(*(frame(number, SEEN) for number in (3, 0, 1, 2)))
    assert frame_times(record).tolist() == pytest.approx([0.3, 0, 0.1, 0.2])
    assert find_gaps(record, 1.5) == []


@pytest.mark.parametrize('numbers', [(), (0,), (0, 0)])
def test_no_interval_is_no_gap(numbers):
    assert find_gaps(drive(*(frame(number, SEEN) for number in numbers)), 1.5) == []


def test_the_factor_says_how_long_a_gap_is_and_repeated_stamps_are_no_interval():
    stamps = [number * PERIOD_NS // 100 for number in (0, 0, 100, 100, 265, 265)]
    frames = [frame(0, SEEN, stamp_ns=START_NS + stamp) for stamp in stamps]
    assert find_gaps(drive(*frames), 1.8) == []
    frames.append(frame(0, SEEN, stamp_ns=START_NS + 3 * PERIOD_NS))
    assert [gap.outcome for gap in find_gaps(drive(*frames), 1.6)] == ['no frame']
