import numpy as np
import pytest
from squeezedet_ros.anchors import grid_size
from squeezedet_ros.config import ModelConfig
from squeezedet_ros.network import split_prediction, SqueezeDet
import torch
from torch import nn

# Parameters of each layer: the reference's table.
LAYERS = {
    'conv1': 1792,
    'fire2': 11408,
    'fire3': 12432,
    'fire4': 45344,
    'fire5': 49440,
    'fire6': 104880,
    'fire7': 111024,
    'fire8': 188992,
    'fire9': 197184,
    'fire10': 418656,
    'fire11': 443232,
    'convdet': 497736,
}


def count(module):
    return sum(value.numel() for value in module.parameters())


def test_parameters_of_squeezedet_layer_by_layer():
    network = SqueezeDet(ModelConfig())
    found = {name: count(module) for name, module in network.fires.items()}
    found |= {'conv1': count(network.conv1), 'convdet': count(network.convdet)}
    assert found == LAYERS
    assert count(network) == 2_082_120
    assert count(network) - count(network.conv1) == 2_080_328


def test_parameters_of_squeezedet_plus():
    assert count(SqueezeDet(ModelConfig.paper('squeezedet_plus'))) == 7_021_640


@pytest.mark.parametrize(
    ('config', 'size', 'anchors'),
    [
        (ModelConfig(), (384, 1248), 16848),
        (ModelConfig.paper('squeezedet_plus'), (375, 1242), 15048),
        (ModelConfig(padding='valid'), (375, 1242), 15048),
        (ModelConfig(), (90, 130), 6 * 9 * 9),
    ],
)
def test_output_has_an_entry_for_each_anchor(config, size, anchors):
    with torch.inference_mode():
        raw = SqueezeDet(config)(torch.zeros(1, 3, *size))
    assert raw.class_logits.shape == (1, anchors, 3)
    assert raw.confidence_logits.shape == (1, anchors)
    assert raw.deltas.shape == (1, anchors, 4)


@pytest.mark.parametrize(
    ('channel', 'part', 'anchor', 'item'),
    [
        (27 + 5, 'confidence_logits', 5, None),
        (3 * 4 + 2, 'class_logits', 4, 2),
        (36 + 4 * 8 + 1, 'deltas', 8, 1),
    ],
)
def test_channel_layout(channel, part, anchor, item):
    output = torch.zeros(1, 72, 2, 3)
    output[0, channel, 1, 2] = 1
    raw = split_prediction(output, ModelConfig())
    flat = (1 * 3 + 2) * 9 + anchor
    for name, value in raw._asdict().items():
        touched = value.nonzero().tolist()
        where = [0, flat] + ([] if item is None else [item])
        assert touched == ([where] if name == part else [])


def tensorflow_same(x, kernel, function, fill):
    """Pad by TensorFlow's published formula, then apply a VALID layer of stride 2."""
    pads = []
    for size in (x.shape[3], x.shape[2]):
        out = int(np.ceil(size / 2))
        total = max((out - 1) * 2 + kernel - size, 0)
        pads += [total // 2, total - total // 2]
    return function(nn.functional.pad(x, pads, value=fill))


@pytest.mark.parametrize('size', [(384, 1248), (75, 130), (75, 131)])
def test_conv1_and_pool_pad_as_tensorflow(size):
    from squeezedet_ros import network as module

    torch.manual_seed(1)
    x = torch.randn(1, 3, *size)
    conv = nn.Conv2d(3, 4, 3, stride=2)
    expected = tensorflow_same(x, 3, conv, 0.0)
    found = conv(module._pad_same(x, 3, 0.0))
    torch.testing.assert_close(found, expected)
    pooled = tensorflow_same(x, 3, nn.MaxPool2d(3, 2), float('-inf'))
    torch.testing.assert_close(module.pool(x, 'same'), pooled)


@pytest.mark.parametrize('size', [(384, 1248), (75, 130), (75, 131)])
def test_symmetric_is_the_padding_of_pytorch_ports(size):
    torch.manual_seed(1)
    config = ModelConfig(padding='symmetric', input_size=size)
    network = SqueezeDet(config)
    pixels = torch.randn(1, 3, *size)
    seen = {}
    network.fires['fire2'].register_forward_pre_hook(lambda _, x: seen.update(fire2=x[0]))
    with torch.inference_mode():
        raw = network(pixels)
        weight, bias = network.conv1.weight, network.conv1.bias
        conv = nn.functional.conv2d(pixels, weight, bias, stride=2, padding=1).relu()
        expected = nn.functional.max_pool2d(conv, 3, 2, ceil_mode=True)
    torch.testing.assert_close(seen['fire2'], expected)
    rows, columns = grid_size(config, size)
    assert raw.confidence_logits.shape == (1, rows * columns * 9)


def test_dropout_acts_in_training_alone():
    network = SqueezeDet(ModelConfig())
    nn.init.normal_(network.convdet.weight)
    pixels = torch.randn(1, 3, 64, 64) * 50
    network.eval()
    with torch.inference_mode():
        first, second = network(pixels), network(pixels)
        assert torch.equal(first.deltas, second.deltas)
        network.train()
        assert not torch.equal(network(pixels).deltas, network(pixels).deltas)


def test_start_is_the_references():
    network = SqueezeDet(ModelConfig())
    assert float(network.convdet.weight.std()) == pytest.approx(0.88e-4, rel=0.05)
    assert float(network.fires['fire9'].squeeze.weight.std()) == pytest.approx(0.0088, rel=0.05)
    assert not network.convdet.bias.any()
