"""``squeezedet demo``: a drive, through DDS, into the node, and a picture of what it saw."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
import shutil
from typing import NamedTuple

from squeezedet_ros.checkpoint import read_config, resolve_weights
from squeezedet_ros.cli.demo_report import (
    format_table,
    summarize,
    Summary,
    write_detections,
    write_pictures,
)
from squeezedet_ros.cli.drive_through_node import (
    CAMERA,
    Drive,
    drive_through_node,
    DriveError,
    DriveResult,
    prepare_environment,
)
from squeezedet_ros.cli.make_bag import count, positive
from squeezedet_ros.cli.play_bag import INTERRUPTED
from squeezedet_ros.cli.processes import signals_as_interrupt
from squeezedet_ros.cli.render_drive import DEFAULT_FRAMES, DEFAULT_SEED, drive_config
from squeezedet_ros.config import SelectionConfig
from squeezedet_ros.data.bag import BagImage, BagReader
from squeezedet_ros.data.bag_names import camera_of, truth_topic
from squeezedet_ros.data.ground_truth import GroundTruth
from squeezedet_ros.data.interfaces import COMPRESSED_IMAGE
from squeezedet_ros.data.sources import (
    drive_frames,
    folder_source,
    FrameSource,
    video_source,
    write_bag,
)
from squeezedet_ros.data.synthetic.drive import render_drive
from squeezedet_ros.errors import DatasetError
from tqdm import tqdm

# Low, because average precision counts what is found at any score.
LEAST_SCORE = 0.05
# In a bag that the next demo may replace.
_MARK = 'made_by_demo'


class _Input(NamedTuple):
    """A bag to play: its image topic, how many images there are, what is known to be in them."""

    bag: Path
    topic: str
    compressed: bool
    frames: int
    truths: dict[int, GroundTruth]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    source = parser.add_mutually_exclusive_group()
    source.add_argument('--bag', type=Path, help='play this rosbag2 instead of a drawn drive')
    source.add_argument('--images', type=Path, metavar='DIR', help='play the images of a folder')
    source.add_argument('--video', type=Path, metavar='FILE', help='play a video')
    parser.add_argument('--topic', help='image topic of the bag, where it has more than one')
    parser.add_argument('--out', type=Path, default=Path('out/demo'), help='folder for results')
    parser.add_argument('--seed', type=int, default=DEFAULT_SEED, help='of the drawn drive')
    parser.add_argument(
        '--frames',
        type=count,
        help=f'frames to draw ({DEFAULT_FRAMES} if not given), or the most to take from '
        'images or a video',
    )
    parser.add_argument('--fps', type=positive, help='frames a second of images or a video')
    parser.add_argument(
        '--rate',
        type=positive,
        default=1.0,
        help='fastest pace, as a multiple of the recorded one; a slower machine sets its own',
    )
    parser.add_argument(
        '--timeout', type=positive, default=120.0, help='seconds the node may be silent'
    )
    parser.add_argument('--weights', default='', help="checkpoint, the package's if not given")
    parser.add_argument('--device', default='auto', help='device of the node')


def run(arguments: argparse.Namespace) -> int:
    """
    Run the demo; return 1 if frames were lost or nothing was detected.

    :raises DatasetError: when the input cannot be read.
    :raises CheckpointError: when the weights cannot be read.
    """
    try:
        with signals_as_interrupt():
            return _run(arguments)
    except KeyboardInterrupt:
        return INTERRUPTED


def _run(arguments: argparse.Namespace) -> int:
    # What cannot work is told before minutes of drawing, not after.
    prepare_environment()
    read_config(resolve_weights(arguments.weights))
    out: Path = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    played = _prepare(arguments, out / 'drive')
    drive = Drive(
        bag=played.bag,
        topic=played.topic,
        compressed=played.compressed,
        frames=played.frames,
        rate=arguments.rate,
        parameters=_node_parameters(arguments, compressed=played.compressed),
        timeout=arguments.timeout,
    )
    try:
        summary = _report(played, drive_through_node(drive, out), out)
    except DriveError as error:
        print(f'demo failed: {error}')
        return 1
    print(f'{out / "overlay.png"}, {out / "overlay.mp4"}, {out / "detections.json"}')
    complaint = summary.complaint()
    if complaint:
        print(f'demo failed: {complaint}')
    return int(bool(complaint))


def _node_parameters(arguments: argparse.Namespace, *, compressed: bool) -> dict[str, object]:
    weights = str(resolve_weights(arguments.weights).resolve()) if arguments.weights else ''
    return {
        'cameras': [CAMERA],
        'mode': 'replay',
        'image_transport': 'compressed' if compressed else 'raw',
        'plot_prob_thresh': LEAST_SCORE,
        'weights': weights,
        'device': arguments.device,
    }


def _prepare(arguments: argparse.Namespace, drawn: Path) -> _Input:
    """Return the user's bag, or one made from the other inputs."""
    if arguments.bag is not None:
        return _open(arguments.bag, arguments.topic)
    source, mark = _source(arguments), drawn / _MARK
    if drawn.exists() and not mark.exists():
        raise DatasetError(f'{drawn} is there and not of an earlier demo: choose another --out')
    shutil.rmtree(drawn, ignore_errors=True)
    frames = tqdm(source.frames, total=source.total, unit='frame', desc='reading or drawing')
    write_bag(drawn, frames, CAMERA)
    mark.touch()
    return _open(drawn, None)


def _source(arguments: argparse.Namespace) -> FrameSource:
    if arguments.images is not None:
        if not arguments.images.is_dir():
            raise DatasetError(f'no such folder: {arguments.images}')
        return folder_source(arguments.images, arguments.fps).first(arguments.frames)
    if arguments.video is not None:
        return video_source(arguments.video, arguments.fps).first(arguments.frames)
    config = drive_config(seed=arguments.seed, frames=arguments.frames or DEFAULT_FRAMES)
    return FrameSource(config.frames, drive_frames(render_drive(config)))


def _open(path: Path, wanted: str | None) -> _Input:
    with BagReader(path) as bag:
        topic = bag.find_image_topic(wanted)
        known = bag.topics
        labels = truth_topic(camera_of(topic))
        truths = bag.ground_truth(labels) if labels in known else {}
        frames = known[topic].messages
    if not frames:
        raise DatasetError(f'{path} has no image on {topic}')
    return _Input(path, topic, known[topic].type == COMPRESSED_IMAGE, frames, truths)


def _report(played: _Input, result: DriveResult, out: Path) -> Summary:
    recording = result.recording
    draw_above = SelectionConfig().plot_prob_thresh
    summary = summarize(
        played.frames, recording, played.truths, result.usage.memory_mib, draw_above
    )
    print(format_table(summary))
    write_detections(out / 'detections.json', recording, summary, (LEAST_SCORE, draw_above))
    with BagReader(played.bag) as bag:
        images = tqdm(
            _readable_images(bag, played.topic), total=played.frames, unit='frame', desc='drawing'
        )
        write_pictures(out, images, played.frames, recording, draw_above)
    return summary


def _readable_images(bag: BagReader, topic: str) -> Iterator[BagImage]:
    """Return the images that can be drawn on; the node has counted the others."""
    for message in bag.messages([topic]):
        try:
            yield bag.decode_image(message)
        except DatasetError as error:
            print(error)
