"""The network on an x86 CPU: each convolution and its ReLU in one pass of oneDNN."""

from __future__ import annotations

import math
import platform

from squeezedet_ros.anchors import same_padding
from squeezedet_ros.engines.late_convdet import confidence_layer, LateConvDet
from squeezedet_ros.network import Fire, pool, RawPrediction, SqueezeDet
import torch
from torch import nn, Tensor


def can_fuse() -> bool:
    """Return whether this PyTorch has what :class:`FusedSqueezeDet` needs, on this machine."""
    operators = torch.ops.mkldnn
    return (
        platform.machine() in ('x86_64', 'AMD64')
        and torch.backends.mkldnn.is_available()
        and hasattr(operators, '_convolution_pointwise')
        and hasattr(operators, '_convolution_pointwise_')
        and hasattr(operators, '_reorder_convolution_weight')
    )


class _Convolution:
    """
    A convolution of tensors side by side, and the ReLU after it, if there is one.

    Each tensor has weights of its own, as oneDNN wants them, and what comes of it is added to
    what came of those before it: no copy has to bring them together.
    """

    def __init__(self, layer: nn.Conv2d, parts: int = 1, *, relu: bool = True) -> None:
        self._bias, self._relu = layer.bias, relu
        self._geometry = (list(layer.padding), list(layer.stride), list(layer.dilation), 1)
        self._weights = [
            torch.ops.mkldnn._reorder_convolution_weight(weight, *self._geometry)
            for weight in layer.weight.detach().chunk(parts, 1)
        ]

    def __call__(self, *parts: Tensor) -> Tensor:
        last = len(parts) - 1
        then = 'relu' if self._relu and not last else 'none'
        total: Tensor = torch.ops.mkldnn._convolution_pointwise(
            parts[0], self._weights[0], self._bias, *self._geometry, then, [], ''
        )
        for number in range(1, len(parts)):
            weight = self._weights[number]
            after = 'relu' if self._relu and number == last else None
            torch.ops.mkldnn._convolution_pointwise_.binary(
                total, parts[number], weight, None, *self._geometry, 'add', 1.0, after, [], ''
            )
        return total


class FusedSqueezeDet:
    """
    Says what a :class:`SqueezeDet` says, from a copy of its weights.

    Eager PyTorch writes what a convolution gives, reads it again for the ReLU, copies both halves
    of a Fire module into one tensor, and brings the weights into oneDNN's layout at every call.
    """

    def __init__(self, network: SqueezeDet) -> None:
        """Copy the weights of a network that lies on the CPU, in its number format."""
        self._config, self._pool_after = network.config, network.pool_after
        self._kernel = network.conv1.kernel_size[0]
        self._conv1 = _Convolution(network.conv1)
        self._fires = [
            (
                _Convolution(fire.squeeze, parts=1 if number == 0 else 2),
                _Convolution(fire.expand1x1),
                _Convolution(fire.expand3x3),
            )
            for number, fire in enumerate(network.fires.values())
            if isinstance(fire, Fire)
        ]
        self._confidences = _Convolution(confidence_layer(network), parts=2, relu=False)
        self._rest = LateConvDet(network)

    def border(self, size: tuple[int, int]) -> list[tuple[int, int]]:
        """
        Return how much black belongs around normalised pixels, which a layer would copy to add it.

        :param size: (height, width) of the pixels.
        :returns: (before, after) of the height and of the width.
        """
        same = self._config.padding == 'same'
        return [same_padding(side, self._kernel) if same else (0, 0) for side in size]

    def __call__(self, pixels: Tensor, least_logit: float = -math.inf) -> RawPrediction:
        """
        Run the network, as :meth:`SqueezeDet.forward`, on one image's pixels with their border.

        :param least_logit: as :meth:`squeezedet_ros.engines.engine.Engine.forward` has it.
        """
        config = self._config
        parts = [pool(self._conv1(pixels), config.padding)]
        for number, (squeeze, expand1x1, expand3x3) in enumerate(self._fires, 2):
            squeezed = squeeze(*parts)
            parts = [expand1x1(squeezed), expand3x3(squeezed)]
            if number in self._pool_after:
                parts = [pool(part, config.padding) for part in parts]
        confidences = self._confidences(*parts)
        cells, *features = (part.permute(0, 2, 3, 1) for part in (confidences, *parts))
        return self._rest(cells, features, least_logit)
