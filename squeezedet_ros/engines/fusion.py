"""The network on an x86 CPU: each convolution and its ReLU in one pass of oneDNN."""

from __future__ import annotations

import platform

from squeezedet_ros.network import (
    Fire,
    pad_input,
    pool,
    RawPrediction,
    split_prediction,
    SqueezeDet,
)
import torch
from torch import nn, Tensor


def can_fuse() -> bool:
    """Return whether this PyTorch has what :class:`FusedSqueezeDet` needs, on this machine."""
    operators = torch.ops.mkldnn
    return (
        platform.machine() in ('x86_64', 'AMD64')
        and torch.backends.mkldnn.is_available()
        and hasattr(operators, '_convolution_pointwise')
        and hasattr(operators, '_reorder_convolution_weight')
    )


class _Convolution:
    """A convolution whose weights lie as oneDNN wants them, and what follows it: relu or none."""

    def __init__(self, layer: nn.Conv2d, then: str = 'relu') -> None:
        self._bias, self._then = layer.bias, then
        self._geometry = (list(layer.padding), list(layer.stride), list(layer.dilation), 1)
        self._weight = torch.ops.mkldnn._reorder_convolution_weight(
            layer.weight.detach(), *self._geometry
        )

    def __call__(self, x: Tensor) -> Tensor:
        found: Tensor = torch.ops.mkldnn._convolution_pointwise(
            x, self._weight, self._bias, *self._geometry, self._then, [], ''
        )
        return found


class FusedSqueezeDet:
    """
    Says what a :class:`SqueezeDet` says, from a copy of its weights.

    Eager PyTorch writes what a convolution gives, reads it again for the ReLU, and brings the
    weights into oneDNN's layout at every call.
    """

    def __init__(self, network: SqueezeDet) -> None:
        """Copy the weights of a network that lies on the CPU, in its number format."""
        self._config, self._pool_after = network.config, network.pool_after
        self._kernel = network.conv1.kernel_size[0]
        self._conv1 = _Convolution(network.conv1)
        self._fires = [
            [_Convolution(layer) for layer in (fire.squeeze, fire.expand1x1, fire.expand3x3)]
            for fire in network.fires.values()
            if isinstance(fire, Fire)
        ]
        self._convdet = _Convolution(network.convdet, 'none')

    def __call__(self, pixels: Tensor) -> RawPrediction:
        """Run the network, as :meth:`SqueezeDet.forward`."""
        config = self._config
        x = self._conv1(pad_input(pixels, self._kernel, config.padding))
        x = pool(x, config.padding)
        for number, (squeeze, expand1x1, expand3x3) in enumerate(self._fires, 2):
            squeezed = squeeze(x)
            x = torch.cat([expand1x1(squeezed), expand3x3(squeezed)], 1)
            if number in self._pool_after:
                x = pool(x, config.padding)
        output = self._convdet(x)
        return split_prediction(output, config.anchors_per_cell, len(config.classes))
