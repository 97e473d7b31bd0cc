from importlib.util import find_spec
import json

import pytest
from squeezedet_ros.cli import export
from squeezedet_ros.cli.main import main

needs_onnx = pytest.mark.skipif(find_spec('onnx') is None, reason='not installed: onnx')


@needs_onnx
def test_the_graph_has_the_size_and_number_asked_for(tmp_path, capsys):
    import onnx

    path = tmp_path / 'out' / 'model.onnx'
    options = ['--batch', '2', '--size', '96', '160', '--precision', 'float16']
    assert main(['export', '--out', str(path), *options]) == 0
    assert 'images [2, 96, 160, 3] uint8' in capsys.readouterr().out
    model = onnx.load(str(path))
    shape = [item.dim_value for item in model.graph.input[0].type.tensor_type.shape.dim]
    assert shape == [2, 96, 160, 3]
    (config,) = (item.value for item in model.metadata_props)
    assert json.loads(config)['classes'] == ['car', 'pedestrian', 'cyclist']
    assert path.stat().st_size == pytest.approx(2 * 2.08e6, rel=0.01)


@needs_onnx
def test_any_number_and_size_is_the_default(tmp_path):
    import onnx

    path = tmp_path / 'model.onnx'
    assert main(['export', '--out', str(path)]) == 0
    shape = onnx.load(str(path)).graph.input[0].type.tensor_type.shape.dim
    assert [item.dim_param for item in shape[:3]] == ['images', 'height', 'width']


@needs_onnx
def test_a_size_too_small_is_refused(tmp_path, capsys):
    assert main(['export', '--out', str(tmp_path / 'a.onnx'), '--size', '32', '160']) == 2
    assert 'at least 64, got 0 and (32, 160)' in capsys.readouterr().err


def test_without_onnx_the_package_is_named(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(export, 'find_spec', lambda _: None)
    assert main(['export', '--out', str(tmp_path / 'a.onnx')]) == 2
    assert 'pip install onnx)' in capsys.readouterr().err
