"""A bag through the real node, over DDS, held against the detector."""

import sys

from domains import fresh_domain
import numpy as np
import pytest
from ros_testing import picture
from squeezedet_ros.checkpoint import load_checkpoint
from squeezedet_ros.cli.drive_live import (
    node_parameters,
    require_ros,
    ThroughNodeConfig,
    watch_through_node,
)
from squeezedet_ros.cli.drive_through_node import DriveError
from squeezedet_ros.config import EngineConfig, SelectionConfig
from squeezedet_ros.data.bag_writer import BagWriter
from squeezedet_ros.data.salvage import open_bag
from squeezedet_ros.detector import Detector
from squeezedet_ros.evaluation.evaluator import evaluation_selection, EvaluationConfig

pytestmark = pytest.mark.ros
STAMP = 1_300_000_000_000_000_000
STEP = 200_000_000
FRAMES = 5
TOPIC = 'left/eye/image_raw'
SELECTION = evaluation_selection(SelectionConfig(top_n=20), EvaluationConfig())


def write(path, count=FRAMES, step=STEP):
    with BagWriter(path, 'sqlite3') as writer:
        for index in range(count):
            writer.write_image('left/eye', STAMP + index * step, picture(index))
    return path


def look(weights, count):
    """Return what the detector sees in the first images."""
    detector = Detector(load_checkpoint(weights), SELECTION)
    return [detector.detect([picture(index)])[0] for index in range(count)]


def damage(path, start, stop):
    """Overwrite a part of a bag's storage file, given in shares of it."""
    [file] = path.glob('*.db3')
    content = bytearray(file.read_bytes())
    first, last = (int(len(content) * share) for share in (start, stop))
    content[first:last] = b'\xff' * (last - first)
    file.write_bytes(content)


def watch(path, weights, **settings):
    config = ThroughNodeConfig(**settings)
    engine = EngineConfig(device='cpu')
    parameters = node_parameters(SELECTION, engine, weights, config.mode, compressed=False)
    with pytest.MonkeyPatch.context() as patch, open_bag(path) as bag:
        patch.setenv('ROS_DOMAIN_ID', str(fresh_domain()))
        return watch_through_node(path, bag, TOPIC, parameters, config)


def assert_seen(frames, expected):
    """Hold each frame against what the detector sees in its image; return their places."""
    places = [(frame.stamp_ns - STAMP) // STEP for frame in frames]
    for place, frame in zip(places, frames, strict=True):
        wanted = expected[place]
        assert (frame.stamp_ns, frame.outcome) == (STAMP + place * STEP, 'detected')
        assert len(wanted) > 0
        assert frame.size == (90, 160)
        np.testing.assert_allclose(frame.detections.boxes, wanted.boxes, atol=1e-4)
        np.testing.assert_allclose(frame.detections.scores, wanted.scores, atol=1e-6)
        np.testing.assert_array_equal(frame.detections.labels, wanted.labels)
    return places


def test_live_at_a_slow_pace_every_frame_is_looked_at(weights, tmp_path):
    drive = watch(write(tmp_path / 'bag'), weights, rate=0.25)
    assert assert_seen(drive.frames, look(weights, FRAMES)) == list(range(FRAMES))
    assert drive.classes == ('car', 'pedestrian', 'cyclist')
    for frame in drive.frames:
        late_ms = (frame.published_ns - frame.stamp_ns) / 1e6
        # At that rate a quarter of a millisecond of the bag passes in each.
        assert 0 < late_ms < 200
        assert late_ms / 0.25 > frame.milliseconds['network']
        assert 'age' not in frame.milliseconds
    assert 0 < drive.account['cpu_cores'] < 16
    # The system counts both roughly.
    memory = drive.account['memory_mib']
    assert memory['peak'] > 0.9 * memory['last'] > 10


def test_live_at_a_pace_beyond_the_node_frames_are_dropped_and_counted(weights, tmp_path):
    count = 60
    drive = watch(write(tmp_path / 'bag', count, 1_000_000), weights)
    outcomes = [frame.outcome for frame in drive.frames]
    assert len(outcomes) == drive.account['sent'] == count
    assert 0 < outcomes.count('detected') < count
    assert set(outcomes) <= {'detected', 'superseded', 'lost'}
    assert drive.account['received'] == count - drive.account['lost']
    for frame in drive.frames:
        assert (frame.detections is None) == (frame.outcome != 'detected')


def test_of_a_damaged_bag_what_is_whole_is_replayed(weights, tmp_path):
    count = 12
    path = write(tmp_path / 'bag', count)
    damage(path, 0.85, 0.87)
    drive = watch(path, weights, mode='replay', rate=100)
    places = assert_seen(drive.frames, look(weights, count))
    # Reading goes on behind the damage.
    assert 0 < len(places) < count
    assert places == sorted(set(places))
    assert places[-1] == count - 1
    assert {frame.published_ns for frame in drive.frames} == {None}
    assert drive.account['sent'] == drive.account['received'] == len(drive.frames)
    assert (drive.account['lost'], drive.account['strangers']) == (0, 0)


def test_without_ros_the_reason_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, 'rclpy', None)
    with pytest.raises(DriveError, match='needs ROS 2, of which rclpy cannot be imported'):
        require_ros()
