"""
The message definitions a bag needs, without a ROS installation.

``rosbags`` knows the messages of the ROS core; those of ``vision_msgs`` 4 that make up a
``Detection2DArray`` and a ``LabelInfo`` are stated here, and a test compares them with
``script/vision_msgs``.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, TypeAlias

from rosbags.typesys import get_types_from_msg, get_typestore, Stores
from rosbags.typesys.store import Typestore

# Message classes are made at run time from their definitions.
Message: TypeAlias = Any

IMAGE = 'sensor_msgs/msg/Image'
COMPRESSED_IMAGE = 'sensor_msgs/msg/CompressedImage'
DETECTION_2D_ARRAY = 'vision_msgs/msg/Detection2DArray'
LABEL_INFO = 'vision_msgs/msg/LabelInfo'

VISION_MSGS = {
    'BoundingBox2D': 'vision_msgs/Pose2D center\nfloat64 size_x\nfloat64 size_y\n',
    'Detection2D': (
        'std_msgs/Header header\n'
        'ObjectHypothesisWithPose[] results\n'
        'BoundingBox2D bbox\n'
        'string id\n'
    ),
    'Detection2DArray': 'std_msgs/Header header\nDetection2D[] detections\n',
    'LabelInfo': (
        'std_msgs/Header header\nvision_msgs/VisionClass[] class_map\nfloat32 threshold\n'
    ),
    'ObjectHypothesis': 'string class_id\nfloat64 score\n',
    'ObjectHypothesisWithPose': (
        'ObjectHypothesis hypothesis\ngeometry_msgs/PoseWithCovariance pose\n'
    ),
    'Point2D': 'float64 x\nfloat64 y\n',
    'Pose2D': 'vision_msgs/Point2D position\nfloat64 theta\n',
    'VisionClass': 'uint16 class_id\nstring class_name\n',
}


@lru_cache(maxsize=1)
def typestore() -> Typestore:
    """Return the messages of ROS 2 Jazzy and of vision_msgs; shared, not to be written to."""
    store = get_typestore(Stores.ROS2_JAZZY)
    for name, text in VISION_MSGS.items():
        store.register(get_types_from_msg(text, f'vision_msgs/msg/{name}'))
    return store
