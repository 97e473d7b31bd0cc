"""``squeezedet evaluate-bag --through-node`` as its user runs it, held against offline."""

import json
import os
from pathlib import Path
import signal
import subprocess
import sys

from domains import fresh_domain
import numpy as np
import pytest
from ros_testing import kill, picture, wait_until
from squeezedet_ros.checkpoint import load_checkpoint
from squeezedet_ros.cli.main import main
from squeezedet_ros.config import SelectionConfig
from squeezedet_ros.data.bag_writer import BagWriter
from squeezedet_ros.data.detection_bag import read_detection_bag
from squeezedet_ros.data.ground_truth import GroundTruth
from squeezedet_ros.detector import Detector

pytestmark = pytest.mark.ros
STAMP = 1_300_000_000_000_000_000
STEP = 100_000_000
FRAMES = 8
OPTIONS = ('--device', 'cpu', '--top-n', '20', '--batch-size', '1')


@pytest.fixture(scope='module')
def bag(weights, tmp_path_factory):
    """Return a bag whose truth is half of what the network sees."""
    detector = Detector(load_checkpoint(weights), SelectionConfig(top_n=20, plot_prob_thresh=0.2))
    path = tmp_path_factory.mktemp('drive') / 'bag'
    with BagWriter(path) as writer:
        for index in range(FRAMES):
            [found] = detector.detect([picture(index)])
            boxes = found.boxes[::2]
            stamp = STAMP + index * STEP
            columns = np.zeros(len(boxes), np.float32), np.zeros(len(boxes), np.int64)
            writer.write_ground_truth(
                'eye', stamp, GroundTruth(boxes, ('car',) * len(boxes), *columns)
            )
            writer.write_image('eye', stamp, picture(index))
    return path


def evaluate(bag, weights, path, *options):
    words = ('evaluate-bag', bag, '--weights', weights, '--json', path, *OPTIONS, *options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('ROS_DOMAIN_ID', str(fresh_domain()))
        assert main([str(word) for word in words]) == 0
    return json.loads(path.read_text())


def test_a_replay_scores_as_offline(bag, weights, tmp_path, capsys):
    offline = evaluate(bag, weights, tmp_path / 'offline.json')
    capsys.readouterr()
    out = tmp_path / 'out'
    options = ('--through-node', '--mode', 'replay', '--rate', 100, '--out-bag', out)
    replayed = evaluate(bag, weights, tmp_path / 'replayed.json', *options)
    said = capsys.readouterr().out
    assert offline['counts']['classes']['car']['true_positives'] > 0
    for part in ('kitti', 'kitti_iou50', 'counts', 'errors', 'images'):
        assert replayed[part] == offline[part], part
    node = replayed['through_node']
    assert node['received'] == FRAMES
    assert node['scores']['streaming'] is None
    for way in ('looked_at', 'all'):
        assert node['scores'][way]['kitti'] == offline['kitti']
    assert replayed['settings']['mode'] == 'replay'
    assert 'age' not in replayed['drive']['milliseconds']
    assert f'{FRAMES} images sent, {FRAMES} received, 0 lost' in said
    detections = read_detection_bag(out).detections
    assert list(detections) == [STAMP + index * STEP for index in range(FRAMES)]


def children_of(parent):
    tasks = Path(f'/proc/{parent}/task').glob('*/children')
    return [int(child) for task in tasks for child in task.read_text().split()]


def test_no_process_outlives_an_interrupted_evaluation(bag, weights):
    words = ('evaluate-bag', bag, '--weights', weights, '--through-node', '--rate', 0.01)
    process = subprocess.Popen(
        [sys.executable, '-m', 'squeezedet_ros', *map(str, words)],
        env={**os.environ, 'ROS_DOMAIN_ID': str(fresh_domain())},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_until(lambda: len(children_of(process.pid)) == 3)
        children = children_of(process.pid)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        assert 'Traceback' not in process.stderr.read()
        # One that was being started is ended by the system, in its own time.
        wait_until(lambda: not any(Path(f'/proc/{child}').exists() for child in children), 20)
    finally:
        kill(process)


def test_without_ros_the_reason_is_told(bag, weights, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, 'rclpy', None)
    words = ('evaluate-bag', bag, '--weights', weights, '--through-node')
    assert main([str(word) for word in words]) == 2
    said = capsys.readouterr().err
    assert said.startswith('squeezedet evaluate-bag: playing into the node needs ROS 2')
    assert 'rclpy cannot be imported; offline' in said


def test_a_bag_that_is_there_is_kept(bag, weights, capsys):
    words = ('evaluate-bag', bag, '--weights', weights, '--out-bag', bag)
    assert main([str(word) for word in words]) == 2
    assert f'cannot write bag: {bag} exists already' in capsys.readouterr().err
