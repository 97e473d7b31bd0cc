"""The network as an ONNX graph, from the bytes of fitted images to the three parts of ConvDet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
import onnx
from onnx import helper, numpy_helper, TensorProto
from squeezedet_ros.anchors import grid_size
from squeezedet_ros.config import ModelConfig, Padding
from squeezedet_ros.engines.late_convdet import confidence_layer
from squeezedet_ros.network import prediction_widths, RawPrediction, SqueezeDet
import torch
from torch import nn, Tensor

INPUT = 'images'
OUTPUTS = RawPrediction._fields
# The oldest in which all operators used here have their present meaning: read by ONNX Runtime
# from 1.3 on, TensorRT from 7.2 on and OpenVINO.
_OPSET = 13
_IR_VERSION = 7


class _Graph:
    """Nodes and constants in the order they are added; a tensor is known by its name."""

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, name: str, value: NDArray[Any]) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def add(self, operator: str, name: str, inputs: Iterable[str], **attributes: Any) -> str:  # noqa: ANN401
        self.nodes.append(helper.make_node(operator, [*inputs], [name], name, **attributes))
        return name

    def parameter(self, name: str, value: Tensor) -> str:
        return self.constant(name, value.detach().cpu().to(self.dtype).numpy())

    def conv(self, name: str, parts: Sequence[str], layer: nn.Conv2d, **attributes: Any) -> str:  # noqa: ANN401
        """Add a convolution of tensors side by side: the sum of one of each."""
        assert layer.bias is not None
        kernel, stride = list(layer.kernel_size), list(layer.stride)
        pads = attributes or {'pads': [side // 2 for side in kernel] * 2}
        total = ''
        for number, weight in enumerate(layer.weight.chunk(len(parts), 1)):
            one = f'{name}.{number}' if number else name
            inputs = [parts[number], self.parameter(f'{one}.weight', weight)]
            if not number:
                inputs.append(self.parameter(f'{one}.bias', layer.bias))
            found = self.add('Conv', one, inputs, kernel_shape=kernel, strides=stride, **pads)
            total = self.add('Add', f'{one}.sum', [found, total]) if number else found
        return total


def build_onnx(
    network: SqueezeDet,
    dtype: torch.dtype = torch.float32,
    batch: int = 0,
    size: tuple[int, int] | None = None,
    *,
    concat: bool = True,
) -> onnx.ModelProto:
    """
    Return the network as ONNX.

    Input ``images`` is (N, height, width, 3) uint8 in blue, green, red, as
    :func:`squeezedet_ros.preprocessing.fit_image` gives them. Outputs are those of
    :class:`squeezedet_ros.network.RawPrediction`, in float32.

    :param dtype: of the layers, float32 or float16.
    :param batch: images that go through together, 0 for any number.
    :param size: of the images, (height, width), none for any.
    :param concat: whether both halves of what a Fire module says are brought into one tensor.
        Else the layer after it adds what it makes of each, which saves a CPU the copy.
    """
    config, graph = network.config, _Graph(dtype)
    x = graph.conv('convdet', _backbone(graph, network, concat=concat), network.convdet)
    if dtype == torch.float16:
        x = graph.add('Cast', 'widened', [x], to=TensorProto.FLOAT)
    _split(graph, x, config)
    shape = (batch or 'images', *(size or ('height', 'width')), 3)
    anchors: int | str = 'anchors'
    if size:
        anchors = math.prod(grid_size(config, size)) * config.anchors_per_cell
    outputs = {
        name: [shape[0], anchors, *end] for name, end in zip(OUTPUTS, _ends(config), strict=True)
    }
    return _model(graph, config, shape, outputs)


def build_trunk(network: SqueezeDet) -> onnx.ModelProto:
    """
    Return the network up to what :class:`squeezedet_ros.engines.late_convdet.LateConvDet` takes.

    Input as :func:`build_onnx` has it. Outputs are ``confidences``, (N, H, W, K), and both halves
    of what goes into ConvDet, (N, H, W, channels), all float32.
    """
    graph, layer = _Graph(torch.float32), confidence_layer(network)
    halves = _backbone(graph, network, concat=False)
    planes = [graph.conv('convdet', halves, layer), *halves]
    widths = [layer.out_channels] + [layer.in_channels // len(halves)] * len(halves)
    names = ('confidences', 'half', 'other_half')
    outputs: dict[str, Sequence[int | str]] = {}
    for name, plane, width in zip(names, planes, widths, strict=True):
        graph.add('Transpose', name, [plane], perm=[0, 2, 3, 1])
        outputs[name] = ['images', 'rows', 'columns', width]
    return _model(graph, network.config, ('images', 'height', 'width', 3), outputs)


def _backbone(graph: _Graph, network: SqueezeDet, *, concat: bool) -> list[str]:
    """Add all up to ConvDet; return what goes into it, side by side."""
    config, dtype = network.config, graph.dtype
    mean = graph.constant('pixel_mean', np.array(config.pixel_mean, np.float32))
    x = graph.add('Cast', 'pixels', [INPUT], to=TensorProto.FLOAT)
    x = graph.add('Sub', 'centred', [x, mean])
    if dtype == torch.float16:
        x = graph.add('Cast', 'halved', [x], to=TensorProto.FLOAT16)
    x = graph.add('Transpose', 'planes', [x], perm=[0, 3, 1, 2])
    x = graph.conv('conv1', [x], network.conv1, **_stem_padding(config.padding, network.conv1))
    parts = [_pool(graph, 'pool1', graph.add('Relu', 'relu1', [x]), config.padding)]
    for number, (name, fire) in enumerate(network.fires.items(), 2):
        parts = _fire(graph, name, parts, fire)
        if concat:
            parts = [graph.add('Concat', name, parts, axis=1)]
        if number in network.pool_after:
            parts = [
                _pool(graph, f'pool{number}.{part}', x, config.padding)
                for part, x in enumerate(parts)
            ]
    return parts


def _stem_padding(padding: Padding, conv1: nn.Conv2d) -> dict[str, Any]:
    if padding == 'symmetric':
        return {'pads': [conv1.kernel_size[0] // 2] * 4}
    return {'auto_pad': 'SAME_UPPER' if padding == 'same' else 'VALID'}


def _pool(graph: _Graph, name: str, x: str, padding: Padding) -> str:
    rules: dict[Padding, dict[str, Any]] = {
        'same': {'auto_pad': 'SAME_UPPER'},
        'valid': {'auto_pad': 'VALID'},
        'symmetric': {'ceil_mode': 1},
    }
    rule = rules[padding]
    return graph.add('MaxPool', name, [x], kernel_shape=[3, 3], strides=[2, 2], **rule)


def _fire(graph: _Graph, name: str, parts: Sequence[str], fire: nn.Module) -> list[str]:
    """Add a Fire module; return its halves."""

    def layer(part: str, inputs: Sequence[str]) -> str:
        module = fire.get_submodule(part)
        assert isinstance(module, nn.Conv2d)
        found = graph.conv(f'{name}.{part}', inputs, module)
        return graph.add('Relu', f'{name}.{part}.relu', [found])

    squeezed = layer('squeeze', parts)
    return [layer(part, [squeezed]) for part in ('expand1x1', 'expand3x3')]


def _split(graph: _Graph, x: str, config: ModelConfig) -> None:
    """Split as :func:`squeezedet_ros.network.split_prediction` does."""
    cells = graph.add('Transpose', 'cells', [x], perm=[0, 2, 3, 1])
    widths = graph.constant('widths', np.array(prediction_widths(config)))
    parts = [f'{name}.cells' for name in OUTPUTS]
    graph.nodes.append(helper.make_node('Split', [cells, widths], parts, 'split', axis=-1))
    for name, part, last in zip(OUTPUTS, parts, _ends(config), strict=True):
        shape = graph.constant(f'{name}.shape', np.array([0, -1, *last]))
        graph.add('Reshape', name, [part, shape])


def _ends(config: ModelConfig) -> tuple[list[int], list[int], list[int]]:
    """Return the dimensions of each output after those of images and anchors."""
    return [len(config.classes)], [], [4]


def _model(
    graph: _Graph,
    config: ModelConfig,
    shape: tuple[int | str, ...],
    outputs: Mapping[str, Sequence[int | str]],
) -> onnx.ModelProto:
    image = helper.make_tensor_value_info(INPUT, TensorProto.UINT8, shape)
    found = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [*dimensions])
        for name, dimensions in outputs.items()
    ]
    body = helper.make_graph(graph.nodes, 'squeezedet', [image], found, graph.constants)
    model = helper.make_model(
        body, opset_imports=[helper.make_opsetid('', _OPSET)], producer_name='squeezedet_ros'
    )
    model.ir_version = _IR_VERSION
    helper.set_model_props(model, {'squeezedet_model_config': config.to_json()})
    onnx.checker.check_model(model, full_check=True)
    return model
