"""
From image messages to pixels, without cv_bridge.

Messages are told by their fields, so those of ROS and those of a bag reader are both taken. The
pixels of a ``bgr8`` message are not copied: the image is a view of the message's buffer.
"""

from __future__ import annotations

from array import array
import struct
from typing import Any, cast, NamedTuple, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray
from squeezedet_ros.errors import ImageDecodeError, shown

Image = NDArray[np.uint8]

# Of a JPEG segment, big-endian.
_LENGTH = struct.Struct('>H')
_SIZE = struct.Struct('>HH')

MOST_PIXELS = 100_000_000
"""Larger images are refused before any memory is taken for them."""

MOST_SCANS = 32
"""
A JPEG of more scans is refused: encoders write about ten, and each costs a walk over all pixels.

One of 125 kB with a thousand scans took 23 s to decode.
"""


class ImageMessage(Protocol):
    """The fields of ``sensor_msgs/Image`` that hold the picture."""

    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: Any


class CompressedImageMessage(Protocol):
    """The field of ``sensor_msgs/CompressedImage`` that holds the picture, JPEG or PNG."""

    data: Any


class _Layout(NamedTuple):
    """
    How an encoding lies in memory.

    :param channels: samples of a pixel.
    :param bits: of a sample, 8 or 16.
    :param to_bgr: OpenCV's conversion, none for what is blue, green, red already.
    :param planar: a half-height plane of colour follows the plane of brightness.
    """

    channels: int
    bits: int = 8
    to_bgr: int | None = None
    planar: bool = False


# ROS names a Bayer pattern by the first two pixels of its first two rows, OpenCV by the second
# and third of its second and third.
_BAYER = {
    'rggb': cv2.COLOR_BayerBG2BGR,
    'bggr': cv2.COLOR_BayerRG2BGR,
    'gbrg': cv2.COLOR_BayerGR2BGR,
    'grbg': cv2.COLOR_BayerGB2BGR,
}
_LAYOUTS = {
    'bgr8': _Layout(3),
    '8UC3': _Layout(3),
    'rgb8': _Layout(3, 8, cv2.COLOR_RGB2BGR),
    'bgra8': _Layout(4, 8, cv2.COLOR_BGRA2BGR),
    '8UC4': _Layout(4, 8, cv2.COLOR_BGRA2BGR),
    'rgba8': _Layout(4, 8, cv2.COLOR_RGBA2BGR),
    'mono8': _Layout(1, 8, cv2.COLOR_GRAY2BGR),
    '8UC1': _Layout(1, 8, cv2.COLOR_GRAY2BGR),
    'bgr16': _Layout(3, 16),
    'rgb16': _Layout(3, 16, cv2.COLOR_RGB2BGR),
    'bgra16': _Layout(4, 16, cv2.COLOR_BGRA2BGR),
    'rgba16': _Layout(4, 16, cv2.COLOR_RGBA2BGR),
    'mono16': _Layout(1, 16, cv2.COLOR_GRAY2BGR),
    'yuv422': _Layout(2, 8, cv2.COLOR_YUV2BGR_UYVY),
    'uyvy': _Layout(2, 8, cv2.COLOR_YUV2BGR_UYVY),
    'yuv422_yuy2': _Layout(2, 8, cv2.COLOR_YUV2BGR_YUYV),
    'yuyv': _Layout(2, 8, cv2.COLOR_YUV2BGR_YUYV),
    'nv12': _Layout(1, 8, cv2.COLOR_YUV2BGR_NV12, planar=True),
    'nv21': _Layout(1, 8, cv2.COLOR_YUV2BGR_NV21, planar=True),
    **{f'bayer_{name}8': _Layout(1, 8, code) for name, code in _BAYER.items()},
    **{f'bayer_{name}16': _Layout(1, 16, code) for name, code in _BAYER.items()},
}
ENCODINGS = tuple(_LAYOUTS)


def decode_message(message: ImageMessage | CompressedImageMessage) -> Image:
    """
    Return the picture of an ``Image`` or ``CompressedImage`` message.

    :returns: as :func:`decode_image` and :func:`decode_compressed`.
    :raises ImageDecodeError: as these do.
    """
    if hasattr(message, 'encoding'):
        return decode_image(cast(ImageMessage, message))
    return decode_compressed(message.data)


def decode_image(message: ImageMessage) -> Image:
    """
    Return the picture of an ``Image`` message.

    :returns: (height, width, 3) uint8 blue, green, red; a view where the message holds that.
    :raises ImageDecodeError: when the message does not hold what its fields announce, or the
        encoding is unknown.
    """
    layout = _LAYOUTS.get(message.encoding)
    if layout is None:
        raise ImageDecodeError(
            f'expected an encoding among {", ".join(ENCODINGS)}, got {shown(message.encoding)}'
        )
    _check_size(message.height, message.width)
    samples = _samples(message, layout)
    if layout.to_bgr is not None:
        samples = cv2.cvtColor(samples, layout.to_bgr)
    if layout.bits == 16:
        # 65535 becomes 255, as cv_bridge does it.
        samples = cv2.convertScaleAbs(samples, alpha=255 / 65535)
    return samples.astype(np.uint8, copy=False)


def _samples(message: ImageMessage, layout: _Layout) -> NDArray[Any]:
    """Return the samples in this machine's byte order, without a copy if they are in it."""
    height, width, step = message.height, message.width, message.step
    chroma_pairs = layout.planar or layout.channels == 2
    if chroma_pairs and (width % 2 or (layout.planar and height % 2)):
        raise ImageDecodeError(
            f'expected an even size for {message.encoding}, got {height} x {width}'
        )
    rows = height * 3 // 2 if layout.planar else height
    pixel = layout.channels * layout.bits // 8
    if step < width * pixel:
        raise ImageDecodeError(
            f'expected a step of at least {width * pixel} bytes for {width} pixels '
            f'{message.encoding}, got {step}'
        )
    size = memoryview(message.data).nbytes
    if size != step * rows:
        raise ImageDecodeError(
            f'expected {step * rows} bytes of data ({rows} rows of step {step}, '
            f'{message.encoding}), got {size}'
        )
    order = '>' if message.is_bigendian else '<'
    view = np.ndarray(
        (rows, width, layout.channels),
        np.dtype(f'{order}u{layout.bits // 8}'),
        buffer=message.data,
        strides=(step, pixel, layout.bits // 8),
    )
    samples: NDArray[Any] = view.astype(view.dtype.newbyteorder('='), copy=False)
    # OpenCV takes no rows that begin within a sample.
    return samples if step % samples.itemsize == 0 else samples.copy()


def decode_compressed(data: bytes | bytearray | memoryview | array[int]) -> Image:
    """
    Return the picture of a JPEG or PNG file, or of the data of a ``CompressedImage`` message.

    An orientation noted in the file is not applied: boxes are in pixels as they are stored.

    :returns: (height, width, 3) uint8 blue, green, red.
    :raises ImageDecodeError: when it is neither, cut short, damaged or made to be slow.
    """
    content = memoryview(data).cast('B')
    announced_size(content)
    _check_scans(content)
    image = cv2.imdecode(
        np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    )
    if image is None or _is_cut_jpeg(bytes(content)):
        raise ImageDecodeError(f'expected a whole JPEG or PNG, got {len(content)} damaged bytes')
    return image.astype(np.uint8, copy=False)


def _is_cut_jpeg(content: bytes) -> bool:
    """
    Return whether a JPEG lacks its end; OpenCV before 4.12 then fills up the picture.

    The scan holds neither marker (ITU-T T.81 B.1.1.5), but a thumbnail before it may hold both.
    """
    if not content.startswith(b'\xff\xd8'):
        return False
    end = content.rfind(b'\xff\xd9')
    return end < 0 or content.find(b'\xff\xda', end) >= 0


def _check_size(height: int, width: int) -> None:
    if height < 1 or width < 1 or height * width > MOST_PIXELS:
        raise ImageDecodeError(
            f'expected a height and width above 0 and at most {MOST_PIXELS} pixels, '
            f'got {height} x {width}'
        )


def _check_scans(content: memoryview) -> None:
    if content[0] != 0xFF:
        return
    # Nothing else than the head of a scan is written like this, except in an embedded thumbnail.
    scans = content.tobytes().count(b'\xff\xda')
    if scans > MOST_SCANS:
        raise ImageDecodeError(f'expected a JPEG of at most {MOST_SCANS} scans, got {scans}')


def announced_size(data: bytes | memoryview) -> tuple[int, int]:
    """
    Return the (height, width) in the head of a JPEG or PNG, before memory is taken for it.

    :raises ImageDecodeError: when it is neither, or the size is none that is read.
    """
    size = _size_in_head(memoryview(data))
    _check_size(*size)
    return size


def _size_in_head(content: memoryview) -> tuple[int, int]:
    head = bytes(content[:24])
    if head.startswith(b'\x89PNG\r\n\x1a\n') and head[12:16] == b'IHDR' and len(head) == 24:
        return int.from_bytes(head[20:24], 'big'), int.from_bytes(head[16:20], 'big')
    if head.startswith(b'\xff\xd8\xff'):
        return _jpeg_size(content)
    raise ImageDecodeError(
        f'expected a JPEG or PNG, got {len(content)} bytes that begin with '
        f'{head[:8].hex(" ") or "nothing"}'
    )


def _jpeg_size(content: memoryview) -> tuple[int, int]:
    """Return (height, width) from the frame header, ITU-T T.81 B.2.2."""
    position = 2
    while position + 9 <= len(content) and content[position] == 0xFF:
        marker = content[position + 1]
        if marker == 0xFF:
            position += 1
            continue
        # Start of frame, but not the tables DHT, JPG and DAC that share its range.
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return _SIZE.unpack_from(content, position + 5)
        position += 2 + _LENGTH.unpack_from(content, position + 2)[0]
    raise ImageDecodeError(
        f'expected a JPEG with a frame header, found none in {len(content)} bytes'
    )
