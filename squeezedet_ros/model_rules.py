"""What a model may be: a checkpoint's header comes from outside and must not ask for the moon."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import TYPE_CHECKING

from squeezedet_ros.errors import ConfigError, shown

if TYPE_CHECKING:
    from squeezedet_ros.config import ModelConfig

LEAST_SIDE = 64
MOST_INPUT_PIXELS = 4096 * 4096
MOST_CLASSES = 1000
MOST_ANCHOR_SHAPES = 100
MOST_ANCHOR_SIDE = 65536.0
_LONGEST_NAME = 100


def check_model(config: ModelConfig) -> None:
    """
    Check what bounds and choices of single fields do not tell.

    :raises ConfigError: naming the field, what was allowed and what came.
    """
    if not _are_names(config.classes):
        raise ConfigError(
            f'classes must be 1 to {MOST_CLASSES} printable names of at most {_LONGEST_NAME} '
            f'letters, distinct without regard to case, got {shown(config.classes)}'
        )
    if not _is_size(config.input_size):
        raise ConfigError(
            f'input_size must be whole numbers (height, width), each at least {LEAST_SIDE}, and '
            f'at most {MOST_INPUT_PIXELS} pixels, got {shown(config.input_size)}'
        )
    if not _are_shapes(config.anchor_shapes):
        raise ConfigError(
            f'anchor_shapes must be 1 to {MOST_ANCHOR_SHAPES} pairs (width, height), each above 0 '
            f'and at most {MOST_ANCHOR_SIDE:g}, got {shown(config.anchor_shapes)}'
        )
    if not _are_numbers(config.pixel_mean, 3, 0.0, 255.0):
        raise ConfigError(
            'pixel_mean must be three numbers from 0 to 255 (blue, green, red), got '
            f'{shown(config.pixel_mean)}'
        )


def _are_names(classes: object) -> bool:
    return (
        isinstance(classes, tuple)
        and 1 <= len(classes) <= MOST_CLASSES
        and all(
            isinstance(name, str) and name.isprintable() and 1 <= len(name) <= _LONGEST_NAME
            for name in classes
        )
        and len({name.lower() for name in classes}) == len(classes)
    )


def _is_size(size: object) -> bool:
    return (
        isinstance(size, tuple)
        and len(size) == 2
        and all(isinstance(side, int) and side >= LEAST_SIDE for side in size)
        and size[0] * size[1] <= MOST_INPUT_PIXELS
    )


def _are_shapes(shapes: object) -> bool:
    return (
        isinstance(shapes, tuple)
        and 1 <= len(shapes) <= MOST_ANCHOR_SHAPES
        and all(
            _are_numbers(shape, 2, 0.0, MOST_ANCHOR_SIDE) and min(shape) > 0 for shape in shapes
        )
    )


def _are_numbers(values: Sequence[object], count: int, low: float, high: float) -> bool:
    return (
        isinstance(values, tuple)
        and len(values) == count
        and all(
            isinstance(value, (int, float)) and low <= value <= high and isfinite(value)
            for value in values
        )
    )
