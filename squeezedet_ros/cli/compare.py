"""``squeezedet compare``: two evaluations side by side, and whether the second is worse."""

from __future__ import annotations

import argparse
from pathlib import Path

from squeezedet_ros.cli.info import add_json_option, write_json
from squeezedet_ros.cli.options import add_config, read_aliases, read_config
from squeezedet_ros.data.image_lookup import images_by_name, images_by_stamp
from squeezedet_ros.errors import ConfigError
from squeezedet_ros.evaluation.ap_change import ComparisonConfig
from squeezedet_ros.evaluation.comparison import compare, Comparison
from squeezedet_ros.evaluation.comparison_input import (
    Evaluated,
    is_bag,
    load_evaluated,
    with_bag_truth,
)
from squeezedet_ros.evaluation.comparison_pictures import (
    CHANGED,
    DIFFERENCES,
    save_changed_frames,
    save_differences,
)
from squeezedet_ros.evaluation.comparison_report import format_comparison
from squeezedet_ros.evaluation.curves import require_matplotlib
from squeezedet_ros.evaluation.frame_changes import FrameChange
from squeezedet_ros.evaluation.pairing import Paired
from squeezedet_ros.visualization import Image

_REGRESSION = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    what = (
        'the JSON of evaluate or evaluate-bag (with its record beside it for intervals), a '
        'record, or a bag of detections'
    )
    parser.add_argument('a', type=Path, metavar='A', help=f'what there was: {what}')
    parser.add_argument('b', type=Path, metavar='B', help='what is held against it, alike')
    for side in 'ab':
        parser.add_argument(
            f'--topic-{side}',
            metavar='TOPIC',
            help=f'detections of the bag {side.upper()}; needed where it has several',
        )
    parser.add_argument(
        '--truth',
        type=Path,
        metavar='BAG',
        help='bag that says what is truly in the frames, by exact stamp',
    )
    parser.add_argument(
        '--truth-topic', metavar='TOPIC', help='of it; needed where it has several'
    )
    parser.add_argument(
        '--aliases', nargs='+', default=[], help='labels of it scored as a class, LABEL=CLASS'
    )
    add_json_option(parser)
    parser.add_argument(
        '--report',
        type=Path,
        metavar='DIR',
        help=f'write pictures here: {DIFFERENCES} and, with --images, {CHANGED}',
    )
    parser.add_argument(
        '--images',
        type=Path,
        metavar='PATH',
        help="bag, or folder in KITTI's or COCO's layout, with the images of the frames",
    )
    parser.add_argument('--image-topic', metavar='TOPIC', help='images of that bag')
    parser.add_argument('--split', default='val', help='which split of that folder')
    add_config(parser, ComparisonConfig)


def run(arguments: argparse.Namespace) -> int:
    """
    Compare and print what changed.

    :returns: 1 when B is worse by more than is tolerated, else 0.
    :raises ConfigError: for a setting outside its bounds, or options without what they need.
    :raises DatasetError: when an input cannot be read, or the two have nothing in common.
    :raises MissingPackageError: when pictures are asked for and matplotlib is not installed.
    """
    config = read_config(arguments, ComparisonConfig)
    if arguments.images and not arguments.report:
        raise ConfigError('--images is for the pictures of --report DIR, which was not given')
    if arguments.report:
        require_matplotlib()
    first = load_evaluated(arguments.a, arguments.topic_a)
    second = load_evaluated(arguments.b, arguments.topic_b)
    if arguments.truth:
        first = _with_truth(first, arguments)
    found = compare(first, second, config)
    if arguments.json:
        write_json(arguments.json, found.report)
    print(format_comparison(found.report))
    if arguments.report:
        _save_pictures(arguments, found)
    return _REGRESSION if found.is_regression else 0


def _with_truth(side: Evaluated, arguments: argparse.Namespace) -> Evaluated:
    if side.record is None:
        raise ConfigError(f'--truth is for records and bags of detections, got {side.path}')
    aliases = read_aliases(arguments)
    record = with_bag_truth(side.record, arguments.truth, aliases, arguments.truth_topic)
    return side._replace(record=record)


def _save_pictures(arguments: argparse.Namespace, found: Comparison) -> None:
    if found.report['ap']:
        save_differences(arguments.report / DIFFERENCES, found.report)
    if not arguments.images or found.paired is None or not found.changed:
        return
    images = _read_images(arguments, found.paired, found.changed)
    lacking = len(found.changed) - len(images)
    if lacking:
        print(f'{arguments.images} lacks {lacking} of the {len(found.changed)} frames')
    if images:
        rows = [change.row for change in found.changed]
        path = arguments.report / CHANGED
        save_changed_frames(path, found.paired, found.report['changed_frames'], rows, images)


def _read_images(
    arguments: argparse.Namespace, paired: Paired, changed: list[FrameChange]
) -> dict[int, Image]:
    """Return the images of the changed frames, as far as they are there, by row."""
    frames = {change.row: paired.frames[change.row] for change in changed}
    if is_bag(arguments.images):
        rows = {frame.stamp_ns: row for row, frame in frames.items()}
        stamped = images_by_stamp(arguments.images, arguments.image_topic, rows)
        return {rows[stamp]: image for stamp, image in stamped.items()}
    names = {frame.name: row for row, frame in frames.items()}
    named = images_by_name(arguments.images, arguments.split, names)
    return {names[name]: image for name, image in named.items()}
