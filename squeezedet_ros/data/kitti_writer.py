"""Write frames with their ground truth in KITTI's object layout."""

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray
from squeezedet_ros.data.ground_truth import GroundTruth
from squeezedet_ros.errors import DatasetError

# KITTI's placeholders for what a drawn or derived label does not state: observation angle,
# 3-D size, 3-D place and rotation.
_NO_ANGLE = '-10'
_NO_SOLID = '-1 -1 -1 -1000 -1000 -1000 -10'


class LabelledImage(Protocol):
    """An image and what is in it."""

    @property
    def image(self) -> NDArray[np.uint8]:
        """Pixels, uint8 (H, W, 3) BGR."""

    @property
    def truth(self) -> GroundTruth:
        """Return what is in the image, boxes in its pixels."""


def format_labels(truth: GroundTruth) -> str:
    """
    Give the text of a label file: one line of KITTI's 15 columns for each object.

    Truncation and occlusion of DontCare regions are -1, as KITTI has them.
    """
    lines = []
    columns = zip(truth.names, truth.boxes, truth.truncated, truth.occluded, strict=True)
    for name, box, truncated, occluded in columns:
        state = '-1 -1' if name == 'DontCare' else f'{float(truncated):.2f} {int(occluded)}'
        corners = ' '.join(f'{float(value):.2f}' for value in box)
        lines.append(f'{name} {state} {_NO_ANGLE} {corners} {_NO_SOLID}\n')
    return ''.join(lines)


def write_kitti(directory: Path, frames: Iterable[LabelledImage], *, suffix: str = '.png') -> int:
    """
    Write ``training/image_2``, ``training/label_2`` and ``ImageSets/train.txt``.

    :param directory: made if missing; files of the same numbers are replaced.
    :param frames: numbered from 000000 in the order they come.
    :param suffix: ``.png`` (exact) or ``.jpg``.
    :return: number of frames written.
    :raises ValueError: for another suffix.
    :raises DatasetError: when an image cannot be written.
    """
    if suffix not in ('.png', '.jpg'):
        raise ValueError(f"suffix: expected '.png' or '.jpg', got {suffix!r}")
    images, labels = directory / 'training' / 'image_2', directory / 'training' / 'label_2'
    sets = directory / 'ImageSets'
    for folder in (images, labels, sets):
        folder.mkdir(parents=True, exist_ok=True)
    names = []
    for number, frame in enumerate(frames):
        name = f'{number:06d}'
        path = images / (name + suffix)
        if not cv2.imwrite(str(path), frame.image):
            raise DatasetError(f'{path}: the image could not be written')
        (labels / f'{name}.txt').write_text(format_labels(frame.truth), encoding='ascii')
        names.append(name)
    (sets / 'train.txt').write_text(''.join(f'{name}\n' for name in names), encoding='ascii')
    return len(names)
