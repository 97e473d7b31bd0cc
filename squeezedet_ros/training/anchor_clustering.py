"""
Anchor shapes for a data set: k-means with IOU as nearness.

``n`` boxes, ``k`` anchors. A shape is (width, height) in network pixels; two shapes are compared
as boxes with one centre.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from squeezedet_ros.config import Fit, ModelConfig
from squeezedet_ros.data.frames import LabelledFrame, read_image_size
from squeezedet_ros.errors import ConfigError, DatasetError
from squeezedet_ros.preprocessing import fit_transform
from squeezedet_ros.training.dataset import objects_of
from tqdm import tqdm

Shapes = NDArray[np.float64]
_RESTARTS = 10
_MOST_ROUNDS = 300


class AnchorSet(NamedTuple):
    """Anchor shapes, (width, height) in network pixels, and the input they were found for."""

    anchor_shapes: tuple[tuple[float, float], ...]
    input_size: tuple[int, int]
    fit: Fit


def read_anchor_set(path: Path) -> AnchorSet:
    """
    Read what ``squeezedet anchors --json`` wrote.

    :raises ConfigError: when the file is no such object, or a value is outside its bounds.
    """
    try:
        values = json.loads(path.read_text())
        shapes = tuple((float(width), float(height)) for width, height in values['anchor_shapes'])
        height, width = values['input_size']
        found = AnchorSet(shapes, (int(height), int(width)), values['fit'])
        replace(ModelConfig(), **found._asdict())
    except FileNotFoundError as error:
        raise ConfigError(f'no anchor file {path}') from error
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ConfigError(
            f'{path}: expected what squeezedet anchors --json writes: {error!r}'
        ) from error
    return found


def network_shapes(
    frames: Sequence[LabelledFrame],
    classes: Sequence[str],
    aliases: dict[str, str],
    model: ModelConfig,
) -> Shapes:
    """
    Return the (n, 2) shapes of the objects of some classes, as the network sees them.

    Only the head of an image is read, for its size.

    :raises DatasetError: when labels or the head of an image cannot be read.
    """
    shapes = [np.zeros((0, 2))]
    for frame in tqdm(frames, unit='image', desc='boxes', disable=None, leave=False):
        boxes = objects_of(frame.read_truth(), classes, aliases).boxes
        if len(boxes):
            scale = fit_transform(read_image_size(frame.image_path), model).scale
            shapes.append((boxes[:, 2:] - boxes[:, :2]) * np.array(scale))
    return np.concatenate(shapes)


def shape_overlaps(shapes: Shapes, anchors: Shapes) -> Shapes:
    """Return the (n, k) intersection over union of shapes with one centre."""
    intersection = np.minimum(shapes[:, None], anchors[None]).prod(-1)
    union = shapes.prod(-1)[:, None] + anchors.prod(-1)[None] - intersection
    return np.asarray(intersection / union)


def mean_best_overlap(shapes: Shapes, anchors: Shapes) -> float:
    """Return the mean over shapes of the overlap with the anchor that fits best."""
    return float(shape_overlaps(shapes, anchors).max(1).mean())


def cluster_shapes(shapes: Shapes, k: int, seed: int = 0) -> Shapes:
    """
    Return the (k, 2) shapes, smallest area first, with the best mean overlap of some restarts.

    Lloyd's rounds with 1 - IOU as distance (arXiv 1612.08242, section 2), each restart from
    k-means++. The seed decides the outcome.

    :raises DatasetError: when there are fewer than ``k`` distinct shapes.
    """
    distinct = len(np.unique(shapes, axis=0))
    if distinct < k:
        raise DatasetError(f'expected at least {k} distinct box shapes, got {distinct}')
    rng = np.random.default_rng(seed)
    runs = [_rounds(shapes, _spread_start(shapes, k, rng)) for _ in range(_RESTARTS)]
    best = max(runs, key=lambda anchors: mean_best_overlap(shapes, anchors))
    return best[np.argsort(best.prod(1))]


def _spread_start(shapes: Shapes, k: int, rng: np.random.Generator) -> Shapes:
    """Draw k shapes, each by the square of its distance from those drawn before: k-means++."""
    anchors = shapes[[rng.integers(len(shapes))]]
    while len(anchors) < k:
        distance = (1 - shape_overlaps(shapes, anchors).max(1)).clip(min=0) ** 2
        chosen = rng.choice(len(shapes), p=distance / distance.sum())
        anchors = np.concatenate([anchors, shapes[[chosen]]])
    return anchors


def _rounds(shapes: Shapes, anchors: Shapes) -> Shapes:
    """Move anchors to the mean of their shapes until none changes; return the best on the way."""
    best, best_overlap = anchors, 0.0
    owner = np.full(len(shapes), -1)
    for _ in range(_MOST_ROUNDS):
        overlaps = shape_overlaps(shapes, anchors)
        overlap = float(overlaps.max(1).mean())
        if overlap > best_overlap:
            best, best_overlap = anchors, overlap
        nearest = overlaps.argmax(1)
        if np.array_equal(nearest, owner):
            break
        owner = nearest
        anchors = np.array(
            [
                shapes[owner == index].mean(0) if (owner == index).any() else anchors[index]
                for index in range(len(anchors))
            ]
        )
    return best
