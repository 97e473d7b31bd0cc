"""What all of a network has to do at the least: operations, and values read and written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from squeezedet_ros.config import ModelConfig
from squeezedet_ros.network import SqueezeDet
import torch
from torch import nn, Tensor
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

# What is left where each activation, normalisation and concatenation goes with its layer.
_KERNELS = (
    torch.ops.aten.convolution,
    torch.ops.aten.max_pool2d_with_indices,
    torch.ops.aten.upsample_nearest2d,
)


class NetworkCost(NamedTuple):
    """
    The work of one image.

    :param operations: of floating point; a multiplication with addition is two.
    :param values: numbers that convolutions, pools and enlargements read and write, weights too,
        when nothing stays in a cache.
    """

    operations: int
    values: int


class _Values(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count = 0

    def __torch_dispatch__(
        self,
        func: OpOverload,
        types: Sequence[type],
        args: Sequence[object] = (),
        kwargs: Mapping[str, object] | None = None,
    ) -> object:
        result = func(*args, **(kwargs or {}))
        if func.overloadpacket in _KERNELS:
            written = result[0] if isinstance(result, tuple) else result
            read = [item for item in args if isinstance(item, Tensor)]
            self.count += sum(item.numel() for item in (*read, written))
        return result


def network_cost(network: nn.Module, size: tuple[int, int], device: torch.device) -> NetworkCost:
    """Return the cost of one image of (height, width), found by a forward pass of zeros."""
    with torch.no_grad(), FlopCounterMode(display=False) as operations, _Values() as values:
        network(torch.zeros(1, 3, *size, device=device))
    return NetworkCost(int(operations.get_total_flops()), values.count)


def model_cost(config: ModelConfig, size: tuple[int, int]) -> NetworkCost:
    """Return the cost of one image of (height, width) without computing anything."""
    with torch.device('meta'):
        return network_cost(SqueezeDet(config), size, torch.device('meta'))
