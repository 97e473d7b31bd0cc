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

# Runs of channels that carry trained features: first of the new ones, of the old ones, how many.
_Runs = list[tuple[int, int, int]]


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
    runs = _take_over(network.conv1, wide.conv1, [(0, 0, 3)])
    for small_stage, wide_stage in zip(_stages(network), _stages(wide), strict=True):
        # What is left over at the last stride is left out.
        for small, fire in zip_longest(small_stage[: len(wide_stage)], wide_stage):
            runs = _hand_through(fire, runs) if small is None else _take_fire(small, fire, runs)
    return wide


def _stages(network: SqueezeDet) -> list[list[Fire]]:
    """Return the Fire modules between one pool and the next."""
    stages: list[list[Fire]] = [[]]
    for number, fire in enumerate(network.fires.values(), 2):
        stages[-1].append(cast(Fire, fire))
        if number in network.pool_after:
            stages.append([])
    return stages


def _take_fire(small: Fire, fire: Fire, runs: _Runs) -> _Runs:
    squeezed = _take_over(small.squeeze, fire.squeeze, runs)
    (_, _, ones), *_ = _take_over(small.expand1x1, fire.expand1x1, squeezed)
    (_, _, threes), *_ = _take_over(small.expand3x3, fire.expand3x3, squeezed)
    return [(0, 0, ones), (fire.expand1x1.out_channels, ones, threes)]


def _take_over(small: nn.Conv2d, conv: nn.Conv2d, runs: _Runs) -> _Runs:
    """Fill the first channels of a layer with all of a smaller one."""
    rows = small.out_channels
    conv.weight[:rows] = 0.0
    target = _middle(conv.weight, small.kernel_size[0])
    for column, old_column, columns in runs:
        target[:rows, column : column + columns] = small.weight[
            :, old_column : old_column + columns
        ]
    assert small.bias is not None
    assert conv.bias is not None
    conv.bias[:rows] = small.bias
    return [(0, 0, rows)]


def _hand_through(fire: Fire, runs: _Runs) -> _Runs:
    """Let trained features pass, side by side: ReLU changes nothing about them a second time."""
    columns = torch.cat([torch.arange(new, new + count) for new, _, count in runs])
    rows = torch.arange(len(columns))
    fire.squeeze.weight[: len(rows)] = 0.0
    fire.squeeze.weight[rows, columns] = 1.0
    split = fire.expand1x1.out_channels
    for conv, passed in ((fire.expand1x1, rows[:split]), (fire.expand3x3, rows[split:])):
        conv.weight[: len(passed)] = 0.0
        _middle(conv.weight, 1)[torch.arange(len(passed)), passed] = 1.0
    return [(0, 0, len(rows))]


def _middle(weight: Tensor, size: int) -> Tensor:
    """Return the view of a square kernel without its border."""
    edge = (weight.shape[-1] - size) // 2
    return weight[..., edge : edge + size, edge : edge + size]
