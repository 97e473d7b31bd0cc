"""The forward pass by OpenVINO, on the CPU."""

from __future__ import annotations

import onnx
import openvino
from squeezedet_ros.config import EngineConfig
from squeezedet_ros.engines.engine import Engine, thread_count
from squeezedet_ros.engines.onnx_graph import build_onnx, OUTPUTS
from squeezedet_ros.engines.torch_engine import resolve_device, resolve_dtype
from squeezedet_ros.errors import DeviceError
from squeezedet_ros.network import RawPrediction, SqueezeDet
import torch
from torch import Tensor

_PRECISION_HINTS = {torch.float32: 'f32', torch.bfloat16: 'bf16', torch.int8: 'f32'}


class OpenVinoEngine(Engine):
    """OpenVINO's CPU plugin; a size of image that is new takes longer, once."""

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
        self._compiled = core.compile_model(
            core.read_model(_graph(network, config, dtype).SerializeToString()),
            'CPU',
            {
                'INFERENCE_PRECISION_HINT': _PRECISION_HINTS[dtype],
                'INFERENCE_NUM_THREADS': threads,
                'PERFORMANCE_HINT': 'LATENCY',
            },
        )
        self._dtype = str(dtype).removeprefix('torch.')

    def describe(self) -> str:
        """Return engine, device and precision in words, for logs and reports."""
        return f'openvino {openvino.__version__.partition("-")[0]} on cpu, {self._dtype}'

    def _run(self, inputs: Tensor) -> RawPrediction:
        found = self._compiled([inputs.numpy()], share_inputs=True, share_outputs=True)
        return RawPrediction(*(torch.from_numpy(found[name]) for name in OUTPUTS))


def _graph(network: SqueezeDet, config: EngineConfig, dtype: torch.dtype) -> onnx.ModelProto:
    if dtype != torch.int8:
        return build_onnx(network)
    # Only here, since it needs onnxruntime.
    from squeezedet_ros.engines.quantization import build_quantized

    return build_quantized(network, config.calibration)
