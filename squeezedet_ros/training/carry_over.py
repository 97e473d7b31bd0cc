"""Weights of one architecture as the start of another's."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from squeezedet_ros.config import Architecture
from squeezedet_ros.network import Fire, SqueezeDet
import torch
from torch import nn, Tensor

# Channels that two layers share: first of the new one, first of the old one, how many.
_Blocks = list[tuple[int, int, int]]


@torch.no_grad()
def carry_over(network: SqueezeDet, architecture: Architecture) -> SqueezeDet:
    """
    Return a network of another architecture that begins with what it can take of a trained one.

    Layers of one name share channels from the first on, the two halves of a Fire module each its
    own, and a kernel lies in the middle of a larger one. The other channels begin untrained, by
    Kaiming's rule, and with weights of zero to those that are shared, so that they disturb
    nothing. It is a start and no more: the pools lie elsewhere, so that kernels see another scale.
    """
    new = SqueezeDet(replace(network.config, architecture=architecture))
    for module in new.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
    shared = _copy(network.conv1, new.conv1, [(0, 0, 3)])
    for name, module in new.fires.items():
        old_fire, fire = cast(Fire, network.fires[name]), cast(Fire, module)
        squeezed = _copy(old_fire.squeeze, fire.squeeze, shared)
        first = _copy(old_fire.expand1x1, fire.expand1x1, squeezed)
        second = _copy(old_fire.expand3x3, fire.expand3x3, squeezed)
        starts = fire.expand1x1.out_channels, old_fire.expand1x1.out_channels
        shared = first + [(row + starts[0], old + starts[1], rows) for row, old, rows in second]
    _copy(network.convdet, new.convdet, shared)
    return new


def _copy(old: nn.Conv2d, new: nn.Conv2d, inputs: _Blocks) -> _Blocks:
    """Fill the channels that two layers share, and return these."""
    rows = min(old.out_channels, new.out_channels)
    size = min(old.kernel_size[0], new.kernel_size[0])
    target, source = _middle(new.weight, size), _middle(old.weight, size)
    new.weight[:rows] = 0.0
    for column, old_column, columns in inputs:
        target[:rows, column : column + columns] = source[:rows, old_column : old_column + columns]
    assert old.bias is not None
    assert new.bias is not None
    new.bias[:rows] = old.bias[:rows]
    return [(0, 0, rows)]


def _middle(weight: Tensor, size: int) -> Tensor:
    """Return the view of a square kernel without its border."""
    edge = (weight.shape[-1] - size) // 2
    return weight[..., edge : edge + size, edge : edge + size]
