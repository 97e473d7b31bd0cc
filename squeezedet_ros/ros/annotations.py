"""Boxes and captions as Foxglove's ImageAnnotations, which it draws over the image itself."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from squeezedet_ros.detections import Detections
from squeezedet_ros.visualization import PALETTE
from std_msgs.msg import Header

_THICKNESS = 2.0
_FONT_SIZE = 14.0


def annotations_type() -> Any:  # noqa: ANN401
    """Return the message class, or None where ``foxglove_msgs`` is not installed."""
    try:
        return import_module('foxglove_msgs.msg').ImageAnnotations
    except ImportError:
        return None


def detections_to_annotations(
    detections: Detections, header: Header, classes: Sequence[str]
) -> Any:  # noqa: ANN401
    """
    Return an outline and a caption for each detection, in pixels of the source image.

    :param classes: names by label.
    :raises ImportError: where ``foxglove_msgs`` is not installed.
    """
    kinds = import_module('foxglove_msgs.msg')
    message = kinds.ImageAnnotations()
    black = kinds.Color(a=1.0)
    for box, score, label in zip(
        detections.boxes.tolist(),
        detections.scores.tolist(),
        detections.labels.tolist(),
        strict=True,
    ):
        x0, y0, x1, y1 = box
        blue, green, red = (value / 255 for value in PALETTE[label % len(PALETTE)])
        colour = kinds.Color(r=red, g=green, b=blue, a=1.0)
        outline = kinds.PointsAnnotation(
            timestamp=header.stamp,
            type=kinds.PointsAnnotation.LINE_LOOP,
            outline_color=colour,
            thickness=_THICKNESS,
        )
        corners = ((x0, y0), (x1, y0), (x1, y1), (x0, y1))
        outline.points = [kinds.Point2(x=x, y=y) for x, y in corners]
        caption = kinds.TextAnnotation(
            timestamp=header.stamp,
            position=outline.points[0],
            text=f'{classes[label]} {score:.2f}',
            font_size=_FONT_SIZE,
            text_color=black,
            background_color=colour,
        )
        message.points.append(outline)
        message.texts.append(caption)
    return message
