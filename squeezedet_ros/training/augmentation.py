"""
From a labelled image to a training sample: a window of it, perhaps mirrored, in other light.

Boxes here are xyxy *edges*: the label's inclusive right and bottom plus one pixel.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from squeezedet_ros.config import ModelConfig
from squeezedet_ros.preprocessing import fit_transform, FitTransform, Image
from squeezedet_ros.training.recipe import TrainingConfig

Boxes = NDArray[np.float32]
_LEAST_VISIBLE = 0.35
_LEAST_SIDE = 6.0
_FOCUS_PROBABILITY = 0.8
# DRIFT_X, DRIFT_Y of BichenWuUCB/squeezeDet@e7c0860:src/config/kitti_squeezeDet_config.py
PAPER_DRIFT = (150, 100)


class Objects(NamedTuple):
    """
    What is labelled in an image.

    :param boxes: (n, 4) edges.
    :param classes: (n,) int64.
    :param ignored: (m, 4) edges of regions to ignore.
    """

    boxes: Boxes
    classes: NDArray[np.int64]
    ignored: Boxes


class Sample(NamedTuple):
    """One training image in network pixels, and what is labelled in it."""

    image: Image
    objects: Objects


def modern_sample(
    image: Image,
    objects: Objects,
    model: ModelConfig,
    training: TrainingConfig,
    rng: np.random.Generator,
) -> Sample:
    """Return a window at about the detector's scale, aspect kept, mirrored and relit at random."""
    fitted = fit_transform(image.shape[:2], model)
    limit = math.log(training.scale_jitter)
    scale = math.sqrt(fitted.scale[0] * fitted.scale[1]) * math.exp(rng.uniform(-limit, limit))
    offset = _window_offset(image.shape[:2], objects.boxes, scale, training.window, rng)
    transform = FitTransform((scale, scale), offset)
    pixels = _warp(image, transform, training.window, model.pixel_mean)
    moved = _cut(
        objects._replace(
            boxes=transform.to_network(objects.boxes),
            ignored=transform.to_network(objects.ignored),
        ),
        training.window,
    )
    if rng.random() < 0.5:
        pixels = np.asarray(cv2.flip(pixels, 1), np.uint8)
        moved = _mirror(moved, training.window[1])
    return Sample(relight(pixels, rng), moved)


def _window_offset(
    image_size: tuple[int, ...],
    boxes: Boxes,
    scale: float,
    window: tuple[int, int],
    rng: np.random.Generator,
) -> tuple[float, float]:
    """Return where the scaled image lies in the window, mostly so that some object is inside."""
    focus = None
    if len(boxes) and rng.random() < _FOCUS_PROBABILITY:
        box = boxes[rng.integers(len(boxes))] * scale
        focus = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    offsets = []
    for axis in (0, 1):
        size, room = window[1 - axis], window[1 - axis] - image_size[1 - axis] * scale
        if room >= 0 or focus is None:
            offsets.append(float(rng.uniform(min(0, room), max(0, room))))
        else:
            wanted = size * rng.uniform(0.15, 0.85) - focus[axis]
            offsets.append(float(np.clip(wanted, room, 0)))
    return offsets[0], offsets[1]


def _warp(
    image: Image,
    transform: FitTransform,
    size: tuple[int, int],
    colour: tuple[float, float, float],
) -> Image:
    (sx, sy), (ox, oy) = transform
    # warpAffine speaks of pixel centres, the transform of pixel edges.
    matrix = np.array([[sx, 0, ox + sx / 2 - 0.5], [0, sy, oy + sy / 2 - 0.5]])
    warped = cv2.warpAffine(
        image,
        matrix,
        (size[1], size[0]),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=colour,
    )
    return np.asarray(warped, np.uint8)


def _cut(objects: Objects, size: tuple[int, int]) -> Objects:
    """Clip to the window; what is hardly visible any more becomes a region to ignore."""
    limit = np.array([size[1], size[0]] * 2, np.float32)
    boxes, ignored = np.clip(objects.boxes, 0, limit), np.clip(objects.ignored, 0, limit)
    sides = boxes[:, 2:] - boxes[:, :2]
    whole = (objects.boxes[:, 2:] - objects.boxes[:, :2]).prod(1)
    present = sides.prod(1) > 0
    good = present & (sides.prod(1) >= _LEAST_VISIBLE * whole) & (sides.min(1) >= _LEAST_SIDE)
    ignored = ignored[(ignored[:, 2:] - ignored[:, :2]).prod(1) > 0]
    return Objects(
        boxes[good],
        objects.classes[good],
        np.concatenate([ignored, boxes[present & ~good]]),
    )


def _mirror(objects: Objects, width: float) -> Objects:
    def flipped(boxes: Boxes) -> Boxes:
        return np.stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], 1)

    return objects._replace(boxes=flipped(objects.boxes), ignored=flipped(objects.ignored))


def relight(image: Image, rng: np.random.Generator) -> Image:
    """Return the image in other light and colours, sometimes blurred or noisy."""
    gamma, gain = math.exp(rng.uniform(-0.35, 0.35)), rng.uniform(0.8, 1.2)
    levels = 255 * gain * np.linspace(0, 1, 256) ** gamma
    table = np.clip(levels[:, None] * rng.uniform(0.92, 1.08, 3), 0, 255).astype(np.uint8)
    lit = cv2.LUT(image, table[None])
    if rng.random() < 0.5:
        grey = cv2.cvtColor(cv2.cvtColor(lit, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
        saturation = rng.uniform(0.0, 1.4)
        lit = cv2.addWeighted(lit, saturation, grey, 1 - saturation, 0)
    if rng.random() < 0.15:
        lit = cv2.GaussianBlur(lit, (0, 0), rng.uniform(0.4, 1.5))
    if rng.random() < 0.15:
        # OpenCV draws five times as fast as NumPy; seeded here, it repeats as all else does.
        cv2.setRNGSeed(int(rng.integers(2**31)))
        deviation = np.full(3, rng.uniform(2, 10))
        noise = cv2.randn(np.empty(image.shape, np.int16), np.zeros(3), deviation)
        lit = cv2.add(lit, noise, dtype=cv2.CV_8U)
    return np.asarray(lit, np.uint8)


def draw_drift(boxes: Boxes, size: tuple[int, int], rng: np.random.Generator) -> tuple[int, int]:
    """
    Return the reference's drift ``(dx, dy)`` in pixels.

    A positive one cuts left and top, a negative one pads them. It never cuts into an object
    (BichenWuUCB/squeezeDet@e7c0860:src/dataset/imdb.py, read_batch), and leaves a pixel of the
    image, whose ``size`` is (height, width).
    """
    drift = []
    for axis, limit in enumerate(PAPER_DRIFT):
        room = float(boxes[:, axis].min()) + 1 if len(boxes) else float(limit + 1)
        # A label beyond the edge can leave no room at all: then the least drift is taken.
        high = max(int(min(limit + 1, room, size[1 - axis])), -limit + 1)
        drift.append(int(rng.integers(-limit, high)))
    return drift[0], drift[1]


def mirror_centres(centres: NDArray[np.float32], width: int) -> NDArray[np.float32]:
    """Return centres along x after the reference's flip, which loses one pixel: width - 1 - cx."""
    return (width - 1 - centres).astype(np.float32)


def paper_sample(
    image: Image, objects: Objects, model: ModelConfig, rng: np.random.Generator
) -> Sample:
    """Return the whole image drifted, perhaps mirrored, and stretched: the reference's way."""
    dx, dy = draw_drift(objects.boxes, (image.shape[0], image.shape[1]), rng)
    height, width = image.shape[0] - dy, image.shape[1] - dx
    shift = FitTransform((1.0, 1.0), (-float(dx), -float(dy)))
    scale = FitTransform((model.input_size[1] / width, model.input_size[0] / height), (0.0, 0.0))
    pixels = _warp(image, shift, (height, width), model.pixel_mean)
    is_mirrored = rng.random() < 0.5
    if is_mirrored:
        pixels = pixels[:, ::-1]

    def moved(boxes: Boxes) -> Boxes:
        boxes = shift.to_network(boxes)
        if is_mirrored:
            half = (boxes[:, 2] - boxes[:, 0]) / np.float32(2)
            centres = mirror_centres(boxes[:, 0] + half, width)
            boxes = np.stack([centres - half, boxes[:, 1], centres + half, boxes[:, 3]], 1)
        return scale.to_network(boxes)

    stretched = cv2.resize(np.ascontiguousarray(pixels), model.input_size[::-1])
    return Sample(
        stretched.astype(np.uint8, copy=False),
        Objects(moved(objects.boxes), objects.classes, moved(objects.ignored)),
    )
