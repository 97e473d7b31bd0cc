"""Who keeps freed memory, the process or the system."""

from __future__ import annotations

import ctypes
import gc

# malloc.h of glibc.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEPT_BYTES = 1 << 30


def keep_freed_memory() -> None:
    """
    Have glibc keep big blocks that are freed, for the next frame.

    By itself it gives them back at once, and the system fills the pages of the next ones with
    zeros, which can take as long as much of the computing. :func:`release_freed_memory` gives them
    back all the same.
    """
    _tell_glibc('mallopt', _M_MMAP_THRESHOLD, _KEPT_BYTES)
    _tell_glibc('mallopt', _M_TRIM_THRESHOLD, _KEPT_BYTES)


def release_freed_memory() -> None:
    """
    Give back what nothing holds any more.

    Python keeps what stands in a ring until it is asked, glibc what was freed below something
    that is in use, PyTorch the device's memory for the next tensor.
    """
    # Commands that never use PyTorch import this module, and PyTorch takes seconds.
    import torch

    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    _tell_glibc('malloc_trim', 0)


def _tell_glibc(function: str, *arguments: int) -> None:
    # Elsewhere there is no such function, and nothing to tell.
    call = getattr(ctypes.CDLL(None), function, None)
    if call is not None:
        call(*arguments)
