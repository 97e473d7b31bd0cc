"""``squeezedet health``: whether a node works, by its /diagnostics; for containers and scripts."""

from __future__ import annotations

import argparse
from importlib import import_module

from squeezedet_ros.cli.make_bag import positive
from squeezedet_ros.cli.play_bag import INTERRUPTED
from squeezedet_ros.cli.processes import signals_as_interrupt
from squeezedet_ros.contract import NODE
from squeezedet_ros.errors import SqueezeDetError

LEVELS = ('ok', 'warn', 'error')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument('--node', default=f'/{NODE}', help='full name of the node')
    parser.add_argument(
        '--patience', type=positive, default=10.0, help='seconds to wait for what it says'
    )
    parser.add_argument(
        '--worst',
        choices=LEVELS,
        default='warn',
        help='worst level of the node and its cameras that counts as healthy; a silent camera and '
        'a node that is told to rest are at warn',
    )


def run(arguments: argparse.Namespace) -> int:
    """
    Print what the node says; return 1 if it says nothing, or worse than what is healthy.

    :raises SqueezeDetError: where there is no ROS 2.
    """
    try:
        # The commands are of the core, which has to load where there is no ROS.
        health = import_module('squeezedet_ros.ros.health')
    except ImportError as error:
        raise SqueezeDetError(f'hearing a node needs ROS 2: {error}') from error
    try:
        with signals_as_interrupt():
            heard = health.hear(arguments.node, arguments.patience)
    except KeyboardInterrupt:
        return INTERRUPTED
    if not heard:
        print(f'nothing heard of {arguments.node} within {arguments.patience:g} s')
        return 1
    allowed = LEVELS[: LEVELS.index(arguments.worst) + 1]
    levels = [health.level_of(status) for status in heard]
    for level, status in zip(levels, heard, strict=True):
        print(f'{level:<6}{status.name}: {status.message}')
    return int(not set(levels) <= set(allowed))
