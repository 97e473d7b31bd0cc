"""Detectors of others beside which ours is timed: the smallest YOLO models of Ultralytics."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
import os
from pathlib import Path
import re
from typing import Any

import cv2
from squeezedet_ros.config import EngineConfig
from squeezedet_ros.engines.engine import thread_count
from squeezedet_ros.engines.torch_engine import resolve_device
from squeezedet_ros.errors import MissingPackageError
from squeezedet_ros.evaluation.network_cost import network_cost, NetworkCost
from squeezedet_ros.preprocessing import Image
import torch

_PLAIN = re.compile(r'yolov?(\d+)')
_COMMON = 8


class Peer:
    """
    A YOLO model with random weights, run as ``predict`` runs it by default: eager, in float32.

    Without trained weights nothing passes its threshold, so that it has no box to suppress.

    :ivar size: (height, width) its network sees, whole strides of 32.
    :ivar cost: of its forward pass for one image.
    """

    def __init__(
        self, name: str, image: Image, size: tuple[int, int], device: torch.device
    ) -> None:
        """Build it and have it look at an image; the number of PyTorch's threads may change."""
        from ultralytics import YOLO

        self.name = name
        self._options: dict[str, Any] = {
            'imgsz': list(size),
            'device': str(device),
            'verbose': False,
        }
        self._model = YOLO(f'{name}.yaml', task='detect')
        self.look(image)
        height, width = self._model.predictor.preprocess([image]).shape[2:]
        self.size = (int(height), int(width))
        # On the CPU: predict moves and fuses a copy.
        network = self._model.model.eval()
        self.cost: NetworkCost = network_cost(
            network, self.size, next(network.parameters()).device
        )

    def describe(self) -> str:
        """Return what it is, in words."""
        return f'ultralytics {version("ultralytics")}, {self.name}, random weights, predict'

    def look(self, image: Image) -> float:
        """Take an image, blue, green, red, to boxes; return the seconds of the forward pass."""
        (result,) = self._model.predict(image, **self._options)
        return float(result.speed['inference']) / 1e3


def load_peers(image: Image, size: tuple[int, int], config: EngineConfig) -> Iterator[Peer]:
    """
    Give the smallest model of YOLOv8 and of the newest YOLO that the installed version describes.

    Nothing is downloaded. Importing ultralytics changes the threads of OpenCV, and its first
    look those of PyTorch; both are set back.

    :param image: for the first look of each.
    :param size: (height, width) the network is to see.
    :raises MissingPackageError: when ultralytics is not installed.
    """
    if find_spec('ultralytics') is None:
        raise MissingPackageError('a comparison with YOLO', 'ultralytics')
    os.environ.setdefault('YOLO_OFFLINE', 'true')
    os.environ.setdefault('YOLO_AUTOINSTALL', 'false')
    opencv_threads = cv2.getNumThreads()
    import ultralytics

    device = resolve_device(config.device)
    for name in smallest_models(Path(ultralytics.__file__).parent / 'cfg/models'):
        peer = Peer(name, image, size, device)
        cv2.setNumThreads(opencv_threads)
        if device.type == 'cpu':
            torch.set_num_threads(thread_count(config.num_threads))
        yield peer


def smallest_models(folder: Path) -> list[str]:
    """Return the names of the n models of YOLOv8 and of the highest number in a folder of YAML."""
    numbered = {
        int(match[1]): path.stem
        for path in folder.rglob('yolo*.yaml')
        if (match := _PLAIN.fullmatch(path.stem))
    }
    numbers = sorted({_COMMON, max(numbered, default=_COMMON)} & set(numbered))
    return [f'{numbered[number]}n' for number in numbers]
