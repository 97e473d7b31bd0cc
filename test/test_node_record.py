"""Frames of a bag joined with what a node said of them, with times computed by hand."""

import numpy as np
import pytest
from squeezedet_ros.data.bag import BagReader
from squeezedet_ros.data.bag_writer import BagWriter
from squeezedet_ros.data.playback import Sending
from squeezedet_ros.data.recording import FrameStatus, Publication, Recording
from squeezedet_ros.detections import Detections
from squeezedet_ros.evaluation.node_record import (
    clock_offset,
    join_frames,
    PlayedImage,
    read_played,
)

MS = 1_000_000
STAMP = 1_300_000_000_000 * MS
WALL = 1_700_000_000_000 * MS


def images(count, way_ms=0, step_ms=100):
    stamps = [STAMP + index * step_ms * MS for index in range(count)]
    return [PlayedImage(stamp, stamp + way_ms * MS, (90, 160)) for stamp in stamps]


def sent(played):
    return [
        Sending('c/image_raw', image.recorded_ns, WALL + index * 100 * MS)
        for index, image in enumerate(played)
    ]


def found(score):
    return Detections(
        np.zeros((1, 4), np.float32), np.array([score], np.float32), np.zeros(1, int)
    )


def said(played, *answers):
    """Return a recording of one (outcome, milliseconds after sending) for each image in turn."""
    recording = Recording(None)
    for image, sending, answer in zip(played, sent(played), answers, strict=True):
        if answer is None:
            continue
        outcome, latency_ms = answer
        stages = {'wait': 1.0, 'total': float(latency_ms or 0), 'age': 1e9}
        recording.statuses.append(FrameStatus(image.stamp_ns, outcome, stages, 0.0))
        if outcome == 'detected' and latency_ms is not None:
            detections = found(latency_ms / 1000)
            at = sending.sent_ns + latency_ms * MS
            recording.publications.append(Publication(image.stamp_ns, detections, at))
    return recording


def join(played, recording, rate=1.0, *, live=True):
    return join_frames(played, sent(played), recording, rate, live=live)


def late_ms(frames):
    """Return how long after their stamps detections were published."""
    return [
        None if frame.published_ns is None else (frame.published_ns - frame.stamp_ns) / MS
        for frame in frames
    ]


def test_each_image_has_its_outcome():
    played = images(5)
    answers = (('detected', 50), ('superseded', None), ('stale', None), None, ('detected', 70))
    frames, strangers = join(played, said(played, *answers))
    assert [frame.stamp_ns for frame in frames] == [image.stamp_ns for image in played]
    assert [frame.outcome for frame in frames] == [
        'detected',
        'superseded',
        'stale',
        'lost',
        'detected',
    ]
    assert [frame.detections is not None for frame in frames] == [True, False, False, False, True]
    assert frames[4].detections.scores[0] == pytest.approx(0.07)
    assert late_ms(frames) == [50, None, None, None, 70]
    assert frames[0].milliseconds == {'wait': 1.0, 'total': 50.0}
    assert frames[3].milliseconds == {}
    assert strangers == 0


@pytest.mark.parametrize(('rate', 'late'), [(1.0, 80), (0.5, 40), (2.0, 160)])
def test_time_passes_at_the_rate_of_the_playing(rate, late):
    played = images(1)
    assert late_ms(join(played, said(played, ('detected', 80)), rate).frames) == [late]


def test_the_way_into_the_bag_counts_where_the_clocks_are_one():
    played = images(2, way_ms=30)
    assert clock_offset(played) == 0
    frames, _ = join(played, said(played, ('detected', 80), ('detected', 90)))
    assert late_ms(frames) == [110, 120]


@pytest.mark.parametrize('way_ms', [-500, 2_000, 400_000_000])
def test_between_clocks_the_shortest_way_counts_nothing(way_ms):
    first, second = images(2, way_ms=way_ms)
    second = second._replace(recorded_ns=second.recorded_ns + 20 * MS)
    assert clock_offset([first, second]) == way_ms * MS
    frames, _ = join([first, second], said([first, second], ('detected', 80), ('detected', 80)))
    assert late_ms(frames) == [80, 100]


def test_no_image_is_of_no_clock():
    assert clock_offset([]) == 0
    assert join([], Recording(None)) == ([], 0)


def test_in_a_replay_nothing_is_late():
    played = images(1)
    [frame] = join(played, said(played, ('detected', 80)), live=False).frames
    assert frame.published_ns is None
    assert len(frame.detections) == 1


def test_detections_that_did_not_arrive_are_a_lost_frame():
    played = images(1)
    [frame] = join(played, said(played, ('detected', None))).frames
    assert (frame.outcome, frame.detections) == ('lost', None)


def test_images_of_one_stamp_have_their_answers_in_turn():
    played = images(3, step_ms=0)
    answers = (('detected', 50), ('superseded', None), ('detected', 70))
    frames, _ = join(played, said(played, *answers))
    assert [frame.outcome for frame in frames] == ['detected', 'superseded', 'detected']
    assert [frame.detections.scores[0] for frame in frames[::2]] == [
        pytest.approx(0.05),
        pytest.approx(0.07),
    ]


def test_stamps_of_no_image_are_counted():
    played = images(2)
    recording = said(played, ('detected', 50), ('detected', 50))
    recording.statuses.append(FrameStatus(7, 'detected', {}, 0.0))
    recording.statuses.append(FrameStatus(STAMP, 'superseded', {}, 0.0))
    assert join(played, recording).strangers == 2


def test_images_are_read_also_where_they_cannot_be_decoded(tmp_path, monkeypatch):
    picture = np.zeros((90, 160, 3), np.uint8)
    with BagWriter(tmp_path / 'bag') as bag:
        bag.write_image('c', STAMP, picture, compressed=True)
        monkeypatch.setattr(
            'squeezedet_ros.data.bag_writer.cv2.imencode',
            lambda *_: (True, np.zeros(50, np.uint8)),
        )
        bag.write_image('c', STAMP + 1, picture, compressed=True)
    monkeypatch.undo()
    with BagReader(tmp_path / 'bag') as bag:
        assert list(read_played(bag, 'c/image_raw/compressed')) == [
            (STAMP, STAMP, (90, 160)),
            (STAMP + 1, STAMP + 1, None),
        ]
