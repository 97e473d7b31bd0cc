"""
Geometry of axis-aligned boxes on torch tensors.

``xyxy`` is ``x0, y0, x1, y1`` and ``cxcywh`` is centre and full size, in pixels, in the last
dimension. The reference reads a label's right and bottom edge as the last pixel inside the
box, so its way to ``cxcywh`` adds one pixel and its way back does not take it off
(BichenWuUCB/squeezeDet@e7c0860:src/utils/util.py); the names below say which is which.
"""

from __future__ import annotations

import torch
from torch import Tensor

EPSILON = 1e-16


def inclusive_xyxy_to_cxcywh(boxes: Tensor) -> Tensor:
    """Return centre and size of (..., 4) boxes whose last pixel is inside: bbox_transform_inv."""
    x0, y0, x1, y1 = boxes.unbind(-1)
    width, height = x1 - x0 + 1, y1 - y0 + 1
    return torch.stack([x0 + 0.5 * width, y0 + 0.5 * height, width, height], -1)


def cxcywh_to_xyxy(boxes: Tensor) -> Tensor:
    """Return the edges of (..., 4) boxes given by centre and size: bbox_transform."""
    cx, cy, width, height = boxes.unbind(-1)
    return torch.stack([cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2], -1)


def xyxy_to_cxcywh(boxes: Tensor) -> Tensor:
    """Return centre and size of (..., 4) boxes given by their edges."""
    x0, y0, x1, y1 = boxes.unbind(-1)
    return torch.stack([(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0], -1)


def iou_xyxy(first: Tensor, second: Tensor) -> Tensor:
    """
    Return intersection over union of boxes given by their edges, element by element.

    :param first: (..., 4), broadcast against ``second``.
    :returns: (...) in [0, 1]; 0 for two boxes without area.
    """
    intersection, union = _intersection_and_union(first, second)
    return intersection / (union + EPSILON)


def generalized_iou_xyxy(first: Tensor, second: Tensor) -> Tensor:
    """
    Return generalized IOU (arXiv 1902.09630): IOU less the share of the hull outside both boxes.

    :param first: (..., 4), broadcast against ``second``.
    :returns: (...) in (-1, 1].
    """
    intersection, union = _intersection_and_union(first, second)
    low = torch.minimum(first[..., :2], second[..., :2])
    high = torch.maximum(first[..., 2:], second[..., 2:])
    hull = (high - low).prod(-1)
    return intersection / (union + EPSILON) - (hull - union) / (hull + EPSILON)


def _intersection_and_union(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    low = torch.maximum(first[..., :2], second[..., :2])
    high = torch.minimum(first[..., 2:], second[..., 2:])
    intersection = (high - low).clamp(min=0).prod(-1)
    area_first = (first[..., 2:] - first[..., :2]).clamp(min=0).prod(-1)
    area_second = (second[..., 2:] - second[..., :2]).clamp(min=0).prod(-1)
    return intersection, area_first + area_second - intersection
