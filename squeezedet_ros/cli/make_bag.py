"""``squeezedet make-bag``: write images and labels as a rosbag2."""

from __future__ import annotations

import argparse
from pathlib import Path

from squeezedet_ros.data.bag_names import image_topic
from squeezedet_ros.data.bag_writer import STORAGES
from squeezedet_ros.data.sources import DEFAULT_FPS, open_source, write_bag
from tqdm import tqdm


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        '--data',
        type=Path,
        required=True,
        help="folder in KITTI's or COCO's layout, folder of images, or video",
    )
    parser.add_argument('--split', help="split of a folder in KITTI's or COCO's layout")
    parser.add_argument('--out', type=Path, required=True, help='folder of the bag, a new one')
    parser.add_argument('--storage', choices=STORAGES, default=STORAGES[0], help='file format')
    parser.add_argument(
        '--fps',
        type=positive,
        help=f"frames a second; without it a video's own, {DEFAULT_FPS:g} for images",
    )
    parser.add_argument('--frames', type=count, help='take no more than the first so many')
    parser.add_argument('--camera', default='camera', help='name of the camera')
    parser.add_argument('--compressed', action='store_true', help='write JPEG')


def positive(text: str) -> float:
    """Return a number above 0, for argparse."""
    number = float(text)
    if not 0 < number < float('inf'):
        raise ValueError(text)
    return number


def count(text: str) -> int:
    """Return a whole number above 0, for argparse."""
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def run(arguments: argparse.Namespace) -> int:
    """
    Write the bag.

    :raises DatasetError: when the data cannot be read or the bag is there already.
    """
    source = open_source(arguments.data, arguments.split, arguments.fps)
    source = source.first(arguments.frames)
    frames = tqdm(source.frames, total=source.total, unit='frame')
    written = write_bag(
        arguments.out,
        frames,
        arguments.camera,
        arguments.storage,
        compressed=arguments.compressed,
    )
    topic = image_topic(arguments.camera, compressed=arguments.compressed)
    print(f'{written} frames on /{topic} in {arguments.out}')
    return 0
