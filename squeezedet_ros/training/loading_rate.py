"""How many images a second are loaded, and how many the training loop takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import NamedTuple

from squeezedet_ros.data.frames import LabelledFrame
from squeezedet_ros.network import SqueezeDet
from squeezedet_ros.training.dataset import make_loader, TrainingSet
from squeezedet_ros.training.journal import read_log
from squeezedet_ros.training.recipe import TrainingConfig
from squeezedet_ros.training.trainer import Trainer
import torch

_WARM_UP = 2


class LoadingRate(NamedTuple):
    """Images a second of the loader alone and of the training steps alone."""

    loading: float
    training: float

    @property
    def ratio(self) -> float:
        """Return how many times the loader is ahead of the training."""
        return self.loading / self.training


def measure_loading(
    network: SqueezeDet,
    frames: Sequence[LabelledFrame],
    training: TrainingConfig,
    device: torch.device,
    *,
    batches: int = 30,
    steps: int = 6,
) -> LoadingRate:
    """
    Time loading without training, then training without loading; the network is trained a little.

    :param batches: batches that are loaded, after two that do not count.
    :param steps: training steps that are timed, after two that do not count.
    """
    data = TrainingSet(frames, network.config, training)
    return LoadingRate(
        training.batch_size / _seconds_a_batch(data, training, batches),
        training.batch_size / _seconds_a_step(network, frames, training, device, steps),
    )


def _seconds_a_batch(data: TrainingSet, training: TrainingConfig, batches: int) -> float:
    loader = iter(make_loader(data, training, 0, _WARM_UP + batches))
    for _ in range(_WARM_UP):
        next(loader)
    start = perf_counter()
    for _ in range(batches):
        next(loader)
    return (perf_counter() - start) / batches


def _seconds_a_step(
    network: SqueezeDet,
    frames: Sequence[LabelledFrame],
    training: TrainingConfig,
    device: torch.device,
    steps: int,
) -> float:
    """Return the median duration of a step as the training's own log tells it."""
    count = _WARM_UP + steps
    short = replace(training, epochs=count * training.batch_size / len(frames), workers=0)
    with TemporaryDirectory() as folder:
        Trainer(network, frames, short, Path(folder), None, device).fit()
        log = list(read_log(Path(folder)))
    seconds: list[float] = [entry['seconds'] for entry in log if 'seconds' in entry]
    return median(seconds[_WARM_UP:])
