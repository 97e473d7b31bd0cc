"""
From anchors and deltas to boxes and back, by the rules of section 2.2 of the paper.

Deltas are ``dx, dy, dw, dh``: the shift of the centre in anchor sizes and the log of the ratio
of sizes. All boxes are cxcywh in network pixels.
"""

from __future__ import annotations

import math

from squeezedet_ros.boxes import cxcywh_to_xyxy, inclusive_xyxy_to_cxcywh
import torch
from torch import Tensor


def safe_exp(x: Tensor, threshold: float) -> Tensor:
    """Return exp(x), continued above the threshold by its tangent so that it cannot overflow."""
    slope = math.exp(threshold)
    return torch.where(x > threshold, slope * (x - threshold + 1), x.clamp(max=threshold).exp())


def encode(boxes: Tensor, anchors: Tensor) -> Tensor:
    """Return the deltas (..., 4) that take anchors to boxes, both cxcywh and of some size."""
    shift = (boxes[..., :2] - anchors[..., :2]) / anchors[..., 2:]
    return torch.cat([shift, (boxes[..., 2:] / anchors[..., 2:]).log()], -1)


def decode(deltas: Tensor, anchors: Tensor, exp_thresh: float) -> Tensor:
    """Return the boxes (..., 4), cxcywh, that deltas make of anchors."""
    centre = anchors[..., :2] + deltas[..., :2] * anchors[..., 2:]
    return torch.cat([centre, anchors[..., 2:] * safe_exp(deltas[..., 2:], exp_thresh)], -1)


def clip_as_reference(boxes: Tensor, input_size: tuple[int, int]) -> Tensor:
    """
    Clip decoded boxes to the network input, in the reference's way.

    Its corners are held in [0, width - 1] and [0, height - 1] and read as inclusive, which
    adds a pixel to each size (nn_skeleton.py, _add_interpretation_graph). The loss compares
    these boxes with the truth.

    :param boxes: (..., 4) cxcywh in network pixels.
    :returns: (..., 4) cxcywh in network pixels.
    """
    height, width = input_size
    x0, y0, x1, y1 = cxcywh_to_xyxy(boxes).unbind(-1)
    clipped = [x0.clamp(0, width - 1), y0.clamp(0, height - 1)]
    clipped += [x1.clamp(0, width - 1), y1.clamp(0, height - 1)]
    return inclusive_xyxy_to_cxcywh(torch.stack(clipped, -1))
