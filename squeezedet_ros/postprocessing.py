"""
Boxes out: decode, keep the top N, suppress, threshold.

The order is that of the reference (nn_skeleton.py, filter_prediction; demo.py): top N by
probability, non-maximum suppression class by class, then the threshold on what is left. ``N``
images, ``A`` anchors, ``C`` classes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from squeezedet_ros.box_coder import decode
from squeezedet_ros.boxes import cxcywh_to_xyxy
from squeezedet_ros.config import NmsVariant, SelectionConfig
from squeezedet_ros.detections import Detections
from squeezedet_ros.network import RawPrediction
from torch import Tensor


class Candidates(NamedTuple):
    """
    The best boxes of each image, by descending score.

    :param boxes: (N, top_n, 4) xyxy in network pixels.
    :param scores: (N, top_n) class probability times confidence.
    :param labels: (N, top_n) int64 class index.
    """

    boxes: Tensor
    scores: Tensor
    labels: Tensor


def class_probabilities(raw: RawPrediction) -> Tensor:
    """Return (N, A, C): softmax over the classes times sigmoid of the confidence."""
    return raw.class_logits.softmax(-1) * raw.confidence_logits.sigmoid()[..., None]


def top_candidates(
    raw: RawPrediction, anchors: Tensor, top_n: int, exp_thresh: float
) -> Candidates:
    """
    Decode the ``top_n`` most probable anchors of each image, on the device they are on.

    :param anchors: (A, 4) cxcywh in network pixels.
    """
    scores, labels = class_probabilities(raw).max(-1)
    scores, index = scores.topk(min(top_n, scores.shape[1]), dim=1)
    deltas = raw.deltas.gather(1, index[..., None].expand(-1, -1, 4))
    boxes = decode(deltas.to(anchors.dtype), anchors[index], exp_thresh)
    return Candidates(cxcywh_to_xyxy(boxes), scores, labels.gather(1, index))


def iou_matrix_xyxy(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the (N, N) intersection over union of (N, 4) xyxy boxes with each other."""
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    intersection = np.clip(high - low, 0, None).prod(-1)
    area = (boxes[:, 2:] - boxes[:, :2]).prod(-1)
    union = area[:, None] + area[None, :] - intersection
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


def select(candidates: Detections, selection: SelectionConfig) -> Detections:
    """Suppress within each class, then drop what is below ``plot_prob_thresh``; order is kept."""
    keep = np.zeros(len(candidates), np.bool_)
    for label in np.unique(candidates.labels):
        rows = np.flatnonzero(candidates.labels == label)
        survivors = non_maximum_suppression(
            candidates.boxes[rows], selection.nms_thresh, selection.nms_variant
        )
        keep[rows[survivors]] = True
    keep &= candidates.scores >= selection.plot_prob_thresh
    return candidates.select(keep)
