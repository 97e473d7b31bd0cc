"""The network as an ONNX graph, from the bytes of fitted images to the three parts of ConvDet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
import onnx
from onnx import helper, numpy_helper, TensorProto
from squeezedet_ros.anchors import grid_size
from squeezedet_ros.config import ModelConfig, Padding
from squeezedet_ros.network import RawPrediction, SqueezeDet
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
    x = graph.conv('convdet', parts, network.convdet)
    if dtype == torch.float16:
        x = graph.add('Cast', 'widened', [x], to=TensorProto.FLOAT)
    _split(graph, x, config.anchors_per_cell, len(config.classes))
    shape = (batch or 'images', *(size or ('height', 'width')), 3)
    return _model(graph, config, shape)


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


def _split(graph: _Graph, x: str, anchors: int, classes: int) -> None:
    """Split as :func:`squeezedet_ros.network.split_prediction` does."""
    cells = graph.add('Transpose', 'cells', [x], perm=[0, 2, 3, 1])
    widths = graph.constant('widths', np.array([anchors * classes, anchors, anchors * 4]))
    parts = [f'{name}.cells' for name in OUTPUTS]
    graph.nodes.append(helper.make_node('Split', [cells, widths], parts, 'split', axis=-1))
    for name, part, last in zip(OUTPUTS, parts, ([classes], [], [4]), strict=True):
        shape = graph.constant(f'{name}.shape', np.array([0, -1, *last]))
        graph.add('Reshape', name, [part, shape])


def _model(graph: _Graph, config: ModelConfig, shape: tuple[int | str, ...]) -> onnx.ModelProto:
    batch, height, width, _ = shape
    anchors: int | str = 'anchors'
    if isinstance(height, int) and isinstance(width, int):
        anchors = math.prod(grid_size(config, (height, width))) * config.anchors_per_cell
    image = helper.make_tensor_value_info(INPUT, TensorProto.UINT8, shape)
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, anchors, *last])
        for name, last in zip(OUTPUTS, ([len(config.classes)], [], [4]), strict=True)
    ]
    body = helper.make_graph(graph.nodes, 'squeezedet', [image], outputs, graph.constants)
    model = helper.make_model(
        body, opset_imports=[helper.make_opsetid('', _OPSET)], producer_name='squeezedet_ros'
    )
    model.ir_version = _IR_VERSION
    helper.set_model_props(model, {'squeezedet_model_config': config.to_json()})
    onnx.checker.check_model(model, full_check=True)
    return model
