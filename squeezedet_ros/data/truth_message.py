"""
Ground truth as a ``Detection2DArray``, and back.

The class is the name as labelled, the score 1. Boxes are ``x0, y0, x1, y1`` in pixels, so the
message's centre is their middle and its size their difference. ``Detection2D`` has no field for
truncation and occlusion: its ``id`` says them as ``truncated=0.25 occluded=1``, and what it does
not say is unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
import re

import numpy as np
from squeezedet_ros.data.ground_truth import GroundTruth, LEAST_ABSURD, UNKNOWN
from squeezedet_ros.data.interfaces import DETECTION_2D_ARRAY, Message, typestore
from squeezedet_ros.errors import DatasetError

NANOSECONDS = 1_000_000_000
_ATTRIBUTES = re.compile(r'\b(truncated|occluded)=(-?\d+(?:\.\d+)?)')


def make_header(stamp_ns: int, frame_id: str) -> Message:
    """Return a std_msgs/Header."""
    types = typestore().types
    seconds, rest = divmod(stamp_ns, NANOSECONDS)
    time = types['builtin_interfaces/msg/Time'](sec=seconds, nanosec=rest)
    return types['std_msgs/msg/Header'](stamp=time, frame_id=frame_id)


def stamp_of(message: Message) -> int:
    """Return the nanoseconds of a message's header."""
    stamp = message.header.stamp
    return int(stamp.sec) * NANOSECONDS + int(stamp.nanosec)


def truth_to_message(truth: GroundTruth, header: Message) -> Message:
    """Return the Detection2DArray of what is truly in an image."""
    types = typestore().types
    rows = zip(truth.boxes, truth.names, truth.truncated, truth.occluded, strict=True)
    detections = [
        make_detection(
            header,
            name,
            1.0,
            [float(edge) for edge in box],
            f'truncated={truncated:g} occluded={occluded}',
        )
        for box, name, truncated, occluded in rows
    ]
    return types[DETECTION_2D_ARRAY](header=header, detections=detections)


def make_detection(
    header: Message, class_id: str, score: float, edges_xyxy: Sequence[float], identity: str
) -> Message:
    """Return a vision_msgs/Detection2D of one hypothesis; edges in pixels, ``identity`` its id."""
    types = typestore().types
    return types['vision_msgs/msg/Detection2D'](
        header=header,
        results=[_hypothesis(class_id, score)],
        bbox=_box(edges_xyxy),
        id=identity,
    )


def _hypothesis(class_id: str, score: float) -> Message:
    types = typestore().types
    pose = types['geometry_msgs/msg/Pose'](
        position=types['geometry_msgs/msg/Point'](x=0.0, y=0.0, z=0.0),
        orientation=types['geometry_msgs/msg/Quaternion'](x=0.0, y=0.0, z=0.0, w=1.0),
    )
    return types['vision_msgs/msg/ObjectHypothesisWithPose'](
        hypothesis=types['vision_msgs/msg/ObjectHypothesis'](class_id=class_id, score=score),
        pose=types['geometry_msgs/msg/PoseWithCovariance'](pose=pose, covariance=np.zeros(36)),
    )


def _box(edges_xyxy: Sequence[float]) -> Message:
    types = typestore().types
    x0, y0, x1, y1 = edges_xyxy
    middle = types['vision_msgs/msg/Point2D'](x=(x0 + x1) / 2, y=(y0 + y1) / 2)
    return types['vision_msgs/msg/BoundingBox2D'](
        center=types['vision_msgs/msg/Pose2D'](position=middle, theta=0.0),
        size_x=x1 - x0,
        size_y=y1 - y0,
    )


def hypothesis_of(detection: Message) -> Message:
    """
    Return the first hypothesis of a Detection2D, which has one.

    :raises DatasetError: for one of an older vision_msgs.
    """
    found = getattr(detection.results[0], 'hypothesis', None)
    if found is None:
        raise DatasetError('expected results.hypothesis of vision_msgs 4, got an older message')
    return found


def edges_of(detection: Message) -> list[float]:
    """
    Return the box of a Detection2D as ``x0, y0, x1, y1``.

    :raises DatasetError: for one of an older vision_msgs, or of numbers that are not finite.
    """
    box = detection.bbox
    centre = getattr(box.center, 'position', None)
    if centre is None:
        raise DatasetError('expected bbox.center.position of vision_msgs 4, got an older message')
    x0, y0 = centre.x - box.size_x / 2, centre.y - box.size_y / 2
    edges = [x0, y0, x0 + box.size_x, y0 + box.size_y]
    if not all(abs(edge) < LEAST_ABSURD for edge in edges):
        raise DatasetError(f'expected a box of finite pixels, got {edges}')
    return edges


def truth_from_message(
    message: Message, name_of: Callable[[str], str] = lambda class_id: class_id
) -> GroundTruth:
    """
    Return what a Detection2DArray states, by the first hypothesis of each detection.

    :param name_of: of a ``class_id``.
    :raises DatasetError: as :func:`hypothesis_of` and :func:`edges_of`.
    """
    boxes, names, attributes = [], [], []
    for detection in message.detections:
        if not detection.results:
            continue
        boxes.append(edges_of(detection))
        names.append(name_of(str(hypothesis_of(detection).class_id)))
        said = {key: float(value) for key, value in _ATTRIBUTES.findall(detection.id)}
        attributes.append((said.get('truncated', UNKNOWN), said.get('occluded', UNKNOWN)))
    columns = np.array(attributes, np.float32).reshape(-1, 2)
    return GroundTruth(
        np.array(boxes, np.float32).reshape(-1, 4),
        tuple(names),
        columns[:, 0],
        columns[:, 1].astype(np.int64),
    )
