"""``squeezedet export``: the network as ONNX, for other programs."""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from pathlib import Path

from squeezedet_ros.checkpoint import load_checkpoint, resolve_weights, write_atomically
from squeezedet_ros.cli.info import add_weights_option
from squeezedet_ros.errors import ConfigError, MissingPackageError
import torch

_DTYPES = {'float32': torch.float32, 'float16': torch.float16}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_weights_option(parser)
    parser.add_argument('--out', type=Path, required=True, help='ONNX file to write')
    parser.add_argument(
        '--precision', choices=_DTYPES, default='float32', help='number format of the layers'
    )
    parser.add_argument(
        '--batch', type=int, default=0, help='images that go through together, 0 for any number'
    )
    parser.add_argument(
        '--size',
        type=int,
        nargs=2,
        metavar=('HEIGHT', 'WIDTH'),
        help='size of the images, for what cannot do with any size',
    )


def run(arguments: argparse.Namespace) -> int:
    """
    Write the network, and tell what goes in and what comes out.

    :raises ConfigError: for a size or number of images that cannot be.
    :raises MissingPackageError: without the package onnx.
    """
    if find_spec('onnx') is None:
        raise MissingPackageError('export', 'onnx')
    from squeezedet_ros.engines.onnx_graph import build_onnx, INPUT, OUTPUTS

    size = tuple(arguments.size) if arguments.size else None
    if arguments.batch < 0 or (size and min(size) < 64):
        raise ConfigError(
            f'batch must be at least 0 and both sides of size at least 64, '
            f'got {arguments.batch} and {size}'
        )
    network = load_checkpoint(resolve_weights(arguments.weights))
    model = build_onnx(network, _DTYPES[arguments.precision], arguments.batch, size)
    write_atomically(arguments.out, model.SerializeToString())
    shape = [arguments.batch or 'N', *(size or ('height', 'width')), 3]
    print(
        f'{arguments.out}: {INPUT} {shape} uint8, blue, green, red '
        f'-> {", ".join(OUTPUTS)} before softmax and sigmoid'
    )
    return 0
