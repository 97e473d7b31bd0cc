"""
Foreign tensors made ours: every one has a place, a reason to be left out, or is an error.

``K`` anchors a cell, ``C`` classes. What a port does to pixels and boxes beside the layers is
folded into conv1 and ConvDet, exactly.
"""

from __future__ import annotations

from itertools import product
from typing import get_args, NamedTuple

from squeezedet_ros.config import Architecture, ModelConfig
from squeezedet_ros.errors import CheckpointError
from squeezedet_ros.network import SqueezeDet
from squeezedet_ros.weight_import.files import WeightsFile
from squeezedet_ros.weight_import.options import ImportOptions, model_config
from squeezedet_ros.weight_import.ports import Port, PORTS, reason_to_leave_out
import torch
from torch import Tensor
import torch.nn.functional as F  # noqa: N812


class ImportedTensor(NamedTuple):
    """
    What became of one entry of a weights file.

    :param source: its name there.
    :param shape: its shape there, empty for what is no tensor.
    :param target: its name in our network, empty when it was left out.
    :param note: what was done to it, or why it was left out.
    """

    source: str
    shape: tuple[int, ...]
    target: str
    note: str


class ImportedWeights(NamedTuple):
    """
    Foreign weights as our network.

    :param account: every entry of the file, layer by layer, then what was left out.
    """

    network: SqueezeDet
    port: Port
    account: list[ImportedTensor]


def import_weights(file: WeightsFile, options: ImportOptions) -> ImportedWeights:
    """
    Return our network with the weights of another implementation.

    :raises CheckpointError: when the file is no known port's, or naming every tensor that is
        unknown, missing, of another shape or not finite.
    :raises ConfigError: for an option outside its bounds.
    """
    port, architecture = _recognise(file, options.architecture)
    places, problems = _find_places(file, port, architecture)
    known = {target: _to_oihw(file.tensors[name], port) for target, name in places.items()}
    outputs = known['convdet.weight'].shape[0] if 'convdet.weight' in known else None
    if outputs is None:
        config = port.config(architecture)
    else:
        config = model_config(port, architecture, options, outputs)
    expected = _shapes(config)
    for target, name in places.items():
        problems += _misfits(name, target, known[target], expected[target])
    missing = [target for target in expected if target not in places]
    problems += [f'{name}: missing, expected {_in_words(expected[name])}' for name in missing]
    if problems:
        raise CheckpointError(
            f'{port.name} weights of {architecture} do not fit in {len(problems)} places '
            f'(kernels as out, in, height, width): {"; ".join(problems)}'
        )
    std = options.pixel_std or port.pixel_std
    notes = {name: _note(port, name, tensor, std) for name, tensor in known.items()}
    _convert(known, port, config, std)
    network = SqueezeDet(config)
    network.load_state_dict(known)
    return ImportedWeights(network.eval(), port, _account(file, places, notes))


def _shapes(config: ModelConfig) -> dict[str, torch.Size]:
    with torch.device('meta'):
        return {name: value.shape for name, value in SqueezeDet(config).state_dict().items()}


def _to_oihw(tensor: Tensor, port: Port) -> Tensor:
    """Return a tensor float32 and as ours is laid out; a 1x1 kernel of ConvDet stays one."""
    kernel = port.channels_last and tensor.dim() == 4
    return (tensor.permute(3, 2, 0, 1) if kernel else tensor).to(torch.float32, copy=True)


def _recognise(file: WeightsFile, architecture: Architecture | None) -> tuple[Port, Architecture]:
    """Return the port and architecture by whose names, then shapes, most tensors fit."""
    choices: list[Architecture] = [architecture] if architecture else list(get_args(Architecture))

    def fitting(choice: tuple[Port, Architecture]) -> tuple[int, int]:
        port, name = choice
        expected = _shapes(port.config(name))
        places = _find_places(file, port, name)[0]
        shaped = [
            target
            for target, source in places.items()
            if _to_oihw(file.tensors[source], port).shape == expected[target]
        ]
        return len(places), len(shaped)

    best: tuple[Port, Architecture] = max(product(PORTS, choices), key=fitting)
    if not fitting(best)[0]:
        names = ', '.join(list(file.tensors)[:5])
        ports = ', '.join(f'{port.name} ({port.source})' for port in PORTS)
        raise CheckpointError(
            f'no tensor is named as in a SqueezeDet of {ports}; the first names are {names}'
        )
    return best


def _find_places(
    file: WeightsFile, port: Port, architecture: Architecture
) -> tuple[dict[str, str], list[str]]:
    """Return the name in the file by our name, and what is wrong with the others."""
    expected = _shapes(port.config(architecture))
    places: dict[str, str] = {}
    problems: list[str] = []
    for name, tensor in file.tensors.items():
        if reason_to_leave_out(name):
            continue
        target = port.place(name, architecture)
        if target not in expected:
            problems.append(f'{name} {_in_words(tensor.shape)}: unknown')
        elif target in places:
            problems.append(f'{name}: {target} comes from {places[target]} already')
        else:
            places[target] = name
    return places, problems


def _misfits(name: str, target: str, tensor: Tensor, expected: torch.Size) -> list[str]:
    shapes: list[tuple[int, ...]] = [expected]
    if target == 'convdet.weight':
        shapes.append((*expected[:2], 1, 1))
    if tensor.shape not in shapes:
        allowed = ' or '.join(_in_words(shape) for shape in shapes)
        return [f'{name}: expected {allowed}, got {_in_words(tensor.shape)}']
    if not torch.isfinite(tensor).all():
        return [f'{name}: expected finite values, got {int((~tensor.isfinite()).sum())} others']
    return []


def _in_words(shape: tuple[int, ...]) -> str:
    return str(tuple(shape))


def _convert(
    state: dict[str, Tensor], port: Port, config: ModelConfig, std: tuple[float, float, float]
) -> None:
    """
    Fold into a state dictionary what the port does otherwise than we do.

    Padding holds the mean colour here and there, so dividing by a deviation commutes with it.
    """
    conv1 = state['conv1.weight']
    if port.red_first:
        conv1 = conv1.flip(1)
    state['conv1.weight'] = conv1 / torch.tensor(std)[:, None, None]
    if state['convdet.weight'].shape[-1] == 1:
        state['convdet.weight'] = F.pad(state['convdet.weight'], (1, 1, 1, 1))
    order = _channel_order(port, config)
    state['convdet.weight'] = state['convdet.weight'][order]
    state['convdet.bias'] = state['convdet.bias'][order]
    deltas = config.anchors_per_cell * (len(config.classes) + 1)
    shifts = state['convdet.bias'][deltas:].view(-1, 4)[:, :2]
    shifts += port.centre_shift / torch.tensor(config.anchor_shapes)


def _channel_order(port: Port, config: ModelConfig) -> Tensor:
    """Return for each of our ConvDet channels which one of the port it is."""
    anchors, classes = config.anchors_per_cell, len(config.classes)
    channels = torch.arange(anchors * (classes + 5))
    if not port.per_anchor:
        return channels
    parts = channels.view(anchors, classes + 5).split([classes, 1, 4], 1)
    return torch.cat([part.flatten() for part in parts])


def _account(
    file: WeightsFile, places: dict[str, str], notes: dict[str, str]
) -> list[ImportedTensor]:
    used = [
        ImportedTensor(source, tuple(file.tensors[source].shape), name, notes[name])
        for name, source in sorted(places.items(), key=lambda item: _layer_number(item[0]))
    ]
    left_out = [
        ImportedTensor(name, tuple(tensor.shape), '', reason)
        for name, tensor in file.tensors.items()
        if (reason := reason_to_leave_out(name))
    ]
    others = [ImportedTensor(name, (), '', reason) for name, reason in file.others.items()]
    return used + left_out + others


def _layer_number(name: str) -> tuple[int, str]:
    layer = name.removeprefix('fires.').split('.')[0]
    return {'conv1': 1, 'convdet': 12}.get(layer) or int(layer.removeprefix('fire')), name


def _note(port: Port, target: str, tensor: Tensor, std: tuple[float, float, float]) -> str:
    notes = []
    if target == 'conv1.weight' and port.red_first:
        notes.append('red first turned to blue first')
    if target == 'conv1.weight' and std != (1.0, 1.0, 1.0):
        notes.append('divided by the pixel deviation')
    if target == 'convdet.weight' and tensor.shape[-1] == 1:
        notes.append('1x1 put in the middle of 3x3')
    if target.startswith('convdet.') and port.per_anchor:
        notes.append('channels reordered')
    if target == 'convdet.bias' and port.centre_shift:
        notes.append(f'centres shifted by {port.centre_shift:g} pixels')
    return ', '.join(notes)
