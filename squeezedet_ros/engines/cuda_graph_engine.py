"""The forward pass by PyTorch on CUDA, its kernels recorded once and issued as one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from squeezedet_ros.config import EngineConfig
from squeezedet_ros.engines.engine import Engine, finite_sums
from squeezedet_ros.engines.torch_engine import resolve_device, resolve_dtype
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

    def __init__(self, network: SqueezeDet, images: Tensor, record: Recorder) -> None:
        """
        Record the forward pass.

        :param network: on the device, in its number format.
        """
        self.images, self._record = images, record
        mean = torch.tensor(network.config.pixel_mean, device=images.device)
        dtype = network.conv1.weight.dtype

        def forward() -> tuple[RawPrediction, Tensor]:
            raw: RawPrediction = network(normalize(images, mean, dtype))
            return raw, finite_sums(raw)

        self._forward, (self.raw, self._finite) = record(forward)
        self._thresholds = torch.zeros(len(network.config.classes), device=images.device)
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


class CudaGraphEngine(Engine):
    """
    The plain network on CUDA without the time to launch its kernels.

    Images are uploaded from pinned memory; one recording normalises them, runs the network and
    tells whether all is finite, another takes the top N and brings them back.
    """

    def __init__(self, network: SqueezeDet, config: EngineConfig) -> None:
        """
        Move the network to its device.

        :raises DeviceError: when the device or precision is not to be had.
        """
        device = resolve_device(config.device)
        if device.type != 'cuda':
            raise DeviceError('engine cuda_graph needs a CUDA device, got cpu')
        super().__init__(network.config, device)
        self._dtype = resolve_dtype(config.precision, device)
        self._network = network.eval().to(device, self._dtype)
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._passes: dict[tuple[int, ...], RecordedPass] = {}

    def describe(self) -> str:
        """Return engine, device and precision in words, for logs and reports."""
        name = f'{self.device} ({torch.cuda.get_device_name(self.device)})'
        dtype = str(self._dtype).removeprefix('torch.')
        return f'torch {torch.__version__} on {name}, {dtype}, CUDA graph'

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
            self._passes[shape] = RecordedPass(self._network, place, record_graph)
        return self._passes[shape]

    def _run(self, inputs: Tensor) -> RawPrediction:
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
