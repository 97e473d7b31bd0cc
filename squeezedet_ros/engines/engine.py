"""What every way to run the forward pass has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
import os

import numpy as np
from numpy.typing import NDArray
from squeezedet_ros.anchors import make_anchors
from squeezedet_ros.config import ModelConfig
from squeezedet_ros.errors import PredictionError
from squeezedet_ros.network import RawPrediction
from squeezedet_ros.postprocessing import Candidates, Selector, shortlist, top_candidates
import torch
from torch import Tensor


def thread_count(setting: int) -> int:
    """Return the CPU threads a ``num_threads`` setting asks for."""
    return setting or os.cpu_count() or 1


class Engine(ABC):
    """
    Takes a batch of fitted images to its candidates.

    A batch passes :meth:`prepare`, :meth:`forward` and :meth:`candidates`; several batches may
    be between two of these steps at a time.
    """

    def __init__(self, model: ModelConfig, device: torch.device) -> None:
        """
        Remember what both ends of the forward pass need.

        :param device: where the forward pass leaves its tensors.
        """
        self.model = model
        self.device = device
        self._anchors: dict[tuple[int, int], Tensor] = {}

    @abstractmethod
    def describe(self) -> str:
        """Return engine, device and precision in words, for logs and reports."""

    @torch.inference_mode()
    def prepare(self, images: NDArray[np.uint8]) -> Tensor:
        """
        Return the network's input where the forward pass takes it.

        :param images: (N, height, width, 3) uint8, fitted to the network.
        """
        return torch.from_numpy(images)

    @abstractmethod
    def _run(self, inputs: Tensor) -> RawPrediction:
        """Return the forward pass of what :meth:`prepare` gave, once it is finished."""

    @torch.inference_mode()
    def forward(self, inputs: Tensor) -> RawPrediction:
        """
        Return what the network says of a prepared batch, once the device has finished it.

        :raises PredictionError: when it holds NaN or infinity. A comparison with NaN is false, so
            that it would pass for an image in which nothing was seen.
        """
        raw = self._run(inputs)
        if not all(part.isfinite().all() for part in raw):
            raise PredictionError('expected finite numbers from the network, got NaN or infinity')
        return raw

    @torch.inference_mode()
    def candidates(
        self, raw: RawPrediction, size: tuple[int, int], selector: Selector
    ) -> Candidates:
        """
        Return the top N of each image, or all that reach a threshold, float32 on the CPU.

        :param size: of the network's input, (height, width).
        """
        raw = RawPrediction(*(part.float() for part in raw))
        anchors = self._anchors_for(size)
        thresholds = torch.from_numpy(selector.thresholds).to(self.device)
        top_n = selector.config.top_n
        # A GPU would have to wait to be told how many are left.
        if self.device.type == 'cpu':
            raw, anchors = shortlist(raw, anchors, thresholds)
        found = top_candidates(raw, anchors, top_n, self.model.exp_thresh, thresholds)
        return Candidates(*(part.cpu() for part in found))

    def _anchors_for(self, size: tuple[int, int]) -> Tensor:
        if size not in self._anchors:
            self._anchors[size] = make_anchors(self.model, size).to(self.device)
        return self._anchors[size]
