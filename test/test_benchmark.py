from importlib.util import find_spec
import json
from pathlib import Path

import pytest
from squeezedet_ros.checkpoint import save_checkpoint
from squeezedet_ros.cli.main import main
from squeezedet_ros.config import ModelConfig
from squeezedet_ros.evaluation import machine
from squeezedet_ros.evaluation.machine import resident_bytes
from squeezedet_ros.evaluation.network_cost import model_cost
from squeezedet_ros.network import SqueezeDet
import torch


@pytest.fixture(autouse=True)
def small_limits(monkeypatch):
    """Measure what the machine can do on less, for no test asks how fast it is."""
    monkeypatch.setattr(machine, '_MATRIX_SIDE', {'cpu': 256})
    monkeypatch.setattr(machine, '_COPIED_BYTES', 2**20)


@pytest.mark.parametrize(
    ('config', 'size', 'gflop'),
    [
        (ModelConfig(), (384, 1248), 10.649),
        (ModelConfig(padding='valid'), (375, 1242), 9.714),
        (ModelConfig.paper('squeezedet_plus'), (375, 1242), 77.246),
    ],
)
def test_operations_are_the_papers(config, size, gflop):
    network, extra = SqueezeDet(config), []
    for name, module in network.named_modules():
        if isinstance(module, torch.nn.Conv2d):
            # The reference counts a bias, one operation, and a ReLU, two, for each output.
            each = 1 if name == 'convdet' else 3
            module.register_forward_hook(lambda *a, each=each: extra.append(each * a[2].numel()))
    with torch.inference_mode():
        network(torch.zeros(1, 3, *size))
    found = model_cost(config, size).operations + sum(extra)
    assert found / 1e9 == pytest.approx(gflop, abs=0.001)


def test_resident_memory_is_the_kernels():
    status = Path('/proc/self/status').read_text()
    kib = int(status.split('VmRSS:')[1].split()[0])
    assert resident_bytes() == pytest.approx(kib * 1024, rel=0.05)


def test_the_command_reports_every_stage(tmp_path, capsys):
    weights, report = tmp_path / 'small.safetensors', tmp_path / 'out' / 'report.json'
    network = SqueezeDet(ModelConfig(input_size=(64, 128), fit='adaptive'))
    with torch.no_grad():
        # Sure of a car at each of its nine anchors, wherever it looks.
        network.convdet.bias[:27:3] = 3.0
        network.convdet.bias[27:36] = 2.0
    save_checkpoint(network, weights)
    options = ['--frames', '5', '--image-size', '60', '140', '--device', 'cpu']
    options += ['--batches', '1', '3', '--memory']
    assert main(['benchmark', '--weights', str(weights), '--json', str(report), *options]) == 0
    found = json.loads(report.read_text())
    stages = found['milliseconds']
    assert set(stages) == {'preprocess', 'network', 'select', 'total'}
    assert all(0 < values['median'] <= values['p99'] for values in stages.values())
    parts = sum(stages[name]['median'] for name in ('preprocess', 'network', 'select'))
    assert parts <= stages['total']['p99'] * 1.5
    assert found['gflop_per_frame'] == pytest.approx(10.649 * 64 * 128 / (384 * 1248), rel=0.01)
    assert set(found['batches']) == {'1', '3'}
    for row in found['batches'].values():
        assert 0 < row['forward_ms_least'] <= row['forward_ms_median']
        assert row['forward_images_per_second'] == pytest.approx(1e3 / row['forward_ms_median'])
        assert row['images_per_second'] < row['forward_images_per_second']
    assert found['memory']['frames'] == 5
    assert found['boxes_per_frame'] > 1
    text = capsys.readouterr().out
    assert 'matrix product' in text
    assert found['gflops_matrix_product'] == found['machine']['gflops_float32']
    assert 'to boxes' in text
    assert ('energy cannot be read here' in text) == (not found['energy'])


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['--peers'], 'peers needs compare'),
        (['--image-size', '384'], 'image_size must be height and width, got [384]'),
        (['--batches', '4', '0'], r'batches must be in [1, 1024], got [4, 0]'),
    ],
)
def test_options_that_do_not_fit_are_refused(options, message, capsys):
    assert main(['benchmark', *options]) == 2
    assert message in capsys.readouterr().err


def test_the_limit_is_of_the_number_format(tmp_path):
    weights, report = tmp_path / 'small.safetensors', tmp_path / 'report.json'
    save_checkpoint(SqueezeDet(ModelConfig(input_size=(64, 128))), weights)
    options = ['--frames', '2', '--image-size', '60', '140', '--device', 'cpu']
    options += ['--precision', 'bfloat16', '--engine', 'torch', '--weights', str(weights)]
    assert main(['benchmark', '--json', str(report), *options]) == 0
    found = json.loads(report.read_text())
    assert found['gflops_matrix_product'] == found['machine']['gflops_bfloat16']


@pytest.mark.ros
def test_a_message_of_64_boxes_is_timed(tmp_path, capsys):
    pytest.importorskip('vision_msgs')
    weights, report = tmp_path / 'small.safetensors', tmp_path / 'report.json'
    save_checkpoint(SqueezeDet(ModelConfig(input_size=(64, 128))), weights)
    options = ['--frames', '3', '--image-size', '60', '140', '--device', 'cpu', '--message']
    assert main(['benchmark', '--weights', str(weights), '--json', str(report), *options]) == 0
    found = json.loads(report.read_text())['message']
    assert found['boxes'] == 64
    assert found['both_least'] <= found['both_median'] <= found['both_p99']
    assert found['both_median'] >= max(found['select_median'], found['message_median']) > 0
    assert 'on one core, medians of 64 boxes' in capsys.readouterr().out


def test_engines_are_compared_and_the_absent_say_why(tmp_path, capsys):
    weights, report = tmp_path / 'small.safetensors', tmp_path / 'report.json'
    save_checkpoint(SqueezeDet(ModelConfig(input_size=(64, 128))), weights)
    options = [
        '--frames',
        '3',
        '--image-size',
        '60',
        '140',
        '--device',
        'cpu',
        '--compare',
        '--peers',
    ]
    assert main(['benchmark', '--weights', str(weights), '--json', str(report), *options]) == 0
    rows = json.loads(report.read_text())['engines']
    assert 'CUDA device' in rows['cuda_graph float32']['absent']
    assert 'tensorrt' in rows['tensorrt float32']['absent']
    assert find_spec('ultralytics') or 'pip install ultralytics' in rows['ultralytics']['absent']
    plain = rows['torch_eager float32']
    assert (plain['share_of_time'], plain['share_of_processor']) == (1, 1)
    assert plain['parity'] is None
    fused = rows['torch float32']
    assert fused['parity']['scores'] < 0.001
    assert 0 < fused['network_ms']['least'] <= fused['network_ms']['median']
    assert fused['network_ms']['least'] < fused['total_ms']['least']
    table = capsys.readouterr().out
    assert all(name in table for name in rows)
