import pytest
from squeezedet_ros.errors import DeviceError
from squeezedet_ros.training.distributed import own_device
import torch


@pytest.fixture
def started(monkeypatch):
    """Return what makes this one of some processes, beside some GPUs."""

    def start(rank, processes, present):
        monkeypatch.setenv('LOCAL_RANK', str(rank))
        monkeypatch.setenv('LOCAL_WORLD_SIZE', str(processes))
        monkeypatch.setattr(torch.cuda, 'device_count', lambda: present)

    return start


@pytest.mark.parametrize('name', ['auto', 'cuda'])
def test_each_process_has_a_gpu(started, name):
    for rank in range(2):
        started(rank, 2, 4)
        assert own_device(name) == f'cuda:{rank}'


@pytest.mark.parametrize('name', ['cpu', 'cuda:1'])
def test_who_names_a_device_gets_it(started, name):
    started(1, 2, 4)
    assert own_device(name) == name


def test_alone_or_without_a_gpu_nothing_is_shared_out(started, monkeypatch):
    started(1, 2, 0)
    assert own_device('auto') == 'auto'
    monkeypatch.delenv('LOCAL_RANK')
    monkeypatch.delenv('LOCAL_WORLD_SIZE')
    assert own_device('cuda') == 'cuda'


def test_two_processes_do_not_share_a_gpu(started):
    started(0, 3, 2)
    with pytest.raises(DeviceError, match='device for each of 3 processes, got 2; device cpu'):
        own_device('auto')
