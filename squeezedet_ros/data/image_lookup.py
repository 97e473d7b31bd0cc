"""Single images out of a data set or a bag, by what their frames are called."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from squeezedet_ros.data.frames import list_frames, read_image

Image = NDArray[np.uint8]


def images_by_name(directory: Path, split: str, names: Collection[str]) -> dict[str, Image]:
    """
    Read those of some frames that a data set has, (height, width, 3) in blue, green, red.

    :raises DatasetError: when the set or one of the images cannot be read.
    """
    return {
        frame.name: read_image(frame.image_path)
        for frame in list_frames(directory, split)
        if frame.name in names
    }


def images_by_stamp(
    bag_path: Path, topic: str | None, stamps: Collection[int]
) -> dict[int, Image]:
    """
    Read those of some frames that a bag has, (height, width, 3) in blue, green, red.

    :param topic: of the images; None for the only one there is.
    :param stamps: of the images' headers, in nanoseconds; the first image of a stamp counts.
    :raises DatasetError: when the bag or one of the images cannot be read.
    """
    from squeezedet_ros.data.bag import BagReader
    from squeezedet_ros.data.truth_message import stamp_of

    images: dict[int, Image] = {}
    with BagReader(bag_path) as bag:
        for message in bag.messages([bag.find_image_topic(topic)]):
            stamp_ns = stamp_of(bag.decode(message))
            if stamp_ns in stamps and stamp_ns not in images:
                images[stamp_ns] = bag.decode_image(message).image
            if len(images) == len(stamps):
                break
    return images
