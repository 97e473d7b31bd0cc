"""``squeezedet import-weights``: weights of other implementations as our checkpoint."""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

from squeezedet_ros.checkpoint import save_checkpoint
from squeezedet_ros.cli.info import (
    add_json_option,
    describe_checkpoint,
    print_checkpoint,
    write_json,
)
from squeezedet_ros.config import Architecture, Padding
from squeezedet_ros.weight_import.conversion import import_weights, ImportedTensor
from squeezedet_ros.weight_import.files import read_weights_file
from squeezedet_ros.weight_import.options import ImportOptions


def _shape(text: str) -> tuple[float, float]:
    """Return the (width, height) of an anchor shape written as 36x37."""
    width, _, height = text.partition('x')
    try:
        return float(width), float(height)
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f'expected width and height such as 36x37, got {text!r}'
        ) from error


_OPTIONS: dict[str, dict[str, Any]] = {
    'architecture': {'choices': get_args(Architecture)},
    'padding': {'choices': get_args(Padding)},
    'classes': {'nargs': '+', 'metavar': 'NAME'},
    'input_size': {'nargs': 2, 'type': int, 'metavar': ('HEIGHT', 'WIDTH')},
    'anchor_shapes': {'nargs': '+', 'type': _shape, 'metavar': 'WIDTHxHEIGHT'},
    'pixel_mean': {'nargs': 3, 'type': float, 'metavar': ('BLUE', 'GREEN', 'RED')},
    'pixel_std': {'nargs': 3, 'type': float, 'metavar': ('BLUE', 'GREEN', 'RED')},
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options; those left out are the implementation's own."""
    parser.add_argument('file', type=Path, help='weights: .npz, .h5, .hdf5, .pth or .pt')
    parser.add_argument('--out', type=Path, required=True, help='checkpoint to write')
    for item in fields(ImportOptions):
        parser.add_argument(
            '--' + item.name.replace('_', '-'),
            default=argparse.SUPPRESS,
            help=item.metadata['description'],
            **_OPTIONS[item.name],
        )
    add_json_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """
    Write the checkpoint and tell what became of every tensor.

    :raises CheckpointError: when the file cannot be read or does not fit, naming what and why.
    :raises ConfigError: for an option outside its bounds.
    """
    imported = import_weights(read_weights_file(arguments.file), _options(arguments))
    save_checkpoint(imported.network, arguments.out)
    print(f'{imported.port.name} weights, read as {imported.port.source} does')
    _print_account(imported.account)
    report = describe_checkpoint(arguments.out)
    print_checkpoint(report)
    if arguments.json:
        account = [tensor._asdict() for tensor in imported.account]
        origin = {'port': imported.port.name, 'source': imported.port.source}
        write_json(arguments.json, report | origin | {'tensors': account})
    return 0


def _options(arguments: argparse.Namespace) -> ImportOptions:
    given: dict[str, Any] = {
        item.name: getattr(arguments, item.name)
        for item in fields(ImportOptions)
        if hasattr(arguments, item.name)
    }
    for name, value in given.items():
        given[name] = tuple(value) if isinstance(value, list) else value
    return ImportOptions(**given)


def _print_account(account: list[ImportedTensor]) -> None:
    rows = [
        (
            tensor.source,
            'x'.join(map(str, tensor.shape)),
            tensor.target or 'left out',
            tensor.note,
        )
        for tensor in account
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for source, shape, target, note in rows:
        line = f'{source:<{widths[0]}}  {shape:<{widths[1]}}  {target:<{widths[2]}}  {note}'
        print(line.rstrip())
