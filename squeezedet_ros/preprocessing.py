"""
Pixels in: how an image is fitted to the network, and the way back for boxes.

Coordinates are continuous: pixel ``i`` covers ``[i, i + 1]``, which is what ``cv2.resize``
scales.
"""

from __future__ import annotations

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


def network_size(config: ModelConfig, image_size: tuple[int, int]) -> tuple[int, int]:
    """
    Return the network input ``(height, width)`` for an image of ``(height, width)``.

    It is the model's, but with fit ``adaptive`` it has the image's aspect and the model's
    area, in whole strides.
    """
    if config.fit != 'adaptive':
        return config.input_size
    scale = math.sqrt(math.prod(config.input_size) / math.prod(image_size))
    height, width = (
        max(_LEAST_SIDE, round(side * scale / STRIDE) * STRIDE) for side in image_size
    )
    return height, width


def fit_image(image: Image, config: ModelConfig) -> tuple[Image, FitTransform]:
    """
    Fit one image to the network by the model's ``fit``.

    :param image: (h, w, 3) uint8 blue, green, red.
    :returns: (height, width, 3) uint8 as the network takes it, and the transform that was
        applied.
    """
    size = network_size(config, image.shape[:2])
    if config.fit == 'stretch':
        return _resize(image, size), FitTransform(
            (size[1] / image.shape[1], size[0] / image.shape[0]), (0.0, 0.0)
        )
    if config.fit == 'crop':
        return _crop(image, size)
    return _letterbox(image, size, config.pixel_mean)


def _resize(image: Image, size: tuple[int, int]) -> Image:
    if image.shape[:2] == size:
        return image
    return cv2.resize(image, (size[1], size[0]), interpolation=cv2.INTER_LINEAR).astype(
        np.uint8, copy=False
    )


def _crop(image: Image, size: tuple[int, int]) -> tuple[Image, FitTransform]:
    height, width = image.shape[:2]
    scale = max(size[0] / height, size[1] / width)
    window = min(height, round(size[0] / scale)), min(width, round(size[1] / scale))
    top, left = (height - window[0]) // 2, (width - window[1]) // 2
    scales = size[1] / window[1], size[0] / window[0]
    cut = image[top : top + window[0], left : left + window[1]]
    return _resize(cut, size), FitTransform(scales, (-left * scales[0], -top * scales[1]))


def _letterbox(
    image: Image, size: tuple[int, int], colour: tuple[float, float, float]
) -> tuple[Image, FitTransform]:
    height, width = image.shape[:2]
    scale = min(size[0] / height, size[1] / width)
    inner = min(size[0], round(height * scale)), min(size[1], round(width * scale))
    top, left = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
    resized = _resize(image, inner)
    if inner != size:
        resized = cv2.copyMakeBorder(
            resized,
            top,
            size[0] - inner[0] - top,
            left,
            size[1] - inner[1] - left,
            cv2.BORDER_CONSTANT,
            value=colour,
        ).astype(np.uint8, copy=False)
    return resized, FitTransform((inner[1] / width, inner[0] / height), (float(left), float(top)))


def normalize(images: Tensor, mean: Tensor, dtype: torch.dtype) -> Tensor:
    """
    Turn fitted images into the network's input, on the device they are on.

    :param images: (N, height, width, 3) uint8.
    :param mean: (3,) mean colour, blue, green, red.
    :returns: (N, 3, height, width) of ``dtype``, stored channels last.
    """
    return (images.to(mean.dtype) - mean).to(dtype).permute(0, 3, 1, 2)
