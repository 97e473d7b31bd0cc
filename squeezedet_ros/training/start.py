"""The network a training starts from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from squeezedet_ros.config import Architecture, ModelConfig, STREET_ANCHOR_SHAPES
from squeezedet_ros.errors import CheckpointError
from squeezedet_ros.network import SqueezeDet
from squeezedet_ros.training.recipe import TrainingConfig
import torch
from torch import nn


def initial_network(architecture: Architecture, training: TrainingConfig) -> SqueezeDet:
    """
    Return a network without any training, as the recipe wants it.

    The paper's is the reference's own. The modern one has room for any camera, and layers wide
    awake: with the reference's tiny deviations those without pretrained weights learn late.

    :raises ConfigError: for an unknown architecture.
    """
    torch.manual_seed(training.seed)
    config = ModelConfig.paper(architecture)
    if training.recipe == 'paper':
        return SqueezeDet(config)
    config = replace(
        config,
        fit='adaptive',
        anchor_placement='stride',
        anchor_shapes=STREET_ANCHOR_SHAPES,
    )
    network = SqueezeDet(config)
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d) and name != 'convdet':
            nn.init.kaiming_normal_(module.weight)
    k, classes = config.anchors_per_cell, len(config.classes)
    with torch.no_grad():
        network.state_dict()['convdet.bias'][k * classes : k * (classes + 1)] = (
            training.confidence_bias
        )
    return network


def load_imagenet_features(network: SqueezeDet, path: Path) -> list[str]:
    """
    Fill the layers of a network that a SqueezeNet .npz has, and return their names.

    Arrays are OIHW; keys are ``conv1.weight``, ``fire2.squeeze1x1.weight``, ...; every array
    of the file must find its place.

    :raises CheckpointError: when the file cannot be read or an array does not fit.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in archive.files}
    except (OSError, ValueError) as error:
        raise CheckpointError(f'{path} cannot be read as an .npz of arrays: {error}') from error
    state = network.state_dict()
    for key, array in arrays.items():
        name = key.replace('squeeze1x1', 'squeeze')
        name = name if name.startswith('conv1.') else f'fires.{name}'
        if name not in state or state[name].shape != array.shape:
            expected = tuple(state[name].shape) if name in state else 'no such layer'
            raise CheckpointError(f'{path}: {key} is {array.shape}, expected {expected}')
        state[name].copy_(torch.from_numpy(array))
    return sorted(arrays)
