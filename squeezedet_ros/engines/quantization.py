"""The ONNX graph in int8, its scales fitted to images."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static, QuantType
from squeezedet_ros.config import ModelConfig
from squeezedet_ros.engines.onnx_graph import build_onnx, INPUT
from squeezedet_ros.errors import ConfigError
from squeezedet_ros.network import SqueezeDet
from squeezedet_ros.preprocessing import fit_image

_SUFFIXES = ('.jpeg', '.jpg', '.png')
_MOST_IMAGES = 32


class _Images(CalibrationDataReader):  # type: ignore[misc]
    """Hands fitted images to the calibration, one at a time."""

    def __init__(self, files: list[Path], model: ModelConfig) -> None:
        self._batches = _batches(files, model)

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        return next(self._batches, None)


def _batches(files: list[Path], model: ModelConfig) -> Iterator[dict[str, NDArray[Any]]]:
    for path in files:
        image = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if image is None:
            raise ConfigError(f'calibration expects images, but {path} cannot be read as one')
        yield {INPUT: fit_image(image.astype(np.uint8, copy=False), model)[0][None]}


def calibration_files(folder: str) -> list[Path]:
    """
    Return the images to fit to: at most 32, spread evenly over the names of a folder.

    :raises ConfigError: when it holds none.
    """
    path = Path(folder).expanduser()
    files = sorted(file for file in path.glob('*') if file.suffix.lower() in _SUFFIXES)
    if not folder or not files:
        raise ConfigError(
            f'precision int8 needs calibration to name a folder of images '
            f'({", ".join(_SUFFIXES)}), got {folder!r}'
        )
    places = np.linspace(0, len(files) - 1, min(len(files), _MOST_IMAGES)).round().astype(int)
    return [files[place] for place in places]


def build_quantized(network: SqueezeDet, folder: str) -> onnx.ModelProto:
    """
    Return the graph with int8 weights, a scale for each channel, and uint8 in between.

    :param folder: of images like those that will be looked at.
    :raises ConfigError: when there are none.
    """
    images = _Images(calibration_files(folder), network.config)
    with TemporaryDirectory() as scratch:
        source, target = Path(scratch, 'float32.onnx'), Path(scratch, 'int8.onnx')
        onnx.save(build_onnx(network), str(source))
        quantize_static(
            str(source),
            str(target),
            images,
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=['Conv', 'Relu', 'MaxPool', 'Concat'],
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            # What convdet says, logits and deltas in one tensor, does not fit into one scale; the
            # others are rounded after their ReLU.
            extra_options={
                'OpTypesToExcludeOutputQuantization': ['Conv'],
                # Else conv1 and the pool after it say float32.
                'ForceQuantizeNoInputCheck': True,
            },
        )
        return onnx.load(str(target))
