from __future__ import annotations

import hashlib
import json
import sys

import cv2
import numpy as np
import pytest
from real_data import DATA
from squeezedet_ros.checkpoint import save_checkpoint
from squeezedet_ros.cli.main import main
from squeezedet_ros.config import EngineConfig, ModelConfig, SelectionConfig
from squeezedet_ros.data.coco_writer import write_coco
from squeezedet_ros.data.frames import read_image
from squeezedet_ros.data.ground_truth import GroundTruth
from squeezedet_ros.data.kitti import list_frames
from squeezedet_ros.data.kitti_writer import format_labels
from squeezedet_ros.data.synthetic.drive import DriveFrame
from squeezedet_ros.detector import Detector
from squeezedet_ros.evaluation.average_precision import evaluate_detections
from squeezedet_ros.evaluation.drive_record import load_record, record_path
from squeezedet_ros.network import SqueezeDet
import torch

CLASSES = ('car', 'pedestrian', 'cyclist')
STREET = DATA / 'street'


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    torch.manual_seed(5)
    path = tmp_path_factory.mktemp('weights') / 'random.safetensors'
    save_checkpoint(SqueezeDet(ModelConfig(input_size=(192, 320))), path)
    return path


@pytest.fixture
def data(tmp_path):
    """Draw six images of coloured blocks, without any label."""
    for folder in ('ImageSets', 'training/image_2', 'training/label_2'):
        (tmp_path / 'set' / folder).mkdir(parents=True)
    pixels = np.random.default_rng(2)
    for index in range(6):
        coarse = pixels.integers(0, 256, (6, 10, 3), np.uint8)
        image = cv2.resize(coarse, (320, 192), interpolation=cv2.INTER_NEAREST)
        cv2.imwrite(str(tmp_path / f'set/training/image_2/{index}.png'), image)
        (tmp_path / f'set/training/label_2/{index}.txt').write_text('')
    (tmp_path / 'set/ImageSets/test.txt').write_text('\n'.join('012345'))
    return tmp_path / 'set'


def label_with_own_detections(data, weights):
    """Label the set with what the model sees in it; return the number of objects by class."""
    detector = Detector.from_checkpoint(
        weights, SelectionConfig(plot_prob_thresh=0.005), EngineConfig(device='cpu')
    )
    counts = dict.fromkeys(CLASSES, 0)
    for frame in list_frames(data, 'test'):
        (seen,) = detector.detect([read_image(frame.image_path)])
        seen = seen.select(seen.boxes[:, 3] - seen.boxes[:, 1] >= 26)
        names = tuple(CLASSES[label].capitalize() for label in seen.labels)
        count = len(names)
        labels = GroundTruth(seen.boxes, names, np.zeros(count, np.float32), np.zeros(count, int))
        frame.label_path.write_text(format_labels(labels))
        for name in names:
            counts[name.lower()] += 1
    return counts


def evaluate(data, weights, *options):
    required = ('--data', data, '--split', 'test', '--weights', weights, '--device', 'cpu')
    return main(['evaluate', *map(str, required), *map(str, options)])


def test_a_model_agrees_with_itself(data, weights, tmp_path, capsys):
    expected = label_with_own_detections(data, weights)
    (common,) = (name for name, count in expected.items() if count == max(expected.values()))
    assert expected[common] >= 41, 'too few detections to fill the curve'
    out = tmp_path / 'out' / 'test.json'
    assert evaluate(data, weights, '--json', out, '--plot-prob-thresh', 0.005) == 0
    report = json.loads(out.read_text())
    assert report['images'] == 6
    for section in ('kitti', 'kitti_iou50'):
        for points in ('ap11', 'ap40'):
            row = report[section][points][common]
            assert [row['moderate'], row['hard'], row['all']] == [1, 1, 1]
    counts = report['counts']['classes'][common]
    assert (counts['truth'], counts['true_positives']) == (expected[common],) * 2
    assert (counts['false_positives'], counts['false_negatives']) == (0, 0)
    assert f'{common:<14}{expected[common]:8}{expected[common]:10}' in capsys.readouterr().out


def test_settings_tell_how_to_do_it_again(data, weights, tmp_path):
    out = tmp_path / 'test.json'
    options = ('--json', out, '--min-overlap', 0.6, '--prob-thresh', 0.1, '--top-n', 20)
    options += ('--class-thresh', 'car=0.5', 'cyclist=0.01')
    assert evaluate(data, weights, *options) == 0
    report = json.loads(out.read_text())
    assert 'kitti_iou60' in report
    settings = report['settings']
    assert settings['checkpoint']['sha256'] == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert settings['checkpoint']['weights'] == str(weights)
    assert settings['split'] == 'test'
    assert settings['selection']['top_n'] == 20
    assert settings['selection']['plot_prob_thresh'] == 0.1
    assert settings['selection']['class_thresh'] == ['car=0.1', 'cyclist=0.01']
    assert report['counts']['plot_prob_thresh'] == 0.4
    assert report['counts']['class_thresh'] == {'car': 0.5, 'cyclist': 0.01}
    assert report['kitti']['ap11']['car']['all'] is None, 'the labels are empty'


def test_predictions_are_written_for_every_image(data, weights, tmp_path):
    assert evaluate(data, weights, '--save-predictions', tmp_path / 'results') == 0
    files = sorted((tmp_path / 'results').iterdir())
    assert [file.name for file in files] == [f'{index}.txt' for index in range(6)]
    for line in files[0].read_text().splitlines():
        kind, *rest = line.split()
        assert kind.lower() in CLASSES
        assert len(rest) == 15
        assert 0.005 <= float(rest[-1]) <= 1


def test_results_are_scored_as_the_detector_was(data, weights, tmp_path):
    label_with_own_detections(data, weights)
    own, back = tmp_path / 'own.json', tmp_path / 'back.json'
    assert evaluate(data, weights, '--json', own, '--save-predictions', tmp_path / 'results') == 0
    options = ('--data', data, '--split', 'test', '--results', tmp_path / 'results')
    assert main(['evaluate', *map(str, options), '--json', str(back)]) == 0
    reports = [json.loads(path.read_text()) for path in (own, back)]
    for key in ('images', 'kitti', 'kitti_iou50', 'counts', 'errors'):
        assert reports[0][key] == reports[1][key]
    assert reports[1]['settings'] == {
        'data': str(data),
        'split': 'test',
        'aliases': [],
        'results': str(tmp_path / 'results'),
    }


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (None, 'no result file'),
        ('Car 1 2 3\n', '3.txt:1: expected a type and 15 numbers, the score last, got'),
    ],
)
def test_faulty_results_are_said_in_one_line(data, tmp_path, capsys, content, message):
    for index in range(6):
        (tmp_path / f'{index}.txt').write_text('')
    if content is None:
        (tmp_path / '3.txt').unlink()
    else:
        (tmp_path / '3.txt').write_text(content)
    options = ('--data', str(data), '--split', 'test', '--results', str(tmp_path))
    assert main(['evaluate', *options]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert '3.txt' in error
    assert error.count('\n') == 1


@pytest.mark.parametrize('option', ['--weights', '--save-predictions'])
def test_results_need_no_detector(data, tmp_path, capsys, option):
    options = ('--data', str(data), '--split', 'test', '--results', str(tmp_path))
    assert main(['evaluate', *options, option, str(tmp_path / 'x')]) == 2
    assert f'{option} is for a detector, got it with --results' in capsys.readouterr().err


def test_pictures_of_results(data, tmp_path):
    """Boxes of the second image only; it is the worst, and the rest is empty."""
    label = 'Car 0 0 -10 40 40 100 100 -1 -1 -1 -1000 -1000 -1000 -10'
    (data / 'training/label_2/1.txt').write_text(f'{label}\n')
    for index in range(6):
        (tmp_path / f'{index}.txt').write_text('')
    options = ('--data', data, '--split', 'test', '--results', tmp_path)
    report = ('--report', tmp_path / 'report', '--gallery-frames', 2)
    assert main(['evaluate', *map(str, (*options, *report))]) == 0
    assert sorted(path.name for path in (tmp_path / 'report').iterdir()) == [
        'precision_recall.png',
        'worst_frames.png',
    ]
    for path in (tmp_path / 'report').iterdir():
        assert cv2.imread(str(path)).std() > 5


def test_pictures_need_matplotlib(data, weights, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, 'matplotlib', None)
    assert evaluate(data, weights, '--report', tmp_path / 'report') == 2
    assert 'needs matplotlib, which is not installed' in capsys.readouterr().err
    assert not (tmp_path / 'report').exists()


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (('--split', 'none'), "no split 'none'"),
        (('--weights', '/none/such.safetensors'), 'is no file'),
        (('--min-overlap', '2'), 'min_overlap must be in [0, 1], got 2.0'),
        (('--top-n', '0'), 'top_n must be in [1, 1000], got 0'),
        (('--device', 'tpu'), "got 'tpu'"),
        (('--aliases', 'Van=horse'), "a class of car, pedestrian, cyclist, got 'van=horse'"),
    ],
)
def test_what_the_user_can_mend_is_said_in_one_line(data, weights, capsys, options, message):
    assert evaluate(data, weights, *options) == 2
    error = capsys.readouterr().err
    assert error.startswith('squeezedet evaluate: ')
    assert message in error
    assert error.count('\n') == 1


def test_data_is_required(capsys):
    with pytest.raises(SystemExit) as stop:
        main(['evaluate'])
    assert stop.value.code == 2
    assert '--data' in capsys.readouterr().err


@pytest.mark.skipif(not STREET.is_dir(), reason=f'the street images are not at {STREET}')
def test_street_labels_have_no_difficulty_but_all(tmp_path, weights):
    """The real validation labels do not state truncation; four images of them are enough."""
    (tmp_path / 'ImageSets').mkdir()
    (tmp_path / 'training').symlink_to(STREET / 'training')
    names = (STREET / 'ImageSets' / 'val.txt').read_text().split()[:4]
    (tmp_path / 'ImageSets' / 'test.txt').write_text('\n'.join(names))
    assert evaluate(tmp_path, weights, '--json', tmp_path / 'val.json') == 0
    row = json.loads((tmp_path / 'val.json').read_text())['kitti_iou50']['ap11']['car']
    assert (row['easy'], row['moderate'], row['hard']) == (None, None, None)
    assert 0 <= row['all'] <= 1


def test_a_coco_set_with_labels_of_other_names(weights, tmp_path):
    image = np.full((96, 160, 3), 90, np.uint8)
    boxes = np.float32([[10, 10, 60, 50], [80, 10, 99, 60]])
    truth = GroundTruth(boxes, ('Lorry', 'Dog'), np.zeros(2, np.float32), np.zeros(2, int))
    write_coco(tmp_path / 'set', 'test', [DriveFrame(image, truth, 0)])
    out = tmp_path / 'test.json'
    assert evaluate(tmp_path / 'set', weights, '--aliases', 'Lorry=car', '--json', out) == 0
    report = json.loads(out.read_text())
    assert report['counts']['classes']['car']['truth'] == 1
    assert report['settings']['aliases'] == ['Lorry=car']


def test_the_record_scores_as_the_evaluation_did(data, weights, tmp_path):
    label_with_own_detections(data, weights)
    out = tmp_path / 'out' / 'a.json'
    thresholds = ('--class-thresh', 'pedestrian=0.3')
    assert evaluate(data, weights, '--json', out, '--save-record', *thresholds) == 0
    report, record = json.loads(out.read_text()), load_record(record_path(out))
    assert record.class_thresh == {'pedestrian': 0.3}
    assert [frame.name for frame in record.frames] == list('012345')
    assert {frame.size for frame in record.frames} == {(192, 320)}
    assert record.settings == report['settings']
    truths = [frame.truth for frame in record.frames]
    detections = [frame.detections for frame in record.frames]
    result = evaluate_detections(truths, detections, record.classes)
    assert result.ap11 == report['kitti']['ap11']
    assert result.ap40 == report['kitti']['ap40']


def test_no_record_of_an_earlier_run_stays_beside_a_report(data, weights, tmp_path):
    out = tmp_path / 'a.json'
    assert evaluate(data, weights, '--json', out, '--save-record') == 0
    assert evaluate(data, weights, '--json', out) == 0
    assert not record_path(out).exists()


def test_a_record_needs_a_report(data, weights, capsys):
    assert evaluate(data, weights, '--save-record') == 2
    assert '--save-record writes beside --json FILE' in capsys.readouterr().err
