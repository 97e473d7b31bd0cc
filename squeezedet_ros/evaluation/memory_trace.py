"""What the way of a frame allocates, and whether any of it stays."""

from __future__ import annotations

from collections.abc import Sequence
import ctypes
import gc
import json
import os
from pathlib import Path
from tempfile import TemporaryDirectory
import tracemalloc
from typing import Any

from squeezedet_ros.detector import Detector
from squeezedet_ros.preprocessing import Image
import torch
from torch.profiler import profile, ProfilerActivity
from tqdm import tqdm

_WARM_UP = 10
_PROFILED = 5


class _Heap(ctypes.Structure):
    """``struct mallinfo2`` of glibc 2.33, malloc.h."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in (
            *('arena', 'ordblks', 'smblks', 'hblks', 'hblkhd'),
            *('usmblks', 'fsmblks', 'uordblks', 'fordblks', 'keepcost'),
        )
    )


def heap_bytes() -> int | None:
    """Return what is allocated by malloc and not freed; none where the C library does not tell."""
    mallinfo = getattr(ctypes.CDLL(None), 'mallinfo2', None)
    if mallinfo is None:
        return None
    mallinfo.restype = _Heap
    heap = mallinfo()
    return int(heap.uordblks) + int(heap.hblkhd)


def trace_memory(detector: Detector, images: Sequence[Image], frames: int) -> dict[str, Any]:
    """
    Look at frames one by one, drop what is found, and account for the memory.

    :returns: an object of JSON, in KiB: what Python and NumPy hold more after the frames than
        before, when garbage was collected (``python_growth``), and at most in between
        (``python_peak``); what malloc gave out more, to whomever (``heap_growth``, null where
        unknown); how often and how much PyTorch allocated for a frame, most of it freed within
        it (``torch_allocations``, ``torch_allocated``).
    """
    for number in range(_WARM_UP):
        detector.detect([images[number % len(images)]])
    allocations = _torch_allocations(detector, images[0])
    tracemalloc.start()
    for number in range(_WARM_UP):
        detector.detect([images[number % len(images)]])
    # Made first, so that what it holds itself does not count.
    progress = tqdm(range(frames), unit='frame', desc='tracing', disable=None)
    gc.collect()
    tracemalloc.reset_peak()
    held, heap = tracemalloc.get_traced_memory()[0], heap_bytes()
    for number in progress:
        detector.detect([images[number % len(images)]])
    peak = tracemalloc.get_traced_memory()[1]
    gc.collect()
    after = tracemalloc.get_traced_memory()[0]
    heap_after = heap_bytes()
    tracemalloc.stop()
    grown = None if heap is None or heap_after is None else (heap_after - heap) / 1024
    return {
        'frames': frames,
        'python_growth': (after - held) / 1024,
        'python_peak': (peak - held) / 1024,
        'heap_growth': grown,
        'torch_allocations': len(allocations) / _PROFILED,
        'torch_allocated': sum(allocations) / 1024 / _PROFILED,
    }


def _torch_allocations(detector: Detector, image: Image) -> list[int]:
    """Return the bytes of each of PyTorch's allocations over some frames, by its profiler."""
    # Otherwise it writes to the terminal whenever it starts and stops.
    os.environ.setdefault('KINETO_LOG_LEVEL', '99')
    activities = [ProfilerActivity.CPU]
    if torch.cuda.is_available():
        activities.append(ProfilerActivity.CUDA)
    with profile(activities=activities, profile_memory=True) as profiler:
        for _ in range(_PROFILED):
            detector.detect([image])
    with TemporaryDirectory() as folder:
        path = Path(folder) / 'trace.json'
        profiler.export_chrome_trace(str(path))
        events = json.loads(path.read_text())['traceEvents']
    sizes = (event['args']['Bytes'] for event in events if event.get('name') == '[memory]')
    return [size for size in sizes if size > 0]


def memory_lines(found: dict[str, Any]) -> str:
    """Return what :func:`trace_memory` found as lines of text."""
    heap = found['heap_growth']
    total = 'not told by this C library' if heap is None else f'{heap:+.1f} KiB'
    return (
        f'after {found["frames"]} frames more is held: by Python and NumPy '
        f'{found["python_growth"]:+.1f} KiB, of all from malloc {total}\n'
        f'in between Python and NumPy held at most {found["python_peak"]:.0f} KiB more; for a '
        f'frame PyTorch allocates {found["torch_allocations"]:.0f} times, '
        f'{found["torch_allocated"] / 1024:.1f} MiB in all'
    )
