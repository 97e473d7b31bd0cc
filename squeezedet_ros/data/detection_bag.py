"""
Detections in a rosbag2, stamped as their images, without a ROS installation.

A camera ``<c>`` has on ``<c>/detections`` what its node publishes, on
``<c>/detections/unfiltered`` all down to the low probability that average precision needs, and on
``<c>/label_info`` (latched) the names of the classes and the least probability of what is
published. ``class_id`` is the name, as with the node's ``class_id_format: name``: viewers show it
as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
from squeezedet_ros.data.bag import Bag
from squeezedet_ros.data.bag_writer import BagWriter
from squeezedet_ros.data.interfaces import DETECTION_2D_ARRAY, LABEL_INFO, Message, typestore
from squeezedet_ros.data.salvage import open_bag
from squeezedet_ros.data.truth_message import (
    edges_of,
    hypothesis_of,
    make_detection,
    make_header,
    stamp_of,
)
from squeezedet_ros.detections import Detections
from squeezedet_ros.errors import DatasetError

_PUBLISHED = '/detections'
_UNFILTERED = '/detections/unfiltered'
_LABELS = '/label_info'


class DetectionBag(NamedTuple):
    """
    What a camera's detector saw.

    :param topic: it was read from.
    :param classes: names by label.
    :param threshold: least probability of what is published, None where the bag does not say.
    :param detections: by the stamp of the image in nanoseconds, in the order of the bag.
    :param damage: what could not be read, in words.
    """

    topic: str
    classes: tuple[str, ...]
    threshold: float | None
    detections: dict[int, Detections]
    damage: tuple[str, ...] = ()

    @property
    def is_published(self) -> bool:
        """Return whether these are what a node publishes, and nothing less probable."""
        return not self.topic.endswith(_UNFILTERED)


def detections_to_message(detections: Detections, header: Message, ids: Sequence[str]) -> Message:
    """
    Return the Detection2DArray that the node publishes of the same (``ros/messages.py``).

    :param header: of the image; each detection carries it too.
    :param ids: ``class_id`` by label.
    """
    tracked = [0] * len(detections) if detections.ids is None else detections.ids.tolist()
    rows = zip(
        detections.labels.tolist(),
        detections.scores.tolist(),
        detections.boxes.tolist(),
        tracked,
        strict=True,
    )
    items = [
        make_detection(header, ids[label], score, edges, str(number) if number else '')
        for label, score, edges, number in rows
    ]
    return typestore().types[DETECTION_2D_ARRAY](header=header, detections=items)


class UnnamedClassError(DatasetError):
    """A class is a number that nothing names."""


class ClassIds:
    """
    What the ``class_id`` of detections means: a name, or a number that a LabelInfo names.

    :ivar names: by label; grows by each name that is new.
    """

    def __init__(self, names_by_number: dict[int, str]) -> None:
        self.names = [names_by_number[number] for number in sorted(names_by_number)]
        self._numbers = {str(number): name for number, name in names_by_number.items()}

    def label(self, class_id: str) -> int:
        """
        Return the label of a class.

        :raises UnnamedClassError: for a number that nothing names.
        """
        name = class_id if class_id in self.names else self._numbers.get(class_id, class_id)
        if name not in self.names:
            if name.isdecimal():
                known = ', '.join(self.names) or 'nothing'
                raise UnnamedClassError(
                    f'class_id {name!r} is a number that no LabelInfo names (it names {known})'
                )
            self.names.append(name)
        return self.names.index(name)


def detections_from_message(message: Message, class_ids: ClassIds) -> Detections:
    """
    Return what a Detection2DArray states, by the first hypothesis of each detection.

    :raises DatasetError: for a class that is a number which nothing names, and for boxes and
        scores that are none.
    """
    rows = [(hypothesis_of(item), edges_of(item)) for item in message.detections if item.results]
    wrong = [row.score for row, _ in rows if not math.isfinite(row.score)]
    if wrong:
        raise DatasetError(f'expected finite scores, got {wrong[0]}')
    # Stable, so that what the node publishes keeps its order.
    rows.sort(key=lambda row: -float(row[0].score))
    labels = [class_ids.label(str(hypothesis.class_id)) for hypothesis, _ in rows]
    return Detections(
        np.array([edges for _, edges in rows], np.float32).reshape(-1, 4),
        np.array([hypothesis.score for hypothesis, _ in rows], np.float32),
        np.array(labels, np.int64),
    )


class DetectionBagWriter:
    """Writes what one camera's detector saw into an open bag."""

    def __init__(
        self, bag: BagWriter, camera: str, classes: Sequence[str], threshold: float
    ) -> None:
        """
        Name the camera.

        :param classes: names by label.
        :param threshold: least probability of what is published.
        """
        self._bag = bag
        self._camera = camera
        self._classes = classes
        self._threshold = threshold
        self._has_named = False

    def write(
        self, header: Message, recorded_ns: int, published: Detections, unfiltered: Detections
    ) -> None:
        """
        Write what was seen in one image.

        :param header: of the image, std_msgs/Header of the shared typestore.
        :param recorded_ns: when the bag is to have received it.
        :param published: what the node publishes.
        :param unfiltered: that, and the less probable.
        """
        if not self._has_named:
            self._name_classes(recorded_ns)
        for suffix, detections in ((_PUBLISHED, published), (_UNFILTERED, unfiltered)):
            message = detections_to_message(detections, header, self._classes)
            self._bag.write_message(
                f'{self._camera}{suffix}', DETECTION_2D_ARRAY, recorded_ns, message
            )

    def _name_classes(self, recorded_ns: int) -> None:
        types = typestore().types
        name = types['vision_msgs/msg/VisionClass']
        message = types[LABEL_INFO](
            header=make_header(recorded_ns, ''),
            class_map=[
                name(class_id=label, class_name=text) for label, text in enumerate(self._classes)
            ],
            threshold=self._threshold,
        )
        topic = f'{self._camera}{_LABELS}'
        self._bag.write_message(topic, LABEL_INFO, recorded_ns, message, latched=True)
        self._has_named = True


def read_detection_bag(path: Path, topic: str | None = None) -> DetectionBag:
    """
    Read what a detector saw, from a bag written here or recorded of a node, damaged or not.

    :param topic: with the detections; if None the only ``*/detections/unfiltered`` there is, or
        else the only ``*/detections``.
    :raises DatasetError: when the bag cannot be read, the topic is not there or open, or classes
        are numbers that nothing in the bag names.
    """
    with open_bag(path) as bag:
        name = _find_topic(bag, path, topic)
        camera = name.removesuffix(_UNFILTERED).removesuffix(_PUBLISHED)
        numbers, threshold = read_label_info(bag, camera)
        class_ids = ClassIds(numbers)
        detections: dict[int, Detections] = {}
        faults = []
        for raw in bag.messages([name]):
            try:
                message = bag.decode(raw)
                stamp, found = stamp_of(message), detections_from_message(message, class_ids)
            except UnnamedClassError as error:
                raise DatasetError(f'{path}: {name} at {raw.recorded_ns} ns: {error}') from error
            except DatasetError as error:
                faults.append(f'{name} at {raw.recorded_ns} ns cannot be read: {error}')
                continue
            if stamp in detections:
                faults.append(f'{name} has a second array of stamp {stamp}, which is left out')
            detections.setdefault(stamp, found)
        damage = (*bag.damage, *faults)
    return DetectionBag(name, tuple(class_ids.names), threshold, detections, damage)


def published_beside(path: Path, bag: DetectionBag) -> dict[str, float]:
    """
    Return the least probability of each class that was published, where another topic shows it.

    LabelInfo has one for all classes, of which each may have its own: that of a class is taken for
    the least that it was published with, which no less probable box of it can have reached.

    :param bag: read of the path.
    :raises DatasetError: as :func:`read_detection_bag`.
    """
    if bag.is_published:
        return {}
    topic = bag.topic.removesuffix(_UNFILTERED) + _PUBLISHED
    with open_bag(path) as reader:
        if topic not in reader.topics:
            return {}
    shown = read_detection_bag(path, topic)
    least = dict.fromkeys(bag.classes, math.inf)
    for found in shown.detections.values():
        for label, score in zip(found.labels.tolist(), found.scores.tolist(), strict=True):
            name = shown.classes[label]
            least[name] = min(least.get(name, math.inf), score)
    return least


def _find_topic(bag: Bag, path: Path, wanted: str | None) -> str:
    present = {name for name, topic in bag.topics.items() if topic.type == DETECTION_2D_ARRAY}
    if wanted is not None:
        name = bag.known_topic(wanted)
        if name not in present:
            raise DatasetError(
                f'{wanted} in {path} holds {bag.topics[name].type}, expected {DETECTION_2D_ARRAY}'
            )
        return name
    for suffix in (_UNFILTERED, _PUBLISHED):
        found = sorted(name for name in present if name.endswith(suffix))
        if len(found) == 1:
            return found[0]
        if found:
            break
    raise DatasetError(
        f'{path} has {len(found)} topics of detections, expected one'
        + (f'; choose from {", ".join(sorted(present))}' if present else '')
    )


def read_label_info(bag: Bag, camera: str) -> tuple[dict[int, str], float | None]:
    """Return the last that is said of a camera: names by number, and the least probability."""
    name = f'{camera}{_LABELS}'
    if name not in bag.topics or bag.topics[name].type != LABEL_INFO:
        return {}, None
    numbers: dict[int, str] = {}
    threshold: float | None = None
    for raw in bag.messages([name]):
        message = bag.decode(raw)
        numbers = {int(item.class_id): str(item.class_name) for item in message.class_map}
        # The shortest number that float32 reads as the same: 0.4, not 0.4000000059604645.
        threshold = float(str(np.float32(message.threshold)))
    return numbers, threshold
