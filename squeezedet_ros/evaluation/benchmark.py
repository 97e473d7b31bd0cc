"""How fast the detector is on this machine, beside what the machine can do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from squeezedet_ros.checkpoint import load_checkpoint
from squeezedet_ros.config import EngineConfig, SelectionConfig
from squeezedet_ros.detector import Detector
from squeezedet_ros.engines.torch_engine import resolve_device
from squeezedet_ros.evaluation.engine_comparison import compare_engines
from squeezedet_ros.network import SqueezeDet
from squeezedet_ros.preprocessing import fit_image, Image
from squeezedet_ros.settings import check_settings, setting
import torch
from torch.utils.flop_counter import FlopCounterMode
from tqdm import tqdm

_MATRIX_SIDE = 2048
_WARM_UP = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkConfig:
    """What is timed."""

    frames: int = setting(50, 'frames that are timed, one at a time', bounds=(1, 1_000_000))
    image_size: tuple[int, int] = setting((375, 1242), 'size of the images, (height, width)')
    compare: bool = setting(
        False, 'time every engine that is present too, in turn, over as many frames'
    )

    def __post_init__(self) -> None:
        check_settings(self)


def matrix_product_rate(device: torch.device, repeats: int = 10) -> float:
    """Return the best rate of a 2048-square float32 matrix product, in operations a second."""
    left, right = (torch.rand(_MATRIX_SIDE, _MATRIX_SIDE, device=device) for _ in range(2))

    def product() -> None:
        torch.mm(left, right)
        if device.type == 'cuda':
            torch.cuda.synchronize(device)

    return 2 * _MATRIX_SIDE**3 / min(_seconds(product, repeats))


def forward_operations(network: SqueezeDet, size: tuple[int, int]) -> int:
    """Return the floating point operations of one frame; a multiplication with addition is two."""
    with torch.device('meta'), FlopCounterMode(display=False) as counter:
        SqueezeDet(network.config)(torch.empty(1, 3, *size))
    return int(counter.get_total_flops())


def _seconds(action: Callable[[], object], repeats: int) -> list[float]:
    for _ in range(_WARM_UP):
        action()
    found = []
    for _ in range(repeats):
        start = perf_counter()
        action()
        found.append(perf_counter() - start)
    return found


def resident_bytes(process: int | str = 'self') -> int:
    """Return the memory a process holds, as the kernel counts it."""
    pages = int(Path(f'/proc/{process}/statm').read_text().split()[1])
    return pages * 4096


def run_benchmark(weights: Path, config: BenchmarkConfig, engine: EngineConfig) -> dict[str, Any]:
    """
    Time every stage over many frames; the images are noise, the work does not depend on it.

    :returns: an object of JSON: milliseconds of each stage (median, p99), rates, memory.
    :raises CheckpointError: when the weights cannot be loaded.
    """
    network = load_checkpoint(weights)
    detector = Detector(network, SelectionConfig(plot_prob_thresh=0.0), engine)
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (*config.image_size, 3), np.uint8) for _ in range(4)]
    size = fit_image(images[0], network.config)[0].shape[:2]
    for image in images[:_WARM_UP]:
        detector.detect([image])
    memory, stages = _time_frames(detector, images, config.frames)
    rate = matrix_product_rate(resolve_device(engine.device))
    operations = forward_operations(network, (size[0], size[1]))
    forward = float(np.median(stages['network']))
    report = {
        'engine': detector.describe(),
        'input_size': list(size),
        'frames': config.frames,
        'milliseconds': {name: _summary(1e3 * values) for name, values in stages.items()},
        'frames_per_second': 1 / float(np.median(stages['total'])),
        'gflop_per_frame': operations / 1e9,
        'gflops_forward': operations / forward / 1e9,
        'gflops_matrix_product': rate / 1e9,
        'forward_over_matrix_product': forward * rate / operations,
        'around_the_network_ms': 1e3 * float(np.median(stages['preprocess'] + stages['select'])),
        'resident_mib': {'start': memory[0] / 2**20, 'end': memory[1] / 2**20},
    }
    if config.compare:
        report['engines'] = compare_engines(weights, images, config.frames, engine)
    return report


def _time_frames(
    detector: Detector, images: list[Image], frames: int
) -> tuple[tuple[int, int], dict[str, NDArray[np.float64]]]:
    start = resident_bytes()
    rows = []
    for number in tqdm(range(frames), unit='frame', disable=None):
        begin = perf_counter()
        _, seconds = detector.detect_timed([images[number % len(images)]])
        rows.append((*seconds, perf_counter() - begin))
    columns = np.array(rows).T
    names = ('preprocess', 'network', 'select', 'total')
    return (start, resident_bytes()), dict(zip(names, columns, strict=True))


def _summary(values: NDArray[np.float64]) -> dict[str, float]:
    return {'median': float(np.median(values)), 'p99': float(np.percentile(values, 99))}
