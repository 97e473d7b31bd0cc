"""
Few anchors of many: on a CPU only what may become a detection is decoded.

``N`` images, ``A`` anchors, ``C`` classes, ``M`` anchors that are left of an image.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from squeezedet_ros.network import RawPrediction
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
