"""Starting weights: ImageNet features of SqueezeNet."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from squeezedet_ros.errors import CheckpointError
from squeezedet_ros.network import SqueezeDet
import torch


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
