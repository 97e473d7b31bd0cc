"""How fast the detector is on this machine, beside what the machine can do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from squeezedet_ros.checkpoint import load_checkpoint
from squeezedet_ros.config import EngineConfig, SelectionConfig
from squeezedet_ros.data.synthetic.drive import render_scene
from squeezedet_ros.detector import Detector
from squeezedet_ros.engines.torch_engine import dtype_name, resolve_device, resolve_dtype
from squeezedet_ros.errors import ConfigError
from squeezedet_ros.evaluation.batch_timing import time_batches
from squeezedet_ros.evaluation.energy import find_meters
from squeezedet_ros.evaluation.engine_comparison import compare_engines
from squeezedet_ros.evaluation.machine import (
    copy_rate,
    matrix_product_rate,
    page_faults,
    resident_bytes,
)
from squeezedet_ros.evaluation.memory_trace import trace_memory
from squeezedet_ros.evaluation.network_cost import model_cost
from squeezedet_ros.preprocessing import Image, network_size
from squeezedet_ros.settings import check_settings, setting
import torch
from tqdm import tqdm

_PICTURES, _DRAWN = 4, (375, 1242)
_WARM_UP = 3
_LEAST_ROUNDS, _FRAMES_A_ROUND = 5, 10
_LARGEST_BATCH = 1024
_HALVES = {'cpu': torch.bfloat16, 'cuda': torch.float16}


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkConfig:
    """What is timed."""

    frames: int = setting(50, 'frames that are timed, one at a time', bounds=(1, 1_000_000))
    image_size: tuple[int, int] = setting((375, 1242), 'size of the images, (height, width)')
    compare: bool = setting(
        False, 'time every engine that is present too, in turn, over as many frames'
    )
    peers: bool = setting(
        False,
        'with compare: beside them the smallest YOLO models of ultralytics, with random weights, '
        'at the same size',
    )
    batches: tuple[int, ...] = setting(
        (), 'time batches of these numbers of images too, in turn, for every ten frames one round'
    )
    memory: bool = setting(False, 'trace what as many frames allocate, and what of it stays')

    def __post_init__(self) -> None:
        check_settings(self)
        if self.peers and not self.compare:
            raise ConfigError('peers needs compare, which was not given')
        if len(self.image_size) != 2 or min(self.image_size) < 1:
            raise ConfigError(f'image_size must be height and width, got {list(self.image_size)}')
        if not all(1 <= size <= _LARGEST_BATCH for size in self.batches):
            raise ConfigError(
                f'batches must be in [1, {_LARGEST_BATCH}], got {list(self.batches)}'
            )


class _Timed(NamedTuple):
    """
    Frames that were timed.

    :param seconds: (frames, 4) of preprocessing, forward pass, selection, and all of it.
    :param boxes: (frames,) that were found.
    :param resident: bytes before and after.
    :param faults: (frames,) pages that the kernel gave during each.
    """

    seconds: NDArray[np.float64]
    boxes: NDArray[np.int64]
    resident: tuple[int, int]
    faults: NDArray[np.int64]


def run_benchmark(weights: Path, config: BenchmarkConfig, engine: EngineConfig) -> dict[str, Any]:
    """
    Time every stage over many frames, of drawn streets, with the node's own selection.

    :returns: an object of JSON: milliseconds of each stage (median, p99), rates, boxes a frame,
        memory, energy.
    :raises CheckpointError: when the weights cannot be loaded.
    """
    network = load_checkpoint(weights)
    model = network.config
    detector = Detector(network, SelectionConfig(), engine)
    images = _streets(config.image_size)
    size = network_size(model, images[0].shape[:2])
    device = resolve_device(engine.device)
    for image in images[:_WARM_UP]:
        detector.detect([image])
    meters, unmetered = find_meters(device)
    for meter in meters:
        meter.start()
    timed = _time_frames(detector, images, config.frames)
    joules = {meter.name: meter.stop() for meter in meters}
    cost = model_cost(model, size)
    report: dict[str, Any] = {
        'engine': detector.describe(),
        'input_size': list(size),
        'frames': config.frames,
        'boxes_per_frame': float(timed.boxes.mean()),
        **_stage_figures(timed.seconds),
        'gflop_per_frame': cost.operations / 1e9,
        'cost': cost._asdict(),
        'machine': _machine_limits(device),
        'resident_mib': dict(zip(('start', 'end'), np.array(timed.resident) / 2**20, strict=True)),
        'page_faults_per_frame': float(np.median(timed.faults)),
        'energy': {
            name: {
                'joules_per_frame': total / config.frames,
                'watts': total / float(timed.seconds[:, -1].sum()),
            }
            for name, total in joules.items()
        },
        'energy_absent': unmetered,
    }
    report |= _rates(report, resolve_dtype(engine.precision, device))
    if config.batches:
        rounds = max(_LEAST_ROUNDS, config.frames // _FRAMES_A_ROUND)
        report['batches'] = time_batches(detector, images, config.batches, rounds)
    if config.memory:
        report['memory'] = trace_memory(detector, images, config.frames)
    if config.compare:
        peer_size = size if config.peers else None
        report['engines'] = compare_engines(weights, images, config.frames, engine, peer_size)
    return report


def _streets(size: tuple[int, int]) -> list[Image]:
    """Return pictures of drawn streets, scaled to a size, (height, width)."""
    drawn = (render_scene(seed, _DRAWN).image for seed in range(_PICTURES))
    scaled = (cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA) for image in drawn)
    return [image.astype(np.uint8, copy=False) for image in scaled]


def _machine_limits(device: torch.device) -> dict[str, float]:
    half = _HALVES[device.type]
    return {
        'gflops_float32': matrix_product_rate(device) / 1e9,
        f'gflops_{dtype_name(half)}': matrix_product_rate(device, half) / 1e9,
        'copy_gb_per_second': copy_rate(device) / 1e9,
    }


def _stage_figures(seconds: NDArray[np.float64]) -> dict[str, Any]:
    preprocess, network, select, total = seconds.T
    stages = {'preprocess': preprocess, 'network': network, 'select': select, 'total': total}
    return {
        'milliseconds': {
            name: {
                'median': 1e3 * float(np.median(values)),
                'p99': 1e3 * float(np.percentile(values, 99)),
            }
            for name, values in stages.items()
        },
        'frames_per_second': 1 / float(np.median(total)),
        'around_the_network_ms': 1e3 * float(np.median(preprocess + select)),
    }


def _rates(report: dict[str, Any], dtype: torch.dtype) -> dict[str, float | None]:
    """Return what the forward pass reaches of a matrix product in its number format."""
    rate = report['gflop_per_frame'] * 1e3 / report['milliseconds']['network']['median']
    # Of int8 none is measured.
    product = report['machine'].get(f'gflops_{dtype_name(dtype)}')
    return {
        'gflops_forward': rate,
        'gflops_matrix_product': product,
        'forward_over_matrix_product': product / rate if product else None,
    }


def _time_frames(detector: Detector, images: Sequence[Image], frames: int) -> _Timed:
    start = resident_bytes()
    seconds, boxes, faults = [], [], []
    for number in tqdm(range(frames), unit='frame', disable=None):
        given, begin = page_faults(), perf_counter()
        (found,), stages = detector.detect_timed([images[number % len(images)]])
        seconds.append((*stages, perf_counter() - begin))
        boxes.append(len(found))
        faults.append(page_faults() - given)
    memory = start, resident_bytes()
    return _Timed(np.array(seconds), np.array(boxes), memory, np.array(faults))
