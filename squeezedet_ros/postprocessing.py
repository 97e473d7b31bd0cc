"""
Boxes out: decode, keep the top N, threshold, suppress.

The reference (nn_skeleton.py, filter_prediction; demo.py) has one threshold for all classes and
applies it last. Here each class may have its own, and what is below it neither takes a place of
the top N nor is suppressed. With one threshold the result is the reference's: a box below it is
weaker than every box above it, and only stronger boxes take places and suppress.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from squeezedet_ros.config import NmsVariant, SelectionConfig
from squeezedet_ros.detections import Detections
from squeezedet_ros.named_values import check_known, read_names, read_thresholds
from squeezedet_ros.preprocessing import Placement
from squeezedet_ros.shortlist import Shortlist

# A confidence that float32 does not tell from 1, and what a logit is off by for other roundings.
_CERTAIN = 1 - 1e-7
_ROUNDING = 1e-3


class Selector(NamedTuple):
    """
    A selection made ready for the classes of a model.

    :param thresholds: (C,) float32, least score by label; infinite for a class left out.
    """

    config: SelectionConfig
    thresholds: NDArray[np.float32]

    @property
    def least_score(self) -> float:
        """Return the least score that any detection can have."""
        return float(self.thresholds.min())

    @property
    def least_logit(self) -> float:
        """Return the least logit of a confidence that can give that score, rounded down."""
        least = min(self.least_score, _CERTAIN)
        return math.log(least / (1 - least)) - _ROUNDING if least > 0 else -math.inf


def make_selector(config: SelectionConfig, classes: Sequence[str]) -> Selector:
    """
    Return a selection ready for a model.

    :param classes: names by label.
    :raises ConfigError: when the selection names a class that is not among them.
    """
    own = read_thresholds('class_thresh', config.class_thresh)
    kept = read_names(config.class_filter) or classes
    check_known('class_thresh', own, classes, 'classes of the model')
    check_known('class_filter', kept, classes, 'classes of the model')
    thresholds = [
        own.get(name, config.plot_prob_thresh) if name in kept else np.inf for name in classes
    ]
    return Selector(config, np.array(thresholds, np.float32))


def top_candidates(found: Shortlist, selector: Selector, exp_thresh: float) -> Detections:
    """
    Decode the ``top_n`` most probable anchors of an image that reach their threshold.

    :param exp_thresh: the log of a ratio of sizes above which it grows straight on.
    :returns: boxes in network pixels, xyxy, by descending score and then in the anchors' order.
    """
    logits = found.class_logits
    labels = logits.argmax(1)
    # Softmax of the greatest times the sigmoid, neither of which can overflow like this.
    exponentials = np.exp(logits - logits.max(1, keepdims=True))
    scores = np.exp(-np.logaddexp(0, -found.confidence_logits)) / exponentials.sum(1)
    good = np.flatnonzero(scores >= selector.thresholds[labels])
    best = good[np.argsort(-scores[good], kind='stable')[: selector.config.top_n]]
    boxes = _decode(found.deltas[best], found.anchors[best], exp_thresh)
    return Detections(boxes, scores[best], labels[best])


def _decode(
    deltas: NDArray[np.float32], anchors: NDArray[np.float32], exp_thresh: float
) -> NDArray[np.float32]:
    """
    Return xyxy of what :func:`squeezedet_ros.box_coder.decode` makes of a few anchors.

    Here in NumPy: on a few numbers an operation of PyTorch takes longer, above all after a
    forward pass, which leaves nothing of it in the caches.
    """
    centres, sizes = anchors[:, :2] + deltas[:, :2] * anchors[:, 2:], deltas[:, 2:]
    slope = math.exp(exp_thresh)
    grown = np.exp(np.minimum(sizes, exp_thresh)) + slope * np.maximum(sizes - exp_thresh, 0)
    halves = anchors[:, 2:] * grown / 2
    return np.concatenate([centres - halves, centres + halves], 1)


def in_source(found: Detections, placement: Placement) -> Detections:
    """
    Return candidates in source pixels, clipped to the image.

    Labels name the last pixel inside a box and training adds one to it; here that one is taken
    off again, but of a box within one pixel no more than leaves its first.
    """
    boxes = placement.transform.to_source(found.boxes)
    boxes[:, 2:] = np.maximum(boxes[:, 2:] - 1, boxes[:, :2])
    height, width = placement.image_size
    limit = np.array([width - 1, height - 1] * 2, np.float32)
    return replace(found, boxes=np.clip(boxes, 0, limit))


def iou_matrix_xyxy(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the (N, N) intersection over union of (N, 4) xyxy boxes with each other."""
    # Column by column: a product over an axis of two takes NumPy eight times as long.
    x0, y0, x1, y1 = boxes.T
    widths = np.minimum(x1[:, None], x1) - np.maximum(x0[:, None], x0)
    heights = np.minimum(y1[:, None], y1) - np.maximum(y0[:, None], y0)
    intersection = np.maximum(widths, 0) * np.maximum(heights, 0)
    area = (x1 - x0) * (y1 - y0)
    union = area[:, None] + area - intersection
    safe = np.maximum(union, np.finfo(np.float32).tiny)
    return np.asarray(intersection / safe, np.float32)


def non_maximum_suppression(
    boxes: NDArray[np.float32],
    labels: NDArray[np.int64],
    threshold: float,
    variant: NmsVariant,
) -> NDArray[np.bool_]:
    """
    Return which boxes survive those of their own class.

    ``greedy`` drops a box that overlaps a surviving better one; ``reference`` drops a box that
    overlaps any better one, dropped or not (BichenWuUCB/squeezeDet@e7c0860:src/utils/util.py,
    nms).

    :param boxes: (N, 4) xyxy, by descending score.
    :param labels: (N,).
    :param threshold: greatest intersection over union that two boxes may keep.
    :returns: (N,) mask.
    """
    rivals = (iou_matrix_xyxy(boxes) > threshold) & (labels[:, None] == labels)
    return survivors(rivals, variant)


def survivors(rivals: NDArray[np.bool_], variant: NmsVariant) -> NDArray[np.bool_]:
    """
    Return which boxes survive, by the rules of :func:`non_maximum_suppression`.

    :param rivals: (N, N), by descending score: whether the better of two suppresses the other.
    :returns: (N,) mask.
    """
    rivals = np.triu(rivals, 1)
    if variant == 'reference':
        return np.asarray(~rivals.any(0), np.bool_)
    keep = np.ones(len(rivals), np.bool_)
    for better in np.flatnonzero(rivals.any(1)):
        if keep[better]:
            keep &= ~rivals[better]
    return keep


def drop_improbable(detections: Detections, thresholds: NDArray[np.float32]) -> Detections:
    """Return those at or above the threshold of their label, (C,); order is kept."""
    return detections.select(detections.scores >= thresholds[detections.labels])


def select(candidates: Detections, selector: Selector) -> Detections:
    """Drop what is below its threshold, then suppress within each class; order is kept."""
    candidates = drop_improbable(candidates, selector.thresholds)
    config = selector.config
    keep = non_maximum_suppression(
        candidates.boxes, candidates.labels, config.nms_thresh, config.nms_variant
    )
    return candidates.select(keep)
