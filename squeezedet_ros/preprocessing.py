"""
Pixels in: how an image is fitted to the network, and the way back for boxes.

Coordinates are continuous: pixel ``i`` covers ``[i, i + 1]``, which is what ``cv2.resize``
scales.
"""

from __future__ import annotations

from collections.abc import Sequence
import math
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from squeezedet_ros.anchors import STRIDE
from squeezedet_ros.config import ModelConfig
import torch
from torch import Tensor

Image = NDArray[np.uint8]
_LEAST_SIDE = 64


def _twice(xy: tuple[float, float]) -> NDArray[np.float32]:
    return np.array(xy * 2, np.float32)


class FitTransform(NamedTuple):
    """Network pixels = source pixels * scale + offset, each ``(x, y)``."""

    scale: tuple[float, float]
    offset: tuple[float, float]

    def to_network(self, boxes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map (N, 4) xyxy boxes from source to network pixels."""
        return boxes * _twice(self.scale) + _twice(self.offset)

    def to_source(self, boxes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map (N, 4) xyxy boxes from network to source pixels."""
        return (boxes - _twice(self.offset)) / _twice(self.scale)


class Placement(NamedTuple):
    """
    How an image lies in the network's input.

    :param image_size: (height, width) of the image.
    """

    transform: FitTransform
    image_size: tuple[int, int]


def network_size(config: ModelConfig, image_size: tuple[int, int]) -> tuple[int, int]:
    """
    Return the network input ``(height, width)`` for an image of ``(height, width)``.

    It is the model's, but with fit ``adaptive`` it has the image's aspect and the model's area, or
    less where that would magnify the image beyond ``max_magnification``, in whole strides. No side
    is shorter than 64 nor, for the area, longer than the other then allows: an image of one row
    asks for no more than others do.
    """
    if config.fit != 'adaptive':
        return config.input_size
    area = math.prod(config.input_size)
    scale = min(config.max_magnification, math.sqrt(area / math.prod(image_size)))
    most = max(_LEAST_SIDE, area // _LEAST_SIDE // STRIDE * STRIDE)
    height, width = (
        min(most, max(_LEAST_SIDE, round(side * scale / STRIDE) * STRIDE)) for side in image_size
    )
    return height, width


def fit_image(
    image: Image, config: ModelConfig, out: Image | None = None
) -> tuple[Image, FitTransform]:
    """
    Fit one image to the network by the model's ``fit``.

    :param image: (h, w, 3) uint8 blue, green, red.
    :param out: (height, width, 3) uint8 to fill instead of a new one.
    :returns: (height, width, 3) uint8 as the network takes it, and the transform that was
        applied.
    """
    size = network_size(config, image.shape[:2])
    transform = fit_transform(image.shape[:2], config)
    if config.fit == 'stretch':
        return _resize(image, size, out), transform
    if config.fit == 'crop':
        top, left, rows, columns = _crop_window(image.shape[:2], size)
        return _resize(image[top : top + rows, left : left + columns], size, out), transform
    return _letterbox(image, size, config.pixel_mean, out), transform


def fit_transform(image_size: tuple[int, int], config: ModelConfig) -> FitTransform:
    """
    Return the transform by which an image is fitted to the network, without its pixels.

    :param image_size: ``(height, width)`` of the image.
    """
    height, width = image_size
    size = network_size(config, image_size)
    if config.fit == 'stretch':
        return FitTransform((size[1] / width, size[0] / height), (0.0, 0.0))
    if config.fit == 'crop':
        top, left, rows, columns = _crop_window(image_size, size)
        scales = size[1] / columns, size[0] / rows
        return FitTransform(scales, (-left * scales[0], -top * scales[1]))
    top, left, rows, columns = _letterbox_place(image_size, size)
    return FitTransform((columns / width, rows / height), (float(left), float(top)))


def _resize(image: Image, size: tuple[int, int], out: Image | None = None) -> Image:
    if image.shape[:2] != size:
        resized = cv2.resize(image, (size[1], size[0]), out, interpolation=cv2.INTER_LINEAR)
        return resized.astype(np.uint8, copy=False)
    if out is None:
        return image
    out[...] = image
    return out


def _crop_window(image_size: tuple[int, int], size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return top, left, height and width of what is cut out of the image."""
    height, width = image_size
    scale = max(size[0] / height, size[1] / width)
    rows = max(1, min(height, round(size[0] / scale)))
    columns = max(1, min(width, round(size[1] / scale)))
    return (height - rows) // 2, (width - columns) // 2, rows, columns


def _letterbox_place(
    image_size: tuple[int, int], size: tuple[int, int]
) -> tuple[int, int, int, int]:
    """Return top, left, height and width of the whole image in the network's input."""
    height, width = image_size
    scale = min(size[0] / height, size[1] / width)
    rows = max(1, min(size[0], round(height * scale)))
    columns = max(1, min(size[1], round(width * scale)))
    return (size[0] - rows) // 2, (size[1] - columns) // 2, rows, columns


def _letterbox(
    image: Image, size: tuple[int, int], colour: tuple[float, float, float], out: Image | None
) -> Image:
    top, left, rows, columns = _letterbox_place(image.shape[:2], size)
    if (rows, columns) == size:
        return _resize(image, size, out)
    canvas = np.empty((*size, 3), np.uint8) if out is None else out
    bottom, right = top + rows, left + columns
    for border in (canvas[:top], canvas[bottom:], canvas[:, :left], canvas[:, right:]):
        border[...] = np.rint(colour)
    _resize(image, (rows, columns), canvas[top:bottom, left:right])
    return canvas


def normalize(images: Tensor, mean: Tensor, dtype: torch.dtype) -> Tensor:
    """
    Turn fitted images into the network's input, on the device they are on.

    :param images: (N, height, width, 3) uint8.
    :param mean: (3,) mean colour, blue, green, red.
    :returns: (N, 3, height, width) of ``dtype``, stored channels last.
    """
    return images.to(mean.dtype).sub_(mean).to(dtype).permute(0, 3, 1, 2)


def normalize_on_cpu(images: Tensor, mean: Sequence[float], out: Tensor) -> Tensor:
    """
    Do what :func:`normalize` does in float32, in one pass over each image.

    :param images: (N, height, width, 3) uint8, on the CPU.
    :param out: (N, height, width, 3) float32, to fill.
    """
    values = np.arange(256, dtype=np.float32)[:, None] - np.array(mean, np.float32)
    for image, place in zip(images.numpy(), out.numpy(), strict=True):
        cv2.LUT(image, values[None], place)
    return out.permute(0, 3, 1, 2)
