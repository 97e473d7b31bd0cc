"""``squeezedet render-drive``: draw a street, seen from a car, with exact ground truth."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from squeezedet_ros.cli.make_bag import count, positive
from squeezedet_ros.data.bag_names import image_topic
from squeezedet_ros.data.bag_writer import STORAGES
from squeezedet_ros.data.coco_writer import write_coco
from squeezedet_ros.data.frames import has_split
from squeezedet_ros.data.kitti_writer import write_kitti
from squeezedet_ros.data.sources import drive_frames, write_bag
from squeezedet_ros.data.synthetic.drive import DriveConfig, DriveFrame, render_drive, render_scene
from squeezedet_ros.errors import ConfigError, DatasetError
from tqdm import tqdm

DEFAULT_SEED = 1
DEFAULT_FRAMES = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    setting = {item.name: item for item in fields(DriveConfig)}
    text = {name: item.metadata['description'] for name, item in setting.items()}
    parser.add_argument('--out', type=Path, required=True, help='folder to write, a new one')
    parser.add_argument(
        '--format',
        choices=('bag', 'kitti', 'coco'),
        default='bag',
        help="rosbag2, or folder in KITTI's or COCO's layout",
    )
    parser.add_argument(
        '--split', default='train', help="split of COCO's layout; others may be there already"
    )
    parser.add_argument('--seed', type=int, default=DEFAULT_SEED, help=text['seed'])
    parser.add_argument('--frames', type=count, default=DEFAULT_FRAMES, help=text['frames'])
    parser.add_argument(
        '--size',
        type=int,
        nargs=2,
        default=setting['size'].default,
        metavar=('HEIGHT', 'WIDTH'),
        help=text['size'],
    )
    parser.add_argument('--fps', type=positive, default=setting['fps'].default, help=text['fps'])
    parser.add_argument(
        '--scenes',
        action='store_true',
        help='draw each frame as a street of its own, for training',
    )
    parser.add_argument('--storage', choices=STORAGES, default=STORAGES[0], help="the bag's")
    parser.add_argument('--camera', default='camera', help='name of the camera in the bag')


def run(arguments: argparse.Namespace) -> int:
    """
    Draw.

    :raises DatasetError: when the folder is there already.
    :raises ConfigError: for a size or a number outside its bounds.
    """
    config = drive_config(
        seed=arguments.seed,
        frames=arguments.frames,
        size=tuple(arguments.size),
        fps=arguments.fps,
    )
    if arguments.out.exists() and not _adds_split(arguments):
        raise DatasetError(f'{arguments.out} exists already, not overwriting')
    drawn = _scenes(config) if arguments.scenes else render_drive(config)
    drawn = iter(tqdm(drawn, total=config.frames, unit='frame', desc='drawing'))
    if arguments.format == 'coco':
        write_coco(arguments.out, arguments.split, drawn)
        print(f'{config.frames} frames of split {arguments.split} in {arguments.out}')
        return 0
    if arguments.format == 'kitti':
        write_kitti(arguments.out, drawn)
        print(f'{config.frames} frames in {arguments.out}')
        return 0
    written = write_bag(arguments.out, drive_frames(drawn), arguments.camera, arguments.storage)
    print(f'{written} frames on /{image_topic(arguments.camera)} in {arguments.out}')
    return 0


def _adds_split(arguments: argparse.Namespace) -> bool:
    """Return whether the folder is a COCO set that lacks the split."""
    return (
        arguments.format == 'coco'
        and (arguments.out / 'annotations').is_dir()
        and not has_split(arguments.out, arguments.split)
    )


def drive_config(**values: Any) -> DriveConfig:  # noqa: ANN401
    """
    Return what to draw.

    :raises ConfigError: for a value outside its bounds.
    """
    try:
        return DriveConfig(**values)
    except ValueError as error:
        raise ConfigError(str(error)) from error


def _scenes(config: DriveConfig) -> Iterator[DriveFrame]:
    """Draw streets that have nothing to do with each other, each from a seed of its own."""
    for index in range(config.frames):
        image, truth, _ = render_scene(config.seed + index, config.size)
        yield DriveFrame(image, truth, round(index * 1e9 / config.fps))
