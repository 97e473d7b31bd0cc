from __future__ import annotations

import pytest
from squeezedet_ros.checkpoint import save_checkpoint
from squeezedet_ros.cli.main import main
from squeezedet_ros.cli.soak import SoakConfig
from squeezedet_ros.errors import ConfigError


@pytest.mark.parametrize('size', ['', '1242', '0x375', '1242x375x3', 'axb'])
def test_a_size_is_width_and_height(size):
    with pytest.raises(ConfigError, match='must be WIDTHxHEIGHT'):
        SoakConfig(size=size)


def test_a_parameter_has_a_name_and_a_value(tmp_path, capsys):
    assert main(['soak', '--parameter', 'mode', '--out', str(tmp_path)]) == 2
    assert "must be NAME:=VALUE, got 'mode'" in capsys.readouterr().err


@pytest.mark.ros
def test_a_short_soak_keeps_its_books(tmp_path, capsys):
    pytest.importorskip('rclpy')
    ros_testing = pytest.importorskip('ros_testing')
    weights = tmp_path / 'tiny.safetensors'
    save_checkpoint(ros_testing.tiny_network(), weights)
    arguments = ['--minutes', '0.1', '--cameras', '2', '--rate', '2', '--size', '160x90']
    arguments += ['--parameter', f'weights:={weights}', '--parameter', 'num_threads:=1']
    assert main(['soak', *arguments, '--overhead', '--out', str(tmp_path)]) == 0
    overhead, left, right, arrays, fairness, age, memory = capsys.readouterr().out.splitlines()
    assert overhead.startswith('overhead: ')
    assert left.startswith('right: camera_0: ')
    assert right.startswith('right: camera_1: ')
    assert arrays.startswith('right: ')
    assert fairness.startswith('right: detected of each camera')
    assert age.startswith('open: p99 age')
    assert memory.startswith('open: memory')
