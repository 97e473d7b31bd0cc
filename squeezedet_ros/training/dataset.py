"""Labelled frames as batches of images and anchor targets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
import math
import sys
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from squeezedet_ros.anchors import make_anchors
from squeezedet_ros.boxes import xyxy_to_cxcywh
from squeezedet_ros.config import ModelConfig
from squeezedet_ros.data.class_names import class_of
from squeezedet_ros.data.frames import check_size, LabelledFrame, read_image
from squeezedet_ros.data.ground_truth import GroundTruth
from squeezedet_ros.errors import ConfigError, DatasetError
from squeezedet_ros.training.augmentation import modern_sample, Objects, paper_sample, Sample
from squeezedet_ros.training.distributed import ALONE, Processes
from squeezedet_ros.training.recipe import TrainingConfig
from squeezedet_ros.training.targets import AnchorTargets, Labels, make_targets
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler
from tqdm import tqdm


class Batch(NamedTuple):
    """
    What a training step takes.

    :param images: (N, height, width, 3) uint8 blue, green, red.
    """

    images: Tensor
    targets: AnchorTargets


class Draw(NamedTuple):
    """Which frame to load, and the number of the draw, from which its augmentation is seeded."""

    frame: int
    number: int


def objects_of(truth: GroundTruth, classes: Sequence[str], aliases: dict[str, str]) -> Objects:
    """
    Return what of a label file is trained on, and the regions to ignore.

    Anything that class_of finds no class for, DontCare included, is ignored: it is no
    class, but it may look like one. A box less than a pixel wide or high is left out.
    """
    boxes = truth.boxes.copy()
    boxes[:, 2:] += 1
    index = np.array([class_of(name, classes, aliases) for name in truth.names], np.int64)
    sound = (boxes[:, 2:] - boxes[:, :2]).min(1) >= 1
    known = (index >= 0) & sound
    return Objects(boxes[known], index[known], boxes[(index < 0) & sound])


class TrainingSet(Dataset[Sample]):
    """
    Frames, each draw augmented from a seed of its own, so that a resumed run sees the same.

    In place of a frame that cannot be read comes the next one that can, in the order of the set;
    it is named on stderr once, whichever process met it. With ``strict`` it raises DatasetError.
    """

    def __init__(
        self, frames: Sequence[LabelledFrame], model: ModelConfig, training: TrainingConfig
    ) -> None:
        self.frames = frames
        self._model = model
        self._training = training
        self._aliases = training.alias_map()
        self._damaged = torch.zeros(len(frames), dtype=torch.bool).share_memory_()

    def __getitem__(self, draw: Draw) -> Sample:
        rng = np.random.default_rng((self._training.seed, draw.number))
        image, truth = self._read(draw.frame)
        objects = objects_of(truth, self._model.classes, self._aliases)
        if self._training.recipe == 'paper':
            return paper_sample(image, objects, self._model, rng)
        return modern_sample(image, objects, self._model, self._training, rng)

    def _read(self, first: int) -> tuple[NDArray[np.uint8], GroundTruth]:
        count = len(self.frames)
        for index in (*range(first, count), *range(first)):
            frame = self.frames[index]
            try:
                image = read_image(frame.image_path)
                check_size(frame, (image.shape[0], image.shape[1]))
                return image, frame.read_truth()
            except DatasetError as error:
                if self._training.strict:
                    raise
                self._report(index, error)
        raise DatasetError(f'none of the {count} frames can be read')

    def _report(self, index: int, error: DatasetError) -> None:
        if self._damaged[index]:
            return
        self._damaged[index] = True
        found = int(self._damaged.sum())
        tqdm.write(f'left out: {error} ({found} so far, others take its place)', file=sys.stderr)

    def collate(self, samples: list[Sample]) -> Batch:
        """Stack samples and assign their objects to anchors."""
        images = torch.from_numpy(np.stack([sample.image for sample in samples]))
        size = images.shape[1], images.shape[2]
        labels = [
            Labels(
                xyxy_to_cxcywh(torch.from_numpy(objects.boxes)),
                torch.from_numpy(objects.classes),
                torch.from_numpy(objects.ignored),
            )
            for _, objects in samples
        ]
        paper = self._training.recipe == 'paper'
        sharpness = math.inf if paper else self._training.sharpness
        return Batch(images, make_targets(labels, make_anchors(self._model, size), sharpness))


class WeightedBatches(Sampler[list[Draw]]):
    """
    Batches from a step on to the last step; the order depends on the seed and the epoch alone.

    In an epoch each frame is drawn about as often as its weight says, as many draws in all as
    there are frames.
    """

    def __init__(
        self,
        frames: Sequence[LabelledFrame],
        training: TrainingConfig,
        first: int,
        last: int,
        processes: Processes = ALONE,
    ) -> None:
        """
        Choose from which step to which step.

        :param processes: of which this one takes its part of each batch.
        :raises ConfigError: when a batch cannot be divided evenly.
        """
        if training.batch_size % processes.size:
            raise ConfigError(
                f'batch_size must be a multiple of the {processes.size} processes, '
                f'got {training.batch_size}'
            )
        self._processes = processes
        self._weights = frame_weights(frames, training.weight_map())
        self._training = training
        self._first, self._last = first, last

    def __len__(self) -> int:
        return self._last - self._first

    def __iter__(self) -> Iterator[list[Draw]]:
        count, batch = len(self._weights), self._training.batch_size
        epoch, order = -1, np.zeros(0, np.int64)
        for step in range(self._first, self._last):
            draws = []
            for number in range(step * batch, (step + 1) * batch):
                if number // count != epoch:
                    epoch = number // count
                    order = self._epoch_order(epoch)
                draws.append(Draw(int(order[number % count]), number))
            yield draws[self._processes.rank :: self._processes.size]

    def _epoch_order(self, epoch: int) -> NDArray[np.int64]:
        rng = np.random.default_rng((self._training.seed, epoch, 1))
        # Systematic sampling: a weight of 1.4 draws a frame once or twice, never more.
        edges = np.cumsum(self._weights) / self._weights.sum() * len(self._weights)
        marks = np.arange(len(self._weights)) + rng.random()
        return rng.permutation(np.searchsorted(edges, marks).clip(max=len(edges) - 1))


def make_loader(
    data: TrainingSet,
    training: TrainingConfig,
    first: int,
    last: int,
    processes: Processes = ALONE,
) -> DataLoader[Batch]:
    """Return the batches of the steps from ``first`` on, below ``last``, loaded ahead."""
    return DataLoader(
        data,  # type: ignore[arg-type]
        batch_sampler=WeightedBatches(data.frames, training, first, last, processes),
        collate_fn=data.collate,
        num_workers=training.workers,
        prefetch_factor=4 if training.workers else None,
        pin_memory=torch.cuda.is_available(),
    )


def frame_weights(
    frames: Sequence[LabelledFrame], by_prefix: dict[str, float]
) -> NDArray[np.float64]:
    """
    Return each frame's weight: that of its longest prefix, 1 where none fits.

    :raises ConfigError: when no frame has one above 0.
    """
    weights = []
    for frame in frames:
        fitting = [prefix for prefix in by_prefix if frame.name.startswith(prefix)]
        weights.append(by_prefix[max(fitting, key=len)] if fitting else 1.0)
    if not any(weights):
        raise ConfigError(
            f'source_weights must leave a frame to draw, got 0 for all {len(frames)}'
        )
    return np.array(weights)
