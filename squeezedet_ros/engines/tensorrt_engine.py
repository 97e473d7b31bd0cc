"""The forward pass by TensorRT, through its own Python interface (10 and 11)."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path
from typing import Any

from squeezedet_ros.checkpoint import write_atomically
from squeezedet_ros.config import EngineConfig
from squeezedet_ros.engines.cuda_graph import GraphEngine, Look
from squeezedet_ros.engines.onnx_graph import build_onnx, INPUT, OUTPUTS
from squeezedet_ros.engines.plan_cache import plan_folder
from squeezedet_ros.errors import DeviceError, EngineError
from squeezedet_ros.network import RawPrediction, SqueezeDet
import tensorrt
import torch
from torch import Tensor

_log = logging.getLogger(__name__)


class TensorRtEngine(GraphEngine):
    """
    A network built for each number and size of images, and kept on disk.

    It is strongly typed: the layers have the number format of the graph.
    """

    def __init__(self, network: SqueezeDet, config: EngineConfig) -> None:
        """
        Find the device and the folder.

        :raises DeviceError: when the device, the version, the precision or the folder is not to
            be had.
        :raises EngineError: when TensorRT does not start.
        """
        super().__init__(network, config)
        if int(tensorrt.__version__.split('.')[0]) < 10:
            raise DeviceError(f'engine tensorrt needs TensorRT 10, got {tensorrt.__version__}')
        if self.dtype == torch.bfloat16:
            raise DeviceError('engine tensorrt has no precision bfloat16; use float16')
        self._network, self._folder = network.eval(), plan_folder()
        self._logger = tensorrt.Logger(tensorrt.Logger.WARNING)
        try:
            self._runtime = tensorrt.Runtime(self._logger)
        except TypeError as error:
            # Its bindings turn whatever keeps it from CUDA into this.
            raise EngineError(f'tensorrt cannot start, stderr says why: {error}') from error

    def describe(self) -> str:
        """Return engine, device and precision in words, for logs and reports."""
        return f'tensorrt {tensorrt.__version__} on {self._where()}'

    def _look_for(self, shape: tuple[int, ...]) -> Look:
        count, height, width, _ = shape
        graph = build_onnx(self._network, self.dtype, count, (height, width)).SerializeToString()
        engine = self._load(plan_path(self._folder, graph, self.device), graph, shape)
        context = engine.create_execution_context()
        if context is None:
            raise EngineError('tensorrt has no memory to run its network; stderr says why')
        outputs = {
            name: torch.empty(tuple(engine.get_tensor_shape(name)), device=self.device)
            for name in OUTPUTS
        }
        for name, place in outputs.items():
            context.set_tensor_address(name, place.data_ptr())

        def look(images: Tensor) -> RawPrediction:
            context.set_tensor_address(INPUT, images.data_ptr())
            if not context.execute_async_v3(torch.cuda.current_stream().cuda_stream):
                raise EngineError('tensorrt failed; what it wrote to stderr says why')
            return RawPrediction(**outputs)

        return look

    def _load(self, path: Path, graph: bytes, shape: tuple[int, ...]) -> Any:  # noqa: ANN401
        """Return the network that was kept, or build it, which can take minutes."""
        engine = None
        if path.is_file():
            engine = self._runtime.deserialize_cuda_engine(path.read_bytes())
        if engine is None:
            size = 'x'.join(map(str, shape[:3]))
            _log.warning('TensorRT builds a network for %s images; it may take minutes', size)
            plan = build_plan(graph, self._logger)
            engine = self._runtime.deserialize_cuda_engine(plan)
            if engine is None:
                raise EngineError('tensorrt cannot load what it built; stderr says why')
            _keep(path, plan)
        return engine


def plan_path(folder: Path, graph: bytes, device: torch.device) -> Path:
    """
    Return the file of a network: another one for another graph, GPU or version of TensorRT.

    :param graph: of ONNX; the weights, the number and size of images and the number format are
        part of it.
    """
    gpu = torch.cuda.get_device_properties(device)
    built_for = f'{tensorrt.__version__} {gpu.name} {gpu.major}.{gpu.minor}'
    digest = hashlib.sha256(built_for.encode() + b'\0' + graph)
    return folder / f'{digest.hexdigest()}.plan'


def build_plan(graph: bytes, logger: Any) -> bytes:  # noqa: ANN401
    """
    Build a network for the current GPU.

    :param graph: of ONNX.
    :raises EngineError: when TensorRT cannot.
    """
    builder = tensorrt.Builder(logger)
    typed = 1 << int(tensorrt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    network = builder.create_network(typed)
    parser = tensorrt.OnnxParser(network, logger)
    if not parser.parse(graph):
        reasons = '; '.join(str(parser.get_error(at)) for at in range(parser.num_errors))
        raise EngineError(f'tensorrt cannot read the graph: {reasons}')
    settings = builder.create_builder_config()
    # It is on unless told otherwise, and keeps ten bits of float32.
    settings.clear_flag(tensorrt.BuilderFlag.TF32)
    plan = builder.build_serialized_network(network, settings)
    if plan is None:
        raise EngineError('tensorrt cannot build the network; what it wrote to stderr says why')
    return bytes(plan)


def _keep(path: Path, plan: bytes) -> None:
    try:
        write_atomically(path, plan)
    except OSError as error:
        _log.warning('TensorRT builds this network again at the next start: %s', error)
