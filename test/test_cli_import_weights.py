import json

from foreign_weights import draw_layers, pytorch_state, tensorflow_arrays
import numpy as np
import pytest
from squeezedet_ros.checkpoint import load_checkpoint
from squeezedet_ros.cli.main import main
import torch


@pytest.fixture
def weights(tmp_path):
    np.savez(tmp_path / 'weights.npz', **tensorflow_arrays(draw_layers()), global_step=np.int64(1))
    return tmp_path / 'weights.npz'


def test_a_checkpoint_comes_out(weights, tmp_path, capsys):
    out, report = tmp_path / 'new' / 'ours.safetensors', tmp_path / 'report.json'
    assert main(['import-weights', str(weights), '--out', str(out), '--json', str(report)]) == 0
    assert load_checkpoint(out).config.classes == ('car', 'pedestrian', 'cyclist')
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == 'tensorflow weights, read as BichenWuUCB/squeezeDet@e7c0860 does'
    rows = [line.split() for line in lines[1:66]]
    assert ['conv12/kernels', '3x3x768x72', 'convdet.weight'] in rows
    assert rows[-1] == ['global_step', 'left', 'out', 'counter']
    assert 'parameters        2082120' in lines
    content = json.loads(report.read_text())
    assert (content['port'], content['parameters']) == ('tensorflow', 2_082_120)
    assert len(content['tensors']) == 65
    assert content['tensors'][1] == {
        'source': 'conv1/kernels',
        'shape': [3, 3, 3, 64],
        'target': 'conv1.weight',
        'note': '',
    }


def test_options_become_the_config(tmp_path):
    state = pytorch_state(draw_layers(outputs=2 * (4 + 5)))
    torch.save({'state_dict': state}, tmp_path / 'weights.pth')
    out = tmp_path / 'ours.safetensors'
    options = ['--classes', 'car', 'bus', 'tram', 'bicycle', '--input-size', '128', '256']
    options += ['--anchor-shapes', '36x37.5', '100x80', '--pixel-mean', '1', '2', '3']
    options += ['--pixel-std', '50', '60', '70', '--padding', 'same']
    options += ['--architecture', 'squeezedet']
    assert (
        main(['import-weights', str(tmp_path / 'weights.pth'), '--out', str(out), *options]) == 0
    )
    network = load_checkpoint(out)
    assert network.config.classes == ('car', 'bus', 'tram', 'bicycle')
    assert network.config.input_size == (128, 256)
    assert network.config.anchor_shapes == ((36, 37.5), (100, 80))
    assert network.config.pixel_mean == (1, 2, 3)
    assert (network.config.padding, network.config.anchor_placement) == ('same', 'cell')
    expected = state['base.features.0.weight'].flip(1) / torch.tensor([50, 60, 70])[:, None, None]
    torch.testing.assert_close(network.conv1.weight.detach(), expected)


@pytest.mark.parametrize(
    ('options', 'reason'),
    [
        (['--classes', 'car', 'bus'], '72 channels, expected 63'),
        (['--anchor-shapes', '36x37'], '72 channels, expected 8'),
        (['--anchor-shapes', *['36x-1'] * 9], 'anchor_shapes must be'),
        (['--architecture', 'squeezedet_plus'], 'do not fit in'),
        (['--input-size', '3', '3'], 'input_size must be'),
    ],
)
def test_what_is_wrong_is_one_line_and_leaves_no_checkpoint(
    weights, tmp_path, capsys, options, reason
):
    out = tmp_path / 'ours.safetensors'
    assert main(['import-weights', str(weights), '--out', str(out), *options]) == 2
    captured = capsys.readouterr()
    assert reason in captured.err
    assert captured.err.count('\n') == 1
    assert captured.out == ''
    assert not out.exists()


def test_a_shape_that_is_no_pair_is_refused(weights, tmp_path, capsys):
    out = str(tmp_path / 'ours.safetensors')
    with pytest.raises(SystemExit) as stop:
        main(['import-weights', str(weights), '--out', out, '--anchor-shapes', '36'])
    assert stop.value.code == 2
    assert "expected width and height such as 36x37, got '36'" in capsys.readouterr().err
