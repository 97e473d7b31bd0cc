"""What a data set holds, and what of it is damaged, told before hours are spent on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from squeezedet_ros.data.frames import check_size, LabelledFrame
from squeezedet_ros.errors import DatasetError
from tqdm import tqdm


class Scan(NamedTuple):
    """
    Frames that can be used, and what was found on the way.

    :param frames: those that can be read, in their order.
    :param damaged: one message for each of the others.
    :param labels: how many objects and regions there are of each name.
    :param empty: number of frames without any label.
    """

    frames: list[LabelledFrame]
    damaged: list[str]
    labels: Counter[str]
    empty: int


def scan_frames(
    frames: Sequence[LabelledFrame],
    *,
    strict: bool = False,
    read: Callable[[Path], NDArray[np.uint8] | tuple[int, int]] | None = None,
) -> Scan:
    """
    Read the labels of every frame, with a progress bar where a person is watching.

    :param strict: whether the first damage stops.
    :param read: what has to succeed on images too: ``read_image`` decodes them, which takes some
        milliseconds each, ``read_image_size`` looks at their heads.
    :raises DatasetError: for the first damage if ``strict``, and when no frame can be read.
    """
    found = Scan([], [], Counter(), 0)
    empty = 0
    for frame in tqdm(frames, unit='image', desc='checking', disable=None, leave=False):
        try:
            truth = frame.read_truth()
            if read is not None:
                found_size = read(frame.image_path)
                if isinstance(found_size, np.ndarray):
                    found_size = found_size.shape[0], found_size.shape[1]
                check_size(frame, found_size)
        except DatasetError as error:
            if strict:
                raise
            found.damaged.append(str(error))
            continue
        found.frames.append(frame)
        found.labels.update(truth.names)
        empty += not len(truth)
    if frames and not found.frames:
        raise DatasetError(
            f'none of the {len(frames)} frames can be read; the first: {found.damaged[0]}'
        )
    return found._replace(empty=empty)
