"""``squeezedet detect``: what is seen in one image file."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
from squeezedet_ros.checkpoint import resolve_weights, write_atomically
from squeezedet_ros.cli.info import add_json_option, add_weights_option, write_json
from squeezedet_ros.cli.options import add_config, read_config
from squeezedet_ros.config import EngineConfig, SelectionConfig
from squeezedet_ros.data.frames import read_image
from squeezedet_ros.detections import Detections
from squeezedet_ros.detector import Detector
from squeezedet_ros.errors import ConfigError
from squeezedet_ros.visualization import draw_detections, Image

_OVERLAY_SUFFIXES = ('.jpeg', '.jpg', '.png')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument('image', type=Path, metavar='IMAGE', help='JPEG or PNG to look at')
    add_weights_option(parser)
    add_json_option(parser)
    parser.add_argument(
        '--overlay',
        type=Path,
        metavar='FILE',
        help='draw the boxes on the image and write it here, .png or .jpg',
    )
    for config in (SelectionConfig, EngineConfig):
        add_config(parser, config)


def run(arguments: argparse.Namespace) -> int:
    """
    Look at an image and print a line for each detection.

    :raises CheckpointError: when the weights cannot be used.
    :raises ConfigError: for a setting outside its bounds, or an overlay of another kind.
    :raises DatasetError: when the image is missing or cannot be decoded.
    :raises DeviceError: when the device or precision is not to be had.
    """
    if arguments.overlay and arguments.overlay.suffix.lower() not in _OVERLAY_SUFFIXES:
        raise ConfigError(
            f'overlay must end in one of {", ".join(_OVERLAY_SUFFIXES)}, got {arguments.overlay}'
        )
    image = read_image(arguments.image)
    weights = resolve_weights(arguments.weights)
    selection = read_config(arguments, SelectionConfig)
    detector = Detector.from_checkpoint(weights, selection, read_config(arguments, EngineConfig))
    (detections,) = detector.detect([image])
    classes = detector.model.classes
    print(format_detections(detections, classes))
    if arguments.json:
        report = {
            'image': str(arguments.image),
            'height': image.shape[0],
            'width': image.shape[1],
            'weights': str(weights),
            'engine': detector.describe(),
            'selection': asdict(selection),
            'detections': list_detections(detections, classes),
        }
        write_json(arguments.json, report)
    if arguments.overlay:
        _write_image(arguments.overlay, draw_detections(image, detections, classes))
    return 0


def format_detections(detections: Detections, classes: Sequence[str]) -> str:
    """Return a table with a line for each detection: class, score and box in pixels."""
    lines = [f'{"class":<12}{"score":>7}{"x0":>9}{"y0":>9}{"x1":>9}{"y1":>9}']
    for found in list_detections(detections, classes):
        edges = ''.join(f'{edge:9.1f}' for edge in found['box'])
        lines.append(f'{found["class"]:<12}{found["score"]:7.3f}{edges}')
    return '\n'.join([*lines, detections.summary()])


def list_detections(detections: Detections, classes: Sequence[str]) -> list[dict[str, Any]]:
    """Return detections in JSON's types: class, score, box (x0, y0, x1, y1) in pixels."""
    return [
        {'class': classes[label], 'score': score, 'box': box}
        for label, score, box in zip(
            detections.labels.tolist(),
            detections.scores.tolist(),
            detections.boxes.tolist(),
            strict=True,
        )
    ]


def _write_image(path: Path, image: Image) -> None:
    _, content = cv2.imencode(path.suffix.lower(), image)
    write_atomically(path, content.tobytes())
