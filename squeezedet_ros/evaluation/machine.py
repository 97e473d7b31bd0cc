"""What the machine itself can do: the limits beside which the detector is held."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
import resource
from time import perf_counter

import torch

# Large enough to fill a GPU, to which a CPU would take too long.
_MATRIX_SIDE = {'cpu': 2048, 'cuda': 4096}
_COPIED_BYTES = 256 * 2**20
_WARM_UP = 3
# At a time on a GPU, so that what it takes to begin does not count.
_LAUNCHES = 5


def matrix_product_rate(
    device: torch.device, dtype: torch.dtype = torch.float32, repeats: int = 10
) -> float:
    """Return the best rate of a product of square matrices, in operations a second."""
    side = _MATRIX_SIDE[device.type]
    left, right = (torch.rand(side, side, device=device).to(dtype) for _ in range(2))
    return 2 * side**3 / _least_seconds(device, lambda: torch.mm(left, right), repeats)


def copy_rate(device: torch.device, repeats: int = 10) -> float:
    """Return the best rate of a copy of 256 MiB, in bytes a second that are read or written."""
    source = torch.zeros(_COPIED_BYTES, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2 * _COPIED_BYTES / _least_seconds(device, lambda: target.copy_(source), repeats)


def _least_seconds(device: torch.device, action: Callable[[], object], repeats: int) -> float:
    seconds = _seconds_on_gpu if device.type == 'cuda' else _seconds
    found = [seconds(action, device) for _ in range(_WARM_UP + repeats)]
    return min(found[_WARM_UP:])


def _seconds(action: Callable[[], object], _: torch.device) -> float:
    start = perf_counter()
    action()
    return perf_counter() - start


def _seconds_on_gpu(action: Callable[[], object], device: torch.device) -> float:
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    with torch.cuda.device(device):
        begin.record()
        for _ in range(_LAUNCHES):
            action()
        end.record()
        end.synchronize()
    return float(begin.elapsed_time(end)) / 1e3 / _LAUNCHES


def resident_bytes(process: int | str = 'self') -> int:
    """Return the memory a process holds, as the kernel counts it."""
    pages = int(Path(f'/proc/{process}/statm').read_text().split()[1])
    return pages * resource.getpagesize()


def page_faults() -> int:
    """Return how often this process touched a page that the kernel then had to give it."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
