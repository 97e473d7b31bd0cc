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


def _command(images: Tensor) -> tuple[int, ...]:
    if not images.numel() or not bool((images == images[:, :1, :1]).all()):
        return ()
    return tuple(images[0, 0, 0].tolist())


def _note(engine: TorchEngine, images: Tensor) -> Tensor:
    engine.command = _command(images)
    return _prepare(engine, images)


def _fail(engine: TorchEngine, inputs: Tensor, least_logit: float) -> RawPrediction:
    if engine.command == RAISE:
        raise RuntimeError('the device\nis lost')
    if engine.command == NO_MEMORY:
        # More than any machine has: the allocator itself refuses.
        torch.empty(1 << 60, dtype=torch.uint8)
    if engine.command == FORESEE_NOT:
        raise KeyError('nobody foresaw this')
    if engine.command == HANG:
        time.sleep(HANG_S)
    raw = _run(engine, inputs, least_logit)
    if engine.command == NO_NUMBER:
        raw.confidence_logits[0, 0] = float('nan')
    return raw


if __name__ == '__main__':
    _prepare, _run = TorchEngine.prepare, TorchEngine._run
    TorchEngine.prepare, TorchEngine._run = _note, _fail
    sys.exit(main())
