"""The network a training starts from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from squeezedet_ros.config import Architecture, ModelConfig, STREET_ANCHOR_SHAPES
from squeezedet_ros.errors import CheckpointError
from squeezedet_ros.network import SqueezeDet
from squeezedet_ros.training.anchor_clustering import AnchorSet
from squeezedet_ros.training.recipe import TrainingConfig
from squeezedet_ros.weight_import.files import read_weights_file
import torch
from torch import nn


def initial_network(
    architecture: Architecture,
    training: TrainingConfig,
    classes: Sequence[str] = (),
    anchors: AnchorSet | None = None,
) -> SqueezeDet:
    """
    Return a network without any training, as the recipe wants it.

    The paper's is the reference's own. The modern one has room for any camera, and layers wide
    awake: with the reference's tiny deviations those without pretrained weights learn late.

    :param classes: class names, the reference's where empty.
    :param anchors: shapes and the input they are for, those of the recipe where None.
    :raises ConfigError: for an unknown architecture or a class list that is none.
    """
    torch.manual_seed(training.seed)
    config = ModelConfig.paper(architecture)
    if training.recipe == 'modern':
        config = replace(
            config,
            fit='adaptive',
            anchor_placement='stride',
            anchor_shapes=STREET_ANCHOR_SHAPES,
        )
    if anchors:
        config = replace(config, **anchors._asdict())
    network = SqueezeDet(replace(config, classes=tuple(classes)) if classes else config)
    return network if training.recipe == 'paper' else awake(network, training)


def awake(network: SqueezeDet, training: TrainingConfig) -> SqueezeDet:
    """Fill the layers by Kaiming's rule, and start the confidences low."""
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d) and name != 'convdet':
            nn.init.kaiming_normal_(module.weight)
    k, classes = network.config.anchors_per_cell, len(network.config.classes)
    with torch.no_grad():
        network.state_dict()['convdet.bias'][k * classes : k * (classes + 1)] = (
            training.confidence_bias
        )
    return network


def with_classes(network: SqueezeDet, classes: Sequence[str]) -> SqueezeDet:
    """
    Return a network for other classes that keeps all it can of a trained one.

    Backbone, confidences and boxes are kept, and the class channels of the classes that both
    have by name; those of new classes start untrained.

    :raises ConfigError: when ``classes`` is no class list.
    """
    old = network.config
    found = SqueezeDet(replace(old, classes=tuple(classes)))
    k, before, after = old.anchors_per_cell, len(old.classes), len(classes)
    state = network.state_dict()
    for name, target in found.state_dict().items():
        source = state[name]
        if not name.startswith('convdet.'):
            target.copy_(source)
            continue
        # Class channels come anchor by anchor, then one confidence and four deltas an anchor.
        target[k * after :].copy_(source[k * before :])
        for index, item in enumerate(classes):
            if item in old.classes:
                row = old.classes.index(item)
                target[index : k * after : after].copy_(source[row : k * before : before])
    return found


def load_imagenet_features(network: SqueezeDet, path: Path) -> list[str]:
    """
    Fill the layers of a network that a SqueezeNet .npz has, and return their names.

    Arrays are OIHW; keys are ``conv1.weight``, ``fire2.squeeze1x1.weight``, ...; every array
    of the file must find its place.

    :raises CheckpointError: when the file cannot be read, an array does not fit or is not finite.
    """
    arrays = read_weights_file(path).tensors
    state = network.state_dict()
    for key, array in arrays.items():
        name = key.replace('squeeze1x1', 'squeeze')
        name = name if name.startswith('conv1.') else f'fires.{name}'
        if name not in state or state[name].shape != array.shape:
            expected = tuple(state[name].shape) if name in state else 'no such layer'
            raise CheckpointError(f'{path}: {key} is {tuple(array.shape)}, expected {expected}')
        if not array.isfinite().all():
            raise CheckpointError(f'{path}: expected finite numbers, {key} has others')
        state[name].copy_(array)
    return sorted(arrays)
