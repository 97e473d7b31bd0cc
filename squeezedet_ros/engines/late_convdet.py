"""ConvDet in two steps: every confidence, then the rest where a confidence is high enough."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy

import numpy as np
from numpy.typing import NDArray
from squeezedet_ros.engines.engine import Workspace
from squeezedet_ros.network import join_predictions, prediction_widths, RawPrediction, SqueezeDet
import torch
from torch import nn, Tensor
import torch.nn.functional as F  # noqa: N812

# Of all cells. Where more have to be looked at, a convolution of all takes less time.
_FEW = 0.25


def confidence_layer(network: SqueezeDet) -> nn.Conv2d:
    """Return the first step, what ConvDet says of confidences alone: K channels."""
    logits, confidences, _ = prediction_widths(network.config)
    return _layer_of(network.convdet, slice(logits, logits + confidences))


class LateConvDet:
    """
    The second step: class logits and deltas.

    A score is its confidence times a probability, so no more than its confidence. In the cells of
    an image in which none reaches the least score that a detection may have, which are nearly all
    of them, nothing else needs to be known.
    """

    def __init__(self, network: SqueezeDet) -> None:
        """Copy the weights."""
        convdet, model = network.convdet, network.config
        self._classes = len(model.classes)
        logits, confidences, deltas = prediction_widths(model)
        self._widths = logits, deltas
        rest = [*range(logits), *range(logits + confidences, logits + confidences + deltas)]
        layer = _layer_of(convdet, rest)
        assert layer.bias is not None
        self._bias = layer.bias.detach()
        self._weights = [
            weight.contiguous(memory_format=torch.channels_last)
            for weight in layer.weight.detach().chunk(2, 1)
        ]
        # As the neighbours of a cell lie in memory: place by place, then channel by channel.
        self._rows = [
            weight.permute(2, 3, 1, 0).reshape(-1, logits + deltas).contiguous()
            for weight in self._weights
        ]
        self._patches, self._total = Workspace(torch.float32), Workspace(torch.float32)

    def __call__(
        self, confidences: Tensor, features: Sequence[Tensor], least_logit: float
    ) -> RawPrediction:
        """
        Return what ConvDet says; of cells without a confidence of the least logit it may be 0.

        :param confidences: (N, H, W, K) float32, what the first step says.
        :param features: both halves of what goes into ConvDet, (N, H, W, channels) float32.
        """
        return join_predictions(
            [
                self._look(image[0], image[1:], least_logit)
                for image in zip(confidences, *features, strict=True)
            ]
        )

    def _look(
        self, confidences: Tensor, features: Sequence[Tensor], least_logit: float
    ) -> RawPrediction:
        height, width, anchors = confidences.shape
        flat = confidences.reshape(1, -1)
        cells = np.flatnonzero(flat.numpy() >= least_logit) // anchors
        cells = cells[np.diff(cells, prepend=-1) > 0]
        if len(cells) > _FEW * height * width:
            logits, deltas = self._everywhere(features)
        else:
            # By NumPy: PyTorch would have its threads fill them, which then wait for more.
            logits, deltas = (
                torch.from_numpy(np.zeros((height * width, channels), np.float32))
                for channels in self._widths
            )
            found = self._at(cells, features)
            logits.numpy()[cells], deltas.numpy()[cells] = (part.numpy() for part in found)
        return RawPrediction(logits.reshape(1, -1, self._classes), flat, deltas.reshape(1, -1, 4))

    def _everywhere(self, features: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        total = self._bias
        for part, weight in zip(features, self._weights, strict=True):
            planes = part.permute(2, 0, 1)[None]
            total = total + F.conv2d(planes, weight, padding=1)[0].permute(1, 2, 0)
        logits, deltas = total.reshape(-1, sum(self._widths)).split(self._widths, 1)
        return logits, deltas

    def _at(self, cells: NDArray[np.int64], features: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        height, width, _ = features[0].shape
        neighbours, outside = _neighbours(cells, height, width)
        total = self._total.tensor(len(cells), len(self._bias)).copy_(self._bias)
        for part, rows in zip(features, self._rows, strict=True):
            patches = self._patches.tensor(*neighbours.shape, part.shape[2])
            # Any mode but that which raises: NumPy would fill memory of its own, and copy that.
            table = part.numpy().reshape(height * width, -1)
            np.take(table, neighbours, 0, patches.numpy(), mode='clip')
            patches.numpy()[outside] = 0
            total.addmm_(patches.view(len(cells), len(rows)), rows)
        logits, deltas = total.split(self._widths, 1)
        return logits, deltas


def _layer_of(layer: nn.Conv2d, channels: slice | list[int]) -> nn.Conv2d:
    """Return the layer that says no more than some channels of another."""
    assert layer.bias is not None
    # A new one would draw random numbers, in between those of a training.
    found = deepcopy(layer)
    found.weight = nn.Parameter(layer.weight.detach()[channels])
    found.bias = nn.Parameter(layer.bias.detach()[channels])
    found.out_channels = len(found.bias)
    return found


def _neighbours(
    cells: NDArray[np.int64], height: int, width: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """
    Return the cells of the 3x3 around each, row by row, and which of these are outside.

    :returns: (M, 9) each; in place of a cell outside stands some other.
    """
    y, x = (at[:, None] for at in np.divmod(cells, width))
    y, x = y + np.repeat([-1, 0, 1], 3), x + np.tile([-1, 0, 1], 3)
    outside = (y < 0) | (y >= height) | (x < 0) | (x >= width)
    return np.where(outside, 0, y * width + x), outside
