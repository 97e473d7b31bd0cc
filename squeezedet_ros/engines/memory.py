"""How the process keeps memory that it will want again."""

from __future__ import annotations

import ctypes
from functools import lru_cache

# Parameters of mallopt, from glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_MMAP_BYTES = 1 << 30
_TRIM_BYTES = 2**31 - 1


@lru_cache(maxsize=1)
def keep_freed_memory() -> None:
    """
    Ask glibc not to give big blocks back to the kernel as soon as they are freed.

    A forward pass on the CPU frees and takes again some hundred megabytes a frame, and each
    page that comes back from the kernel is filled with zeros first. Elsewhere than on glibc
    nothing happens.
    """
    mallopt = getattr(ctypes.CDLL(None), 'mallopt', None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _MMAP_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _TRIM_BYTES)
