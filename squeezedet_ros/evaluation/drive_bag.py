"""A drive's record as a bag of detections, to be looked at beside its images."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator
from pathlib import Path

from squeezedet_ros.config import SelectionConfig
from squeezedet_ros.data.bag import Bag, RawMessage
from squeezedet_ros.data.bag_writer import BagWriter, Storage
from squeezedet_ros.data.detection_bag import DetectionBagWriter
from squeezedet_ros.data.drive_truth import camera_of
from squeezedet_ros.data.interfaces import Message
from squeezedet_ros.data.truth_message import stamp_of
from squeezedet_ros.detections import Detections
from squeezedet_ros.errors import DatasetError
from squeezedet_ros.evaluation.drive_record import DriveRecord
from squeezedet_ros.evaluation.evaluator import published
from squeezedet_ros.postprocessing import make_selector


def write_drive_bag(
    path: Path,
    record: DriveRecord,
    source: Bag,
    selection: SelectionConfig,
    storage: Storage = 'mcap',
    *,
    with_images: bool = False,
) -> None:
    """
    Write the detections of each image that was looked at, with the image's header.

    What the bag is to have received when is as in the source, so that both can be played together.

    :param path: of a new bag.
    :param source: the bag the drive was seen in, open.
    :param selection: its thresholds say which detections are published.
    :param with_images: whether to take the images over, as they are.
    :raises DatasetError: when the new bag is there already.
    """
    shown = [frame for frame in record.frames if frame.detections is not None]
    unfiltered = [frame.detections for frame in shown if frame.detections is not None]
    seen = zip(published(unfiltered, selection, record.classes), unfiltered, strict=True)
    left: defaultdict[int, deque[tuple[Detections, Detections]]] = defaultdict(deque)
    for frame, pair in zip(shown, seen, strict=True):
        left[frame.stamp_ns].append(pair)
    with BagWriter(path, storage) as bag:
        writer = DetectionBagWriter(
            bag,
            camera_of(record.topic),
            record.classes,
            make_selector(selection, record.classes).least_score,
        )
        for message, image in _read_images(source, record.topic):
            if with_images:
                bag.write_raw(message)
            if image is not None and (pairs := left[stamp_of(image)]):
                writer.write(image.header, message.recorded_ns, *pairs.popleft())


def _read_images(source: Bag, topic: str) -> Iterator[tuple[RawMessage, Message | None]]:
    """Yield images up to any damage; whoever made the record has told of that."""
    try:
        for message in source.messages([topic]):
            try:
                yield message, source.decode(message)
            except DatasetError:
                yield message, None
    except DatasetError:
        return
