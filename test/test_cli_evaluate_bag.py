"""The command that evaluates a drive from its bag."""

import hashlib
import json
import os
import shutil

import cv2
import numpy as np
import pytest
from squeezedet_ros.checkpoint import save_checkpoint
from squeezedet_ros.cli.main import main
from squeezedet_ros.config import EngineConfig, ModelConfig, SelectionConfig
from squeezedet_ros.data.bag_writer import BagWriter, STORAGES
from squeezedet_ros.data.ground_truth import GroundTruth
from squeezedet_ros.data.interfaces import IMAGE, typestore
from squeezedet_ros.data.kitti_writer import write_kitti
from squeezedet_ros.data.sources import Frame
from squeezedet_ros.data.truth_message import make_header
from squeezedet_ros.detector import Detector
from squeezedet_ros.evaluation.drive_record import load_record
from squeezedet_ros.network import SqueezeDet
import torch

CLASSES = ('car', 'pedestrian', 'cyclist')
COUNT = 10
STEP = 100_000_000


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    torch.manual_seed(5)
    path = tmp_path_factory.mktemp('weights') / 'random.safetensors'
    save_checkpoint(SqueezeDet(ModelConfig(input_size=(96, 160))), path)
    return path


def picture(index):
    coarse = np.random.default_rng(index).integers(0, 256, (6, 10, 3), np.uint8)
    return cv2.resize(coarse, (160, 96), interpolation=cv2.INTER_NEAREST)


@pytest.fixture(scope='module')
def data(tmp_path_factory, weights):
    """Write a KITTI set whose labels are what the model sees, but for each third object."""
    torch.set_num_threads(1)
    detector = Detector.from_checkpoint(
        weights, SelectionConfig(plot_prob_thresh=0.005), EngineConfig(device='cpu')
    )
    frames = []
    for index in range(COUNT):
        (seen,) = detector.detect([picture(index)])
        kept = seen.select((np.arange(len(seen)) % 3 > 0) & (np.ptp(seen.boxes[:, 1::2], 1) > 26))
        names = tuple(CLASSES[label].capitalize() for label in kept.labels)
        truth = GroundTruth(
            kept.boxes, names, np.zeros(len(names), np.float32), np.zeros(len(names), np.int64)
        )
        frames.append(Frame(0, picture(index), truth))
    path = tmp_path_factory.mktemp('data') / 'set'
    write_kitti(path, frames)
    return path


@pytest.fixture(scope='module')
def bag(tmp_path_factory, data):
    path = tmp_path_factory.mktemp('bags') / 'drive'
    options = ('--data', data, '--split', 'train', '--out', path)
    assert main(['make-bag', *map(str, options)]) == 0
    return path


def evaluate_bag(bag, weights, *options):
    required = (bag, '--weights', weights, '--device', 'cpu', '--num-threads', 1)
    return main(['evaluate-bag', *map(str, required), *map(str, options)])


def report_of(tmp_path, bag, weights, *options):
    assert evaluate_bag(bag, weights, '--json', tmp_path / 'drive.json', *options) == 0
    return json.loads((tmp_path / 'drive.json').read_text())


def write_bag(path, count=COUNT, *, stamps=None, truth=None, storage='mcap'):
    with BagWriter(path, storage) as writer:
        for index in range(count):
            stamp = stamps[index] if stamps else (1 + index) * STEP
            writer.write_image('camera', stamp, picture(index))
            if truth is not None:
                writer.write_ground_truth('camera', stamp + truth, no_truth())
    return path


def no_truth():
    return GroundTruth(
        np.zeros((0, 4), np.float32), (), np.zeros(0, np.float32), np.zeros(0, np.int64)
    )


def error_line(capsys):
    error = capsys.readouterr().err
    assert 'Traceback' not in error
    lines = [line for line in error.splitlines() if line.startswith('squeezedet evaluate-bag: ')]
    assert len(lines) == 1
    return lines[0]


def test_a_bag_scores_as_the_folder_it_is_made_from(tmp_path, bag, data, weights, capsys):
    out = tmp_path / 'folder.json'
    options = ('--data', data, '--split', 'train', '--weights', weights, '--device', 'cpu')
    assert main(['evaluate', *map(str, options), '--num-threads', '1', '--json', str(out)]) == 0
    folder = json.loads(out.read_text())
    capsys.readouterr()
    report = report_of(tmp_path, bag, weights)
    for part in ('images', 'kitti', 'kitti_iou50', 'min_overlap', 'counts', 'coco', 'errors'):
        assert report[part] == folder[part]
    assert any(
        0 < value < 1
        for row in report['kitti_iou50']['ap40'].values()
        for value in row.values()
        if value
    )
    told = capsys.readouterr().out
    assert 'AP11' in told
    assert '/camera/image_raw: 10 frames (10 detected), 10 with truth' in told
    assert '0.9 s at 10.00 Hz, no gap' in told
    assert 'warning' not in told


def test_the_record_lies_beside_the_json(tmp_path, bag, weights):
    report = report_of(tmp_path, bag, weights, '--class-thresh', 'car=0.3')
    record = load_record(tmp_path / 'drive.record.jsonl')
    assert (record.name, record.topic) == ('drive', 'camera/image_raw')
    assert record.classes == CLASSES
    assert len(record.frames) == COUNT
    assert all(frame.truth is not None for frame in record.frames)
    assert min(frame.detections.scores.min() for frame in record.frames) < 0.2
    settings = record.settings
    assert report['settings'] == settings
    assert settings['bag'] == str(bag)
    assert settings['mode'] == 'offline'
    assert settings['checkpoint']['sha256'] == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert settings['selection']['class_thresh'] == ['car=0.3']
    assert settings['evaluation']['prob_thresh'] == 0.005
    assert settings['processing']['frames_per_second'] > 0
    assert settings['truth']['matched'] == COUNT
    assert 'torch' in settings['versions']


@pytest.mark.parametrize('storage', STORAGES)
def test_a_drive_without_truth_is_told_all_the_same(tmp_path, weights, storage, capsys):
    report = report_of(tmp_path, write_bag(tmp_path / 'bag', storage=storage), weights)
    assert 'kitti' not in report
    assert report['drive']['scored'] == 0
    assert report['drive']['frames'] == report['drive']['looked_at'] == COUNT
    assert set(report['drive']['milliseconds']) == {
        'decode',
        'preprocess',
        'network',
        'select',
        'total',
    }
    assert 'AP11' not in capsys.readouterr().out


def test_compressed_images(tmp_path, weights):
    with BagWriter(tmp_path / 'bag') as writer:
        writer.write_image('camera', STEP, picture(0), compressed=True)
    report = report_of(tmp_path, tmp_path / 'bag', weights)
    assert report['drive']['topic'] == 'camera/image_raw/compressed'


def test_a_sweep_agrees_with_the_counts_at_the_same_setting(tmp_path, bag, weights, capsys):
    options = ('--sweep', '--sweep-top-n', 20, 200, '--sweep-thresh', 0.1, 0.4)
    report = report_of(tmp_path, bag, weights, *options)
    assert report['sweep']['frames'] == report['sweep']['with_truth'] == COUNT
    rows = {(row['top_n'], row['plot_prob_thresh']): row for row in report['sweep']['rows']}
    assert list(rows) == [(20, 0.1), (20, 0.4), (200, 0.1), (200, 0.4)]
    assert rows[200, 0.4]['classes'] == report['counts']['classes']
    assert rows[200, 0.1]['all']['true_positives'] > rows[20, 0.1]['all']['true_positives'] > 0
    assert 'sweep over 10 frames, 10 with truth' in capsys.readouterr().out


def test_truth_of_another_source_within_a_tolerance(tmp_path, weights, data):
    """The labels, named by stamps that are 3 ms late."""
    bag = write_bag(tmp_path / 'bag', stamps=[(10 + index) * STEP for index in range(COUNT)])
    labels = tmp_path / 'labels'
    labels.mkdir()
    for index, file in enumerate(sorted((data / 'training/label_2').iterdir())):
        (labels / f'{(10 + index) * STEP + 3_000_000}.txt').write_text(file.read_text())
    report = report_of(tmp_path, bag, weights, '--truth', labels, '--truth-tolerance', 0.005)
    assert report['images'] == COUNT
    assert report['settings']['truth']['near'] == COUNT
    assert report['settings']['truth']['farthest_ms'] == 3
    by_order = report_of(tmp_path, bag, weights, '--truth', data / 'training/label_2')
    assert by_order['kitti'] == report['kitti']


def test_aliases(tmp_path, weights):
    with BagWriter(tmp_path / 'bag') as writer:
        writer.write_image('camera', STEP, picture(0))
        boxes = np.array([[10, 10, 60, 80]], np.float32)
        truth = GroundTruth(boxes, ('Lorry',), np.zeros(1, np.float32), np.zeros(1, np.int64))
        writer.write_ground_truth('camera', STEP, truth)
    report = report_of(tmp_path, tmp_path / 'bag', weights, '--aliases', 'Lorry=car')
    assert report['counts']['classes']['car']['truth'] == 1


def test_truth_that_fits_no_frame_is_an_error_after_all_is_told(tmp_path, weights, capsys):
    bag = write_bag(tmp_path / 'bag', truth=7)
    assert evaluate_bag(bag, weights, '--json', tmp_path / 'a.json') == 2
    told, error = capsys.readouterr()
    assert '10 frames (10 detected), 0 with truth' in told
    assert 'warning: 10 of 10 frames have no truth in /camera/ground_truth' in told
    assert 'warning: 10 truths in /camera/ground_truth belong to no frame' in told
    assert 'no image of /camera/image_raw has truth in /camera/ground_truth' in error
    assert json.loads((tmp_path / 'a.json').read_text())['drive']['frames'] == COUNT


def test_stamps_that_go_backwards_are_counted(tmp_path, weights, capsys):
    with BagWriter(tmp_path / 'bag') as writer:
        for recorded, taken in enumerate((0, 1, 2, 5, 3, 4, 5)):
            image = typestore().types[IMAGE](
                header=make_header((1 + taken) * STEP, 'camera'),
                height=96,
                width=160,
                encoding='bgr8',
                is_bigendian=0,
                step=480,
                data=picture(taken).ravel(),
            )
            writer.write_message('camera/image_raw', IMAGE, (1 + recorded) * STEP, image)
    report = report_of(tmp_path, tmp_path / 'bag', weights)
    assert report['drive']['stamps']['backwards'] == 1
    assert report['drive']['warnings'] == [
        '1 stamps are earlier than the one before',
        '1 images have the stamp of another one',
    ]
    assert 'warning: 1 stamps are earlier' in capsys.readouterr().out


@pytest.mark.parametrize('storage', STORAGES)
@pytest.mark.parametrize('number', range(5))
def test_a_bag_cut_anywhere_is_evaluated_as_far_as_it_goes(
    tmp_path, weights, capsys, storage, number
):
    path = write_bag(tmp_path / 'bag', storage=storage, truth=0)
    file = next(item for item in path.iterdir() if item.suffix in ('.mcap', '.db3'))
    content = file.read_bytes()
    share = float(np.random.default_rng(100 + number).uniform(0, 1))
    file.write_bytes(content[: int(len(content) * share)])
    (path / 'metadata.yaml').unlink()
    # A database is lost up to its first page that leads to rows, here that of the first seven.
    lost = 2 if storage == 'mcap' else 8
    status = evaluate_bag(path, weights, '--json', tmp_path / 'a.json')
    if status:
        assert f'{path} cannot be read as a rosbag2' in error_line(capsys)
        assert share * COUNT < lost
        return
    report = json.loads((tmp_path / 'a.json').read_text())
    assert share * COUNT + 1 > report['drive']['frames'] > share * COUNT - lost
    # A half of truth may be there without its image, or the other way round.
    assert report['images'] >= report['drive']['frames'] - 1
    assert any('cannot be read as a rosbag2' in text for text in report['drive']['warnings'])
    assert 'warning: ' in capsys.readouterr().out


def test_a_type_that_nobody_knows_is_left_alone(tmp_path, weights):
    path = tmp_path / 'bag'
    with BagWriter(path, 'sqlite3') as writer:
        writer.write_image('camera', STEP, picture(0))
        store = typestore()
        connection = writer._writer.add_connection('/odd', 'std_msgs/msg/String', typestore=store)
        writer._writer.write(connection, STEP, b'\0\1\0\0\1\0\0\0\0')
    file = path / 'metadata.yaml'
    file.write_text(file.read_text().replace('std_msgs/msg/String', 'odd_msgs/msg/Odd'))
    assert report_of(tmp_path, path, weights)['drive']['frames'] == 1
    assert evaluate_bag(path, weights, '--topic', '/odd') == 2


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (('--topic', 'camera/imag_raw'), 'no topic camera/imag_raw; nearest: camera/image_raw'),
        (('--topic', '/camera/ground_truth'), 'expected images; image topics: camera/image_raw'),
        (('--truth', 'camera/ground_tru'), 'nearest: camera/ground_truth'),
        (('--truth', '/camera/image_raw'), 'holds sensor_msgs/msg/Image, expected vision_msgs'),
        (('--truth', os.devnull), 'no truth /dev/null: no such file or folder'),
        (('--truth-tolerance', '-1'), 'truth_tolerance must be in [0, 10], got -1'),
        (('--gap-factor', '0'), 'gap_factor must be in [1, 100], got 0'),
        (('--sweep', '--sweep-top-n', '0'), 'top_n must be in [1, 1000], got 0'),
        (('--weights', '/none/such.safetensors'), 'is no file'),
        (('--class-thresh', 'cat=0.5'), 'class_thresh'),
        (('--aliases', 'Lorry=horse'), "a class of car, pedestrian, cyclist, got 'lorry=horse'"),
    ],
)
def test_what_the_user_can_mend_is_said_in_one_line(bag, weights, capsys, options, message):
    assert evaluate_bag(bag, weights, *options) == 2
    assert message in error_line(capsys)


def test_labels_of_another_drive_are_refused_before_the_network_runs(
    bag, weights, tmp_path, capsys
):
    (tmp_path / '0.txt').write_text('')
    assert evaluate_bag(bag, weights, '--truth', tmp_path) == 2
    assert 'has labels of 1 images, the topic has 10' in error_line(capsys)


def test_damage_moves_no_label_to_another_image(bag, data, weights, tmp_path, capsys):
    """A bag that announces as many images as there are labels, of which some are damaged."""
    path = tmp_path / 'torn'
    shutil.copytree(bag, path)
    (file,) = path.glob('*.mcap')
    content = bytearray(file.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 50_000] = bytes(50_000)
    file.write_bytes(content)
    labels = data / 'training' / 'label_2'
    assert evaluate_bag(path, weights, '--truth', labels, '--json', tmp_path / 'a.json') == 2
    assert 'not scored: ' in (line := error_line(capsys))
    assert f'has labels of {COUNT} images, the topic has ' in line
    told = json.loads((tmp_path / 'a.json').read_text())['drive']
    assert 0 < told['frames'] < COUNT
    assert told['scored'] == 0


@pytest.mark.parametrize(
    ('option', 'path', 'reason'),
    [
        ('--json', '.', 'expected a file for --json, got the folder'),
        ('--json', 'file/x.json', 'file is no folder'),
        ('--report', 'file', 'expected a folder for --report'),
        ('--out-bag', 'file/deep/bag', 'file is no folder'),
    ],
)
def test_where_nothing_can_be_written_is_told_before(
    bag, weights, tmp_path, capsys, option, path, reason
):
    (tmp_path / 'file').touch()
    assert evaluate_bag(bag, weights, option, tmp_path / path) == 2
    told, error = capsys.readouterr()
    assert reason in error
    assert 'frames' not in told


def test_no_such_bag(tmp_path, weights, capsys):
    assert evaluate_bag(tmp_path / 'none', weights) == 2
    assert f'no such bag: {tmp_path}/none' in error_line(capsys)


def test_the_page_is_written(tmp_path, bag, weights, capsys):
    pytest.importorskip('squeezedet_ros.evaluation.drive_page')
    assert evaluate_bag(bag, weights, '--report', tmp_path / 'page') == 0
    [line] = [line for line in capsys.readouterr().out.splitlines() if line.startswith('page: ')]
    content = (tmp_path / 'page').joinpath(line.rpartition('/')[2]).read_text()
    assert '</html>' in content
