"""
What a detector node sent, as it was received, written so that it can be read while it grows.

Each line is a JSON object: its ``kind`` is ``classes`` (``names``), ``ready``, ``detections``
(``stamp`` in nanoseconds, ``boxes`` as ``x0, y0, x1, y1``, ``scores``, ``class_ids``,
``published`` in nanoseconds of the machine's clock) or ``status`` (``stamp``, ``outcome``,
``milliseconds`` by stage, ``received`` in seconds of a steady clock).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from squeezedet_ros.detections import Detections


class FrameStatus(NamedTuple):
    """
    What became of one frame that the node received.

    :param milliseconds: what each stage took.
    :param received: when this was heard, in seconds of a steady clock.
    """

    stamp_ns: int
    outcome: str
    milliseconds: dict[str, float]
    received: float


class Publication(NamedTuple):
    """
    The detections of one image.

    :param published_ns: when the node published them, in nanoseconds of the machine's clock.
    """

    stamp_ns: int
    detections: Detections
    published_ns: int


class Recording:
    """
    What has been received so far.

    :ivar ready: whether the node could be heard on all its topics.
    :ivar classes: class names by label.
    :ivar publications: messages with detections, in the order of arrival.
    :ivar detections: the last ones by the stamp of the image in nanoseconds.
    :ivar statuses: in the order of arrival.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._position = 0
        self.ready = False
        self.classes: tuple[str, ...] = ()
        self.detections: dict[int, Detections] = {}
        self.publications: list[Publication] = []
        self.statuses: list[FrameStatus] = []

    @property
    def arrays(self) -> int:
        """Return the number of messages with detections."""
        return len(self.publications)

    def update(self) -> None:
        """Read the lines that were finished since the last call."""
        if not self._path.exists():
            return
        with self._path.open('rb') as file:
            file.seek(self._position)
            whole, newline, _ = file.read().rpartition(b'\n')
        self._position += len(whole) + len(newline)
        for line in whole.splitlines():
            self._add(json.loads(line))

    def is_complete(self, frames: int) -> bool:
        """Return whether so many frames have a status, and the detected ones detections."""
        detected = sum(status.outcome == 'detected' for status in self.statuses)
        return len(self.statuses) >= frames and self.arrays >= detected

    def _add(self, event: dict[str, Any]) -> None:
        kind = event['kind']
        if kind == 'ready':
            self.ready = True
        elif kind == 'classes':
            self.classes = tuple(event['names'])
        elif kind == 'status':
            self.statuses.append(
                FrameStatus(
                    event['stamp'], event['outcome'], event['milliseconds'], event['received']
                )
            )
        elif kind == 'detections':
            found = Detections(
                np.array(event['boxes'], np.float32).reshape(-1, 4),
                np.array(event['scores'], np.float32),
                np.array([self._label(name) for name in event['class_ids']], np.int64),
            )
            self.publications.append(Publication(event['stamp'], found, event['published']))
            self.detections[event['stamp']] = found
        else:
            raise ValueError(f'{self._path}: no event of a recording: {event}')

    def _label(self, class_id: str) -> int:
        return int(class_id) if class_id.isdecimal() else self.classes.index(class_id)
