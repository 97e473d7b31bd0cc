"""What every way to run the forward pass has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
import math
import os

import numpy as np
from squeezedet_ros.anchors import make_anchors
from squeezedet_ros.config import ModelConfig
from squeezedet_ros.detections import Detections
from squeezedet_ros.device_selection import read_table, selection_settings, selection_table
from squeezedet_ros.errors import PredictionError
from squeezedet_ros.network import RawPrediction
from squeezedet_ros.postprocessing import in_source, select, Selector, top_candidates
from squeezedet_ros.preprocessing import Placement
from squeezedet_ros.shortlist import shortlist_by_confidence
import torch
from torch import Tensor

# Of images whose anchors are kept: a camera has one, but who may send images may send any.
_SIZES = 16


def thread_count(setting: int) -> int:
    """
    Return the CPU threads a ``num_threads`` setting asks for.

    :param setting: 0 for as many as there are cores that this process may run on.
    """
    # One more than those would wait for its turn in every layer.
    allowed = os.sched_getaffinity(0) if hasattr(os, 'sched_getaffinity') else ()
    return setting or len(allowed) or os.cpu_count() or 1


def all_finite(raw: RawPrediction) -> Tensor:
    """Return a truth on the device: whether all numbers of a prediction are finite."""
    return torch.stack([part.sum(dtype=torch.float32) for part in raw]).isfinite().all()


class Workspace:
    """Memory that is taken once, for the largest tensor asked for, and used for all of them."""

    def __init__(self, dtype: torch.dtype, *, pinned: bool = False) -> None:
        self._memory = torch.empty(0, dtype=dtype)
        self._pinned = pinned

    def tensor(self, *shape: int) -> Tensor:
        """Return a contiguous tensor in this memory, with what was left there."""
        size = math.prod(shape)
        if self._memory.numel() < size:
            self._memory = torch.empty(size, dtype=self._memory.dtype, pin_memory=self._pinned)
        return self._memory[:size].view(shape)


class Engine(ABC):
    """
    Takes a batch of fitted images to its detections.

    A batch is written to :meth:`images` and passes :meth:`prepare`, :meth:`forward` and
    :meth:`detections`. What the first three return may lie in memory that the next batch is given
    too.
    """

    def __init__(self, model: ModelConfig, device: torch.device) -> None:
        """
        Remember what both ends of the forward pass need.

        :param device: where the forward pass leaves its tensors.
        """
        self.model = model
        self.device = device
        self._anchors: dict[tuple[int, int], Tensor] = {}
        self._images = Workspace(torch.uint8, pinned=device.type == 'cuda')

    @abstractmethod
    def describe(self) -> str:
        """Return engine, device and precision in words, for logs and reports."""

    def images(self, count: int, size: tuple[int, int]) -> Tensor:
        """
        Return where the images of a batch belong.

        :param size: (height, width) of the network's input.
        :returns: (count, height, width, 3) uint8 in the host's memory, pinned for a GPU.
        """
        return self._images.tensor(count, *size, 3)

    def prepare(self, images: Tensor) -> Tensor:
        """
        Return the network's input where the forward pass takes it.

        :param images: (N, height, width, 3) uint8, fitted to the network.
        """
        return images

    @abstractmethod
    def _run(self, inputs: Tensor, least_logit: float) -> RawPrediction:
        """Return the forward pass of what :meth:`prepare` gave, once it is finished."""

    @torch.inference_mode()
    def forward(self, inputs: Tensor, least_logit: float = -math.inf) -> RawPrediction:
        """
        Return what the network says of a prepared batch, once the device has finished it.

        :param least_logit: of anchors whose confidence is lower nothing else need be worked out;
            their class logits and deltas may be 0.
        :raises PredictionError: when it holds NaN or infinity. A comparison with NaN is false, so
            that it would pass for an image in which nothing was seen.
        """
        raw = self._run(inputs, least_logit)
        if not self._is_finite(raw):
            raise PredictionError('expected finite numbers from the network, got NaN or infinity')
        return raw

    def _is_finite(self, raw: RawPrediction) -> bool:
        # A sum is finite only if all of it is.
        if self.device.type != 'cpu':
            return bool(all_finite(raw))
        # Not by PyTorch: its threads would go on waiting for more, on the cores of the next frame.
        with np.errstate(invalid='ignore', over='ignore'):
            return all(math.isfinite(part.float().numpy().sum()) for part in raw)

    @torch.inference_mode()
    def detections(
        self,
        raw: RawPrediction,
        size: tuple[int, int],
        placements: Sequence[Placement],
        selector: Selector,
    ) -> list[Detections]:
        """
        Return the detections of each image, in its own pixels.

        :param size: of the network's input, (height, width).
        :param placements: of each image in it.
        """
        anchors = self._anchors_for(size)
        if self.device.type != 'cpu':
            settings = torch.from_numpy(selection_settings(selector, placements))
            table = self._selection_table(raw, anchors, settings, selector.config.top_n)
            return read_table(table.numpy(), selector.config.nms_variant)
        shortlists = shortlist_by_confidence(raw, anchors, selector.least_logit)
        candidates = [
            top_candidates(found, selector, self.model.exp_thresh) for found in shortlists
        ]
        return [
            select(in_source(found, placement), selector)
            for found, placement in zip(candidates, placements, strict=True)
        ]

    def _selection_table(
        self, raw: RawPrediction, anchors: Tensor, settings: Tensor, top_n: int
    ) -> Tensor:
        """Return what :func:`selection_table` does, on the host; ``settings`` are there too."""
        given, exp_thresh = settings.to(self.device), self.model.exp_thresh
        return selection_table(raw, anchors, given, top_n, exp_thresh).cpu()

    def _anchors_for(self, size: tuple[int, int]) -> Tensor:
        if size not in self._anchors:
            if len(self._anchors) == _SIZES:
                del self._anchors[next(iter(self._anchors))]
            self._anchors[size] = make_anchors(self.model, size).to(self.device)
        return self._anchors[size]
