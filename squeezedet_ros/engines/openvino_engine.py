"""The forward pass by OpenVINO, on the CPU."""

from __future__ import annotations

import onnx
import openvino
from squeezedet_ros.config import EngineConfig
from squeezedet_ros.engines.engine import Engine, thread_count
from squeezedet_ros.engines.late_convdet import LateConvDet
from squeezedet_ros.engines.onnx_graph import build_onnx, build_trunk
from squeezedet_ros.engines.torch_engine import dtype_name, resolve_device, resolve_dtype
from squeezedet_ros.errors import DeviceError
from squeezedet_ros.network import join_predictions, RawPrediction, SqueezeDet
import torch
from torch import Tensor

# A camera has one size, but who may send images may send any; what is compiled is not small.
_SIZES = 8
# What is kept of other sizes, some fifty for each; without a limit it would be gigabytes.
_KERNELS = '1000'

_PRECISION_HINTS = {torch.float32: 'f32', torch.bfloat16: 'bf16', torch.int8: 'f32'}


class OpenVinoEngine(Engine):
    """
    OpenVINO's CPU plugin.

    What is compiled for one size needs a tenth less time than what is compiled for any, so each
    size has its own, up to a number; a batch goes through image by image.
    """

    def __init__(self, network: SqueezeDet, config: EngineConfig) -> None:
        """
        Compile the network for this CPU.

        :raises DeviceError: when the device or precision is not to be had.
        """
        device = resolve_device(config.device)
        if device.type != 'cpu':
            raise DeviceError(f'engine openvino runs on cpu, got device {device}')
        super().__init__(network.config, device)
        dtype = resolve_dtype(config.precision, device)
        core = openvino.Core()
        capabilities = core.get_property('CPU', 'OPTIMIZATION_CAPABILITIES')
        if dtype == torch.bfloat16 and 'BF16' not in capabilities:
            raise DeviceError('precision bfloat16 needs a CPU that has it; use float32')
        threads = thread_count(config.num_threads)
        torch.set_num_threads(threads)
        self._core = core
        graph = _graph(network, config, dtype)
        self._graph = core.read_model(graph.SerializeToString())
        self._outputs = [output.name for output in graph.graph.output]
        self._rest = LateConvDet(network) if dtype == torch.float32 else None
        self._settings = {
            'INFERENCE_PRECISION_HINT': _PRECISION_HINTS[dtype],
            'INFERENCE_NUM_THREADS': threads,
            'PERFORMANCE_HINT': 'LATENCY',
        }
        self._compiled: dict[tuple[int, ...], openvino.CompiledModel] = {}
        self._any_size: openvino.CompiledModel | None = None
        self._dtype = dtype_name(dtype)

    def describe(self) -> str:
        """Return engine, device and precision in words, for logs and reports."""
        return f'openvino {openvino.__version__.partition("-")[0]} on cpu, {self._dtype}'

    def _run(self, inputs: Tensor, least_logit: float) -> RawPrediction:
        if len(inputs) == 1:
            return self._look(inputs, least_logit)
        # The next image is given the memory of what was said of this one.
        return join_predictions(
            [
                RawPrediction(*(part.clone() for part in self._look(image, least_logit)))
                for image in inputs[:, None]
            ]
        )

    def _look(self, image: Tensor, least_logit: float) -> RawPrediction:
        network = self._network_for(tuple(image.shape[1:]))
        outputs = network([image.numpy()], share_inputs=True, share_outputs=True)
        found = [torch.from_numpy(outputs[name]) for name in self._outputs]
        if self._rest is None:
            return RawPrediction(*found)
        return self._rest(found[0], found[1:], least_logit)

    def _network_for(self, size: tuple[int, ...]) -> openvino.CompiledModel:
        if size in self._compiled:
            return self._compiled[size]
        if len(self._compiled) < _SIZES:
            graph = self._graph.clone()
            graph.reshape([1, *size])
            self._compiled[size] = self._compile(graph)
            return self._compiled[size]
        if self._any_size is None:
            self._any_size = self._compile(self._graph, CPU_RUNTIME_CACHE_CAPACITY=_KERNELS)
        return self._any_size

    def _compile(self, graph: openvino.Model, **more: str) -> openvino.CompiledModel:
        return self._core.compile_model(graph, 'CPU', {**self._settings, **more})


def _graph(network: SqueezeDet, config: EngineConfig, dtype: torch.dtype) -> onnx.ModelProto:
    if dtype == torch.float32:
        return build_trunk(network)
    if dtype == torch.bfloat16:
        return build_onnx(network, concat=False)
    # Only here, since it needs onnxruntime.
    from squeezedet_ros.engines.quantization import build_quantized

    return build_quantized(network, config.calibration)
