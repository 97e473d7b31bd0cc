from __future__ import annotations

import hashlib
import json

import pytest
from squeezedet_ros.checkpoint import save_checkpoint
from squeezedet_ros.cli.main import main
from squeezedet_ros.config import ModelConfig
from squeezedet_ros.network import SqueezeDet


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / 'paper.safetensors'
    save_checkpoint(SqueezeDet(ModelConfig.paper('squeezedet')), path)
    return path


def test_info_tells_what_a_checkpoint_holds(weights, tmp_path, capsys):
    out = tmp_path / 'new' / 'info.json'
    assert main(['info', '--weights', str(weights), '--json', str(out)]) == 0
    report = json.loads(out.read_text())
    assert report['parameters'] == 2_082_120
    assert report['bytes'] == weights.stat().st_size
    assert report['sha256'] == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert report['config']['classes'] == ['car', 'pedestrian', 'cyclist']
    assert report['config']['input_size'] == [384, 1248]
    printed = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert printed['parameters'] == '2082120'
    assert printed['architecture'] == 'squeezedet'
    assert printed['sha256'] == report['sha256']


def test_info_refuses_a_damaged_file(weights, capsys):
    weights.write_bytes(weights.read_bytes()[:1000])
    assert main(['info', '--weights', str(weights)]) == 2
    assert str(weights) in capsys.readouterr().err
