"""A training on disk, so that it can go on after a stop at any moment."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors import safe_open, SafetensorError
from safetensors.torch import save
from squeezedet_ros.checkpoint import write_atomically
from squeezedet_ros.errors import CheckpointError
from squeezedet_ros.network import SqueezeDet
from squeezedet_ros.training.optimization import AveragedWeights
import torch
from torch import Tensor

_SETTINGS = 'squeezedet_training'


def save_state(
    path: Path,
    step: int,
    network: SqueezeDet,
    average: AveragedWeights,
    optimizer: torch.optim.Optimizer,
    settings: str,
) -> None:
    """Write everything the next step depends on, atomically."""
    tensors = {f'network/{key}': value for key, value in network.state_dict().items()}
    tensors |= {f'average/{key}': value for key, value in average.values.items()}
    for index, slots in optimizer.state_dict()['state'].items():
        for slot, value in slots.items():
            if value is not None:
                tensors[f'optimizer/{index}/{slot}'] = torch.as_tensor(value)
    tensors['step'] = torch.tensor(step)
    content = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
    write_atomically(path, save(content, {_SETTINGS: settings}))


def restore_state(
    path: Path,
    network: SqueezeDet,
    average: AveragedWeights,
    optimizer: torch.optim.Optimizer,
    settings: str,
) -> int:
    """
    Put a training back to where it was saved, and return the number of steps done.

    :raises CheckpointError: when the file is damaged or belongs to a training with other
        settings.
    """
    try:
        with safe_open(path, framework='pt') as file:
            saved = (file.metadata() or {}).get(_SETTINGS)
            keys = file.keys()
            tensors: dict[str, Tensor] = {key: file.get_tensor(key) for key in keys}
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f'{path} cannot be resumed from: {error}') from error
    if saved != settings:
        raise CheckpointError(
            f'{path} belongs to a training with other settings: {_changes(saved, settings)}'
        )
    network.load_state_dict(_below(tensors, 'network/'))
    # In place, since the average lies on the network's device.
    for key, value in _below(tensors, 'average/').items():
        average.values[key].copy_(value)
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in _below(tensors, 'optimizer/').items():
        index, _, slot = key.partition('/')
        state.setdefault(int(index), {})[slot] = value
    optimizer.load_state_dict(
        {'state': state, 'param_groups': optimizer.state_dict()['param_groups']}
    )
    return int(tensors['step'])


def _changes(saved: str | None, settings: str) -> str:
    """Return which settings differ, each with what it was and what it is."""
    try:
        old, new = (_flat(json.loads(text or '')) for text in (saved, settings))
    except ValueError:
        return 'they cannot be read'
    return '; '.join(
        f'{name} was {json.dumps(old.get(name))}, is {json.dumps(new.get(name))}'
        for name in {**old, **new}
        if old.get(name) != new.get(name)
    )


def _flat(settings: dict[str, Any]) -> dict[str, Any]:
    groups = [v if isinstance(v, dict) else {k: v} for k, v in settings.items()]
    return {name: value for group in groups for name, value in group.items()}


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)
    }
