"""Images, ground truth and detections are written to a rosbag2, without a ROS installation."""

from __future__ import annotations

from pathlib import Path
import shutil
from types import TracebackType
from typing import get_args, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from rosbags.interfaces import Connection, Qos
from rosbags.rosbag2 import StoragePlugin, Writer, WriterError
from squeezedet_ros.data.bag import RawMessage
from squeezedet_ros.data.bag_names import image_topic, truth_topic
from squeezedet_ros.data.bag_qos import LATCHED
from squeezedet_ros.data.ground_truth import GroundTruth
from squeezedet_ros.data.interfaces import (
    COMPRESSED_IMAGE,
    DETECTION_2D_ARRAY,
    IMAGE,
    Message,
    typestore,
)
from squeezedet_ros.data.truth_message import make_header, truth_to_message
from squeezedet_ros.errors import DatasetError

Storage = Literal['mcap', 'sqlite3']
STORAGES: tuple[Storage, ...] = get_args(Storage)
_JPEG_QUALITY = 95
# Version 9 writes QoS in a form that readers of older versions do not know.
_METADATA_VERSION: Literal[8] = 8


class BagWriter:
    """
    Writes a rosbag2 folder, one message after the other; used as a context manager.

    A folder that could not be finished is taken away again.
    """

    def __init__(self, path: Path, storage: Storage = 'mcap') -> None:
        """
        Name the folder to be written.

        :raises DatasetError: when it is there already.
        """
        self._path = path
        self._connections: dict[str, Connection] = {}
        plugin = StoragePlugin.MCAP if storage == 'mcap' else StoragePlugin.SQLITE3
        try:
            self._writer = Writer(path, version=_METADATA_VERSION, storage_plugin=plugin)
        except WriterError as error:
            raise DatasetError(f'cannot write bag: {error}') from error

    def __enter__(self) -> BagWriter:
        try:
            self._writer.open()
        except (WriterError, OSError) as error:
            raise DatasetError(f'cannot write bag {self._path}: {error}') from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._writer.__exit__(kind, error, trace)
        if kind is not None:
            shutil.rmtree(self._path, ignore_errors=True)

    def write_image(
        self, camera: str, stamp_ns: int, image: NDArray[np.uint8], *, compressed: bool = False
    ) -> None:
        """Write a (h, w, 3) uint8 image, blue, green, red; compressed is JPEG."""
        header = make_header(stamp_ns, camera)
        topic = image_topic(camera, compressed=compressed)
        types = typestore().types
        if compressed:
            data = cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1]
            text = 'bgr8; jpeg compressed bgr8'
            message: Message = types[COMPRESSED_IMAGE](
                header=header, format=text, data=data.ravel()
            )
            self.write_message(topic, COMPRESSED_IMAGE, stamp_ns, message)
            return
        height, width, channels = image.shape
        message = types[IMAGE](
            header=header,
            height=height,
            width=width,
            encoding='bgr8',
            is_bigendian=0,
            step=width * channels,
            data=np.ascontiguousarray(image).ravel(),
        )
        self.write_message(topic, IMAGE, stamp_ns, message)

    def write_ground_truth(self, camera: str, stamp_ns: int, truth: GroundTruth) -> None:
        """Write what is truly in the image of the same stamp."""
        message = truth_to_message(truth, make_header(stamp_ns, camera))
        self.write_message(truth_topic(camera), DETECTION_2D_ARRAY, stamp_ns, message)

    def write_message(
        self, topic: str, kind: str, recorded_ns: int, message: Message, *, latched: bool = False
    ) -> None:
        """
        Write a message of the shared typestore.

        :param latched: whether a player is to keep it for those who subscribe later.
        """
        qos = [LATCHED] if latched else []
        self._append(topic, kind, recorded_ns, typestore().serialize_cdr(message, kind), qos)

    def write_raw(self, message: RawMessage) -> None:
        """Write a message of a type in the shared typestore, as it lay in another bag."""
        self._append(*message, [])

    def _append(
        self, topic: str, kind: str, recorded_ns: int, data: bytes | memoryview, qos: list[Qos]
    ) -> None:
        if topic not in self._connections:
            self._connections[topic] = self._writer.add_connection(
                f'/{topic.lstrip("/")}', kind, typestore=typestore(), offered_qos_profiles=qos
            )
        self._writer.write(self._connections[topic], recorded_ns, data)
