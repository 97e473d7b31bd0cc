"""
Selecting on a GPU: ranked, decoded, brought to source pixels and compared there.

One copy brings the best anchors of all images back, with what each would suppress; what is left of
that is one pass over them in order. ``N`` images, ``A`` anchors, ``C`` classes, ``M`` anchors that
are kept of an image.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from squeezedet_ros.box_coder import decode
from squeezedet_ros.boxes import cxcywh_to_xyxy, iou_xyxy
from squeezedet_ros.config import NmsVariant
from squeezedet_ros.detections import Detections
from squeezedet_ros.network import RawPrediction
from squeezedet_ros.postprocessing import Selector, survivors
from squeezedet_ros.preprocessing import Placement
from squeezedet_ros.shortlist import class_probabilities
import torch
from torch import Tensor

# In a row of the table, before what it suppresses.
_SCORE, _LABEL, _ANCHOR, _RIVALS = 4, 5, 6, 7


def selection_settings(selector: Selector, placements: Sequence[Placement]) -> NDArray[np.float32]:
    """
    Return what may change from batch to batch, to be read on the device: (C + 1 + 6 N,).

    These are the thresholds by label, that of suppression, and of each image the scale, the offset
    and the last pixel, each ``x, y``.
    """
    rows = [
        (*scale, *offset, width - 1, height - 1) for (scale, offset), (height, width) in placements
    ]
    thresholds = [*selector.thresholds, selector.config.nms_thresh]
    return np.concatenate([thresholds, np.ravel(rows)]).astype(np.float32)


def selection_table(
    raw: RawPrediction, anchors: Tensor, settings: Tensor, top_n: int, exp_thresh: float
) -> Tensor:
    """
    Return the ``top_n`` most probable anchors of each image, without waiting for the device.

    What :func:`squeezedet_ros.postprocessing.top_candidates` and
    :func:`squeezedet_ros.postprocessing.in_source` do of few anchors is done here of all.

    :param anchors: (A, 4) cxcywh in network pixels.
    :param settings: what :func:`selection_settings` gives, on the device.
    :returns: (N, M, 7 + M) float32: a box in source pixels, its score, or -1 below its threshold,
        its label and anchor, and for each of the M whether one of both suppresses the other.
    """
    raw = RawPrediction(*(part.float() for part in raw))
    images, _, classes = raw.class_logits.shape
    thresholds, nms_thresh, places = settings.split([classes, 1, 6 * images])
    scores, labels = class_probabilities(raw).max(-1)
    scores = scores.masked_fill(scores < thresholds[labels], -1.0)
    scores, best = scores.topk(min(top_n, len(anchors)), dim=1)
    labels = labels.gather(1, best)
    deltas = raw.deltas.gather(1, best[..., None].expand(-1, -1, 4))
    boxes = cxcywh_to_xyxy(decode(deltas, anchors[best], exp_thresh))
    boxes = _in_source(boxes, places.view(images, 1, 3, 2))
    rivals = iou_xyxy(boxes[:, :, None], boxes[:, None]) > nms_thresh
    rivals &= labels[:, :, None] == labels[:, None]
    columns = [part[..., None].float() for part in (scores, labels, best)]
    return torch.cat([boxes, *columns, rivals.float()], -1)


def _in_source(boxes: Tensor, places: Tensor) -> Tensor:
    """
    Return boxes as :func:`squeezedet_ros.postprocessing.in_source` does.

    :param boxes: (N, M, 4) xyxy in network pixels.
    :param places: (N, 1, 3, 2) scale, offset and last pixel.
    """
    scale, offset, last = places.unbind(2)
    low, high = (boxes.unflatten(2, (2, 2)) - offset[:, :, None]).div_(scale[:, :, None]).unbind(2)
    corners = [low, torch.maximum(high - 1, low)]
    return torch.cat([torch.minimum(corner.clamp(min=0), last) for corner in corners], -1)


def read_table(table: NDArray[np.float32], variant: NmsVariant) -> list[Detections]:
    """
    Return the detections of each image in what :func:`selection_table` gives.

    They are in memory of their own, by descending score and then in the anchors' order.
    """
    found = []
    for rows in table:
        good = np.flatnonzero(rows[:, _SCORE] >= 0)
        order = good[np.lexsort((rows[good, _ANCHOR], -rows[good, _SCORE]))]
        kept = rows[order[survivors(rows[np.ix_(order, _RIVALS + order)] > 0, variant)]]
        labels = kept[:, _LABEL].astype(np.int64)
        found.append(Detections(kept[:, :4].copy(), kept[:, _SCORE].copy(), labels))
    return found
