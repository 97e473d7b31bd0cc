"""The forward pass by ONNX Runtime, on CPU, CUDA or TensorRT."""

from __future__ import annotations

import hashlib
from typing import Any

import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state
from squeezedet_ros.config import EngineConfig
from squeezedet_ros.engines.engine import Engine, thread_count
from squeezedet_ros.engines.late_convdet import LateConvDet
from squeezedet_ros.engines.onnx_graph import build_onnx, build_trunk, INPUT
from squeezedet_ros.engines.plan_cache import plan_folder
from squeezedet_ros.engines.quantization import build_quantized
from squeezedet_ros.engines.torch_engine import dtype_name, resolve_device, resolve_dtype
from squeezedet_ros.errors import DeviceError, EngineError
from squeezedet_ros.network import RawPrediction, SqueezeDet
import torch
from torch import Tensor

# They have no common base of their own.
_ERRORS = tuple(
    kind
    for kind in vars(onnxruntime_pybind11_state).values()
    if isinstance(kind, type) and issubclass(kind, Exception)
)


class OnnxRuntimeEngine(Engine):
    """
    ONNX Runtime with one of its providers.

    Images go in and predictions come out through the host's memory, on a GPU too.
    """

    def __init__(self, network: SqueezeDet, config: EngineConfig) -> None:
        """
        Build the graph and hand it to the provider.

        :raises DeviceError: when the device, the provider or the precision is not to be had.
        """
        super().__init__(network.config, torch.device('cpu'))
        device = resolve_device(config.device)
        dtype = resolve_dtype(config.precision, device)
        if dtype == torch.bfloat16:
            raise DeviceError(
                f'engine {config.engine} has no precision bfloat16; use engine openvino or torch'
            )
        torch.set_num_threads(thread_count(config.num_threads))
        self._provider = _provider(config, device)
        half = dtype == torch.float16 and self._provider == 'CUDAExecutionProvider'
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = thread_count(config.num_threads)
        # Else its threads burn the processor between frames, which others on the car need.
        options.add_session_config_entry('session.intra_op.allow_spinning', '0')
        self._rest: LateConvDet | None = None
        if dtype == torch.int8:
            graph = build_quantized(network, config.calibration)
        elif device.type == 'cpu':
            graph, self._rest = build_trunk(network), LateConvDet(network)
        else:
            graph = build_onnx(network, torch.float16 if half else torch.float32)
        content = graph.SerializeToString()
        providers = [(self._provider, _settings(self._provider, device, dtype, content))]
        try:
            self._session = onnxruntime.InferenceSession(content, options, providers)
        except _ERRORS as error:
            raise EngineError(f'onnxruntime cannot start {self._provider}: {error}') from error
        # A provider whose libraries do not load is left out with no more than a message.
        if self._session.get_providers()[0] != self._provider:
            raise DeviceError(f'onnxruntime could not start {self._provider}; its log says why')
        # Else it would go on elsewhere after an error, under the name of this provider.
        self._session.disable_fallback()
        self._where = f'{device} ({self._provider}), {dtype_name(dtype)}'

    def describe(self) -> str:
        """Return engine, device and precision in words, for logs and reports."""
        return f'onnxruntime {onnxruntime.__version__} on {self._where}'

    def _run(self, inputs: Tensor, least_logit: float) -> RawPrediction:
        try:
            outputs = self._session.run(None, {INPUT: inputs.numpy()})
        except _ERRORS as error:
            raise EngineError(f'onnxruntime failed: {error}') from error
        found = [torch.from_numpy(part) for part in outputs]
        return (
            self._rest(found[0], found[1:], least_logit) if self._rest else RawPrediction(*found)
        )


def _provider(config: EngineConfig, device: torch.device) -> str:
    """
    Return the provider for a device.

    :raises DeviceError: when this build of ONNX Runtime does not have it.
    """
    name = 'CUDAExecutionProvider' if device.type == 'cuda' else 'CPUExecutionProvider'
    if config.engine == 'onnxruntime_tensorrt':
        if device.type != 'cuda':
            raise DeviceError(f'engine {config.engine} needs a CUDA device, got cpu')
        name = 'TensorrtExecutionProvider'
    available = onnxruntime.get_available_providers()
    if name not in available:
        raise DeviceError(
            f'engine {config.engine} on {device} needs {name}, but onnxruntime '
            f'{onnxruntime.__version__} has {", ".join(available)} (pip install onnxruntime-gpu)'
        )
    return name


def _settings(
    provider: str, device: torch.device, dtype: torch.dtype, graph: bytes
) -> dict[str, Any]:
    """Return the settings of a provider for a graph of ONNX."""
    if provider == 'CPUExecutionProvider':
        return {}
    if provider == 'CUDAExecutionProvider':
        return {'device_id': device.index, 'use_tf32': 0}
    # It takes networks for the same that differ in their weights alone.
    folder = plan_folder(hashlib.sha256(graph).hexdigest())
    return {
        'device_id': device.index,
        'trt_fp16_enable': dtype == torch.float16,
        'trt_engine_cache_enable': True,
        'trt_engine_cache_path': str(folder),
    }
