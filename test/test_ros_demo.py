"""The demo as its user runs it: three processes on real DDS, with a small network."""

import json
import os
from pathlib import Path
import signal
import subprocess
import sys
import time

import cv2
from domains import fresh_domain
import numpy as np
import pytest
from ros_testing import picture
from squeezedet_ros.checkpoint import load_checkpoint
from squeezedet_ros.cli.demo import LEAST_SCORE
from squeezedet_ros.cli.main import main
from squeezedet_ros.config import SelectionConfig
from squeezedet_ros.data.bag_writer import BagWriter
from squeezedet_ros.data.ground_truth import GroundTruth
from squeezedet_ros.detector import Detector

pytestmark = pytest.mark.ros
FRAMES = 5
PATIENCE_S = 280


@pytest.fixture(scope='module')
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp('images')
    for index in range(FRAMES):
        cv2.imwrite(str(folder / f'{index}.png'), picture(index))
    return folder


def command(*arguments):
    words = map(str, ('--timeout', 250, *arguments))
    return [sys.executable, '-m', 'squeezedet_ros', 'demo', *words]


def environment():
    return {**os.environ, 'ROS_DOMAIN_ID': str(fresh_domain())}


def demo(*arguments):
    """Run to the end; return the exit status and all that was said."""
    done = subprocess.run(
        command(*arguments),
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    return done.returncode, done.stdout


@pytest.fixture(scope='module')
def result(weights, images, tmp_path_factory):
    out = tmp_path_factory.mktemp('demo')
    status, said = demo('--images', images, '--weights', weights, '--out', out)
    assert status == 0, said
    return out, said


def test_every_frame_is_looked_at(result):
    out, said = result
    content = json.loads((out / 'detections.json').read_text())
    assert [frame['stamp'] for frame in content['frames']] == [
        1_000_000_000 + index * 100_000_000 for index in range(FRAMES)
    ]
    assert content['summary']['outcomes'] == {'detected': FRAMES}
    assert content['summary']['frames_in'] == content['summary']['arrays'] == FRAMES
    assert f'{FRAMES} detected' in said


def test_the_node_says_what_the_detector_says(result, weights, images):
    content = json.loads((result[0] / 'detections.json').read_text())
    selection = SelectionConfig(plot_prob_thresh=LEAST_SCORE)
    detector = Detector(load_checkpoint(weights), selection)
    for index, frame in enumerate(content['frames']):
        [expected] = detector.detect([cv2.imread(str(images / f'{index}.png'))])
        assert len(expected) > 0
        np.testing.assert_allclose(np.reshape(frame['boxes'], (-1, 4)), expected.boxes, atol=0.02)
        np.testing.assert_allclose(frame['scores'], expected.scores, atol=1e-4)
        names = [detector.model.classes[label] for label in expected.labels]
        assert frame['classes'] == names


def test_pictures_and_numbers_are_there(result):
    out, said = result
    assert cv2.imread(str(out / 'overlay.png')) is not None
    video = cv2.VideoCapture(str(out / 'overlay.mp4'))
    assert sum(video.grab() for _ in range(FRAMES + 1)) == FRAMES
    for text in ('latency network', 'latency total', 'node memory', 'rate', 'overlay.png'):
        assert text in said
    assert 'AP' not in said


def encode_badly(*_):
    return True, np.zeros(50, np.uint8)


def test_a_bag_with_truth_and_a_frame_that_cannot_be_decoded(weights, tmp_path, monkeypatch):
    truth = GroundTruth(
        np.array([[10, 10, 80, 60]], np.float32),
        ('Car',),
        np.zeros(1, np.float32),
        np.zeros(1, np.int64),
    )
    with BagWriter(tmp_path / 'bag', 'sqlite3') as bag:
        for index in range(3):
            stamp = 1_700_000_000_000_000_000 + index * 33_366_700
            bag.write_ground_truth('left/eye', stamp, truth)
            if index == 2:
                monkeypatch.setattr('squeezedet_ros.data.bag_writer.cv2.imencode', encode_badly)
            bag.write_image('left/eye', stamp, picture(index), compressed=True)
    monkeypatch.undo()
    out = tmp_path / 'out'
    status, said = demo('--bag', tmp_path / 'bag', '--weights', weights, '--out', out)
    assert status == 1
    assert 'demo failed: 3 frames in, 2 looked at (2 detected, 1 undecodable)' in said
    assert 'left/eye/image_raw/compressed at 1700000000066733400 ns: expected a JPEG' in said
    assert 'Traceback' not in said
    precision = json.loads((out / 'detections.json').read_text())['summary']['average_precision']
    assert 0 <= precision['car'] <= 1
    assert precision['pedestrian'] is None
    video = cv2.VideoCapture(str(out / 'overlay.mp4'))
    assert sum(video.grab() for _ in range(3)) == 2


@pytest.mark.parametrize(
    ('arguments', 'reason'),
    [
        (('--bag', 'none'), 'no such bag: none'),
        (('--images', 'none'), 'no such folder: none'),
        (('--video', 'none.mp4'), 'no such video: none.mp4'),
        (('--weights', 'none.safetensors'), 'none.safetensors is no file'),
    ],
)
def test_what_is_missing_is_named(arguments, reason, weights, tmp_path, capsys):
    settings = {'--weights': str(weights), '--out': str(tmp_path), arguments[0]: arguments[1]}
    assert main(['demo', *(word for item in settings.items() for word in item)]) == 2
    said = capsys.readouterr().err
    assert said.startswith('squeezedet demo: ')
    assert reason in said


def test_a_drive_that_is_no_demos_is_left_alone(weights, images, tmp_path, capsys):
    (tmp_path / 'drive').mkdir()
    (tmp_path / 'drive' / 'mine.mcap').touch()
    command = ['demo', '--weights', str(weights), '--images', str(images), '--out', str(tmp_path)]
    assert main(command) == 2
    assert 'is there and not of an earlier demo: choose another --out' in capsys.readouterr().err
    assert (tmp_path / 'drive' / 'mine.mcap').exists()


def test_a_node_that_refuses_is_quoted(weights, images, tmp_path):
    options = ('--images', images, '--weights', weights, '--out', tmp_path)
    status, said = demo(*options, '--device', 'toaster')
    assert status == 1
    assert 'demo failed: the node ended with status 1' in said
    assert 'device must be auto, cpu, cuda or cuda:N' in said


def test_no_process_outlives_an_interrupted_demo(weights, images, tmp_path):
    options = ('--images', images, '--weights', weights, '--rate', '0.05', '--out', tmp_path)
    process = subprocess.Popen(
        command(*options), env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT
    )
    recording = tmp_path / 'recording.jsonl'
    give_up = time.monotonic() + PATIENCE_S
    while not recording.exists() or '"status"' not in recording.read_text():
        assert time.monotonic() < give_up
        time.sleep(0.1)
    children = children_of(process.pid)
    assert len(children) == 3
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    assert not [child for child in children if Path(f'/proc/{child}').exists()]


def children_of(parent):
    tasks = Path(f'/proc/{parent}/task').glob('*/children')
    return [int(child) for task in tasks for child in task.read_text().split()]
