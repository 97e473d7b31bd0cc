"""
Which anchor answers for which object, and what it should predict.

``N`` images, ``A`` anchors. Boxes are cxcywh in network pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
import math
from typing import NamedTuple

from squeezedet_ros.anchors import STRIDE
from squeezedet_ros.box_coder import encode
from squeezedet_ros.boxes import cxcywh_to_xyxy, EPSILON, iou_xyxy
import torch
from torch import Tensor

# Share of an object's best overlap below which an anchor is background.
LEAST_RATIO = 0.7


class Labels(NamedTuple):
    """
    The truth of one training image, in network pixels.

    :param boxes: (n, 4) cxcywh.
    :param classes: (n,) int64.
    :param ignored: (m, 4) xyxy, regions where nothing may be learnt about background.
    """

    boxes: Tensor
    classes: Tensor
    ignored: Tensor


class AnchorTargets(NamedTuple):
    """
    What each anchor should predict.

    :param responsible: (N, A) bool, the anchor answers for an object.
    :param share: (N, A) in [0, 1], how far it does; 1 for the best anchor of an object.
    :param ignored: (N, A) bool, the anchor is not to be pushed towards background.
    :param boxes: (N, A, 4) cxcywh of the object, where responsible.
    :param deltas: (N, A, 4), where responsible.
    :param labels: (N, A) int64 class, where responsible.
    """

    responsible: Tensor
    share: Tensor
    ignored: Tensor
    boxes: Tensor
    deltas: Tensor
    labels: Tensor


def assign_anchors(boxes: Tensor, anchors: Tensor) -> Tensor:
    """
    Return the index of the anchor that answers for each object.

    In the order of the labels, each object takes the anchor of highest overlap that is still
    free; an object that overlaps no free anchor takes the nearest free one by squared distance
    over centre and size (BichenWuUCB/squeezeDet@e7c0860:src/dataset/imdb.py, read_batch).

    :param boxes: (n, 4) cxcywh.
    :param anchors: (A, 4) cxcywh, A at least n.
    :returns: (n,) int64, all different.
    """
    return _assign(boxes, anchors, _overlaps(boxes, anchors))


def _overlaps(boxes: Tensor, anchors: Tensor) -> Tensor:
    """Return the (n, A) overlap of each box with each anchor."""
    return iou_xyxy(cxcywh_to_xyxy(boxes)[:, None], cxcywh_to_xyxy(anchors)[None])


def _assign(boxes: Tensor, anchors: Tensor, overlaps: Tensor) -> Tensor:
    free = torch.ones(len(anchors), dtype=torch.bool)
    chosen = torch.zeros(len(boxes), dtype=torch.int64)
    for row, box in enumerate(boxes):
        overlap = overlaps[row].masked_fill(~free, 0)
        best = overlap.argmax()
        if overlap[best] <= 0:
            distance = (anchors - box).square().sum(-1)
            best = distance.masked_fill(~free, float('inf')).argmin()
        free[best] = False
        chosen[row] = best
    return chosen


def ignored_anchors(regions: Tensor, anchors: Tensor) -> Tensor:
    """Return the (A,) mask of anchors centred in a region (m, 4) xyxy or half a cell from it."""
    margin = STRIDE / 2
    cx, cy = anchors[:, None, 0], anchors[:, None, 1]
    x0, y0, x1, y1 = regions.unbind(-1)
    inside = (cx >= x0 - margin) & (cx <= x1 + margin) & (cy >= y0 - margin) & (cy <= y1 + margin)
    return inside.any(1)


def anchor_shares(boxes: Tensor, anchors: Tensor, sharpness: float) -> tuple[Tensor, Tensor]:
    """
    Return how far each anchor answers for an object, and for which.

    The anchor of :func:`assign_anchors` has the share 1. With a finite sharpness the others
    have a power of their overlap relative to the best one's, none below ``LEAST_RATIO``: a near
    car overlaps dozens of anchors about equally, and all but one would learn to deny it.

    :param boxes: (n, 4) cxcywh.
    :param anchors: (A, 4) cxcywh, A at least n.
    :param sharpness: exponent; infinity leaves the paper's rule.
    :returns: (A,) share in [0, 1], 0 for background, and (A,) int64 row of ``boxes``.
    """
    share, owner = torch.zeros(len(anchors)), torch.zeros(len(anchors), dtype=torch.int64)
    if not len(boxes):
        return share, owner
    overlaps = _overlaps(boxes, anchors)
    if math.isfinite(sharpness):
        best, owner = (overlaps / overlaps.amax(1, keepdim=True).clamp(min=EPSILON)).max(0)
        share = torch.where(best >= LEAST_RATIO, best**sharpness, 0.0)
    chosen = _assign(boxes, anchors, overlaps)
    share[chosen] = 1.0
    owner[chosen] = torch.arange(len(boxes))
    return share, owner


def make_targets(
    batch: Sequence[Labels], anchors: Tensor, sharpness: float = math.inf
) -> AnchorTargets:
    """
    Return the targets of a batch; an image without objects has no responsible anchor.

    :param sharpness: as of :func:`anchor_shares`; the paper's rule unless given.
    """
    shape = len(batch), len(anchors)
    share = torch.zeros(shape)
    labels = torch.zeros(shape, dtype=torch.int64)
    boxes = anchors.expand(*shape, 4).clone()
    ignored = torch.stack([ignored_anchors(item.ignored, anchors) for item in batch])
    for row, item in enumerate(batch):
        share[row], owner = anchor_shares(item.boxes, anchors, sharpness)
        responsible = share[row] > 0
        labels[row, responsible] = item.classes[owner[responsible]]
        boxes[row, responsible] = item.boxes[owner[responsible]]
    return AnchorTargets(share > 0, share, ignored, boxes, encode(boxes, anchors), labels)
