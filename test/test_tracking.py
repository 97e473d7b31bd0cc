import numpy as np
import pytest
from squeezedet_ros.detections import Detections
from squeezedet_ros.tracking import CONFIRMED_BY, KEPT_FOR_S, Tracker

CAR, PEDESTRIAN = 0, 1
STEP_NS = 100_000_000
FIRST_NS = 1_700_000_000_000_000_000


def seen(*boxes, label=CAR, labels=None):
    """Return detections of boxes (x0, y0, x1, y1)."""
    count = len(boxes)
    return Detections(
        np.array(boxes, np.float32).reshape(count, 4),
        np.linspace(0.9, 0.5, count, dtype=np.float32),
        np.array(labels if labels is not None else [label] * count, np.int64),
    )


def box(x, y=100.0, width=60.0, height=40.0):
    return (x, y, x + width, y + height)


def ids(tracker, frame, detections):
    """Return the ids in an image of a 10 Hz camera."""
    return tracker.update(detections, FIRST_NS + frame * STEP_NS).ids.tolist()


def test_an_id_comes_with_the_second_detection_and_stays():
    tracker = Tracker()
    told = [ids(tracker, frame, seen(box(0))) for frame in range(5)]
    assert CONFIRMED_BY == 2
    assert told == [[0], [1], [1], [1], [1]]


def test_the_detections_are_left_as_they_were():
    found = seen(box(0), box(300))
    result = Tracker().update(found, FIRST_NS)
    assert found.ids is None
    for name in ('boxes', 'scores', 'labels'):
        np.testing.assert_array_equal(getattr(result, name), getattr(found, name))
    assert result.ids.dtype == np.int64


def test_a_fast_object_is_followed_where_overlap_alone_would_lose_it():
    # The steps grow by 4 to 44 pixels, with which two boxes of 61 overlap by 17 / 105 = 0.16.
    tracker = Tracker()
    steps = [*range(0, 45, 4), *[44] * 8]
    places = np.cumsum(steps)
    told = [ids(tracker, frame, seen(box(x))) for frame, x in enumerate(places)]
    assert told == [[0]] + [[1]] * (len(places) - 1)


def test_two_objects_that_cross_keep_their_ids():
    # At frame 10 both are at x = 200; 8 pixels a frame, against each other.
    tracker = Tracker()
    first, second = 1, 2
    for frame in range(21):
        right, left = box(120 + 8 * frame), box(280 - 8 * frame, y=106)
        # The order of the detections tells nothing.
        pair, expected = (right, left), [first, second]
        if frame % 2:
            pair, expected = (left, right), [second, first]
        told = ids(tracker, frame, seen(*pair))
        if frame == 0:
            assert told == [0, 0]
        elif frame == 1:
            first, second = told[1], told[0]
            assert sorted(told) == [1, 2]
        else:
            assert told == expected, frame


def test_an_occluded_object_is_known_again_where_it_went():
    # Missing in 8 frames, so 0.9 s away, while it moves on by 90 pixels and is 61 wide.
    tracker = Tracker()
    for frame in range(10):
        told = ids(tracker, frame, seen(box(10 * frame)))
    assert told == [1]
    for frame in range(10, 18):
        assert ids(tracker, frame, seen()) == []
    assert ids(tracker, 18, seen(box(180))) == [1]


def test_an_object_away_for_longer_is_another_one():
    tracker = Tracker()
    for frame in range(3):
        ids(tracker, frame, seen(box(0)))
    gone = round(KEPT_FOR_S * 1e9 / STEP_NS) + 1
    for frame in range(3, 3 + gone):
        ids(tracker, frame, seen())
    assert ids(tracker, 3 + gone, seen(box(0))) == [0]
    assert ids(tracker, 4 + gone, seen(box(0))) == [2]


def test_what_is_seen_once_gets_no_id_and_takes_none():
    tracker = Tracker()
    assert ids(tracker, 0, seen(box(0), box(500))) == [0, 0]
    assert ids(tracker, 1, seen(box(0))) == [1]
    assert ids(tracker, 2, seen(box(0), box(500))) == [1, 0]
    assert ids(tracker, 3, seen(box(0), box(500), box(250))) == [1, 2, 0]


def test_a_class_is_tracked_for_itself():
    tracker = Tracker()
    both = seen(box(0), box(2), labels=[CAR, PEDESTRIAN])
    swapped = seen(box(2), box(0), labels=[PEDESTRIAN, CAR])
    assert ids(tracker, 0, both) == [0, 0]
    assert ids(tracker, 1, both) == [1, 2]
    assert ids(tracker, 2, swapped) == [2, 1]
    # The car's place alone does not make the pedestrian there the car.
    assert ids(tracker, 3, seen(box(0), label=PEDESTRIAN)) == [2]
    assert ids(tracker, 4, seen(box(0), label=2)) == [0]


def test_the_best_pairing_wins_over_the_best_pair():
    # The first detection overlaps both predictions, the second only the left one.
    tracker = Tracker()
    for frame in range(2):
        told = ids(tracker, frame, seen(box(0), box(30)))
    assert told == [1, 2]
    assert ids(tracker, 2, seen(box(14), box(-20))) == [2, 1]


@pytest.mark.parametrize('stamps', [[0] * 12, [FIRST_NS] * 12])
def test_without_stamps_that_advance_every_image_is_a_usual_step(stamps):
    tracker = Tracker()
    told = [
        tracker.update(seen(box(10 * frame)), stamp).ids.tolist()
        for frame, stamp in enumerate(stamps)
    ]
    assert told == [[0]] + [[1]] * 11
    # Tracks end then, too.
    for stamp in stamps:
        tracker.update(seen(), stamp)
    assert tracker.update(seen(box(120)), stamps[0]).ids.tolist() == [0]


def test_dropped_frames_are_bridged_by_the_stamps():
    # 10 pixels a frame of 0.1 s; then five frames are lost and the box is 60 pixels on.
    tracker = Tracker()
    for frame in range(10):
        ids(tracker, frame, seen(box(10 * frame)))
    assert ids(tracker, 15, seen(box(150))) == [1]
    # The next step is short again.
    assert ids(tracker, 16, seen(box(160))) == [1]


def test_a_gap_in_time_ends_all_tracks():
    tracker = Tracker()
    for frame in range(3):
        ids(tracker, frame, seen(box(0)))
    later = 3 + round((KEPT_FOR_S + 1) * 1e9 / STEP_NS)
    assert ids(tracker, later, seen(box(0))) == [0]
    assert ids(tracker, later + 1, seen(box(0))) == [2]


def test_a_jump_backwards_ends_all_tracks_and_no_id_is_given_twice():
    tracker = Tracker()
    for frame in range(100, 104):
        told = ids(tracker, frame, seen(box(0), box(300)))
    assert told == [1, 2]
    assert ids(tracker, 0, seen(box(0), box(300))) == [0, 0]
    assert ids(tracker, 1, seen(box(0), box(300))) == [3, 4]


def test_a_frame_that_comes_late_ends_no_track():
    tracker = Tracker()
    told = [ids(tracker, frame, seen(box(0))) for frame in (0, 1, 3, 2, 4)]
    assert told == [[0], [1], [1], [1], [1]]


def test_the_first_stamp_may_come_after_images_without_one():
    tracker = Tracker()
    stamps = [0, 0, FIRST_NS, 0, FIRST_NS + STEP_NS]
    told = [tracker.update(seen(box(0)), stamp).ids.tolist() for stamp in stamps]
    assert told == [[0], [1], [1], [1], [1]]


def test_boxes_without_area_and_shrinking_ones_are_survived():
    tracker = Tracker()
    for frame in range(8):
        edge = max(0, 70 - 10 * frame)
        told = ids(tracker, frame, seen((0, 0, edge, edge)))
        assert len(told) == 1
    for frame in range(8, 12):
        assert ids(tracker, frame, seen()) == []
    assert ids(tracker, 12, seen((5, 5, 5, 5), (5, 5, 5, 5))) is not None


def test_two_runs_of_the_same_frames_give_the_same_ids():
    rng = np.random.default_rng(3)
    frames = [
        seen(*(box(x + rng.normal(0, 2)) for x in rng.choice(range(0, 900, 70), 8, replace=False)))
        for _ in range(30)
    ]
    runs = []
    for _ in range(2):
        tracker = Tracker()
        runs.append([ids(tracker, number, frame) for number, frame in enumerate(frames)])
    assert runs[0] == runs[1]
    given = [number for frame in runs[0] for number in frame if number]
    assert given
    assert all(len({n for n in frame if n}) == np.count_nonzero(frame) for frame in runs[0])
