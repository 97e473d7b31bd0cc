from dataclasses import replace

from foreign_weights import (
    draw_layers,
    forward,
    pytorch_state,
    read_as_pytorch,
    read_as_reference,
    tensorflow_arrays,
    write_keras,
)
import numpy as np
import pytest
from squeezedet_ros.anchors import make_anchors
from squeezedet_ros.box_coder import decode
from squeezedet_ros.boxes import cxcywh_to_xyxy
from squeezedet_ros.config import KITTI_ANCHOR_SHAPES, ModelConfig
from squeezedet_ros.errors import CheckpointError, ConfigError
from squeezedet_ros.preprocessing import normalize
from squeezedet_ros.weight_import.conversion import import_weights
from squeezedet_ros.weight_import.files import read_weights_file, WeightsFile
from squeezedet_ros.weight_import.options import ImportOptions
import torch

SIZE = (96, 160)
SMALL = ImportOptions(input_size=SIZE)
KITTI_MEAN = (103.939, 116.779, 123.68)
# (width, height), QiuJueqin/SqueezeDet-PyTorch@b0d80da:src/datasets/kitti.py
PYTORCH_SHAPES = [(34, 30), (75, 45), (38, 90), (127, 68), (80, 174), (196, 97)]
PYTORCH_SHAPES += [(194, 178), (283, 156), (381, 185)]
# red, green, blue
PYTORCH_MEAN, PYTORCH_STD = (93.877, 98.801, 95.923), (78.782, 80.130, 81.200)


def image(size=SIZE):
    return np.random.default_rng(5).integers(0, 256, (*size, 3), dtype=np.uint8)


def chw(pixels):
    return torch.from_numpy(np.ascontiguousarray(pixels, np.float32)).permute(2, 0, 1)[None]


def detect(network, picture):
    """Run our network as the detector does, up to all decoded boxes."""
    config = network.config
    mean = torch.tensor(config.pixel_mean)
    with torch.inference_mode():
        raw = network(normalize(torch.from_numpy(picture)[None], mean, torch.float32))
    anchors = make_anchors(config, picture.shape[:2])
    boxes = decode(raw.deltas, anchors, config.exp_thresh)
    return raw.class_logits.softmax(-1), raw.confidence_logits.sigmoid(), boxes


def assert_equal(found, expected):
    for name, one, other in zip(('class', 'confidence', 'box'), found, expected, strict=True):
        torch.testing.assert_close(
            one, other, rtol=1e-4, atol=1e-3, msg=lambda text, name=name: f'{name}: {text}'
        )
        assert float(one.std()) > 0.05


def tensorflow_file(tmp_path, layers, **more):
    np.savez(tmp_path / 'weights.npz', **tensorflow_arrays(layers), **more)
    return read_weights_file(tmp_path / 'weights.npz')


def scaled(layers):
    """Keep the activations small although pixels go in without a deviation."""
    kernel, bias = layers['conv1']
    return layers | {'conv1': (kernel / 64, bias)}


@pytest.mark.parametrize(
    ('architecture', 'options', 'rule', 'convdet'),
    [
        ('squeezedet', SMALL, 'same', 3),
        ('squeezedet', replace(SMALL, padding='valid'), 'valid', 3),
        ('squeezedet', SMALL, 'same', 1),
        ('squeezedet_plus', SMALL, 'valid', 3),
    ],
)
def test_tensorflow_weights_see_the_same(tmp_path, architecture, options, rule, convdet):
    layers = scaled(draw_layers(architecture, convdet=convdet))
    imported = import_weights(tensorflow_file(tmp_path, layers), options)
    config = imported.network.config
    assert config.architecture == architecture
    assert config == replace(ModelConfig.paper(architecture), padding=rule, input_size=SIZE)
    assert not imported.network.training
    output = forward(layers, architecture, chw(image()) - chw([[KITTI_MEAN]]), rule)
    expected = read_as_reference(output, SIZE, KITTI_ANCHOR_SHAPES, 3)
    assert_equal(detect(imported.network, image()), expected)


def test_other_anchors_and_classes(tmp_path):
    shapes = ((20.0, 30.0), (60.0, 40.0), (90.0, 80.0), (33.0, 99.0))
    layers = scaled(draw_layers(outputs=4 * (2 + 5)))
    options = replace(SMALL, anchor_shapes=shapes, classes=('car', 'tram'))
    imported = import_weights(tensorflow_file(tmp_path, layers), options)
    assert imported.network.config.classes == ('car', 'tram')
    output = forward(layers, 'squeezedet', chw(image()) - chw([[KITTI_MEAN]]), 'same')
    expected = read_as_reference(output, SIZE, shapes, 2)
    assert_equal(detect(imported.network, image()), expected)


@pytest.mark.parametrize('root', ['', 'model_weights'])
def test_keras_weights_see_the_same(tmp_path, root):
    pytest.importorskip('h5py')
    layers = draw_layers()
    write_keras(tmp_path / 'weights.h5', layers, root)
    picture = image()
    mean, std = float(picture.mean()), float(picture.std())
    options = replace(SMALL, pixel_mean=(mean,) * 3, pixel_std=(std,) * 3)
    imported = import_weights(read_weights_file(tmp_path / 'weights.h5'), options)
    assert imported.port.name == 'keras'
    assert imported.network.config.classes == ('cyclist', 'pedestrian', 'car')
    output = forward(layers, 'squeezedet', (chw(picture) - mean) / std, 'same')
    expected = read_as_reference(output, SIZE, KITTI_ANCHOR_SHAPES, 3)
    assert_equal(detect(imported.network, picture), expected)


@pytest.mark.parametrize('architecture', ['squeezedet', 'squeezedet_plus'])
@pytest.mark.parametrize('prefix', ['base.', 'module.base.'])
def test_pytorch_weights_see_the_same(tmp_path, architecture, prefix):
    layers = draw_layers(architecture)
    state = pytorch_state(layers, architecture, prefix)
    torch.save({'epoch': 280, 'state_dict': state}, tmp_path / 'weights.pth')
    imported = import_weights(read_weights_file(tmp_path / 'weights.pth'), SMALL)
    config = imported.network.config
    assert (imported.port.name, config.architecture) == ('pytorch', architecture)
    assert (config.padding, config.anchor_placement) == ('symmetric', 'cell')
    picture = image()
    pixels = (chw(picture[..., ::-1]) - chw([[PYTORCH_MEAN]])) / chw([[PYTORCH_STD]])
    output = forward(layers, architecture, pixels, 'symmetric')
    probabilities, confidences, boxes = detect(imported.network, picture)
    boxes = cxcywh_to_xyxy(boxes) - torch.tensor([0.0, 0, 1, 1])
    expected = read_as_pytorch(output, PYTORCH_SHAPES, 3)
    assert_equal((probabilities, confidences, boxes), expected)


def test_every_entry_is_accounted_for(tmp_path):
    layers = draw_layers()
    more = {
        'conv12/kernels/Momentum': layers['conv12'][0],
        'conv12/biases/ExponentialMovingAverage': layers['conv12'][1],
        'global_step': np.int64(87000),
        'iou': np.zeros((20, 16848), np.float32),
    }
    imported = import_weights(tensorflow_file(tmp_path, layers, **more), ImportOptions())
    assert imported.network.config == ModelConfig.paper('squeezedet')
    rows = {row.source: row for row in imported.account}
    assert set(rows) == set(tensorflow_arrays(layers)) | set(more)
    assert rows['conv1/kernels'][1:] == ((3, 3, 3, 64), 'conv1.weight', '')
    assert rows['fire10/squeeze1x1/biases'].target == 'fires.fire10.squeeze.bias'
    assert {rows[name].target for name in more} == {''}
    assert rows['conv12/kernels/Momentum'].note == 'optimizer slot'
    assert [row.source for row in imported.account][:2] == ['conv1/biases', 'conv1/kernels']
    assert [row.source for row in imported.account][62:64] == ['conv12/biases', 'conv12/kernels']


def test_names_of_graph_tensors_are_known(tmp_path):
    np.savez(tmp_path / 'weights.npz', **tensorflow_arrays(draw_layers(), ':0'))
    imported = import_weights(read_weights_file(tmp_path / 'weights.npz'), ImportOptions())
    assert len(imported.account) == 64


def test_what_is_beside_the_state_is_told(tmp_path):
    state = pytorch_state(draw_layers())
    torch.save({'epoch': 3, 'state_dict': state}, tmp_path / 'weights.pth')
    imported = import_weights(read_weights_file(tmp_path / 'weights.pth'), ImportOptions())
    assert imported.account[-1] == ('epoch', (), '', 'beside state_dict')
    notes = {row.target: row.note for row in imported.account}
    assert (
        notes['conv1.weight'] == 'red first turned to blue first, divided by the pixel deviation'
    )
    assert notes['convdet.bias'] == 'channels reordered, centres shifted by 0.5 pixels'
    assert imported.network.config.input_size == (384, 1248)


def test_valid_padding_takes_the_size_it_was_trained_at(tmp_path):
    file = tensorflow_file(tmp_path, draw_layers())
    config = import_weights(file, ImportOptions(padding='valid')).network.config
    assert (config.padding, config.input_size) == ('valid', (375, 1242))
    state = WeightsFile(pytorch_state(draw_layers()), {})
    config = import_weights(state, ImportOptions(padding='valid')).network.config
    assert (config.padding, config.input_size) == ('valid', (384, 1248))


def spoilt(**changes):
    arrays = {name: torch.from_numpy(value) for name, value in arrays_of().items()}
    for name, value in changes.items():
        name = name.replace('__', '/')
        if value is None:
            del arrays[name]
        else:
            arrays[name] = value
    return WeightsFile(arrays, {})


def arrays_of():
    return {name: np.ascontiguousarray(a) for name, a in tensorflow_arrays(draw_layers()).items()}


@pytest.mark.parametrize(
    ('changes', 'reasons'),
    [
        (
            {'fire4__squeeze1x1__kernels': None, 'conv12__biases': None},
            [
                r'2 places',
                r'fires\.fire4\.squeeze\.weight: missing, expected \(32, 128, 1, 1\)',
                r'convdet\.bias: missing, expected \(72,\)',
            ],
        ),
        ({'conv12__kernels': None}, [r'convdet\.weight: missing, expected \(72, 768, 3, 3\)']),
        (
            {'conv13__kernels': torch.zeros(1, 1, 2, 3), 'bn1__gamma': torch.zeros(64)},
            [r'conv13/kernels \(1, 1, 2, 3\): unknown', r'bn1/gamma \(64,\): unknown'],
        ),
        (
            {'fire2__expand3x3__kernels': torch.zeros(3, 3, 16, 60)},
            [
                r'fire2/expand3x3/kernels: expected \(64, 16, 3, 3\), got \(60, 16, 3, 3\)',
            ],
        ),
        (
            {'conv12__kernels': torch.zeros(5, 5, 768, 72)},
            [r'\(72, 768, 3, 3\) or \(72, 768, 1, 1\), got \(72, 768, 5, 5\)'],
        ),
        (
            {'conv1__biases': torch.full((64,), torch.nan)},
            [r'conv1/biases: expected finite values, got 64 others'],
        ),
        ({'conv1__biases:0': torch.zeros(64)}, [r'conv1\.bias comes from conv1/biases already']),
        (
            {'conv12__kernels': torch.zeros(3, 3, 768, 70)},
            [r'70 channels, expected 72 for 9 anchor shapes and 3 classes', r'multiple of 8'],
        ),
        (
            {'conv12__kernels': torch.zeros(3, 3, 768, 56)},
            [r'56 channels', r'3 classes make 7 anchor shapes: say which by --anchor-shapes'],
        ),
    ],
)
def test_what_does_not_fit_is_named(changes, reasons):
    with pytest.raises(CheckpointError) as refused:
        import_weights(spoilt(**changes), ImportOptions())
    assert '\n' not in str(refused.value)
    for reason in reasons:
        assert refused.match(reason)


def test_foreign_tensors_are_refused():
    file = WeightsFile({'layer1.0.conv1.weight': torch.zeros(64, 64, 1, 1)}, {})
    with pytest.raises(CheckpointError, match=r'BichenWuUCB.*first names are layer1.0.conv1'):
        import_weights(file, ImportOptions())


def test_the_architecture_asked_for_is_the_one_that_has_to_fit():
    with pytest.raises(CheckpointError, match='of squeezedet_plus do not fit'):
        import_weights(spoilt(), ImportOptions(architecture='squeezedet_plus'))


@pytest.mark.parametrize('deviation', [0, -1, 1e-45, float('nan'), float('inf')])
def test_a_deviation_that_cannot_be_is_refused(deviation):
    with pytest.raises(ConfigError, match=r'pixel_std must be finite and at least 0\.001'):
        ImportOptions(pixel_std=(1, deviation, 1))
