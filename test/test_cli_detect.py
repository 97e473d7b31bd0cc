import json

import cv2
import numpy as np
import pytest
from squeezedet_ros.checkpoint import save_checkpoint
from squeezedet_ros.cli.detect import format_detections, list_detections
from squeezedet_ros.cli.main import main
from squeezedet_ros.config import ModelConfig
from squeezedet_ros.detections import Detections
from squeezedet_ros.detector import Detector
from squeezedet_ros.network import SqueezeDet
import torch

FOUND = Detections(
    np.array([[10.25, 20, 110.5, 60], [0, 0, 1241, 374]], np.float32),
    np.array([0.75, 0.5], np.float32),
    np.array([2, 0]),
)
CLASSES = ('car', 'pedestrian', 'cyclist')


@pytest.fixture
def network(tmp_path):
    torch.manual_seed(0)
    result = SqueezeDet(ModelConfig(input_size=(128, 256)))
    with torch.no_grad():
        # Confident, and sure of the first class.
        result.convdet.bias[:27:3] = 3.0
        result.convdet.bias[27:36] = 2.0
    save_checkpoint(result, tmp_path / 'tiny.safetensors')
    return result


@pytest.fixture
def image(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (90, 160, 3), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / 'image.png'), pixels)
    return pixels


def test_a_line_for_each_detection():
    assert format_detections(FOUND, CLASSES).splitlines() == [
        'class         score       x0       y0       x1       y1',
        'cyclist       0.750     10.2     20.0    110.5     60.0',
        'car           0.500      0.0      0.0   1241.0    374.0',
        '2 objects',
    ]
    assert format_detections(FOUND.select(np.array([0])), CLASSES).endswith('\n1 object')
    assert format_detections(Detections.empty(), CLASSES).endswith('\n0 objects')


def test_detections_in_the_types_of_json():
    assert list_detections(FOUND, CLASSES)[0] == {
        'class': 'cyclist',
        'score': 0.75,
        'box': [10.25, 20.0, 110.5, 60.0],
    }


def test_what_the_detector_sees_is_printed_written_and_drawn(network, image, tmp_path, capsys):
    report, overlay = tmp_path / 'new' / 'report.json', tmp_path / 'new' / 'overlay.png'
    arguments = [
        '--weights',
        tmp_path / 'tiny.safetensors',
        '--json',
        report,
        '--overlay',
        overlay,
    ]
    arguments += ['--device', 'cpu', '--plot-prob-thresh', 0.5]
    assert main(['detect', str(tmp_path / 'image.png'), *map(str, arguments)]) == 0
    (expected,) = Detector(network).detect([image])
    expected = expected.select(expected.scores >= 0.5)
    assert len(expected) > 0
    assert capsys.readouterr().out.splitlines()[-1].startswith(f'{len(expected)} object')
    told = json.loads(report.read_text())
    assert (told['height'], told['width']) == (90, 160)
    assert told['selection']['plot_prob_thresh'] == 0.5
    assert told['detections'] == list_detections(expected, network.config.classes)
    drawn = cv2.imread(str(overlay))
    assert drawn.shape == image.shape
    assert (drawn != image).any()


@pytest.mark.parametrize(
    ('content', 'reason'),
    [(None, 'no image '), (b'no picture', 'is not an image that can be read'), (b'', 'is not an')],
)
def test_an_unreadable_image_is_named(content, reason, tmp_path, capsys):
    path = tmp_path / 'image.jpg'
    if content is not None:
        path.write_bytes(content)
    assert main(['detect', str(path)]) == 2
    line = capsys.readouterr().err
    assert line.startswith('squeezedet detect: ')
    assert str(path) in line
    assert reason in line


def test_an_image_that_is_cut_short_is_refused(image, tmp_path, capsys):
    content = cv2.imencode('.jpg', image)[1].tobytes()
    (tmp_path / 'cut.jpg').write_bytes(content[: len(content) // 2])
    assert main(['detect', str(tmp_path / 'cut.jpg')]) == 2
    assert 'cut.jpg is not an image that can be read' in capsys.readouterr().err


def test_a_folder_is_no_image(tmp_path, capsys):
    assert main(['detect', str(tmp_path)]) == 2
    assert f'{tmp_path} cannot be read' in capsys.readouterr().err


@pytest.mark.usefixtures('image')
def test_settings_are_checked_before_anything_is_looked_at(tmp_path, capsys):
    assert main(['detect', str(tmp_path / 'image.png'), '--overlay', 'picture.txt']) == 2
    assert 'overlay must end in one of .jpeg, .jpg, .png, got picture.txt' in (
        capsys.readouterr().err
    )
    assert main(['detect', str(tmp_path / 'image.png'), '--top-n', '0']) == 2
    assert 'top_n must be in [1, 1000], got 0' in capsys.readouterr().err
