"""A trained SqueezeDet as the start of a SqueezeDet+."""

from __future__ import annotations

from dataclasses import replace
from itertools import zip_longest
from typing import cast

from squeezedet_ros.config import Architecture
from squeezedet_ros.errors import ConfigError
from squeezedet_ros.network import Fire, SqueezeDet
from squeezedet_ros.training.recipe import TrainingConfig
from squeezedet_ros.training.start import awake
import torch
from torch import nn, Tensor


@torch.no_grad()
def widen(network: SqueezeDet, architecture: Architecture, training: TrainingConfig) -> SqueezeDet:
    """
    Return a SqueezeDet+ that computes what a trained SqueezeDet does up to fire8.

    Fire modules are taken over in their order at each stride: fire2 and fire3, then fire4 and
    fire5 as its fire5 and fire6, then fire6 to fire8 as its fire9 to fire11. A module that the
    small network lacks there hands through what it gets, a kernel lies in the middle of a larger
    one, and new channels begin untrained with weights of zero to the trained ones. ConvDet is new:
    it looked at fire11, for which there is no module left.

    :raises ConfigError: when it is not a SqueezeDet that becomes a SqueezeDet+.
    """
    old = network.config.architecture
    if (old, architecture) != ('squeezedet', 'squeezedet_plus'):
        raise ConfigError(
            f'weights of squeezedet can begin a squeezedet_plus, not those of {old} '
            f'a {architecture}'
        )
    torch.manual_seed(training.seed)
    wide = awake(SqueezeDet(replace(network.config, architecture=architecture)), training)
    # Where the trained features lie among the channels, in their order.
    places = _take_over(network.conv1, wide.conv1, torch.arange(3))
    for small_stage, wide_stage in zip(_stages(network), _stages(wide), strict=True):
        # What is left over at the last stride is left out.
        for small, fire in zip_longest(small_stage[: len(wide_stage)], wide_stage):
            if small is None:
                places = _hand_through(fire, places)
            else:
                places = _take_fire(small, fire, places)
    return wide


def _stages(network: SqueezeDet) -> list[list[Fire]]:
    """Return the Fire modules between one pool and the next."""
    stages: list[list[Fire]] = [[]]
    for number, fire in enumerate(network.fires.values(), 2):
        stages[-1].append(cast(Fire, fire))
        if number in network.pool_after:
            stages.append([])
    return stages


def _take_fire(small: Fire, fire: Fire, places: Tensor) -> Tensor:
    squeezed = _take_over(small.squeeze, fire.squeeze, places)
    ones = _take_over(small.expand1x1, fire.expand1x1, squeezed)
    threes = _take_over(small.expand3x3, fire.expand3x3, squeezed)
    return torch.cat([ones, fire.expand1x1.out_channels + threes])


def _take_over(small: nn.Conv2d, conv: nn.Conv2d, places: Tensor) -> Tensor:
    """Fill the first channels of a layer with all of a smaller one, and return their places."""
    rows = small.out_channels
    conv.weight[:rows] = 0.0
    _middle(conv.weight, small.kernel_size[0])[:rows, places] = small.weight
    assert small.bias is not None
    assert conv.bias is not None
    conv.bias[:rows] = small.bias
    return torch.arange(rows)


def _hand_through(fire: Fire, places: Tensor) -> Tensor:
    """Let trained features pass, side by side: ReLU changes nothing about them a second time."""
    rows = torch.arange(len(places))
    fire.squeeze.weight[: len(rows)] = 0.0
    fire.squeeze.weight[rows, places] = 1.0
    split = fire.expand1x1.out_channels
    for conv, passed in ((fire.expand1x1, rows[:split]), (fire.expand3x3, rows[split:])):
        conv.weight[: len(passed)] = 0.0
        _middle(conv.weight, 1)[torch.arange(len(passed)), passed] = 1.0
    return rows


def _middle(weight: Tensor, size: int) -> Tensor:
    """Return the view of a square kernel without its border."""
    edge = (weight.shape[-1] - size) // 2
    return weight[..., edge : edge + size, edge : edge + size]
