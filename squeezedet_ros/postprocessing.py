"""
Boxes out: decode, keep the top N, threshold, suppress.

The reference (nn_skeleton.py, filter_prediction; demo.py) has one threshold for all classes and
applies it last. Here each class may have its own, and what is below it neither takes a place of
the top N nor is suppressed. With one threshold the result is the reference's: a box below it is
weaker than every box above it, and only stronger boxes take places and suppress. ``N`` images,
``A`` anchors, ``C`` classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from squeezedet_ros.box_coder import decode
from squeezedet_ros.boxes import cxcywh_to_xyxy
from squeezedet_ros.config import NmsVariant, SelectionConfig
from squeezedet_ros.detections import Detections
from squeezedet_ros.named_values import check_known, read_names, read_thresholds
from squeezedet_ros.network import RawPrediction
from torch import Tensor


class Candidates(NamedTuple):
    """
    The best boxes of each image, by descending score down to the thresholds of their classes.

    :param boxes: (N, top_n, 4) xyxy in network pixels.
    :param scores: (N, top_n) class probability times confidence.
    :param labels: (N, top_n) int64 class index.
    """

    boxes: Tensor
    scores: Tensor
    labels: Tensor


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


def class_probabilities(raw: RawPrediction) -> Tensor:
    """Return (N, A, C): softmax over the classes times sigmoid of the confidence."""
    return raw.class_logits.softmax(-1) * raw.confidence_logits.sigmoid()[..., None]


def shortlist(
    raw: RawPrediction, anchors: Tensor, thresholds: Tensor
) -> tuple[RawPrediction, Tensor]:
    """
    Leave out the anchors that reach no threshold in any image, by their confidence alone.

    It is the most that their score can be. Of the 17,000 of an image some hundred are left.

    :param anchors: (A, 4).
    :param thresholds: (C,) least score by label.
    :returns: what is left of both, in the same order.
    """
    # Not a number is below no threshold: it is left, to be seen.
    possible = ~(raw.confidence_logits.sigmoid() < thresholds.min())
    kept = possible.any(0).nonzero()[:, 0]
    return RawPrediction(*(part[:, kept] for part in raw)), anchors[kept]


def top_candidates(
    raw: RawPrediction, anchors: Tensor, top_n: int, exp_thresh: float, thresholds: Tensor
) -> Candidates:
    """
    Decode the ``top_n`` most probable anchors of each image, on the device they are on.

    :param anchors: (A, 4) cxcywh in network pixels.
    :param thresholds: (C,) least score by label; what is below it comes last and in any order.
    """
    scores, labels = class_probabilities(raw).max(-1)
    ranks = scores.masked_fill(scores < thresholds[labels], -1.0)
    _, index = ranks.topk(min(top_n, scores.shape[1]), dim=1)
    scores = scores.gather(1, index)
    deltas = raw.deltas.gather(1, index[..., None].expand(-1, -1, 4))
    boxes = decode(deltas.to(anchors.dtype), anchors[index], exp_thresh)
    return Candidates(cxcywh_to_xyxy(boxes), scores, labels.gather(1, index))


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
    boxes: NDArray[np.float32], threshold: float, variant: NmsVariant
) -> NDArray[np.bool_]:
    """
    Return which boxes of one class survive.

    ``greedy`` drops a box that overlaps a surviving better one; ``reference`` drops a box that
    overlaps any better one, dropped or not (BichenWuUCB/squeezeDet@e7c0860:src/utils/util.py,
    nms).

    :param boxes: (N, 4) xyxy, by descending score.
    :param threshold: greatest intersection over union that two boxes may keep.
    :returns: (N,) mask.
    """
    overlaps = np.triu(iou_matrix_xyxy(boxes) > threshold, 1)
    if variant == 'reference':
        return np.asarray(~overlaps.any(0), np.bool_)
    keep = np.ones(len(boxes), np.bool_)
    for better, row in enumerate(overlaps):
        if keep[better]:
            keep &= ~row
    return keep


def drop_improbable(detections: Detections, thresholds: NDArray[np.float32]) -> Detections:
    """Return those at or above the threshold of their label, (C,); order is kept."""
    return detections.select(detections.scores >= thresholds[detections.labels])


def select(candidates: Detections, selector: Selector) -> Detections:
    """Drop what is below its threshold, then suppress within each class; order is kept."""
    candidates = drop_improbable(candidates, selector.thresholds)
    keep = np.zeros(len(candidates), np.bool_)
    for label in np.unique(candidates.labels):
        rows = np.flatnonzero(candidates.labels == label)
        survivors = non_maximum_suppression(
            candidates.boxes[rows], selector.config.nms_thresh, selector.config.nms_variant
        )
        keep[rows[survivors]] = True
    return candidates.select(keep)
