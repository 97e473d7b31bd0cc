"""Image messages that no camera sends, for hypothesis to draw from."""

from __future__ import annotations

from array import array
from functools import cache
from typing import NamedTuple

import cv2
from hypothesis import strategies as st
import numpy as np
from squeezedet_ros.image_codec import ENCODINGS

_UINT32 = 2**32 - 1
_MOST_BYTES = 20_000
_text = st.text(st.characters(codec='utf-8'), max_size=12)
_sides = st.integers(1, 24) | st.integers(0, 3) | st.sampled_from([65_535, 2**31, _UINT32])


class Stamped(NamedTuple):
    sec: int
    nanosec: int
    frame_id: str


class RawImage(NamedTuple):
    """The fields of a ``sensor_msgs/Image``, as ``decode_image`` reads them."""

    header: Stamped
    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: array


class CompressedPicture(NamedTuple):
    """The fields of a ``sensor_msgs/CompressedImage``."""

    header: Stamped
    format: str
    data: array


headers = st.builds(
    Stamped,
    st.integers(-(2**31), 2**31 - 1) | st.integers(0, 3),
    st.integers(0, _UINT32) | st.integers(0, 3),
    _text,
)


@st.composite
def raw_images(draw) -> RawImage:
    """Draw a message whose fields fit together, or miss each other by little or by much."""
    height, width = draw(_sides), draw(_sides)
    pixel = draw(st.sampled_from([1, 1, 2, 3, 3, 4, 6, 8]))
    step = draw(
        st.just(width * pixel)
        | st.integers(0, 4).map(lambda more: width * pixel + more)
        | st.integers(0, _UINT32)
    )
    rows = height * 3 // 2 if draw(st.booleans()) and draw(st.booleans()) else height
    size = step * rows
    if size > _MOST_BYTES or draw(st.integers(0, 9)) == 0:
        size = draw(st.integers(0, 300) | st.just(min(size, _MOST_BYTES)))
    pattern = draw(st.binary(min_size=1, max_size=16))
    return RawImage(
        draw(headers),
        height,
        width,
        draw(st.sampled_from(ENCODINGS) | st.sampled_from(ENCODINGS) | _text),
        draw(st.integers(0, 255)),
        min(step, _UINT32),
        array('B', (pattern * (size // len(pattern) + 1))[:size]),
    )


@cache
def _files() -> list[bytes]:
    noise = np.random.default_rng(0).integers(0, 256, (24, 31, 3), np.uint8)
    return [
        cv2.imencode(kind, image)[1].tobytes()
        for kind in ('.jpg', '.png')
        for image in (noise, noise[..., 0], noise[:1, :1])
    ]


@st.composite
def compressed_pictures(draw) -> CompressedPicture:
    """Draw a whole file, one with bytes changed or cut off, or any bytes."""
    content = bytearray(draw(st.sampled_from(_files()) | st.binary(max_size=64)))
    for _ in range(draw(st.integers(0, 6)) if content else 0):
        # Most of what matters is in the head.
        last = min(len(content) - 1, draw(st.sampled_from([30, 200, 10_000])))
        content[draw(st.integers(0, last))] = draw(st.integers(0, 255))
    if draw(st.integers(0, 4)) == 0:
        content = content[: draw(st.integers(0, len(content)))]
    return CompressedPicture(draw(headers), draw(_text), array('B', content))
