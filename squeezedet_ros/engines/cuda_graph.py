"""Work on CUDA whose kernels are recorded once and issued as one."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from squeezedet_ros.config import EngineConfig
from squeezedet_ros.engines.engine import all_finite, Engine
from squeezedet_ros.engines.torch_engine import dtype_name, resolve_device, resolve_dtype
from squeezedet_ros.errors import DeviceError
from squeezedet_ros.network import RawPrediction, SqueezeDet
from squeezedet_ros.postprocessing import Selector
from squeezedet_ros.preprocessing import normalize
from squeezedet_ros.shortlist import best_by_score, Shortlist, split_table
import torch
from torch import Tensor

# Of numbers and sizes of images; each recording holds the memory of its activations.
_PASSES = 8
_WARM_UP = 3

# Takes (N, height, width, 3) uint8 on the device to what the network says of them.
Look = Callable[[Tensor], RawPrediction]
_Result = TypeVar('_Result')


class Recorder(Protocol):
    """Does a piece of work again and again, into the same memory."""

    def __call__(self, work: Callable[[], _Result]) -> tuple[Callable[[], None], _Result]:
        """Return what :func:`record_graph` does."""


def record_graph(work: Callable[[], _Result]) -> tuple[Callable[[], None], _Result]:
    """
    Record what some work does on the current CUDA device.

    :param work: nothing of which waits for the device.
    :returns: what does it again, without waiting for it, and its result, which that fills anew.
    """
    # Libraries choose and allocate at the first call, which a recording must not contain.
    stream, current = torch.cuda.Stream(), torch.cuda.current_stream()
    stream.wait_stream(current)
    with torch.cuda.stream(stream):
        for _ in range(_WARM_UP):
            work()
    current.wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, capture_error_mode='thread_local'):
        result = work()
    return graph.replay, result


class RecordedPass:
    """
    A forward pass over one number and size of images, and what is kept of it, on a device.

    :ivar images: (N, height, width, 3) uint8 on the device, to be filled before each pass.
    :ivar raw: what the network said of them last.
    """

    def __init__(self, look: Look, images: Tensor, record: Recorder) -> None:
        """
        Record the forward pass.

        :param look: does not wait for the device.
        """
        # A recording does not hold the memory of what it was made of.
        self.images, self._look, self._record = images, look, record

        def forward() -> tuple[RawPrediction, Tensor]:
            raw = look(images)
            return raw, all_finite(raw)

        self._forward, (self.raw, self._finite) = record(forward)
        classes = self.raw.class_logits.shape[2]
        self._thresholds = torch.zeros(classes, device=images.device)
        self._set: NDArray[np.float32] | None = None
        self._top_n = 0

    def forward(self) -> None:
        """Begin to look at the images."""
        self._forward()

    def is_finite(self) -> bool:
        """Wait for the forward pass, and return whether all it says is finite."""
        return bool(self._finite)

    def shortlists(self, anchors: Tensor, selector: Selector) -> list[Shortlist]:
        """
        Return the most probable anchors of each image, as :func:`best_by_score` ranks them.

        :param anchors: (A, 4) of the size of the images, on the device.
        """
        if self._top_n != selector.config.top_n:
            self._record_best(anchors, selector.config.top_n)
        if self._set is None or not np.array_equal(self._set, selector.thresholds):
            self._set = selector.thresholds.copy()
            self._thresholds.copy_(torch.from_numpy(self._set))
        self._best()
        if self.images.is_cuda:
            torch.cuda.current_stream().synchronize()
        return split_table(self._table.numpy())

    def _record_best(self, anchors: Tensor, top_n: int) -> None:
        def best() -> Tensor:
            return best_by_score(self.raw, anchors, top_n, self._thresholds)

        table = torch.empty_like(best(), device='cpu', pin_memory=self.images.is_cuda)
        self._best, self._table = self._record(lambda: table.copy_(best(), non_blocking=True))
        self._top_n = top_n


class GraphEngine(Engine):
    """
    An engine on CUDA without the time to launch its kernels.

    Images are uploaded from pinned memory; one recording runs the network and tells whether all
    is finite, another takes the top N and brings them back.
    """

    def __init__(self, network: SqueezeDet, config: EngineConfig) -> None:
        """
        Find the device.

        :raises DeviceError: when the device or precision is not to be had.
        """
        device = resolve_device(config.device)
        if device.type != 'cuda':
            raise DeviceError(f'engine {config.engine} needs a CUDA device, got cpu')
        super().__init__(network.config, device)
        self.dtype = resolve_dtype(config.precision, device)
        self._passes: dict[tuple[int, ...], RecordedPass] = {}

    @abstractmethod
    def _look_for(self, shape: tuple[int, ...]) -> Look:
        """Return what looks at images, (N, height, width, 3)."""

    def _where(self) -> str:
        name = torch.cuda.get_device_name(self.device)
        return f'{self.device} ({name}), {dtype_name(self.dtype)}, CUDA graph'

    @torch.inference_mode()
    def prepare(self, images: Tensor) -> Tensor:
        """
        Return the images on the device.

        :param images: (N, height, width, 3) uint8, fitted to the network.
        """
        with torch.cuda.device(self.device):
            return self._pass_for(images).images.copy_(images, non_blocking=True)

    def _pass_for(self, images: Tensor) -> RecordedPass:
        shape = tuple(images.shape)
        if shape not in self._passes:
            if len(self._passes) == _PASSES:
                del self._passes[next(iter(self._passes))]
            place = images.to(self.device)
            self._passes[shape] = RecordedPass(self._look_for(shape), place, record_graph)
        return self._passes[shape]

    def _run(self, inputs: Tensor, least_logit: float) -> RawPrediction:
        del least_logit
        taken = self._passes[tuple(inputs.shape)]
        with torch.cuda.device(self.device):
            taken.forward()
        return taken.raw

    def _pass_of(self, raw: RawPrediction) -> RecordedPass:
        return next(taken for taken in self._passes.values() if taken.raw is raw)

    def _is_finite(self, raw: RawPrediction) -> bool:
        return self._pass_of(raw).is_finite()

    def _shortlists(
        self, raw: RawPrediction, anchors: Tensor, selector: Selector
    ) -> list[Shortlist]:
        with torch.cuda.device(self.device):
            return self._pass_of(raw).shortlists(anchors, selector)


class CudaGraphEngine(GraphEngine):
    """The plain network of PyTorch."""

    def __init__(self, network: SqueezeDet, config: EngineConfig) -> None:
        """
        Move the network to its device.

        :raises DeviceError: when the device or precision is not to be had.
        """
        super().__init__(network, config)
        self._network = network.eval().to(self.device, self.dtype)
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._mean = torch.tensor(self.model.pixel_mean, device=self.device)

    def describe(self) -> str:
        """Return engine, device and precision in words, for logs and reports."""
        return f'torch {torch.__version__} on {self._where()}'

    def _look_for(self, shape: tuple[int, ...]) -> Look:
        del shape
        return lambda images: self._network(normalize(images, self._mean, self.dtype))
