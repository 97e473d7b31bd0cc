from dataclasses import replace
import os
import resource
import signal

import pytest
from safetensors.torch import save_file
from squeezedet_ros.checkpoint import (
    load_checkpoint,
    read_config,
    resolve_weights,
    save_checkpoint,
    write_atomically,
)
from squeezedet_ros.config import ModelConfig
from squeezedet_ros.errors import CheckpointError
from squeezedet_ros.network import SqueezeDet
import torch

MODEL = ModelConfig(input_size=(128, 256), fit='adaptive', classes=('car', 'bus'))


@pytest.fixture
def saved(tmp_path):
    torch.manual_seed(0)
    network = SqueezeDet(MODEL)
    path = tmp_path / 'model.safetensors'
    save_checkpoint(network, path)
    return network, path


def test_round_trip(saved):
    network, path = saved
    loaded = load_checkpoint(path)
    assert loaded.config == MODEL
    assert read_config(path) == MODEL
    assert not loaded.training
    for key, value in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[key], value)


def test_half_precision_on_disk(saved, tmp_path):
    network, _ = saved
    save_checkpoint(network, tmp_path / 'half.safetensors', torch.float16)
    loaded = load_checkpoint(tmp_path / 'half.safetensors')
    assert loaded.conv1.weight.dtype == torch.float32
    torch.testing.assert_close(loaded.conv1.weight, network.conv1.weight, rtol=1e-3, atol=1e-6)
    assert (tmp_path / 'half.safetensors').stat().st_size < 4.3e6


def test_missing(tmp_path):
    with pytest.raises(CheckpointError, match='no file'):
        resolve_weights(str(tmp_path / 'none.safetensors'))


def test_truncated(saved):
    _, path = saved
    path.write_bytes(path.read_bytes()[:100_000])
    with pytest.raises(CheckpointError, match='cannot be read'):
        load_checkpoint(path)


def test_foreign_bytes(tmp_path):
    path = tmp_path / 'foreign.safetensors'
    path.write_bytes(b'not a checkpoint at all' * 10)
    with pytest.raises(CheckpointError, match='cannot be read'):
        load_checkpoint(path)


def test_foreign_safetensors(tmp_path):
    path = tmp_path / 'other.safetensors'
    save_file({'x': torch.zeros(3)}, path)
    with pytest.raises(CheckpointError, match='without a squeezedet model config'):
        load_checkpoint(path)


def test_config_that_does_not_fit(saved, tmp_path):
    network, _ = saved
    network.config = replace(MODEL, classes=('car', 'bus', 'tram'))
    save_checkpoint(network, tmp_path / 'wrong.safetensors')
    with pytest.raises(CheckpointError, match=r'convdet.bias: expected \(72,\), got \(63,\)'):
        load_checkpoint(tmp_path / 'wrong.safetensors')


def test_config_of_another_version(tmp_path):
    path = tmp_path / 'new.safetensors'
    save_file({'x': torch.zeros(3)}, path, {'squeezedet_model_config': '{"colour": "red"}'})
    with pytest.raises(CheckpointError, match='unknown model settings: colour'):
        read_config(path)


def test_atomic_write_leaves_no_partial(tmp_path):
    path = tmp_path / 'deep' / 'file'
    write_atomically(path, b'one')
    write_atomically(path, b'two')
    assert path.read_bytes() == b'two'
    assert [item.name for item in path.parent.iterdir()] == ['file']


def test_where_there_is_no_room_the_old_content_stays(tmp_path):
    path = tmp_path / 'file'
    write_atomically(path, b'old')
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
        with pytest.raises(OSError, match='too large') as caught:
            write_atomically(path, bytes(2000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert caught.value.filename == str(path)
    assert path.read_bytes() == b'old'
    assert [item.name for item in tmp_path.iterdir()] == ['file']


def test_what_is_no_file_is_written_to(tmp_path):
    pipe, file, link = tmp_path / 'pipe', tmp_path / 'file', tmp_path / 'link'
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_atomically(pipe, b'one')
        assert os.read(reader, 9) == b'one'
    finally:
        os.close(reader)
    assert pipe.is_fifo()
    file.touch()
    link.symlink_to(file)
    write_atomically(link, b'two')
    assert link.is_symlink()
    assert file.read_bytes() == b'two'
