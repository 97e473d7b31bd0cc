from __future__ import annotations

import json

import cv2
from kitti_scenes import CLASSES, truth
import numpy as np
import pytest
from records import AWAY, BOX, car, drive_of, SECOND
from squeezedet_ros.cli.main import main
from squeezedet_ros.config import SelectionConfig
from squeezedet_ros.data.bag_writer import BagWriter
from squeezedet_ros.detections import Detections
from squeezedet_ros.evaluation.drive_record import record_path, save_record
from squeezedet_ros.evaluation.report import make_report
from test_comparison_input import write_bag

TRUTH = truth(('Car', *BOX, -1, -1))
FAST = ('--resamples', 20)


def write(path, seen, *, with_record=True):
    truths = [TRUTH] * len(seen)
    path.write_text(json.dumps(make_report(truths, seen, CLASSES, 0.5, SelectionConfig())))
    if with_record:
        save_record(record_path(path), drive_of(truths, seen, name=path.stem))
    return path


@pytest.fixture
def good(tmp_path):
    return write(tmp_path / 'good.json', [car(0.9 - place / 100) for place in range(40)])


@pytest.fixture
def bad(tmp_path):
    seen = [car(0.9 - place / 100, BOX if place < 38 else AWAY) for place in range(40)]
    return write(tmp_path / 'bad.json', seen)


def compare(*arguments):
    return main(['compare', *map(str, (*arguments, *FAST))])


def test_exit_status_is_the_gate(good, bad, tmp_path, capsys):
    """38 of 40 found: AP40 falls from 39/40 to 37/40."""
    assert compare(good, bad, '--json', tmp_path / 'out' / 'c.json') == 1
    report = json.loads((tmp_path / 'out' / 'c.json').read_text())
    change = report['ap']['kitti']['ap40']['car']['all']
    assert change['difference'] == pytest.approx(-2 / 40)
    assert report['settings']['tolerance'] == 0.01
    assert 'FALLS' in capsys.readouterr().out
    assert compare(bad, good) == 0
    assert compare(good, good, '--tolerance', 0) == 0
    assert compare(good, bad, '--tolerance', 0.051) == 0
    assert compare(good, bad, '--tolerance', 1, '--min-agreement', 0.99) == 1


def test_only_certain_falls(good, bad, capsys):
    """The two frames that changed are in none of 0.95 ** 40 = 13 % of the draws."""
    options = ('compare', str(good), str(bad), '--only-certain', '--resamples', '300')
    assert main(options) == 0
    assert '-0.000]' not in capsys.readouterr().out
    assert main([*options, '--confidence', '0.7']) == 1
    assert 'with an interval that excludes 0' in capsys.readouterr().out


def test_reports_alone_are_enough_for_a_gate(tmp_path, capsys):
    a = write(tmp_path / 'a.json', [car(0.9)] * 40, with_record=False)
    b = write(tmp_path / 'b.json', [car(0.9)] * 20 + [Detections.empty()] * 20, with_record=False)
    assert compare(a, b) == 1
    assert 'no record beside both' in capsys.readouterr().out
    assert compare(a, a) == 0


def test_bags_of_detections(tmp_path, capsys):
    frames = [(SECOND * place, car(0.9), TRUTH) for place in range(1, 4)]
    first = write_bag(tmp_path / 'first', frames)
    moved = [(stamp, car(0.8, AWAY if stamp == SECOND else BOX), None) for stamp, *_ in frames]
    second = write_bag(tmp_path / 'second', moved)
    out = tmp_path / 'c.json'
    assert compare(first, second, '--json', out) == 0
    told = capsys.readouterr().out
    assert 'AP40' not in told
    agreement = json.loads(out.read_text())['agreement']['all']
    assert agreement['agreement'] == pytest.approx(4 / 6)
    assert agreement['score_change']['mean'] == pytest.approx(-0.1)
    options = ('--truth', first, '--points', 'ap11', '--json', out)
    assert compare(first, second, *options) == 1
    change = json.loads(out.read_text())['ap']['kitti_iou50']['ap11']['car']['all']
    assert change['a'] == pytest.approx(1 / 11)
    # At the first threshold, 0.8, one of three is beside its car.
    assert change['b'] == pytest.approx(2 / 3 / 11)


def test_pictures_of_a_bag(tmp_path, capsys):
    images = tmp_path / 'images'
    stamps = [SECOND * place for place in range(1, 4)]
    with BagWriter(images) as bag:
        for shade, stamp in enumerate(stamps[:2]):
            image = np.full((375, 640, 3), 60 + 60 * shade, np.uint8)
            bag.write_image('camera', stamp, image)
    first = write_bag(tmp_path / 'first', [(stamp, car(0.9), TRUTH) for stamp in stamps])
    second = write_bag(tmp_path / 'second', [(stamp, car(0.9, AWAY), None) for stamp in stamps])
    report = tmp_path / 'report'
    options = ('--truth', first, '--report', report, '--images', images)
    assert compare(first, second, *options) == 1
    assert f'{images} lacks 1 of the 3 frames' in capsys.readouterr().out
    assert sorted(path.name for path in report.iterdir()) == [
        'changed_frames.png',
        'differences.png',
    ]
    sheet = cv2.imread(str(report / 'changed_frames.png'))
    assert sheet.shape[1] == 1618
    # Two rows of two frames, darker and lighter, away from all boxes.
    assert [sheet[100, 60, 0], sheet[100, 870, 0]] == [60, 60]
    assert [sheet[700, 60, 0], sheet[700, 870, 0]] == [120, 120]
    assert cv2.imread(str(report / 'differences.png')).std() > 5


def test_images_need_a_report(good, capsys):
    assert compare(good, good, '--images', good.parent) == 2
    assert '--images is for the pictures of --report DIR' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ('{"images": 3, "kitti"', 'expected the JSON that squeezedet evaluate --json writes'),
        ('[]', 'expected an object of JSON'),
        ('{"images": 3}', 'expected the JSON of an evaluation'),
        ('{"kitti": {"ap11": 3}}', 'expected average precision by class and difficulty'),
        (None, 'cannot be read'),
    ],
)
def test_bad_input_is_said_in_one_line(good, tmp_path, capsys, content, message):
    path = tmp_path / 'b.json'
    if content is not None:
        path.write_text(content)
    assert compare(good, path) == 2
    error = capsys.readouterr().err
    assert error.startswith('squeezedet compare: ')
    assert message in error
    assert str(path) in error
    assert error.count('\n') == 1


def test_other_frames_and_other_classes_are_said(good, tmp_path, capsys):
    other = tmp_path / 'other.record.jsonl'
    save_record(other, drive_of([TRUTH], [car(0.9)], classes=('dog',)))
    assert compare(good, other) == 2
    assert 'expected classes that both know' in capsys.readouterr().err
    later = write_bag(tmp_path / 'later', [(SECOND * 1000, car(0.9), None)])
    assert compare(good, later) == 2
    assert 'expected frames of the same stamp' in capsys.readouterr().err


def test_what_is_left_of_a_damaged_bag_is_compared(tmp_path, capsys):
    frames = [(SECOND * place, car(0.9), None) for place in range(1, 101)]
    whole, cut = (write_bag(tmp_path / name, frames) for name in ('whole', 'cut'))
    (file,) = cut.glob('*.mcap')
    file.write_bytes(file.read_bytes()[: file.stat().st_size * 2 // 3])
    assert compare(whole, cut) == 0
    told = capsys.readouterr().out
    assert f'note: {cut}: {cut} cannot be read as a rosbag2' in told
    count = int(told.split('frames of A only, left out: ')[1].split()[0])
    assert 10 < count < 90
    assert f'{100 - count} frames compared' in told
    file.write_bytes(b'')
    assert compare(whole, cut) == 2
    assert 'no message of it can be read' in capsys.readouterr().err


def test_truth_is_for_records(tmp_path, capsys):
    bare = write(tmp_path / 'a.json', [car(0.9)], with_record=False)
    assert compare(bare, bare, '--truth', tmp_path) == 2
    assert '--truth is for records and bags' in capsys.readouterr().err
