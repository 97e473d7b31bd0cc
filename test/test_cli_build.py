from gpu import needs_cuda
import pytest
from squeezedet_ros.checkpoint import load_checkpoint, resolve_weights
from squeezedet_ros.cli.build import look_at_each
from squeezedet_ros.cli.main import main
from squeezedet_ros.config import EngineConfig
from squeezedet_ros.detector import Detector

SIZE = ['--image-size', '375', '1242']


@pytest.mark.parametrize(
    ('words', 'reason'),
    [
        ([*SIZE], "engine must be one of tensorrt, onnxruntime_tensorrt, got 'auto'"),
        ([*SIZE, '--engine', 'openvino'], "onnxruntime_tensorrt, got 'openvino'"),
        (
            [*SIZE, '--engine', 'tensorrt', '--batches', '1', '0'],
            'must be at least 1, got [[375, 1242]] and [1, 0]',
        ),
        (
            [*SIZE, '--image-size', '0', '5', '--engine', 'tensorrt'],
            'must be at least 1, got [[375, 1242], [0, 5]] and [1]',
        ),
    ],
)
def test_what_cannot_be_built_is_told(words, reason, capsys):
    assert main(['build', *words]) == 2
    assert reason in capsys.readouterr().err


@pytest.mark.parametrize('engine', ['tensorrt', 'onnxruntime_tensorrt'])
def test_it_falls_back_to_nothing(engine, capsys):
    assert main(['build', *SIZE, '--engine', engine, '--allow-fallback']) == 2
    assert f'engine {engine} needs' in capsys.readouterr().err


def test_each_number_and_size_is_looked_at_once(monkeypatch):
    detector = Detector(
        load_checkpoint(resolve_weights('')), engine=EngineConfig(engine='torch', device='cpu')
    )
    engine, seen = detector.choice.engine, []
    prepare = engine.prepare
    monkeypatch.setattr(
        engine, 'prepare', lambda images: seen.append(tuple(images.shape)) or prepare(images)
    )
    look_at_each(detector, [(1, 375, 1242), (2, 375, 1242), (2, 720, 1280)])
    assert seen == [(1, 384, 1264, 3), (2, 384, 1264, 3), (2, 512, 928, 3)]


@needs_cuda
def test_what_was_built_is_kept(capsys, monkeypatch, tmp_path):
    pytest.importorskip('tensorrt')
    pytest.importorskip('onnx')
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    assert main(['build', *SIZE, '--engine', 'tensorrt', '--batches', '1', '2']) == 0
    # The check at configure has a size of its own.
    assert 'holds 3 files' in capsys.readouterr().out
