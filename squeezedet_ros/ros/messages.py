"""The only place where messages are filled in."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence

from builtin_interfaces.msg import Time
import cv2
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import CompressedImage, Image
from squeezedet_ros.config import ClassIdFormat, ModelConfig
from squeezedet_ros.detections import Detections
from std_msgs.msg import Header
from vision_msgs.msg import (
    Detection2D,
    Detection2DArray,
    LabelInfo,
    ObjectHypothesisWithPose,
    VisionClass,
    VisionInfo,
)

OK: bytes = DiagnosticStatus.OK
WARN: bytes = DiagnosticStatus.WARN
ERROR: bytes = DiagnosticStatus.ERROR
_NANOSECONDS = 1_000_000_000
_JPEG_QUALITY = 90
# Of libjpeg. What OpenCV says beyond it differs between its versions.
_MOST_JPEG_SIDE = 65_500


def stamp_nanoseconds(header: Header) -> int:
    """Return a header's stamp, 0 where none was set."""
    return int(header.stamp.sec) * _NANOSECONDS + int(header.stamp.nanosec)


def class_ids(classes: Sequence[str], class_id_format: ClassIdFormat) -> list[str]:
    """Return the ``class_id`` of each label."""
    if class_id_format == 'name':
        return list(classes)
    return [str(label) for label in range(len(classes))]


def detections_to_message(
    detections: Detections,
    header: Header,
    ids: Sequence[str],
    spare: list[Detection2D] | None = None,
) -> Detection2DArray:
    """
    Return the array of one image; it and each detection carry the image's header.

    :param ids: ``class_id`` by label.
    :param spare: messages that this function made before and nobody reads any more: they are
        filled again, since to make one takes far longer; new ones are added to them.
    :returns: with the decimal id of each tracked object, empty where it has none.
    """
    spare = [] if spare is None else spare
    while len(spare) < len(detections):
        spare.append(Detection2D(results=[ObjectHypothesisWithPose()]))
    boxes = detections.boxes.astype(float)
    numbers = [0] * len(detections) if detections.ids is None else detections.ids.tolist()
    message = Detection2DArray(header=header, detections=spare[: len(detections)])
    for detection, label, score, centre, size, number in zip(
        message.detections,
        detections.labels.tolist(),
        detections.scores.tolist(),
        ((boxes[:, :2] + boxes[:, 2:]) / 2).tolist(),
        (boxes[:, 2:] - boxes[:, :2]).tolist(),
        numbers,
        strict=True,
    ):
        detection.header = header
        detection.id = str(number) if number else ''
        hypothesis = detection.results[0].hypothesis
        hypothesis.class_id, hypothesis.score = ids[label], score
        position = detection.bbox.center.position
        position.x, position.y = centre
        detection.bbox.size_x, detection.bbox.size_y = size
    return message


def label_info(header: Header, classes: Sequence[str], threshold: float) -> LabelInfo:
    """Return the names of the labels and the least score of a published detection."""
    names = [VisionClass(class_id=label, class_name=name) for label, name in enumerate(classes)]
    return LabelInfo(header=header, class_map=names, threshold=threshold)


def vision_info(header: Header, model: ModelConfig, label_topic: str) -> VisionInfo:
    """Return the method, and the topic that names its labels."""
    return VisionInfo(header=header, method=model.architecture, database_location=label_topic)


def image_to_message(image: NDArray[np.uint8], header: Header) -> Image:
    """
    Return a ``bgr8`` image message.

    :param image: (height, width, 3) uint8 blue, green, red.
    """
    height, width = image.shape[:2]
    # Anything but array('B') is checked byte by byte, some hundred times slower.
    data = array('B')
    data.frombytes(np.ascontiguousarray(image).data)
    return Image(
        header=header, height=height, width=width, encoding='bgr8', step=width * 3, data=data
    )


def image_to_jpeg_message(image: NDArray[np.uint8], header: Header) -> CompressedImage:
    """
    Return a JPEG message, its format worded as image_transport's compressed plugin does.

    :param image: (height, width, 3) uint8 blue, green, red.
    :raises ValueError: for an image that is wider or higher than a JPEG can be.
    """
    height, width = image.shape[:2]
    if max(height, width) > _MOST_JPEG_SIDE:
        raise ValueError(
            f'expected at most {_MOST_JPEG_SIDE} pixels a side for a JPEG, got {width}x{height}'
        )
    data = array('B')
    data.frombytes(cv2.imencode('.jpg', image, (cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY))[1].data)
    return CompressedImage(header=header, format='bgr8; jpeg compressed bgr8', data=data)


def status(
    level: bytes, name: str, text: str, hardware_id: str, values: Mapping[str, object]
) -> DiagnosticStatus:
    """Return one diagnostic status; numbers are written with three decimals."""
    return DiagnosticStatus(
        level=level,
        name=name,
        message=text,
        hardware_id=hardware_id,
        values=[KeyValue(key=key, value=_text(value)) for key, value in values.items()],
    )


def _text(value: object) -> str:
    return f'{value:.3f}' if isinstance(value, float) else str(value)


def status_array(header: Header, statuses: Sequence[DiagnosticStatus]) -> DiagnosticArray:
    """Return statuses under one header."""
    return DiagnosticArray(header=header, status=list(statuses))


def header_at(stamp: Time) -> Header:
    """Return a header of no frame."""
    return Header(stamp=stamp)
