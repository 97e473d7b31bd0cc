"""The processes of one training: one, or as many as torchrun started."""

from __future__ import annotations

from datetime import timedelta
import os
from typing import NamedTuple

from squeezedet_ros.errors import DeviceError
import torch
from torch import distributed, Tensor

# The others wait while the first one evaluates.
_TIMEOUT = timedelta(hours=2)


class Processes(NamedTuple):
    """
    Which of the processes this one is.

    :param rank: 0 for the one that evaluates, saves and reports.
    """

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Return whether this process writes for all."""
        return self.rank == 0

    def total(self, value: Tensor) -> Tensor:
        """Return the sum of a tensor over all processes."""
        if self.size == 1:
            return value
        value = value.detach().clone()
        distributed.all_reduce(value)
        return value


ALONE = Processes()


def started_processes() -> int:
    """Return how many processes of this training torchrun started on this machine."""
    return int(os.environ.get('LOCAL_WORLD_SIZE', '1'))


def own_device(name: str) -> str:
    """
    Return the device setting of this process: of those that torchrun started each has a GPU.

    :raises DeviceError: when there are fewer GPUs.
    """
    rank, present = int(os.environ.get('LOCAL_RANK', '0')), torch.cuda.device_count()
    if started_processes() == 1 or name not in ('auto', 'cuda') or not present:
        return name
    if started_processes() > present:
        raise DeviceError(
            f'expected a CUDA device for each of {started_processes()} processes, '
            f'got {present}; device cpu needs none'
        )
    return f'cuda:{rank}'


def join_processes(device: torch.device) -> Processes:
    """
    Meet the other processes that torchrun started, if there are any.

    torchrun's environment variables RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT say who and
    where they are.
    """
    if int(os.environ.get('WORLD_SIZE', '1')) == 1:
        return ALONE
    backend = 'gloo'
    if device.type == 'cuda':
        # NCCL takes the current device.
        torch.cuda.set_device(device)
        backend = 'nccl'
    distributed.init_process_group(backend, timeout=_TIMEOUT)
    return Processes(distributed.get_rank(), distributed.get_world_size())


def leave_processes(processes: Processes) -> None:
    """Part from the other processes."""
    if processes.size > 1:
        distributed.destroy_process_group()
