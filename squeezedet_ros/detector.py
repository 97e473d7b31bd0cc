"""From images to detections: the one pipe that the node, the evaluation and the commands share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import numpy as np
from squeezedet_ros.checkpoint import load_checkpoint
from squeezedet_ros.config import EngineConfig, ModelConfig, SelectionConfig
from squeezedet_ros.detections import Detections
from squeezedet_ros.engines.choice import choose_engine, EngineChoice
from squeezedet_ros.network import RawPrediction, SqueezeDet
from squeezedet_ros.postprocessing import make_selector, Selector
from squeezedet_ros.preprocessing import fit_image, Image, network_size, Placement


class StageSeconds(NamedTuple):
    """
    Wall time of a batch in each stage of the pipe.

    :param preprocess: fitting and normalising; on a GPU, to which that is only handed, fitting.
    :param network: the forward pass, and on a GPU what was handed to it before.
    :param select: decoding, top N, threshold, suppression.
    """

    preprocess: float
    network: float
    select: float


class _Look(NamedTuple):
    """
    What the network says of images that it sees at one size, before boxes are selected.

    :param size: (height, width) of the network's input.
    :param placements: of each image in it.
    :param output: of the network.
    :param seconds: spent before it and in it.
    """

    size: tuple[int, int]
    placements: list[Placement]
    output: RawPrediction
    seconds: tuple[float, float]


class Detector:
    """A SqueezeDet model on a device, ready to look at images."""

    def __init__(
        self,
        network: SqueezeDet,
        selection: SelectionConfig | None = None,
        engine: EngineConfig | None = None,
    ) -> None:
        """
        Put a network on its device.

        :raises ConfigError: when the selection names a class the model does not have.
        :raises MissingPackageError: when the engine needs a package that is not installed.
        :raises DeviceError: when the device or precision is not to be had.
        :raises EngineError: when the engine says something else than PyTorch.
        """
        self._selector = make_selector(selection or SelectionConfig(), network.config.classes)
        self.choice: EngineChoice = choose_engine(network, engine or EngineConfig())
        self._engine = self.choice.engine

    @classmethod
    def from_checkpoint(
        cls,
        path: Path,
        selection: SelectionConfig | None = None,
        engine: EngineConfig | None = None,
    ) -> Detector:
        """
        Load a checkpoint onto a device.

        :raises CheckpointError: when the file is missing, damaged or foreign.
        :raises ConfigError: when the selection names a class the model does not have.
        :raises MissingPackageError: when the engine needs a package that is not installed.
        :raises DeviceError: when the device or precision is not to be had.
        :raises EngineError: when the engine says something else than PyTorch.
        """
        return cls(load_checkpoint(path), selection, engine)

    @property
    def model(self) -> ModelConfig:
        """Return what the checkpoint says of the model."""
        return self._engine.model

    @property
    def selection(self) -> SelectionConfig:
        """Return which boxes are kept; may be replaced between two calls."""
        return self._selector.config

    @selection.setter
    def selection(self, selection: SelectionConfig) -> None:
        self._selector = make_selector(selection, self.model.classes)

    def describe(self) -> str:
        """Return engine, device and precision in words."""
        return self._engine.describe()

    def detect(self, images: Sequence[Image]) -> list[Detections]:
        """
        Return the detections of each image, in pixels of that image, by descending score.

        :param images: (h, w, 3) uint8 each, blue, green, red; sizes may differ.
        :raises ValueError: for anything else.
        :raises PredictionError: when the network gives NaN or infinity.
        """
        return self.detect_timed(images)[0]

    def detect_timed(
        self, images: Sequence[Image], selector: Selector | None = None
    ) -> tuple[list[Detections], StageSeconds]:
        """
        Do what :meth:`detect` does, and tell how long each stage took.

        :param selector: for these images, in place of the detector's own selection.
        """
        ((found, seconds),) = self._detect(images, [selector or self._selector])
        return found, seconds

    def detect_each(
        self, images: Sequence[Image], selections: Sequence[SelectionConfig]
    ) -> list[tuple[list[Detections], StageSeconds]]:
        """
        Look at images once and select by several configurations, to compare them.

        :returns: for each configuration what :meth:`detect_timed` does.
        :raises ConfigError: when a selection names a class the model does not have.
        """
        return self._detect(
            images, [make_selector(selection, self.model.classes) for selection in selections]
        )

    def _detect(
        self, images: Sequence[Image], selectors: Sequence[Selector]
    ) -> list[tuple[list[Detections], StageSeconds]]:
        results = [[Detections.empty()] * len(images) for _ in selectors]
        spent = np.zeros((len(selectors), len(StageSeconds._fields)))
        groups = _group_by_size([_checked(image) for image in images], self.model)
        least = min(selector.least_logit for selector in selectors)
        for size, rows in groups.items():
            # Selected at once: the engine gives the next group the same memory.
            look = self._look([images[row] for row in rows], size, least)
            for number, selector in enumerate(selectors):
                start = perf_counter()
                detections = self._engine.detections(
                    look.output, look.size, look.placements, selector
                )
                for row, found in zip(rows, detections, strict=True):
                    results[number][row] = found
                spent[number] += (*look.seconds, perf_counter() - start)
        return [
            (found, StageSeconds(*seconds))
            for found, seconds in zip(results, spent.tolist(), strict=True)
        ]

    def _look(self, images: Sequence[Image], size: tuple[int, int], least_logit: float) -> _Look:
        start = perf_counter()
        batch = self._engine.images(len(images), size)
        placements = [
            Placement(fit_image(image, self.model, place)[1], (image.shape[0], image.shape[1]))
            for image, place in zip(images, batch.numpy(), strict=True)
        ]
        inputs = self._engine.prepare(batch)
        prepared = perf_counter()
        output = self._engine.forward(inputs, least_logit)
        seconds = prepared - start, perf_counter() - prepared
        return _Look(size, placements, output, seconds)


def _checked(image: Image) -> Image:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise ValueError(
            f'expected an image (height, width, 3) uint8, got {image.shape} {image.dtype}'
        )
    return image


def _group_by_size(
    images: Sequence[Image], model: ModelConfig
) -> dict[tuple[int, int], list[int]]:
    """Return the positions of images that go through together, by the network's input."""
    rows: dict[tuple[int, int], list[int]] = {}
    for position, image in enumerate(images):
        size = network_size(model, (image.shape[0], image.shape[1]))
        rows.setdefault(size, []).append(position)
    return rows
