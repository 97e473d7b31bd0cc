"""The two recipes' optimisers and learning rates."""

from __future__ import annotations

import math

from squeezedet_ros.network import SqueezeDet
from squeezedet_ros.training.recipe import TrainingConfig
import torch
from torch import nn

# BichenWuUCB/squeezeDet@e7c0860:src/config/kitti_squeezeDet_config.py
_DECAY_STEPS, _DECAY_FACTOR, _MOMENTUM, MAX_GRAD_NORM = 10000, 0.5, 0.9, 1.0
_WARM_UP = 0.08


def staircase(step: int, learning_rate: float) -> float:
    """Return the reference's learning rate: halved every 10,000 steps."""
    return learning_rate * _DECAY_FACTOR ** (step // _DECAY_STEPS)


def one_cycle(step: int, steps: int, learning_rate: float) -> float:
    """Return a rate that rises linearly to its peak, then falls to almost nothing on a cosine."""
    warm = max(1.0, _WARM_UP * steps)
    if step < warm:
        return learning_rate * (step + 1) / (warm + 1)
    progress = (step - warm) / max(1.0, steps - warm)
    return learning_rate * (0.001 + 0.999 * 0.5 * (1 + math.cos(math.pi * progress)))


def learning_rate(step: int, steps: int, training: TrainingConfig) -> float:
    """Return the rate of a step by the recipe."""
    if training.recipe == 'paper':
        return staircase(step, training.learning_rate)
    return one_cycle(step, steps, training.learning_rate)


def make_optimizer(network: SqueezeDet, training: TrainingConfig) -> torch.optim.Optimizer:
    """Return the recipe's optimiser; the paper's weight decay is part of its loss instead."""
    trainable = [value for value in network.parameters() if value.requires_grad]
    if training.recipe == 'paper':
        return torch.optim.SGD(trainable, training.learning_rate, _MOMENTUM)
    kernels = [value for value in trainable if value.ndim > 1]
    biases = [value for value in trainable if value.ndim == 1]
    groups = [
        {'params': kernels, 'weight_decay': training.weight_decay},
        {'params': biases, 'weight_decay': 0.0},
    ]
    return torch.optim.AdamW(groups, training.learning_rate)


def clip_gradients(network: nn.Module, training: TrainingConfig) -> None:
    """Clip gradients: each tensor to norm 1 in the paper's recipe, all together to 10 in ours."""
    trained = [value for value in network.parameters() if value.grad is not None]
    if training.recipe == 'paper':
        for value in trained:
            nn.utils.clip_grad_norm_([value], MAX_GRAD_NORM)
    else:
        nn.utils.clip_grad_norm_(trained, 10 * MAX_GRAD_NORM)


class AveragedWeights:
    """An exponential moving average of a network's weights, quick to follow in its first steps."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self._decay = decay
        self.values = {key: value.clone() for key, value in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Move the average towards the weights after a step, counted from 0."""
        decay = min(self._decay, (1 + step) / (10 + step))
        for key, value in network.state_dict().items():
            self.values[key].lerp_(value, 1 - decay)
