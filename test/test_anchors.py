import pytest
from squeezedet_ros.anchors import grid_size, make_anchors, same_padding
from squeezedet_ros.config import ModelConfig
from squeezedet_ros.network import SqueezeDet
import torch

PLUS = ModelConfig.paper('squeezedet_plus')
VALID = ModelConfig(padding='valid')


@pytest.mark.parametrize(
    ('config', 'size', 'grid', 'count'),
    [
        (ModelConfig(), (384, 1248), (24, 78), 16848),
        (VALID, (384, 1248), (23, 77), 15939),
        (VALID, (375, 1242), (22, 76), 15048),
        (PLUS, (375, 1242), (22, 76), 15048),
        (PLUS, (384, 1248), (22, 76), 15048),
    ],
)
def test_grid_and_count_are_the_references(config, size, grid, count):
    assert grid_size(config, size) == grid
    assert make_anchors(config, size).shape == (count, 4)


def test_reference_placement_of_squeezedet():
    anchors = make_anchors(ModelConfig(), (384, 1248))
    expected = {
        0: (15.797468, 15.36, 36, 37),
        1: (15.797468, 15.36, 366, 174),
        702: (15.797468, 30.72, 36, 37),
        7202: (331.746835, 168.96, 115, 59),
        -1: (1232.202532, 368.64, 72, 43),
    }
    for index, row in expected.items():
        torch.testing.assert_close(anchors[index], torch.tensor(row), rtol=0, atol=1e-4)
    assert float(anchors[9, 0]) == pytest.approx(31.594937, abs=1e-5)


def test_reference_placement_of_squeezedet_plus():
    anchors = make_anchors(PLUS, (375, 1242))
    torch.testing.assert_close(anchors[0], torch.tensor([16.129870, 16.304348, 36, 37]))
    torch.testing.assert_close(anchors[-1, :2], torch.tensor([1225.870130, 358.695652]))


@pytest.mark.parametrize(('size', 'kernel', 'expected'), [(384, 3, (0, 1)), (75, 3, (1, 1))])
def test_same_padding_is_tensorflows(size, kernel, expected):
    assert same_padding(size, kernel) == expected


def test_stride_placement_is_the_receptive_fields_centre():
    config = ModelConfig(anchor_placement='stride')
    anchors = make_anchors(config, (128, 256)).reshape(8, 16, 9, 4)
    # Output i of a 3x3 layer of stride 2, padded right alone, looks at input 2i + 1; four times.
    assert anchors[0, 0, 0, :2].tolist() == [15.5, 15.5]
    assert anchors[2, 3, 0, :2].tolist() == [3 * 16 + 15.5, 2 * 16 + 15.5]


def test_symmetric_padding_of_pytorch_ports():
    config = ModelConfig(padding='symmetric', anchor_placement='cell')
    anchors = make_anchors(config, (384, 1248))
    assert grid_size(config, (384, 1248)) == (24, 78)
    # conv1 rounds up, pools round down: 75 -> 38 -> 19 -> 9 -> 4, 131 -> 66 -> 33 -> 16 -> 8.
    assert grid_size(config, (75, 131)) == (4, 8)
    assert anchors[0].tolist() == [8, 8, 36, 37]
    assert anchors[-1].tolist() == [1240, 376, 72, 43]
    stride = make_anchors(ModelConfig(padding='symmetric', anchor_placement='stride'), (384, 1248))
    # conv1 looks at 0.5 and on, the pools add 2, 4 and 8.
    assert stride[0, :2].tolist() == [14.5, 14.5]


def test_stride_placement_follows_the_network():
    """The pixels that move an output lie around the anchor of its cell."""
    torch.manual_seed(0)
    network = SqueezeDet(ModelConfig(anchor_placement='stride')).eval()
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.constant_(module.weight, 1e-2)
    pixels = torch.rand(4, 3, 512, 512, requires_grad=True)
    cell = 14 * 32 + 17
    network(pixels).confidence_logits[:, cell * 9].sum().backward()
    energy = pixels.grad.sum((0, 1))
    along = torch.arange(512) + 0.5
    anchor = make_anchors(network.config, (512, 512))[cell * 9]
    assert float((energy.sum(0) * along).sum() / energy.sum()) == pytest.approx(anchor[0], abs=2)
    assert float((energy.sum(1) * along).sum() / energy.sum()) == pytest.approx(anchor[1], abs=2)
