"""Labelled frames of a data set, whichever layout it has."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from squeezedet_ros.data import coco, kitti
from squeezedet_ros.data.ground_truth import GroundTruth
from squeezedet_ros.errors import DatasetError, ImageDecodeError
from squeezedet_ros.image_codec import announced_size, decode_compressed


class LabelledFrame(Protocol):
    """One image of a set, and how to read what is in it."""

    @property
    def name(self) -> str:
        """Return what the frame is called in its set."""

    @property
    def image_path(self) -> Path:
        """Where the image lies, a JPEG or PNG."""

    @property
    def announced_size(self) -> tuple[int, int] | None:
        """Return (height, width) as the set has them, None where it does not tell."""

    def read_truth(self) -> GroundTruth:
        """
        Read what is in the image.

        :raises DatasetError: when its labels are damaged.
        """


def list_frames(directory: Path, split: str) -> Sequence[LabelledFrame]:
    """
    Return the frames of a split, in its order.

    A folder with ``ImageSets`` is in KITTI's layout, one with an annotation file in COCO's.

    :raises DatasetError: when the split or an image is not there, or the layout is neither.
    """
    if _is_kitti(directory):
        return kitti.list_frames(directory, split)
    source = coco.find_annotations(directory, split)
    if source is None:
        tried = ', '.join(str(path) for path in coco.annotation_paths(directory, split))
        raise DatasetError(
            f'{directory} has no split {split!r}: expected {directory / "ImageSets"} '
            f"(KITTI's layout) or one of {tried} (COCO's)"
        )
    return coco.read_frames(directory, split, source)


def has_split(directory: Path, split: str) -> bool:
    """Return whether a set has a split of that name."""
    if _is_kitti(directory):
        return kitti.split_listing(directory, split).is_file()
    return coco.find_annotations(directory, split) is not None


def _is_kitti(directory: Path) -> bool:
    return (directory / 'ImageSets').is_dir()


def read_image(path: Path) -> NDArray[np.uint8]:
    """
    Read an image file as (height, width, 3) uint8, blue, green, red.

    :raises DatasetError: when it is missing or cannot be decoded.
    """
    try:
        return decode_compressed(_content(path))
    except ImageDecodeError as error:
        raise DatasetError(f'{path} is not an image that can be read: {error}') from error


def read_image_size(path: Path) -> tuple[int, int]:
    """
    Return ``(height, width)`` from the head of an image file, without decoding it.

    :raises DatasetError: when it is missing or no JPEG or PNG.
    """
    try:
        return announced_size(_content(path))
    except ImageDecodeError as error:
        raise DatasetError(f'{path} is not an image that can be read: {error}') from error


def check_size(frame: LabelledFrame, size: tuple[int, int]) -> None:
    """
    Hold the size of a frame's image, (height, width), against what its set says.

    :raises DatasetError: when they differ, since its boxes are then those of another picture.
    """
    if frame.announced_size not in (None, size):
        raise DatasetError(
            f'{frame.image_path} is {size[0]} high and {size[1]} wide, its set says '
            f'{frame.announced_size[0]} and {frame.announced_size[1]}; an orientation in EXIF '
            f'does not turn it'
        )


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise DatasetError(f'no image {path}') from error
    except OSError as error:
        raise DatasetError(f'{path} cannot be read: {error.strerror}') from error
