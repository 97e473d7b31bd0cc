"""``squeezedet play-bag``: publish a rosbag2 onto ROS topics."""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
import sys

from squeezedet_ros.cli.options import add_config, read_config
from squeezedet_ros.cli.processes import signals_as_interrupt
from squeezedet_ros.data.playback import parse_remaps, PlaybackConfig, PlaybackError
from squeezedet_ros.data.salvage import open_bag

INTERRUPTED = 130


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument('bag', type=Path, help='rosbag2 folder, or one .mcap or .db3 file')
    parser.add_argument(
        '--topics', nargs='+', default=[], metavar='TOPIC', help='publish only these topics'
    )
    parser.add_argument(
        '--remap', nargs='+', default=[], metavar='OLD:=NEW', help='publish under other names'
    )
    parser.add_argument(
        '--times',
        type=Path,
        metavar='FILE',
        help='write when each message was sent, as JSON lines',
    )
    add_config(parser, PlaybackConfig)


def run(arguments: argparse.Namespace) -> int:
    """
    Play the bag.

    :raises PlaybackError: when rclpy is missing, nobody listens, or nobody answers.
    :raises DatasetError: when the bag cannot be read.
    """
    config = read_config(arguments, PlaybackConfig)
    names = parse_remaps(arguments.remap)
    with ExitStack() as stack:
        bag = stack.enter_context(open_bag(arguments.bag))
        try:
            # The commands are of the core, which has to load where there is no ROS.
            player = import_module('squeezedet_ros.ros.bag_player')
        except ImportError as error:
            raise PlaybackError(f'playing a bag needs ROS 2: {error}') from error
        try:
            times = arguments.times and stack.enter_context(arguments.times.open('w'))
            with signals_as_interrupt():
                played = player.play_bag(bag, arguments.topics, names, config, times)
        except KeyboardInterrupt:
            return INTERRUPTED
        finally:
            for damage in bag.damage:
                print(f'damaged: {damage}', file=sys.stderr)
    print(f'{played} messages played')
    return 0
