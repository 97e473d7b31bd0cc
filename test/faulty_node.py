"""The node with a network that fails on command: an image of one colour says how."""

from __future__ import annotations

import sys
import time

import numpy as np
from squeezedet_ros.engines.torch_engine import TorchEngine
from squeezedet_ros.network import RawPrediction
from squeezedet_ros.ros.detector_node import main
import torch
from torch import Tensor

# Blue, green, red of a command.
RAISE, NO_NUMBER, NO_MEMORY, FORESEE_NOT, HANG = (
    (255, 0, 0),
    (0, 255, 0),
    (0, 0, 255),
    (255, 255, 0),
    (0, 255, 255),
)
HANG_S = 600.0


def plain(colour: tuple[int, int, int]) -> np.ndarray:
    """Return the (90, 160, 3) uint8 image that gives a command."""
    return np.full((90, 160, 3), colour, np.uint8)


def _command(pixels: Tensor, mean: tuple[float, float, float]) -> tuple[int, ...]:
    colours = pixels.flatten(1)
    if not bool((pixels == pixels[:, :, :1, :1]).all()) or not colours.numel():
        return ()
    first = pixels[0, :, 0, 0] + torch.tensor(mean)
    return tuple(round(value) for value in first.tolist())


def _fail(engine: TorchEngine, pixels: Tensor) -> RawPrediction:
    command = _command(pixels, engine.model.pixel_mean)
    if command == RAISE:
        raise RuntimeError('the device\nis lost')
    if command == NO_MEMORY:
        # More than any machine has: the allocator itself refuses.
        torch.empty(1 << 60, dtype=torch.uint8)
    if command == FORESEE_NOT:
        raise KeyError('nobody foresaw this')
    if command == HANG:
        time.sleep(HANG_S)
    raw = _run(engine, pixels)
    if command == NO_NUMBER:
        raw.confidence_logits[0, 0] = float('nan')
    return raw


if __name__ == '__main__':
    _run = TorchEngine._run
    TorchEngine._run = _fail
    sys.exit(main())
