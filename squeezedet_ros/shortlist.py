"""
Few anchors of many: only what may become a detection leaves the device and is decoded.

``N`` images, ``A`` anchors, ``C`` classes, ``M`` anchors that are left of an image.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from squeezedet_ros.network import RawPrediction
import torch
from torch import Tensor


class Shortlist(NamedTuple):
    """
    What the network says at some anchors of one image, in the host's memory.

    :param class_logits: (M, C) float32.
    :param confidence_logits: (M,) float32.
    :param deltas: (M, 4) float32.
    :param anchors: (M, 4) float32 cxcywh in network pixels.
    """

    class_logits: NDArray[np.float32]
    confidence_logits: NDArray[np.float32]
    deltas: NDArray[np.float32]
    anchors: NDArray[np.float32]


def class_probabilities(raw: RawPrediction) -> Tensor:
    """Return (N, A, C): softmax over the classes times sigmoid of the confidence."""
    return raw.class_logits.softmax(-1) * raw.confidence_logits.sigmoid()[..., None]


def shortlist_by_confidence(
    raw: RawPrediction, anchors: Tensor, least_logit: float
) -> list[Shortlist]:
    """
    Keep the anchors of each image whose confidence alone reaches a threshold.

    It is the most that their score can be. Of the 17,000 of an image some hundred are left.

    :param raw: on the CPU.
    :param anchors: (A, 4).
    :param least_logit: of the confidence.
    """
    table = anchors.numpy()
    found = []
    for logits, confidences, deltas in zip(*(part.float().numpy() for part in raw), strict=True):
        rows = np.flatnonzero(confidences >= least_logit)
        found.append(Shortlist(logits[rows], confidences[rows], deltas[rows], table[rows]))
    return found


def shortlist_by_score(
    raw: RawPrediction, anchors: Tensor, top_n: int, thresholds: Tensor
) -> list[Shortlist]:
    """
    Keep the ``top_n`` most probable anchors of each image.

    The way of a GPU: it need not wait to be told how many are left, and one copy brings them.

    :param anchors: (A, 4).
    :param thresholds: (C,) least score by label; what is below it comes after all others.
    """
    return split_table(best_by_score(raw, anchors, top_n, thresholds).cpu().numpy())


def best_by_score(raw: RawPrediction, anchors: Tensor, top_n: int, thresholds: Tensor) -> Tensor:
    """
    Do what :func:`shortlist_by_score` does, but leave it on the device.

    :returns: (N, M, C + 9) float32: class logits, confidence logit, deltas, anchor.
    """
    raw = RawPrediction(*(part.float() for part in raw))
    scores, labels = class_probabilities(raw).max(-1)
    ranks = scores.masked_fill(scores < thresholds[labels], -1.0)
    _, index = ranks.topk(min(top_n, scores.shape[1]), dim=1)
    confidences = raw.confidence_logits[..., None]
    parts = (raw.class_logits, confidences, raw.deltas, anchors.expand(len(index), -1, -1))
    rows = [part.gather(1, index[..., None].expand(-1, -1, part.shape[2])) for part in parts]
    return torch.cat(rows, -1)


def split_table(table: NDArray[np.float32]) -> list[Shortlist]:
    """Return the shortlist of each image in what :func:`best_by_score` gives."""
    classes = table.shape[2] - 9
    found = []
    for rows in table:
        logits, confidence, deltas, anchors = np.split(
            rows, [classes, classes + 1, classes + 5], 1
        )
        found.append(Shortlist(logits, confidence[:, 0], deltas, anchors))
    return found
