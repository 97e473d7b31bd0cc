"""``squeezedet build``: what TensorRT takes minutes for, done before the car drives."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from squeezedet_ros.checkpoint import resolve_weights
from squeezedet_ros.cli.info import add_weights_option
from squeezedet_ros.cli.options import add_config, read_config
from squeezedet_ros.config import EngineConfig
from squeezedet_ros.detector import Detector
from squeezedet_ros.engines.plan_cache import plan_folder
from squeezedet_ros.errors import ConfigError
from tqdm import tqdm

_ENGINES = ('tensorrt', 'onnxruntime_tensorrt')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_weights_option(parser)
    parser.add_argument(
        '--image-size',
        nargs=2,
        type=int,
        action='append',
        required=True,
        metavar=('HEIGHT', 'WIDTH'),
        help="size of a camera's images; once for each size",
    )
    parser.add_argument(
        '--batches',
        nargs='+',
        type=int,
        default=[1],
        metavar='N',
        help='numbers of images that go through together: 1 up to the number of such cameras',
    )
    add_config(parser, EngineConfig)


def run(arguments: argparse.Namespace) -> int:
    """
    Build, and tell where it is kept.

    :raises ConfigError: for an engine that builds nothing, and sizes or numbers below 1.
    :raises SqueezeDetError: where the engine cannot be had.
    """
    config = read_config(arguments, EngineConfig)
    if config.engine not in _ENGINES:
        raise ConfigError(f'engine must be one of {", ".join(_ENGINES)}, got {config.engine!r}')
    shapes = [(count, *size) for size in arguments.image_size for count in arguments.batches]
    if min(map(min, shapes)) < 1:
        raise ConfigError(
            f'image_size and batches must be at least 1, '
            f'got {arguments.image_size} and {arguments.batches}'
        )
    weights = resolve_weights(arguments.weights)
    detector = Detector.from_checkpoint(weights, engine=replace(config, allow_fallback=False))
    look_at_each(detector, shapes)
    kept = [path for path in plan_folder().rglob('*') if path.is_file()]
    size = sum(path.stat().st_size for path in kept) / 2**20
    print(f'{detector.describe()}: {plan_folder()} holds {len(kept)} files, {size:.1f} MiB')
    return 0


def look_at_each(detector: Detector, shapes: Sequence[tuple[int, int, int]]) -> None:
    """Look once at so many black images of each size, (number, height, width)."""
    for count, height, width in tqdm(shapes, unit='network', disable=None):
        detector.detect([np.zeros((height, width, 3), np.uint8)] * count)
