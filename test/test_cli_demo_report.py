"""The numbers and pictures of a drive."""

import json
import re

import cv2
import numpy as np
import pytest
from squeezedet_ros.cli.demo_report import (
    format_table,
    Latency,
    summarize,
    write_detections,
    write_pictures,
)
from squeezedet_ros.data.bag import BagImage
from squeezedet_ros.data.ground_truth import GroundTruth
from squeezedet_ros.data.recording import FrameStatus, Publication, Recording
from squeezedet_ros.detections import Detections

SECOND = 1_000_000_000
BOX = [10.0, 20.0, 60.0, 70.0]


def found(*scores):
    count = len(scores)
    boxes = np.tile(np.array(BOX, np.float32), (count, 1)).reshape(-1, 4)
    return Detections(boxes, np.array(scores, np.float32), np.zeros(count, np.int64))


def said(frames, outcomes=None):
    """Return a recording of frames 0.1 s apart, answered 0.2 s apart."""
    recording = Recording(None)
    recording.classes = ('car', 'cyclist')
    for index, item in enumerate(frames):
        stamp = SECOND + index * SECOND // 10
        outcome = outcomes[index] if outcomes else 'detected'
        stages = {'network': 10.0 * (index + 1), 'age': 1e9}
        recording.statuses.append(FrameStatus(stamp, outcome, stages, 5 + 0.2 * index))
        if outcome == 'detected':
            recording.detections[stamp] = item
            recording.publications.append(Publication(stamp, item, stamp))
    return recording


def summary(recording, frames_in=None, truths=None, draw_above=0.4):
    count = len(recording.statuses) if frames_in is None else frames_in
    return summarize(count, recording, truths or {}, (100.0, 101.5), draw_above)


def truth():
    return GroundTruth(
        np.array([BOX], np.float32), ('Car',), np.zeros(1, np.float32), np.zeros(1, np.int64)
    )


def test_numbers_of_a_drive():
    result = summary(said([found(0.9, 0.1), found(0.5), found()]))
    assert result.outcomes == {'detected': 3}
    assert result.arrays == 3
    assert result.seen == 2
    assert result.rate == pytest.approx(5.0)
    assert result.latencies_ms == {'network': Latency(20.0, pytest.approx(29.8))}
    assert result.complaint() == ''


def test_lost_frames_are_a_complaint():
    result = summary(said([found(0.9)]), frames_in=2)
    assert result.complaint() == '2 frames in, 1 looked at (1 detected)'


def test_frames_that_were_not_looked_at_are_a_complaint():
    result = summary(said([found(0.9), None], ['detected', 'undecodable']))
    assert result.complaint() == '2 frames in, 1 looked at (1 detected, 1 undecodable)'


def test_lost_detections_are_a_complaint():
    recording = said([found(0.9), found(0.9)])
    recording.publications.pop()
    assert summary(recording).complaint() == '2 frames looked at, detections of 1 arrived'


def test_seeing_nothing_is_a_complaint():
    assert summary(said([found(0.39)])).complaint() == 'nothing was detected in 1 frames'


def test_silence_is_a_complaint():
    result = summary(said([]), frames_in=3)
    assert result.complaint() == '3 frames in, 0 looked at (none received)'
    assert 'frames in' in format_table(result)


def test_average_precision_of_perfect_detections():
    # Each of KITTI's 41 recall samples needs a true object of its own.
    recording = said([found(0.9)] * 41)
    result = summary(recording, truths=dict.fromkeys(recording.detections, truth()))
    assert result.average_precision == {'car': pytest.approx(1.0), 'cyclist': None}


def test_objects_of_a_lost_frame_are_missed():
    recording = said([found(0.9)] * 41)
    truths = dict.fromkeys(recording.detections, truth())
    for stamp in list(truths)[1:]:
        del recording.detections[stamp]
    assert summary(recording, truths=truths).average_precision['car'] == pytest.approx(1 / 11)


def test_the_table_tells_all():
    recording = said([found(0.9)])
    text = format_table(summary(recording, truths=dict.fromkeys(recording.detections, truth())))
    for line in (
        r'frames in +1',
        r'outcomes +1 detected',
        r'latency network +10\.0 ms median +10\.0 ms p99',
        r'AP cyclist +no object',
        r'node memory +100 MiB at start, 102 MiB at end',
    ):
        assert re.search(line, text), line
    assert 'age' not in text.replace('average', '')


def test_detections_are_written_by_frame(tmp_path):
    recording = said([found(0.9), found()])
    write_detections(tmp_path / 'seen.json', recording, summary(recording), (0.05, 0.4))
    content = json.loads((tmp_path / 'seen.json').read_text())
    assert content['frames'] == [
        {'stamp': SECOND, 'boxes': [BOX], 'scores': [0.9], 'classes': ['car']},
        {'stamp': 1_100_000_000, 'boxes': [], 'scores': [], 'classes': []},
    ]
    assert content['summary']['latencies_ms']['network']['median'] == 15.0
    assert (content['least_score'], content['drawn_above']) == (0.05, 0.4)


def test_pictures_show_every_frame(tmp_path):
    recording = said([found(0.9), found(0.1)])
    grey = np.full((101, 151, 3), 90, np.uint8)
    images = [BagImage(stamp, grey) for stamp in recording.detections]
    write_pictures(tmp_path, images, 2, recording, 0.4)
    sheet = cv2.imread(str(tmp_path / 'overlay.png'))
    assert sheet.shape[1] == 2500
    left, right = np.array_split(sheet, 2, axis=1)
    assert (left.max(2).astype(int) - left.min(2) > 100).any()
    assert not (right.max(2).astype(int) - right.min(2) > 100).any()
    video = cv2.VideoCapture(str(tmp_path / 'overlay.mp4'))
    assert video.get(cv2.CAP_PROP_FPS) == pytest.approx(10.0)
    frames = [video.read()[1] for _ in range(2)]
    assert frames[0].shape[0] in (100, 101)
    assert not video.read()[0]


@pytest.mark.parametrize(('step', 'fps'), [(1, 120), (33_366_700, 29.97), (10**11, 1), (0, 10)])
def test_any_stamps_give_a_video(tmp_path, step, fps):
    recording = said([])
    recording.detections = {SECOND + index * step: found() for index in range(2)}
    images = [BagImage(SECOND, np.zeros((48, 64, 3), np.uint8))] * 2
    write_pictures(tmp_path, images, 2, recording, 0.4)
    video = cv2.VideoCapture(str(tmp_path / 'overlay.mp4'))
    assert video.get(cv2.CAP_PROP_FPS) == pytest.approx(fps, abs=0.01)


def test_images_of_another_size_are_scaled_into_the_video(tmp_path):
    recording = said([found(), found()])
    sizes = zip(recording.detections, ((100, 150), (60, 80)), strict=True)
    images = [BagImage(stamp, np.zeros((*size, 3), np.uint8)) for stamp, size in sizes]
    write_pictures(tmp_path, images, 2, recording, 0.4)
    video = cv2.VideoCapture(str(tmp_path / 'overlay.mp4'))
    assert [video.read()[0] for _ in range(3)] == [True, True, False]
