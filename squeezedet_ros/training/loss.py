"""
The four-part loss of section 2.3 of the paper.

:func:`paper_loss` is as the reference computes it (BichenWuUCB/squeezeDet@e7c0860:
src/nn_skeleton.py, _add_loss_graph), :func:`modern_loss` has the same four parts for many
anchors an object. ``N`` images, ``A`` anchors, ``C`` classes.
"""

from __future__ import annotations

from typing import NamedTuple

from squeezedet_ros.box_coder import clip_as_reference, decode
from squeezedet_ros.boxes import cxcywh_to_xyxy, EPSILON, generalized_iou_xyxy, iou_xyxy
from squeezedet_ros.network import RawPrediction
from squeezedet_ros.training.distributed import ALONE, Processes
from squeezedet_ros.training.recipe import LossWeights
from squeezedet_ros.training.targets import AnchorTargets
import torch
from torch import nn, Tensor
import torch.nn.functional as F  # noqa: N812


class LossTerms(NamedTuple):
    """The parts of the loss, each already times its coefficient."""

    classification: Tensor
    confidence_positive: Tensor
    confidence_negative: Tensor
    box: Tensor

    def total(self) -> Tensor:
        """Return the sum of the parts."""
        return self.classification + self.confidence_positive + self.confidence_negative + self.box


class BatchTotals(NamedTuple):
    """
    What the loss is divided by: counts of a whole batch, of which a process may have a part.

    :param objects: sum of the shares, at least 1.
    """

    images: int
    objects: Tensor


def batch_totals(targets: AnchorTargets, processes: Processes = ALONE) -> BatchTotals:
    """Return the counts of a batch over all processes, each of which has as many images."""
    objects = processes.total(targets.share.sum()).clamp(min=1)
    return BatchTotals(len(targets.share) * processes.size, objects)


def paper_loss(
    raw: RawPrediction,
    targets: AnchorTargets,
    anchors: Tensor,
    input_size: tuple[int, int],
    exp_thresh: float,
    weights: LossWeights,
    totals: BatchTotals,
) -> LossTerms:
    """
    Return the loss of a batch by the reference.

    Sums over responsible anchors are divided by their number in the whole batch, taken as one
    where there is none, that over the others by the anchors of an image less that number, taken
    as one where that is less; the overlap that the confidence should tell carries no gradient.
    Ignored anchors that are not responsible add nothing.

    :param anchors: (A, 4) cxcywh in network pixels.
    :param totals: of the whole batch; the losses of its parts add up to its own.
    """
    responsible = targets.responsible
    images, objects = totals
    overlap = _predicted_overlap(raw, targets, anchors, input_size, exp_thresh)
    error = (overlap - raw.confidence_logits.sigmoid()).square()
    background = ~(responsible | targets.ignored)
    positive = (error * responsible).sum() / images * weights.confidence_positive / objects
    share = weights.confidence_negative / (len(anchors) - objects).clamp(min=1)
    negative = (error * background).sum() / images * share
    shift = (raw.deltas - targets.deltas)[responsible].square().sum()
    return LossTerms(
        weights.classification * _class_entropy(raw, targets) / objects,
        positive,
        negative,
        weights.box * shift / objects,
    )


def modern_loss(
    raw: RawPrediction,
    targets: AnchorTargets,
    anchors: Tensor,
    exp_thresh: float,
    weights: LossWeights,
    totals: BatchTotals,
) -> LossTerms:
    """
    Return the loss of a batch whose objects are shared between anchors.

    The confidence of an anchor tends to its share times the overlap of its box, by the quality
    focal loss (arXiv 2006.04388, equation 6, beta 2); boxes by generalized IOU
    (arXiv 1902.09630), classes by cross-entropy, both weighed by share. All are divided by the
    sum of the shares.

    :param anchors: (A, 4) cxcywh in network pixels.
    :param totals: of the whole batch; the losses of its parts add up to its own.
    """
    responsible = targets.responsible
    share = targets.share[responsible]
    objects = totals.objects
    own = anchors.expand(len(responsible), -1, -1)[responsible]
    predicted = cxcywh_to_xyxy(decode(raw.deltas[responsible], own, exp_thresh))
    truth = cxcywh_to_xyxy(targets.boxes[responsible])
    wanted = torch.zeros_like(raw.confidence_logits)
    wanted[responsible] = share * iou_xyxy(predicted.detach(), truth)
    distance = (wanted - raw.confidence_logits.sigmoid()).square()
    error = distance * F.binary_cross_entropy_with_logits(
        raw.confidence_logits, wanted, reduction='none'
    )
    background = ~(responsible | targets.ignored)
    entropy = F.cross_entropy(
        raw.class_logits[responsible], targets.labels[responsible], reduction='none'
    )
    box = share * (1 - generalized_iou_xyxy(predicted, truth))
    return LossTerms(
        weights.classification * (share * entropy).sum() / objects,
        weights.confidence_positive * error[responsible].sum() / objects,
        weights.confidence_negative * error[background].sum() / objects,
        weights.box * box.sum() / objects,
    )


def _class_entropy(raw: RawPrediction, targets: AnchorTargets) -> Tensor:
    """Return the binary cross-entropy of the softmax, summed over classes and objects."""
    probability = raw.class_logits[targets.responsible].softmax(-1)
    truth = F.one_hot(targets.labels[targets.responsible], probability.shape[-1])
    hit = -(probability + EPSILON).log() * truth
    miss = -(1 - probability + EPSILON).log() * (1 - truth)
    return (hit + miss).sum()


@torch.no_grad()
def _predicted_overlap(
    raw: RawPrediction,
    targets: AnchorTargets,
    anchors: Tensor,
    input_size: tuple[int, int],
    exp_thresh: float,
) -> Tensor:
    """Return the (N, A) overlap of each predicted box with its object, 0 where not responsible."""
    responsible = targets.responsible
    own = anchors.expand(len(responsible), -1, -1)[responsible]
    boxes = decode(raw.deltas[responsible], own, exp_thresh)
    predicted = cxcywh_to_xyxy(clip_as_reference(boxes, input_size))
    overlap = torch.zeros_like(raw.confidence_logits)
    overlap[responsible] = iou_xyxy(predicted, cxcywh_to_xyxy(targets.boxes[responsible]))
    return overlap


def weight_decay(network: nn.Module, coefficient: float) -> Tensor:
    """Return half the coefficient times the squared sum of the trainable kernels, no biases."""
    kernels = [
        value.square().sum()
        for value in network.parameters()
        if value.requires_grad and value.ndim > 1
    ]
    return coefficient / 2 * torch.stack(kernels).sum()
