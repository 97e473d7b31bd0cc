"""
SqueezeDet and SqueezeDet+: a SqueezeNet backbone and one ConvDet layer (paper, section 3).

``N`` images, ``H, W`` grid, ``K`` anchors a cell, ``A = H * W * K``, ``C`` classes. Layer
tables: BichenWuUCB/squeezeDet@e7c0860:src/nets/{squeezeDet,squeezeDetPlus}.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from squeezedet_ros.anchors import same_padding, STEM_KERNELS
from squeezedet_ros.config import ModelConfig, Padding
import torch
from torch import nn, Tensor
import torch.nn.functional as F  # noqa: N812

# After which layer a pool follows, and (squeeze, expand1x1, expand3x3) of fire2 to fire11.
_LAYERS: dict[str, tuple[int, tuple[int, ...], tuple[tuple[int, int, int], ...]]] = {
    'squeezedet': (
        64,
        (1, 3, 5),
        ((16, 64, 64),) * 2
        + ((32, 128, 128),) * 2
        + ((48, 192, 192),) * 2
        + ((64, 256, 256),) * 2
        + ((96, 384, 384),) * 2,
    ),
    'squeezedet_plus': (
        96,
        (1, 4, 8),
        ((96, 64, 64),) * 2
        + ((192, 128, 128),) * 2
        + ((288, 192, 192),) * 2
        + ((384, 256, 256),) * 4,
    ),
}
_KEEP_PROBABILITY = 0.5


class RawPrediction(NamedTuple):
    """
    The ConvDet output, split by meaning, before softmax and sigmoid.

    :param class_logits: (N, A, C).
    :param confidence_logits: (N, A).
    :param deltas: (N, A, 4).
    """

    class_logits: Tensor
    confidence_logits: Tensor
    deltas: Tensor


def prediction_widths(config: ModelConfig) -> tuple[int, int, int]:
    """Return how many channels ConvDet has for class logits, for confidences and for deltas."""
    anchors = config.anchors_per_cell
    return anchors * len(config.classes), anchors, anchors * 4


def split_prediction(output: Tensor, config: ModelConfig) -> RawPrediction:
    """
    Split the ConvDet output into its three parts.

    :param output: (N, K * (C + 1 + 4), H, W): class logits, then confidences, then deltas,
        each anchor by anchor.
    """
    images = output.shape[0]
    logits, confidence, deltas = output.permute(0, 2, 3, 1).split(prediction_widths(config), -1)
    return RawPrediction(
        logits.reshape(images, -1, len(config.classes)),
        confidence.reshape(images, -1),
        deltas.reshape(images, -1, 4),
    )


def join_predictions(found: Sequence[RawPrediction]) -> RawPrediction:
    """Return one prediction of the images of several, in their order; one alone is not copied."""
    if len(found) == 1:
        return found[0]
    return RawPrediction(*map(torch.cat, zip(*found, strict=True)))


class Fire(nn.Module):
    """Squeeze to few channels by 1x1, then expand by 1x1 and 3x3 side by side; ReLU on each."""

    def __init__(self, channels: int, squeeze: int, expand1x1: int, expand3x3: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, squeeze, 1)
        self.expand1x1 = nn.Conv2d(squeeze, expand1x1, 1)
        self.expand3x3 = nn.Conv2d(squeeze, expand3x3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, expand1x1 + expand3x3, H, W) for (N, channels, H, W)."""
        squeezed = F.relu(self.squeeze(x), inplace=True)
        expanded = torch.cat([self.expand1x1(squeezed), self.expand3x3(squeezed)], 1)
        return F.relu(expanded, inplace=True)


def pool(x: Tensor, padding: Padding) -> Tensor:
    """Max-pool 3x3 by 2. Under SAME the border never wins: TensorFlow pads with minus infinity."""
    if padding == 'valid':
        return F.max_pool2d(x, 3, 2)
    if padding == 'same' and (x.shape[2] % 2 or x.shape[3] % 2):
        return F.max_pool2d(_pad_same(x, 3, float('-inf')), 3, 2)
    return F.max_pool2d(x, 3, 2, ceil_mode=True)


def pad_input(pixels: Tensor, kernel: int, padding: Padding) -> Tensor:
    """Pad what goes into conv1, as far as it does not do so itself: its two sides differ."""
    return _pad_same(pixels, kernel, 0.0) if padding == 'same' else pixels


def _pad_same(x: Tensor, kernel: int, value: float) -> Tensor:
    top, bottom = same_padding(x.shape[2], kernel)
    left, right = same_padding(x.shape[3], kernel)
    return F.pad(x, (left, right, top, bottom), value=value)


class SqueezeDet(nn.Module):
    """The whole network, from normalised pixels to :class:`RawPrediction`."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        channels, self.pool_after, fires = _LAYERS[config.architecture]
        kernel = STEM_KERNELS[config.architecture][0]
        border = kernel // 2 if config.padding == 'symmetric' else 0
        self.conv1 = nn.Conv2d(3, channels, kernel, stride=2, padding=border)
        self.fires = nn.ModuleDict()
        for number, (squeeze, expand1x1, expand3x3) in enumerate(fires, 2):
            self.fires[f'fire{number}'] = Fire(channels, squeeze, expand1x1, expand3x3)
            channels = expand1x1 + expand3x3
        self.dropout = nn.Dropout(1 - _KEEP_PROBABILITY)
        self.convdet = nn.Conv2d(channels, sum(prediction_widths(config)), 3, padding=1)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Fill the weights as the reference does: truncated normal, no bias."""
        for name, module in self.named_modules():
            if isinstance(module, nn.Conv2d):
                deviation = {'conv1': 1e-3, 'convdet': 1e-4}.get(name, 0.01)
                nn.init.trunc_normal_(
                    module.weight, std=deviation, a=-2 * deviation, b=2 * deviation
                )
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]

    def forward(self, pixels: Tensor) -> RawPrediction:
        """
        Run the network.

        :param pixels: (N, 3, height, width) float, blue, green, red, the mean colour
        subtracted.
        """
        padding = self.config.padding
        pixels = pad_input(pixels, self.conv1.kernel_size[0], padding)
        x = pool(F.relu(self.conv1(pixels), inplace=True), padding)
        for number, fire in enumerate(self.fires.values(), 2):
            x = fire(x)
            if number in self.pool_after:
                x = pool(x, padding)
        output = self.convdet(self.dropout(x))
        return split_prediction(output, self.config)
