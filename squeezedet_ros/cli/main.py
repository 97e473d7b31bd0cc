"""Entry point of ``squeezedet <command>``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib import import_module
import sys

from squeezedet_ros.errors import MissingPackageError, SqueezeDetError
from squeezedet_ros.memory import keep_freed_memory

# Command: its module here, with add_arguments(parser) and run(arguments), and its help line.
COMMANDS = {
    'demo': ('demo', 'play a drive into the node and draw what it saw'),
    'detect': ('detect', 'tell what is seen in an image file'),
    'render-drive': ('render_drive', 'draw a synthetic street drive with exact ground truth'),
    'make-bag': ('make_bag', 'write images and labels as a rosbag2'),
    'play-bag': ('play_bag', 'publish a rosbag2 onto ROS topics'),
    'train': ('train', 'fit a model to labelled images'),
    'evaluate': ('evaluate', 'score a model on a labelled set'),
    'evaluate-bag': ('evaluate_bag', 'tell how good a model is on a drive, from its bag'),
    'compare': ('compare', 'hold two evaluations against each other'),
    'anchors': ('anchors', 'find anchor shapes that fit a labelled set'),
    'soak': ('soak', 'load the node for minutes and hold its account against what was sent'),
    'benchmark': ('benchmark', 'time each stage on this machine'),
    'import-weights': ('import_weights', 'turn weights of other implementations into ours'),
    'health': ('health', 'tell whether a node works, by its diagnostics; exit status 0 or 1'),
    'policy': ('policy', 'write the SROS 2 policy that allows the node what it does'),
    'build': ('build', 'build what TensorRT needs ahead of the first drive'),
    'export': ('export', 'write the network as ONNX'),
    'info': ('info', 'tell what a checkpoint holds'),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status, 2 for anything the user can mend."""
    keep_freed_memory()
    argv = list(sys.argv[1:] if argv is None else argv)
    try:
        return _run(argv)
    except ModuleNotFoundError as error:
        # Of what only some commands need, and rosdep cannot bring.
        package = (error.name or '').partition('.')[0]
        if package in ('', 'squeezedet_ros'):
            raise
        print(
            f'squeezedet {argv[0]}: {MissingPackageError("this command", package)}',
            file=sys.stderr,
        )
        return 2


def _run(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog='squeezedet', description='SqueezeDet: train, evaluate, show'
    )
    commands = parser.add_subparsers(dest='command', required=True, metavar='command')
    for name, (module, description) in COMMANDS.items():
        command = commands.add_parser(
            name,
            help=description,
            description=description,
            formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        )
        # Importing torch takes seconds, so only the chosen command is imported.
        if name in argv[:1]:
            import_module(f'squeezedet_ros.cli.{module}').add_arguments(command)
    arguments = parser.parse_args(argv)
    chosen = import_module(f'squeezedet_ros.cli.{COMMANDS[arguments.command][0]}')
    try:
        return int(chosen.run(arguments))
    except (SqueezeDetError, OSError) as error:
        print(f'squeezedet {arguments.command}: {error}', file=sys.stderr)
        return 2
