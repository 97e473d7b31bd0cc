"""Frames of a labelled set, a folder of images or a video, one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
import re
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from squeezedet_ros.config import check_cameras
from squeezedet_ros.data.bag_writer import BagWriter, Storage
from squeezedet_ros.data.frames import list_frames, read_image
from squeezedet_ros.data.ground_truth import GroundTruth
from squeezedet_ros.data.kitti import IMAGE_SUFFIXES
from squeezedet_ros.data.synthetic.drive import DriveFrame
from squeezedet_ros.data.truth_message import NANOSECONDS
from squeezedet_ros.errors import DatasetError, ImageDecodeError
from squeezedet_ros.image_codec import decode_compressed

DEFAULT_FPS = 10.0
# In ROS a stamp of 0 means "not set".
FIRST_STAMP_NS = NANOSECONDS


class Frame(NamedTuple):
    """
    One image on its way into a bag.

    :param image: (h, w, 3) uint8, blue, green, red.
    :param truth: what is truly in it, None where nobody knows.
    """

    stamp_ns: int
    image: NDArray[np.uint8]
    truth: GroundTruth | None


class FrameSource(NamedTuple):
    """Frames still to be read, and how many there are to come, as far as is known."""

    total: int | None
    frames: Iterator[Frame]

    def first(self, limit: int | None) -> FrameSource:
        """Return the first ``limit`` frames, None for all of them."""
        if limit is None:
            return self
        total = limit if self.total is None else min(limit, self.total)
        return FrameSource(total, islice(self.frames, limit))


def stamp_at(index: int, fps: float) -> int:
    """Return the stamp of a frame in nanoseconds, at a steady rate from the first one's."""
    return FIRST_STAMP_NS + round(index * NANOSECONDS / fps)


def open_source(path: Path, split: str | None = None, fps: float | None = None) -> FrameSource:
    """
    Return the frames of a labelled set, a folder of images or a video, whichever the path is.

    :param split: split of a set in KITTI's or COCO's layout; None for images without labels.
    :param fps: frames a second; None for the video's own, or 10.
    :raises DatasetError: when there is nothing to read, or a file cannot be decoded.
    """
    if path.is_file():
        return video_source(path, fps)
    if not path.is_dir():
        raise DatasetError(f'no such folder or video: {path}')
    if split is not None:
        return labelled_source(path, split, fps)
    if (path / 'ImageSets').is_dir():
        splits = sorted(item.stem for item in (path / 'ImageSets').glob('*.txt'))
        raise DatasetError(
            f'{path} is a KITTI set, expected the name of a split: {", ".join(splits)}'
        )
    return folder_source(path, fps)


def labelled_source(directory: Path, split: str, fps: float | None = None) -> FrameSource:
    """
    Return the images and labels of a split of a set in KITTI's or COCO's layout.

    :raises DatasetError: when the split or one of its files is not there.
    """
    entries = list_frames(directory, split)

    def frames() -> Iterator[Frame]:
        for index, entry in enumerate(entries):
            truth = entry.read_truth()
            stamp_ns = stamp_at(index, fps or DEFAULT_FPS)
            yield Frame(stamp_ns, read_image(entry.image_path), truth)

    return FrameSource(len(entries), frames())


def folder_source(directory: Path, fps: float | None = None) -> FrameSource:
    """
    Return the images of a folder by name, numbers in a name by value.

    :raises DatasetError: when there are none.
    """
    paths = sorted(
        (path for path in directory.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES),
        key=natural_order,
    )
    if not paths:
        raise DatasetError(f'{directory} holds no image ({", ".join(IMAGE_SUFFIXES)})')

    def frames() -> Iterator[Frame]:
        for index, path in enumerate(paths):
            yield Frame(stamp_at(index, fps or DEFAULT_FPS), _read_whole(path), None)

    return FrameSource(len(paths), frames())


def _read_whole(path: Path) -> NDArray[np.uint8]:
    """
    Read a JPEG or PNG; ``cv2.imread`` takes one that is cut short for whole.

    :raises DatasetError: when it is damaged.
    """
    try:
        return decode_compressed(path.read_bytes())
    except (OSError, ImageDecodeError) as error:
        raise DatasetError(f'{path} cannot be read: {error}') from error


def natural_order(path: Path) -> list[tuple[int, str]]:
    """Return a key that sorts files by name, numbers in a name by value."""
    parts = re.split(r'(\d+)', path.name)
    return [(int(part), '') if part.isdecimal() else (-1, part) for part in parts]


def video_source(path: Path, fps: float | None = None) -> FrameSource:
    """
    Return the frames of a video.

    :raises DatasetError: when OpenCV cannot read it, or not a single frame of it.
    """
    if not path.is_file():
        raise DatasetError(f'no such video: {path}')
    capture = cv2.VideoCapture(str(path))
    readable, image = capture.read()
    if not readable:
        capture.release()
        raise DatasetError(f'{path} is not a video that can be read')
    rate = fps or capture.get(cv2.CAP_PROP_FPS) or DEFAULT_FPS
    count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    return FrameSource(count if count > 0 else None, _video_frames(capture, image, rate))


def _video_frames(
    capture: cv2.VideoCapture, first: cv2.typing.MatLike, fps: float
) -> Iterator[Frame]:
    readable, image, index = True, first, 0
    try:
        while readable:
            yield Frame(stamp_at(index, fps), image.astype(np.uint8, copy=False), None)
            readable, image = capture.read()
            index += 1
    finally:
        capture.release()


def drive_frames(drawn: Iterable[DriveFrame]) -> Iterator[Frame]:
    """Return drawn frames with stamps that no longer begin at 0."""
    for frame in drawn:
        yield Frame(FIRST_STAMP_NS + frame.stamp_ns, frame.image, frame.truth)


def write_bag(
    path: Path,
    frames: Iterable[Frame],
    camera: str,
    storage: Storage = 'mcap',
    *,
    compressed: bool = False,
) -> int:
    """
    Write frames and their truth as a rosbag2.

    :returns: the number of frames written.
    :raises ConfigError: when no topic can have the camera's name.
    :raises DatasetError: when the bag is there already, or a frame cannot be read; nothing of it
        is left behind then.
    """
    check_cameras([camera])
    written = 0
    with BagWriter(path, storage) as bag:
        for frame in frames:
            if frame.truth is not None:
                bag.write_ground_truth(camera, frame.stamp_ns, frame.truth)
            bag.write_image(camera, frame.stamp_ns, frame.image, compressed=compressed)
            written += 1
    return written
