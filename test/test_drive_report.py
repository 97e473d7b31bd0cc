"""A drive's record, scored and told in words."""

import json

import numpy as np
import pytest
from squeezedet_ros.config import SelectionConfig
from squeezedet_ros.data.ground_truth import GroundTruth
from squeezedet_ros.detections import Detections
from squeezedet_ros.errors import ConfigError
from squeezedet_ros.evaluation.drive_record import DriveRecord, FrameRecord
from squeezedet_ros.evaluation.drive_report import format_drive_report, report_drive
from squeezedet_ros.evaluation.drive_statistics import DriveConfig
from squeezedet_ros.evaluation.evaluator import EvaluationConfig

CLASSES = ('car', 'cyclist')
STEP = 100_000_000
BOX = np.array([[100, 100, 200, 200]], np.float32)
CAR = GroundTruth(BOX, ('Car',), np.zeros(1, np.float32), np.zeros(1, np.int64))


def seen(*scores):
    count = len(scores)
    boxes = BOX + 150 * np.arange(count, dtype=np.float32)[:, None] * np.float32([1, 0, 1, 0])
    return Detections(boxes, np.array(scores, np.float32), np.zeros(count, np.int64))


def frame(place, found, outcome='detected', truth=CAR, **fields):
    return FrameRecord(
        stamp_ns=(1 + place) * STEP,
        size=(400, 500),
        outcome=outcome,
        detections=found,
        truth=truth,
        **fields,
    )


def report(*frames, settings=None, **selection):
    record = DriveRecord(
        name='drive',
        topic='camera/image_raw',
        classes=CLASSES,
        frames=frames,
        plot_prob_thresh=0.4,
        settings=settings or {},
    )
    told = report_drive(record, SelectionConfig(**selection), EvaluationConfig(), DriveConfig())
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    return told


def through_node():
    """Return a frame with its object, a superseded one, a wrong one, one without truth."""
    return (
        frame(0, seen(0.9), milliseconds={'network': 20.0}, published_ns=STEP + 30_000_000),
        frame(1, None, 'superseded'),
        frame(2, seen(0.3, 0.8), milliseconds={'network': 30.0}),
        frame(3, seen(0.7), truth=None),
    )


def test_frames_that_were_looked_at_and_have_truth_are_scored():
    told = report(*through_node())
    assert told['images'] == told['drive']['scored'] == 2
    counts = told['counts']['classes']['car']
    assert (counts['truth'], counts['true_positives'], counts['false_positives']) == (2, 1, 1)
    assert told['drive']['outcomes'] == {'detected': 3, 'superseded': 1}
    assert told['drive']['looked_at'] == 3
    assert told['drive']['detections']['car']['count'] == 3
    assert told['drive']['milliseconds']['age']['mean'] == 30
    [worst, *_] = told['drive']['picked']
    assert worst == {
        'frame': 2,
        'stamp_ns': 3 * STEP,
        'reason': '1 missed (0 badly placed), 1 false',
    }


def test_thresholds_of_classes_say_what_is_published():
    told = report(*through_node(), class_thresh=('car=0.75',))
    assert told['drive']['detections']['car']['count'] == 2
    with pytest.raises(ConfigError, match='class_thresh'):
        report(*through_node(), class_thresh=('cat=0.75',))


def test_words():
    settings = {
        'processing': {'frames_per_second': 12.34, 'batch_size': 8},
        'warnings': ['something is odd'],
    }
    lines = format_drive_report(report(*through_node(), settings=settings)).splitlines()
    assert lines[0] == '2 images'
    start = lines.index('/camera/image_raw: 4 frames (3 detected, 1 superseded), 2 with truth')
    assert lines[start + 1] == '0.3 s at 10.00 Hz, no gap'
    assert lines[start + 2].startswith('12.3 frames a second, 8 looked at together')
    assert 'age                30.00     30.00     30.00     30.00     30.00' in lines
    [row] = [line.split() for line in lines if line.startswith('car') and '0.720' in line]
    assert row == ['car', '3', '1.000', '3', '0.720', '0.800', '0.880', '0', '0']
    assert lines[-1] == 'warning: something is odd'


def test_gaps_and_odd_stamps_are_told():
    stamps = (0, 1, 2, 9, 8, 8)
    frames = [frame(place, seen(0.9), truth=None) for place in stamps]
    told = report(*frames)
    assert 'kitti' not in told
    text = format_drive_report(told)
    assert '0.9 s at 10.00 Hz, 1 gaps, the longest 0.70 s' in text
    assert text.splitlines()[-2:] == [
        'warning: 1 stamps are earlier than the one before',
        'warning: 1 images have the stamp of another one',
    ]


def test_a_drive_of_which_nothing_was_looked_at():
    told = report(frame(0, None, 'stale'), frame(1, None, 'stale'))
    assert told['drive']['picked'] == []
    assert told['drive']['detections']['car']['per_frame'] is None
    assert '(2 stale), 0 with truth' in format_drive_report(told)


def test_where_no_object_can_be_followed_it_is_told():
    """At 0.9 Hz, beyond the second for which the tracker keeps an object, but not at 1 Hz."""
    slow, usual = (
        report(*(frame(steps * place, seen(0.9), truth=None) for place in range(4)))
        for steps in (11, 10)
    )
    (warning,) = slow['drive']['warnings']
    assert warning.startswith('frames are more than 1 s apart')
    assert usual['drive']['warnings'] == []


def test_thresholds_of_classes_stand_above_their_counts():
    text = format_drive_report(report(*through_node(), class_thresh=('car=0.75',)))
    assert 'score >= 0.4, car 0.75; gone:' in text
