"""
The anchor grid.

``K`` anchors a cell, ``A = H * W * K`` in an image, where ``H, W`` is the grid. The flat index
is ``(row * W + column) * K + k``, the order of the network's output.
"""

from __future__ import annotations

from functools import lru_cache

from squeezedet_ros.config import ModelConfig, Padding
import torch
from torch import Tensor

# Kernel sizes of the four layers of stride 2: conv1 and three pools.
STEM_KERNELS = {'squeezedet': (3, 3, 3, 3), 'squeezedet_plus': (7, 3, 3, 3)}
STRIDE = 16


def same_padding(size: int, kernel: int) -> tuple[int, int]:
    """Return TensorFlow's SAME padding (before, after) of a layer of stride 2 over ``size``."""
    total = max((-(-size // 2) - 1) * 2 + kernel - size, 0)
    return total // 2, total - total // 2


def conv1_padding(rule: Padding, size: int, kernel: int) -> tuple[int, int]:
    """Return the padding (before, after) of conv1 over ``size``."""
    if rule == 'symmetric':
        return kernel // 2, kernel // 2
    return same_padding(size, kernel) if rule == 'same' else (0, 0)


def pool_padding(rule: Padding, size: int, kernel: int) -> tuple[int, int]:
    """Return the padding (before, after) of a pool over ``size``."""
    if rule == 'symmetric':
        return 0, 1 - size % 2
    return same_padding(size, kernel) if rule == 'same' else (0, 0)


def _axis_grid(config: ModelConfig, size: int) -> tuple[int, float]:
    """Return the cells along an axis of ``size`` pixels, and the first one's centre of view."""
    centre, jump = 0.5, 1
    for layer, kernel in enumerate(STEM_KERNELS[config.architecture]):
        rule = pool_padding if layer else conv1_padding
        before, after = rule(config.padding, size, kernel)
        size = (size + before + after - kernel) // 2 + 1
        centre += ((kernel - 1) / 2 - before) * jump
        jump *= 2
    return size, centre


def grid_size(config: ModelConfig, input_size: tuple[int, int]) -> tuple[int, int]:
    """Return the grid ``(H, W)`` for a network input of ``(height, width)`` pixels."""
    return _axis_grid(config, input_size[0])[0], _axis_grid(config, input_size[1])[0]


def _axis_centres(config: ModelConfig, size: int) -> Tensor:
    cells, first = _axis_grid(config, size)
    index = torch.arange(cells, dtype=torch.float64)
    if config.anchor_placement == 'stride':
        return first + STRIDE * index
    if config.anchor_placement == 'cell':
        return (index + 0.5) * size / cells
    return (index + 1) * size / (cells + 1)


@lru_cache(maxsize=32)
def make_anchors(config: ModelConfig, input_size: tuple[int, int]) -> Tensor:
    """
    Return the anchors for a network input of ``(height, width)`` pixels.

    Placement ``reference`` spreads the centres evenly over the input, as set_anchors of the
    reference's src/config/kitti_squeezeDet_config.py. Placement ``stride`` puts each at the
    centre of its cell's receptive field. Placement ``cell`` divides the input evenly, as
    QiuJueqin/SqueezeDet-PyTorch@b0d80da:src/utils/boxes.py, generate_anchors.

    :returns: (A, 4) float32 cxcywh in network pixels. Shared between callers: not to be
        written to.
    """
    cy, cx = (_axis_centres(config, size) for size in input_size)
    shapes = torch.tensor(config.anchor_shapes, dtype=torch.float64)
    anchors = torch.empty(len(cy), len(cx), len(shapes), 4, dtype=torch.float64)
    anchors[..., 0] = cx[None, :, None]
    anchors[..., 1] = cy[:, None, None]
    anchors[..., 2:] = shapes
    return anchors.reshape(-1, 4).float()
