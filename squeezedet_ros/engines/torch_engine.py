"""The forward pass by PyTorch, on CPU or CUDA."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from squeezedet_ros.config import EngineConfig, Precision
from squeezedet_ros.engines.engine import Engine, thread_count, Workspace
from squeezedet_ros.engines.fusion import can_fuse, FusedSqueezeDet
from squeezedet_ros.errors import DeviceError
from squeezedet_ros.network import join_predictions, RawPrediction, SqueezeDet
from squeezedet_ros.preprocessing import normalize, normalize_on_cpu
import torch
from torch import Tensor

_DTYPES = {
    'float32': torch.float32,
    'float16': torch.float16,
    'bfloat16': torch.bfloat16,
    'int8': torch.int8,
}


def resolve_device(name: str) -> torch.device:
    """
    Return the device a setting names.

    :raises DeviceError: when it asks for a CUDA device that is not there.
    """
    available = torch.cuda.device_count()
    if name == 'auto':
        return torch.device('cuda', 0) if available else torch.device('cpu')
    device = torch.device(name)
    if device.type == 'cuda' and (device.index or 0) >= available:
        raise DeviceError(f'device {name} was asked for, but {available} CUDA devices are present')
    return torch.device('cuda', device.index or 0) if device.type == 'cuda' else device


def resolve_dtype(precision: Precision, device: torch.device) -> torch.dtype:
    """
    Return the number format of the forward pass.

    :raises DeviceError: for float16 on a CPU, which has no fast half precision, and for int8
        elsewhere.
    """
    if precision == 'auto':
        return torch.float16 if device.type == 'cuda' else torch.float32
    if precision == 'float16' and device.type == 'cpu':
        raise DeviceError(
            'precision float16 needs a CUDA device, got cpu; use float32 or bfloat16'
        )
    if precision == 'int8' and device.type != 'cpu':
        raise DeviceError(f'precision int8 needs device cpu, got {device}; use float16')
    return _DTYPES[precision]


def dtype_name(dtype: torch.dtype) -> str:
    """Return the name of a number format as a setting has it, such as ``float32``."""
    return str(dtype).removeprefix('torch.')


@contextmanager
def full_float32() -> Iterator[None]:
    """Have convolutions of float32 on CUDA keep all its bits; by default they keep ten (TF32)."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


class TorchEngine(Engine):
    """
    PyTorch itself: eager, with convolutions and ReLUs fused, or compiled.

    On CUDA the bytes are uploaded from pinned memory and everything up to suppression stays on
    the device, so that one small copy comes back.
    """

    def __init__(self, network: SqueezeDet, config: EngineConfig) -> None:
        """
        Move the network to its device.

        :raises DeviceError: when the device or precision is not to be had.
        """
        super().__init__(network.config, resolve_device(config.device))
        self.dtype = resolve_dtype(config.precision, self.device)
        if self.dtype == torch.int8:
            raise DeviceError('precision int8 needs engine openvino or onnxruntime, got torch')
        if self.device.type == 'cpu':
            torch.set_num_threads(thread_count(config.num_threads))
        network = network.eval().to(self.device, self.dtype)
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._network: Callable[[Tensor], RawPrediction] = network
        self._mean = torch.tensor(self.model.pixel_mean, device=self.device)
        self._pixels = Workspace(torch.float32)
        self._way = ''
        if config.compile_network:
            self._network, self._way = torch.compile(network), ', compiled'
        elif config.engine != 'torch_eager' and self._can_fuse():
            self._network, self._way = FusedSqueezeDet(network), ', fused'

    def _can_fuse(self) -> bool:
        # In bfloat16 it takes oneDNN longer than to do one after the other.
        return self.device.type == 'cpu' and self.dtype == torch.float32 and can_fuse()

    def describe(self) -> str:
        """Return engine, device and precision in words, for logs and reports."""
        name = 'cpu'
        if self.device.type == 'cuda':
            name = f'{self.device} ({torch.cuda.get_device_name(self.device)})'
        return f'torch {torch.__version__} on {name}, {dtype_name(self.dtype)}{self._way}'

    @torch.inference_mode()
    def prepare(self, images: Tensor) -> Tensor:
        """
        Return the network's input on the device.

        :param images: (N, height, width, 3) uint8, fitted to the network.
        """
        if self.device.type == 'cpu':
            return self._normalize_with_border(images).to(self.dtype)
        return normalize(images.to(self.device, non_blocking=True), self._mean, self.dtype)

    def _normalize_with_border(self, images: Tensor) -> Tensor:
        count, height, width, _ = images.shape
        border = [(0, 0)] * 2
        if isinstance(self._network, FusedSqueezeDet):
            border = self._network.border((height, width))
        (top, bottom), (left, right) = border
        end, last = top + height, left + width
        pixels = self._pixels.tensor(count, end + bottom, last + right, 3)
        for edge in (pixels[:, :top], pixels[:, end:], pixels[:, :, :left], pixels[:, :, last:]):
            edge.zero_()
        normalize_on_cpu(images, self.model.pixel_mean, pixels[:, top:end, left:last])
        return pixels.permute(0, 3, 1, 2)

    def _run(self, inputs: Tensor, least_logit: float) -> RawPrediction:
        if self.device.type == 'cpu':
            look = self._network
            if isinstance(look, FusedSqueezeDet):
                look = partial(look, least_logit=least_logit)
            # A batch takes as long, and has the memory of all its images in use at once.
            return join_predictions([look(image[None]) for image in inputs])
        with full_float32():
            raw = self._network(inputs)
        torch.cuda.synchronize(self.device)
        return raw
