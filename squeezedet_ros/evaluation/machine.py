"""What the machine itself can do: the limits beside which the detector is held."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
import resource
from time import perf_counter

import torch

_MATRIX_SIDE = 2048
_COPIED_BYTES = 256 * 2**20
_WARM_UP = 3


def matrix_product_rate(
    device: torch.device, dtype: torch.dtype = torch.float32, repeats: int = 10
) -> float:
    """Return the best rate of a product of 2048-square matrices, in operations a second."""
    left, right = (
        torch.rand(_MATRIX_SIDE, _MATRIX_SIDE, device=device).to(dtype) for _ in range(2)
    )
    return 2 * _MATRIX_SIDE**3 / _least_seconds(device, lambda: torch.mm(left, right), repeats)


def copy_rate(device: torch.device, repeats: int = 10) -> float:
    """Return the best rate of a copy of 256 MiB, in bytes a second that are read or written."""
    source = torch.zeros(_COPIED_BYTES, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2 * _COPIED_BYTES / _least_seconds(device, lambda: target.copy_(source), repeats)


def _least_seconds(device: torch.device, action: Callable[[], object], repeats: int) -> float:
    found = []
    for _ in range(_WARM_UP + repeats):
        start = perf_counter()
        action()
        if device.type == 'cuda':
            torch.cuda.synchronize(device)
        found.append(perf_counter() - start)
    return min(found[_WARM_UP:])


def resident_bytes(process: int | str = 'self') -> int:
    """Return the memory a process holds, as the kernel counts it."""
    pages = int(Path(f'/proc/{process}/statm').read_text().split()[1])
    return pages * resource.getpagesize()


def page_faults() -> int:
    """Return how often this process touched a page that the kernel then had to give it."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
