"""What a record tells without truth, on drives small enough to count by hand."""

import numpy as np
import pytest
from squeezedet_ros.data.ground_truth import GroundTruth
from squeezedet_ros.detections import Detections
from squeezedet_ros.errors import ConfigError
from squeezedet_ros.evaluation.drive_picks import pick_frames
from squeezedet_ros.evaluation.drive_record import FrameRecord
from squeezedet_ros.evaluation.drive_statistics import (
    describe_drive,
    DriveConfig,
    find_flicker,
    Flicker,
    percentiles,
    show_frames,
)

CLASSES = ('car', 'pedestrian')
STEP = 100_000_000
START = 1_000_000_000
CAR = (100, 100, 200, 200, 0.9, 0)
WALKER = (10, 100, 30, 160, 0.5, 1)


def seen(*rows):
    table = np.array(rows, np.float32).reshape(-1, 6)
    return Detections(table[:, :4], table[:, 4], table[:, 5].astype(np.int64))


def drive(*frames, steps=None, **fields):
    """Return a record of frames, None for one that could not be decoded, 0.1 s apart."""
    steps = steps or range(len(frames))
    return [
        FrameRecord(
            stamp_ns=START + step * STEP,
            size=(300, 400),
            outcome='undecodable' if rows is None else 'detected',
            detections=None if rows is None else seen(*rows),
            **fields,
        )
        for step, rows in zip(steps, frames, strict=True)
    ]


def show(frames):
    return show_frames(frames, [item.detections for item in frames if item.detections is not None])


def describe(frames, **settings):
    shown = show(frames)
    events = list(find_flicker(shown))
    return describe_drive(frames, shown, events, CLASSES, DriveConfig(**settings))


def test_frames_and_outcomes():
    told = describe(drive([CAR], None, []))
    assert (told['frames'], told['looked_at']) == (3, 2)
    assert told['outcomes'] == {'detected': 2, 'undecodable': 1}


def test_rate_gaps_and_stamps_that_go_backwards():
    """Steps of 1, 1, 1, 5, -2 and 0 tenths of a second: the usual one is 1."""
    stamps = describe(drive(*[[]] * 7, steps=[0, 1, 2, 3, 8, 6, 6]))['stamps']
    assert stamps['rate_hz'] == 10
    assert stamps['seconds'] == 0.8
    assert stamps['gaps'] == [{'after_ns': START + 3 * STEP, 'seconds': 0.5}]
    assert (stamps['backwards'], stamps['repeated']) == (1, 1)


def test_a_single_frame_has_no_rate():
    told = describe(drive([CAR]))
    assert told['stamps']['rate_hz'] is None
    assert told['stamps']['gaps'] == []
    assert told['timeline']['count']['car'] == [1]


def test_counts_and_scores_by_class():
    told = describe(drive([CAR, WALKER], [CAR], [], [(0, 0, 50, 50, 0.5, 0)]))
    car, walker = told['detections'].values()
    assert (car['count'], car['per_frame'], car['frames']) == (3, 0.75, 3)
    # Of 0.5, 0.9 and 0.9: a tenth of the way is at 0.58.
    assert car['score'] == {
        'p10': pytest.approx(0.58),
        'p50': pytest.approx(0.9),
        'p90': pytest.approx(0.9),
    }
    assert (walker['count'], walker['frames']) == (1, 1)


def test_a_class_never_seen():
    [_, walker] = describe(drive([CAR]))['detections'].values()
    assert walker['score'] == {'p10': None, 'p50': None, 'p90': None}
    assert walker['count'] == 0


def test_time_of_stages_and_age():
    frames = drive([], [], milliseconds={'network': 10.0, 'select': 2.0})
    frames += drive([], steps=[2], milliseconds={'network': 40.0}, published_ns=START + 5 * STEP)
    told = describe(frames)['milliseconds']
    assert told['network'] == {
        'mean': 20,
        'p50': 10,
        'p95': pytest.approx(37),
        'p99': pytest.approx(39.4),
        'max': 40,
    }
    assert told['total']['max'] == 40
    assert told['total']['p50'] == 12
    assert told['age']['mean'] == 300


def test_a_total_that_is_told_stands():
    frames = drive([], milliseconds={'network': 10.0, 'total': 12.5})
    assert describe(frames)['milliseconds']['total']['max'] == 12.5


def test_the_time_of_frames_that_were_not_looked_at_counts_nothing():
    frames = drive([], milliseconds={'wait': 10.0})
    frames += drive(None, steps=[1], milliseconds={'wait': 90.0, 'total': 90.0})
    told = describe(frames)['milliseconds']
    assert (told['wait']['max'], told['total']['max']) == (10, 10)


def test_no_numbers_have_no_percentiles():
    assert percentiles([]) is None


def test_the_timeline_sums_up_equal_steps():
    """Five tenths of a second in two steps: the last frame is in the second."""
    told = describe(drive([CAR], [CAR, WALKER], None, [WALKER], [], []), timeline_steps=2)
    line = told['timeline']
    assert line['frames'] == [3, 3]
    assert line['looked_at'] == [2, 3]
    assert line['count'] == {'car': [2, 0], 'pedestrian': [1, 1]}
    assert line['score']['car'] == [pytest.approx(0.9), None]
    assert line['first_ns'] == START
    assert line['step_ns'] == 5 * STEP // 2 + 1


def test_an_object_that_vanishes_for_one_or_two_frames():
    """The car is gone for one frame, then for two; the walker for three, which is another one."""
    both, car, walker = [CAR, WALKER], [CAR], [WALKER]
    frames = drive(both, both, walker, both, both, [], [], car, both)
    assert list(find_flicker(show(frames))) == [Flicker(2, 0, 1), Flicker(5, 0, 2)]
    told = describe(frames)
    assert told['detections']['car']['vanished'] == {'1': 1, '2': 1}
    assert told['detections']['pedestrian']['vanished'] == {'1': 0, '2': 0}
    assert told['flicker'][1] == {
        'frame': 5,
        'stamp_ns': START + 5 * STEP,
        'class': 'car',
        'frames': 2,
    }


def test_a_frame_that_was_not_looked_at_hides_nothing():
    assert not list(find_flicker(show(drive([CAR], [CAR], None, [CAR]))))


def test_an_object_elsewhere_is_another_one():
    elsewhere = [(300, 100, 380, 200, 0.9, 0)]
    assert not list(find_flicker(show(drive([CAR], [CAR], [], elsewhere))))
    other_class = [(*CAR[:5], 1)]
    assert not list(find_flicker(show(drive([CAR], [CAR], [], other_class))))


def test_there_must_be_published_detections_of_each_frame():
    with pytest.raises(ValueError, match='zip'):
        show_frames(drive([CAR], [CAR]), [seen(CAR)])


def pick(frames, most=10):
    shown = show(frames)
    events = list(find_flicker(shown))
    return pick_frames(shown, events, CLASSES, threshold=0.45, min_overlap=0.5, most=most)


def test_frames_are_picked_for_one_reason_after_the_other():
    frames = drive([CAR], [CAR], [], [CAR, WALKER], [CAR], [CAR])
    picks = pick(frames)
    assert picks[0] == (2, 'not seen here, but before and after: car')
    # In frame 2 there is one less, too, but it is picked already; frame 3 has two more.
    assert picks[1] == (3, '2 seen, 0 in the frame before')
    assert picks[2] == (4, '1 seen, 2 in the frame before')
    assert len(picks) == 3
    assert pick(frames, most=1) == picks[:1]


def test_unsure_frames_are_picked():
    frames = drive([CAR, WALKER], [CAR, WALKER])
    assert pick(frames) == [
        (0, '1 within 0.1 of the threshold'),
        (1, '1 within 0.1 of the threshold'),
    ]


def test_the_worst_frames_by_truth_come_first():
    boxes = np.array([CAR[:4], (300, 100, 380, 200)], np.float32)
    truth = GroundTruth(boxes, ('car', 'car'), np.zeros(2, np.float32), np.zeros(2, np.int64))
    assert pick(drive([CAR], truth=truth))[0] == (0, '1 missed (0 badly placed), 0 false')


def test_nothing_to_pick():
    assert pick(drive([CAR], [CAR])) == []


def test_settings_have_bounds():
    with pytest.raises(ConfigError, match='gap_factor'):
        DriveConfig(gap_factor=0.5)
