"""How freed memory gets back to the system."""

from __future__ import annotations

import ctypes
import gc

import torch


def release_freed_memory() -> None:
    """
    Give back what nothing holds any more.

    Python keeps what stands in a ring until it is asked, glibc what was freed below something
    that is in use, PyTorch the device's memory for the next tensor.
    """
    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    # Elsewhere than in glibc there is no such function, and nothing to trim.
    trim = getattr(ctypes.CDLL(None), 'malloc_trim', None)
    if trim is not None:
        trim(0)
