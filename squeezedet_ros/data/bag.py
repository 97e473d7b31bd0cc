"""Images and ground truth are read from a rosbag2, without a ROS installation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator
from difflib import get_close_matches
from pathlib import Path
import struct
from typing import NamedTuple

import apsw
import numpy as np
from numpy.typing import NDArray
from rosbags.highlevel import AnyReader, AnyReaderError
from rosbags.rosbag2 import ReaderError
from rosbags.serde import SerdeError
from squeezedet_ros.data.bag_qos import is_latched
from squeezedet_ros.data.ground_truth import GroundTruth
from squeezedet_ros.data.interfaces import (
    COMPRESSED_IMAGE,
    DETECTION_2D_ARRAY,
    IMAGE,
    Message,
    typestore,
)
from squeezedet_ros.data.packing import plain_cdr, UNPACK_ERRORS
from squeezedet_ros.data.truth_message import (
    stamp_of,
    truth_from_message,
)
from squeezedet_ros.errors import DatasetError, ImageDecodeError
from squeezedet_ros.image_codec import decode_message

_IMAGE_TYPES = (IMAGE, COMPRESSED_IMAGE)
# What the readers raise on damaged bytes, which they take for lengths, offsets and text.
DECODE_ERRORS = _READ_ERRORS = (
    AnyReaderError,
    ReaderError,
    SerdeError,
    OSError,
    apsw.Error,
    struct.error,
    AssertionError,
    ValueError,
    OverflowError,
    MemoryError,
    TypeError,
    LookupError,
    *UNPACK_ERRORS,
)


class Topic(NamedTuple):
    """A topic of a bag: message type, number of messages, whether it was latched."""

    type: str
    messages: int
    latched: bool


class RawMessage(NamedTuple):
    """A message as it lies in the bag: CDR bytes, and when it was recorded, in nanoseconds."""

    topic: str
    type: str
    recorded_ns: int
    data: bytes


class BagImage(NamedTuple):
    """An image of a bag: its header's stamp, and (h, w, 3) uint8 in blue, green, red."""

    stamp_ns: int
    image: NDArray[np.uint8]


class Bag(ABC):
    """
    A rosbag2 that can be read; used as a context manager.

    Topic names are compared without their leading slash.

    :ivar damage: what could not be read of it so far, in words.
    """

    def __init__(self, path: Path) -> None:
        """Name the bag to be read."""
        self._path = path
        self.damage: list[str] = []

    @abstractmethod
    def __enter__(self) -> Bag:
        """
        Open it.

        :raises DatasetError: when it cannot be read.
        """

    @abstractmethod
    def __exit__(self, *_: object) -> None:
        """Close it."""

    @property
    @abstractmethod
    def topics(self) -> dict[str, Topic]:
        """Return the topics by name, without the leading slash."""

    @abstractmethod
    def messages(self, topics: Collection[str] = ()) -> Iterator[RawMessage]:
        """
        Return the messages of some topics, or of all, in the order of recording.

        :raises DatasetError: when a topic is not there or the bag is damaged.
        """

    @abstractmethod
    def decode(self, message: RawMessage) -> Message:
        """
        Return a message with its fields as attributes.

        :raises DatasetError: when its bytes do not hold what its type announces.
        """

    def _undecodable(self, message: RawMessage, error: BaseException) -> DatasetError:
        return DatasetError(
            f'{self._path}: the message of {message.topic} at {message.recorded_ns} ns '
            f'is no {message.type}: {error}'
        )

    def image_topics(self) -> list[str]:
        """Return the topics that hold images."""
        return sorted(name for name, topic in self.topics.items() if topic.type in _IMAGE_TYPES)

    def find_image_topic(self, wanted: str | None = None) -> str:
        """
        Return the image topic that is wanted, or the only one there is.

        :raises DatasetError: when it is not there, holds no images, or the choice is open.
        """
        images = self.image_topics()
        if wanted is None:
            if len(images) != 1:
                raise DatasetError(
                    f'{self._path} has {len(images)} image topics, expected one'
                    + (f'; choose from {", ".join(images)}' if images else '')
                )
            return images[0]
        name = self.known_topic(wanted)
        if name not in images:
            raise DatasetError(
                f'{wanted} in {self._path} holds {self.topics[name].type}, expected images; '
                f'image topics: {", ".join(images) or "none"}'
            )
        return name

    def known_topic(self, topic: str) -> str:
        """
        Return the name of a topic without its leading slash.

        :raises DatasetError: when it is not in the bag, offering the nearest names.
        """
        name = topic.lstrip('/')
        present = self.topics
        if name in present:
            return name
        near = get_close_matches(name, present, n=3, cutoff=0.4) or sorted(present)
        raise DatasetError(
            f'{self._path} has no topic {topic}; nearest: {", ".join(near) or "it is empty"}'
        )

    def decode_image(self, message: RawMessage) -> BagImage:
        """
        Return the image in a message.

        :raises DatasetError: when it does not hold what it announces.
        """
        decoded = self.decode(message)
        try:
            return BagImage(stamp_of(decoded), decode_message(decoded))
        except ImageDecodeError as error:
            raise DatasetError(
                f'{self._path}: the image of {message.topic} at {message.recorded_ns} ns: {error}'
            ) from error

    def images(self, topic: str) -> Iterator[BagImage]:
        """
        Return the images of a topic, one after the other.

        :raises DatasetError: when the topic is not there or one of them cannot be decoded.
        """
        for message in self.messages([self.find_image_topic(topic)]):
            yield self.decode_image(message)

    def ground_truth(self, topic: str) -> dict[int, GroundTruth]:
        """
        Return what is truly in the images, by the stamp of the image in nanoseconds.

        :raises DatasetError: when the topic is not there or holds something else.
        """
        name = self.known_topic(topic)
        if self.topics[name].type != DETECTION_2D_ARRAY:
            raise DatasetError(
                f'{topic} in {self._path} holds {self.topics[name].type}, '
                f'expected {DETECTION_2D_ARRAY}'
            )
        decoded = (self.decode(raw) for raw in self.messages([name]))
        return {stamp_of(message): truth_from_message(message) for message in decoded}


class BagReader(Bag):
    """Reads a rosbag2: a folder, or a single .mcap or .db3 file."""

    def __init__(self, path: Path) -> None:
        """
        Name the bag to be read.

        :raises DatasetError: when there is none, or it is of ROS 1.
        """
        if not path.exists():
            raise DatasetError(f'no such bag: {path}')
        if path.suffix == '.bag':
            raise DatasetError(
                f'{path} is a ROS 1 bag, expected a rosbag2: convert it with rosbags-convert'
            )
        super().__init__(path)
        try:
            self._reader = AnyReader([path], default_typestore=typestore())
        except _READ_ERRORS as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: BaseException) -> DatasetError:
        return DatasetError(
            f'{self._path} cannot be read as a rosbag2: {str(error) or type(error).__name__}'
        )

    def __enter__(self) -> BagReader:
        try:
            self._reader.open()
        except _READ_ERRORS as error:
            raise self._unreadable(error) from error
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.close()

    @property
    def topics(self) -> dict[str, Topic]:
        """Return the topics by name, without the leading slash."""
        topics: dict[str, Topic] = {}
        for connection in self._reader.connections:
            name = connection.topic.lstrip('/')
            count = topics[name].messages if name in topics else 0
            topics[name] = Topic(
                connection.msgtype, count + connection.msgcount, is_latched(connection)
            )
        return topics

    def messages(self, topics: Collection[str] = ()) -> Iterator[RawMessage]:
        """Return the messages of some topics, or of all, as :meth:`Bag.messages`."""
        names = {self.known_topic(topic) for topic in topics}
        chosen = [
            connection
            for connection in self._reader.connections
            if not names or connection.topic.lstrip('/') in names
        ]
        if not chosen:
            return
        try:
            for connection, recorded_ns, data in self._reader.messages(chosen):
                topic = connection.topic.lstrip('/')
                # Of a file without its metadata.yaml the reader does not know of it.
                yield RawMessage(topic, connection.msgtype, recorded_ns, plain_cdr(data))
        except _READ_ERRORS as error:
            raise self._unreadable(error) from error

    def decode(self, message: RawMessage) -> Message:
        """Return a message with its fields as attributes, as :meth:`Bag.decode`."""
        try:
            return self._reader.deserialize(message.data, message.type)
        except DECODE_ERRORS as error:
            raise self._undecodable(message, error) from error
