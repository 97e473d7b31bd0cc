"""``squeezedet info``: what a checkpoint holds."""

from __future__ import annotations

import argparse
from dataclasses import asdict
import hashlib
import json
from pathlib import Path
from typing import Any

from squeezedet_ros.checkpoint import load_checkpoint, resolve_weights, write_atomically


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_weights_option(parser)
    add_json_option(parser)


def add_weights_option(parser: argparse.ArgumentParser) -> None:
    """Add the option that names a checkpoint."""
    parser.add_argument(
        '--weights',
        default='',
        help='checkpoint (.safetensors), empty for the shipped one; PATH#sha256=DIGEST checks it',
    )


def add_json_option(parser: argparse.ArgumentParser) -> None:
    """Add the option that names a file for the report."""
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the report to this file')


def write_json(path: Path, report: dict[str, Any]) -> None:
    """Write a report, making the folders it lies in."""
    write_atomically(path, (json.dumps(report, indent=2, allow_nan=False) + '\n').encode())


def describe_checkpoint(path: Path) -> dict[str, Any]:
    """
    Return the config, size and digest of a checkpoint, in JSON's types.

    :raises CheckpointError: when the file is missing, damaged, foreign or unlike its own config.
    """
    network = load_checkpoint(path)
    content = path.read_bytes()
    return {
        'weights': str(path),
        'bytes': len(content),
        'sha256': hashlib.sha256(content).hexdigest(),
        'parameters': sum(parameter.numel() for parameter in network.parameters()),
        'config': asdict(network.config),
    }


def print_checkpoint(report: dict[str, Any]) -> None:
    """Print what :func:`describe_checkpoint` returned, a fact a line."""
    facts = {key: value for key, value in report.items() if key != 'config'} | report['config']
    for key, value in facts.items():
        print(f'{key:<18}{value}')


def run(arguments: argparse.Namespace) -> int:
    """
    Print what a checkpoint holds.

    :raises CheckpointError: when the file is missing, damaged, foreign or unlike its own config.
    """
    report = describe_checkpoint(resolve_weights(arguments.weights))
    print_checkpoint(report)
    if arguments.json:
        write_json(arguments.json, report)
    return 0
