"""Work on CUDA whose kernels are recorded once and issued as one."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Protocol, TypeVar

from squeezedet_ros.config import EngineConfig
from squeezedet_ros.device_selection import selection_table
from squeezedet_ros.engines.engine import all_finite, Engine
from squeezedet_ros.engines.torch_engine import (
    dtype_name,
    full_float32,
    resolve_device,
    resolve_dtype,
)
from squeezedet_ros.errors import DeviceError
from squeezedet_ros.network import RawPrediction, SqueezeDet
from squeezedet_ros.preprocessing import normalize
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
        """Return what does some work again, and the result that it fills anew."""


class CudaRecorder:
    """
    Records on one stream of a CUDA device.

    Recordings run one after the other, and what one gives is used before the next begins: all of
    them share the memory of what lies between their layers.
    """

    def __init__(self, device: torch.device) -> None:
        """Take a stream and a pool of memory."""
        self._device, self._stream = device, torch.cuda.Stream(device)
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, work: Callable[[], _Result]) -> tuple[Callable[[], None], _Result]:
        """
        Record what some work does, nothing of which waits for the device.

        :returns: what does it again, without waiting for it, and its result, which that fills
            anew.
        """
        # Libraries choose and allocate at the first call, which a recording must not contain.
        current = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream), full_float32():
            for _ in range(_WARM_UP):
                work()
        current.wait_stream(self._stream)
        graph = torch.cuda.CUDAGraph()
        with (
            full_float32(),
            torch.cuda.graph(graph, self._pool, self._stream, capture_error_mode='thread_local'),
        ):
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
        self._top_n = 0

    def forward(self) -> None:
        """Begin to look at the images."""
        self._forward()

    def is_finite(self) -> bool:
        """Wait for the forward pass, and return whether all it says is finite."""
        return bool(self._finite)

    def selection_table(
        self, anchors: Tensor, settings: Tensor, top_n: int, exp_thresh: float
    ) -> Tensor:
        """
        Return what :func:`.device_selection.selection_table` does, on the host.

        :param anchors: (A, 4) of the size of the images, on the device.
        :param settings: on the host.
        """
        if self._top_n != top_n:
            self._record_selection(anchors, settings, top_n, exp_thresh)
        self._settings.copy_(settings)
        self._select()
        if self.images.is_cuda:
            torch.cuda.current_stream().synchronize()
        return self._table

    def _record_selection(
        self, anchors: Tensor, settings: Tensor, top_n: int, exp_thresh: float
    ) -> None:
        pinned = self.images.is_cuda
        host = torch.empty_like(settings, pin_memory=pinned).copy_(settings)

        def table() -> Tensor:
            given = host.to(self.images.device, non_blocking=True)
            return selection_table(self.raw, anchors, given, top_n, exp_thresh)

        place = torch.empty_like(table(), device='cpu', pin_memory=pinned)
        # All at once: of a recording that failed nothing is kept, and the last one holds its own.
        self._select, self._table = self._record(lambda: place.copy_(table(), non_blocking=True))
        self._anchors, self._settings, self._top_n = anchors, host, top_n


class GraphEngine(Engine):
    """
    An engine on CUDA without the time to launch its kernels.

    Images are uploaded from pinned memory; one recording runs the network and tells whether all
    is finite, another selects and brings the top N back.
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
        self._record = CudaRecorder(device)
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
            self._passes[shape] = RecordedPass(self._look_for(shape), place, self._record)
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

    def _selection_table(
        self, raw: RawPrediction, anchors: Tensor, settings: Tensor, top_n: int
    ) -> Tensor:
        taken, exp_thresh = self._pass_of(raw), self.model.exp_thresh
        with torch.cuda.device(self.device):
            return taken.selection_table(anchors, settings, top_n, exp_thresh)


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
