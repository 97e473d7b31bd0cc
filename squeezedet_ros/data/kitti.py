"""
Data sets in KITTI's object layout.

``training/image_2/NAME.{png,jpg}``, ``training/label_2/NAME.txt``, ``ImageSets/SPLIT.txt``
with one name a line. A label line holds type, truncation, occlusion, alpha, four box edges in
pixels, and seven 3D numbers that are not read here.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from squeezedet_ros.data.ground_truth import GroundTruth
from squeezedet_ros.errors import DatasetError, ImageDecodeError
from squeezedet_ros.image_codec import decode_compressed

IMAGE_SUFFIXES = ('.png', '.jpg', '.jpeg')


class KittiFrame(NamedTuple):
    """One image of a set and where its labels lie."""

    name: str
    image_path: Path
    label_path: Path


def list_frames(directory: Path, split: str) -> list[KittiFrame]:
    """
    Return the frames of a split, in its order.

    :raises DatasetError: when the split, an image or a label file is not there.
    """
    listing = directory / 'ImageSets' / f'{split}.txt'
    if not listing.is_file():
        present = sorted(path.stem for path in listing.parent.glob('*.txt'))
        raise DatasetError(
            f'{directory} has no split {split!r}: expected {listing}; '
            f'splits present: {", ".join(present) or "none"}'
        )
    frames = [_frame(directory, name) for name in listing.read_text().split()]
    if not frames:
        raise DatasetError(f'{listing} names no image')
    return frames


def _frame(directory: Path, name: str) -> KittiFrame:
    label_path = directory / 'training' / 'label_2' / f'{name}.txt'
    if not label_path.is_file():
        raise DatasetError(f'no label file {label_path}')
    for suffix in IMAGE_SUFFIXES:
        image_path = directory / 'training' / 'image_2' / f'{name}{suffix}'
        if image_path.is_file():
            return KittiFrame(name, image_path, label_path)
    raise DatasetError(
        f'no image {name} with suffix {", ".join(IMAGE_SUFFIXES)} in {image_path.parent}'
    )


def read_labels(path: Path) -> GroundTruth:
    """
    Read a KITTI label file; an empty one is an image without objects.

    :raises DatasetError: naming the line that is not as KITTI has it.
    """
    names, numbers = [], []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        words = line.split()
        if not words:
            continue
        try:
            truncated, occluded, _, *box = (float(word) for word in words[1:8])
            if len(box) != 4 or not np.isfinite(box).all():
                raise ValueError('a box needs four finite edges')
        except ValueError as error:
            raise DatasetError(
                f'{path}:{number}: expected a type and at least 7 numbers, got {line!r} ({error})'
            ) from error
        names.append(words[0])
        numbers.append((truncated, occluded, *box))
    columns = np.array(numbers, np.float32).reshape(-1, 6)
    return GroundTruth(columns[:, 2:], tuple(names), columns[:, 0], columns[:, 1].astype(np.int64))


def read_image(path: Path) -> NDArray[np.uint8]:
    """
    Read an image file as (height, width, 3) uint8, blue, green, red.

    :raises DatasetError: when it is missing or cannot be decoded.
    """
    try:
        return decode_compressed(path.read_bytes())
    except FileNotFoundError as error:
        raise DatasetError(f'no image {path}') from error
    except ImageDecodeError as error:
        raise DatasetError(f'{path} is not an image that can be read: {error}') from error
