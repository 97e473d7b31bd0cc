"""A bag of images through the detector, frame by frame; of an image nothing is kept."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
import sys
from time import perf_counter
from typing import NamedTuple, TypeVar

from squeezedet_ros.config import SelectionConfig
from squeezedet_ros.data.bag import Bag
from squeezedet_ros.data.class_names import with_class_names
from squeezedet_ros.data.drive_truth import DriveTruth, match_truth
from squeezedet_ros.data.ground_truth import GroundTruth
from squeezedet_ros.data.truth_message import stamp_of
from squeezedet_ros.detector import Detector
from squeezedet_ros.errors import DatasetError, ImageDecodeError
from squeezedet_ros.evaluation.drive_record import DriveRecord, FrameRecord
from squeezedet_ros.evaluation.evaluator import detect_as_published
from squeezedet_ros.image_codec import decode_message
from squeezedet_ros.preprocessing import Image
from tqdm import tqdm

Item = TypeVar('Item')


class DriveFrame(NamedTuple):
    """
    An image of a bag on its way to the detector.

    :param stamp_ns: of its header; of its recording where the message cannot be read.
    :param image: (h, w, 3) uint8 blue, green, red, None where it cannot be decoded.
    :param decode_ms: what reading it took.
    :param fault: why it cannot be decoded.
    """

    stamp_ns: int
    image: Image | None
    decode_ms: float
    fault: str = ''


class WatchedDrive(NamedTuple):
    """
    What the detector saw.

    :param frames: in the order of the topic.
    :param seconds: from the first frame to the last.
    :param faults: what could not be read, the first of its kind in words and how many there are.
    """

    frames: list[FrameRecord]
    seconds: float
    faults: list[str]


def watch_drive(
    detector: Detector, bag: Bag, topic: str, batch_size: int, selection: SelectionConfig
) -> WatchedDrive:
    """
    Detect in every image of a topic, with a progress bar where a person is watching.

    One batch is read while the network looks at the one before. A stage's milliseconds are a
    frame's share of its batch. What follows the damage of a bag is left out and told.

    :param detector: with the selection of an evaluation.
    :param selection: what would be published.
    :raises DatasetError: when not a single message of the topic can be read.
    """
    frames: list[FrameRecord] = []
    damage: list[str] = []
    undecodable: list[str] = []
    start = perf_counter()
    with tqdm(total=bag.topics[topic].messages, unit='frame', disable=None) as progress:
        for batch in _batches_ahead(until_damage(read_frames(bag, topic), damage), batch_size):
            undecodable += [item.fault for item in batch if item.fault][: not undecodable]
            frames += _look(detector, batch, selection)
            progress.update(len(batch))
    seconds = perf_counter() - start
    if not frames:
        raise DatasetError('; '.join([f'/{topic} holds no image', *bag.damage, *damage]))
    lost = sum(frame.outcome == 'undecodable' for frame in frames)
    told = [f'{lost} images cannot be decoded, the first: {undecodable[0]}'] if lost else []
    return WatchedDrive(frames, seconds, damage + told)


def add_truth(
    record: DriveRecord, truth: DriveTruth, aliases: dict[str, str], tolerance_s: float
) -> DriveRecord:
    """
    Return a record whose frames hold what is truly in them; ``settings`` tell of the matching.

    :param aliases: classes by the labels that stand for them.
    :param tolerance_s: seconds that the stamps of a frame and of its truth may differ.
    """
    match = match_truth(truth, [frame.stamp_ns for frame in record.frames], tolerance_s)
    frames = [
        frame if own is None else replace(frame, truth=_named(own, record.classes, aliases))
        for frame, own in zip(record.frames, match.truths, strict=True)
    ]
    without = sum(own is None for own in match.truths)
    told = {
        'source': truth.source,
        'key': truth.key,
        'tolerance_s': tolerance_s,
        'matched': len(frames) - without,
        'near': match.near,
        'farthest_ms': match.farthest_ns / 1e6,
        'frames_without': without,
        'unused': match.unused,
    }
    warnings = [*record.settings.get('warnings', ()), *truth.faults[:1]]
    if without:
        warnings.append(f'{without} of {len(frames)} frames have no truth in {truth.source}')
    if match.unused:
        warnings.append(f'{match.unused} truths in {truth.source} belong to no frame')
    settings = {**record.settings, 'truth': told, 'warnings': warnings}
    return replace(record, frames=frames, settings=settings)


def _named(truth: GroundTruth, classes: Sequence[str], aliases: dict[str, str]) -> GroundTruth:
    named = with_class_names(truth, classes, aliases)
    # Each message has letters of its own for what are a few names.
    return replace(named, names=tuple(map(sys.intern, named.names)))


def read_frames(bag: Bag, topic: str) -> Iterator[DriveFrame]:
    """
    Return the images of a topic one by one, also those that cannot be decoded.

    :raises DatasetError: when the bag is damaged.
    """
    start = perf_counter()
    for message in bag.messages([topic]):
        stamp_ns, image, fault = message.recorded_ns, None, ''
        try:
            decoded = bag.decode(message)
            stamp_ns = stamp_of(decoded)
            image = decode_message(decoded)
        except (DatasetError, ImageDecodeError) as error:
            fault = str(error)
        yield DriveFrame(stamp_ns, image, 1e3 * (perf_counter() - start), fault)
        start = perf_counter()


def find_images(bag: Bag, topic: str, stamps: Collection[int]) -> Iterator[tuple[int, Image]]:
    """
    Return some images of a topic with their stamps, as they come in the bag, each stamp once.

    :raises DatasetError: when the bag is damaged before the last of them.
    """
    wanted = set(stamps)
    for frame in read_frames(bag, topic):
        if frame.stamp_ns in wanted and frame.image is not None:
            wanted.discard(frame.stamp_ns)
            yield frame.stamp_ns, frame.image
        if not wanted:
            return


def until_damage(items: Iterable[Item], damage: list[str]) -> Iterator[Item]:
    """Yield what is read of a bag; where it is damaged, end and tell ``damage`` what is wrong."""
    try:
        yield from items
    except DatasetError as error:
        damage.append(f'the recording is damaged, what follows is left out: {error}')


def _batches_ahead(frames: Iterator[DriveFrame], size: int) -> Iterator[list[DriveFrame]]:
    """Yield batches, while a thread reads the next one."""
    with ThreadPoolExecutor(1) as reader:
        following = reader.submit(_take, frames, size)
        while batch := following.result():
            following = reader.submit(_take, frames, size)
            yield batch


def _take(frames: Iterator[DriveFrame], size: int) -> list[DriveFrame]:
    return list(islice(frames, size))


def _look(
    detector: Detector, batch: list[DriveFrame], selection: SelectionConfig
) -> Iterator[FrameRecord]:
    images = [item.image for item in batch if item.image is not None]
    found, seconds = detect_as_published(detector, images, selection)
    stages = {name: 1e3 * value / len(found) for name, value in seconds._asdict().items() if found}
    results = iter(found)
    for item in batch:
        milliseconds = {'decode': item.decode_ms}
        if item.image is None:
            yield FrameRecord(
                stamp_ns=item.stamp_ns,
                size=None,
                outcome='undecodable',
                detections=None,
                milliseconds=milliseconds,
            )
            continue
        yield FrameRecord(
            stamp_ns=item.stamp_ns,
            size=(item.image.shape[0], item.image.shape[1]),
            outcome='detected',
            detections=next(results),
            milliseconds=milliseconds | stages,
        )
