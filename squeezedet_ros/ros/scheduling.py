"""Which frame is looked at next. Knows nothing of ROS."""

from __future__ import annotations

from collections import deque
from threading import Condition
from typing import Any, Generic, get_args, Literal, NamedTuple, TypeVar

Outcome = Literal['detected', 'superseded', 'stale', 'undecodable', 'failed']
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)

Item = TypeVar('Item')


class Frame(NamedTuple):
    """
    A received image.

    :param message: Image or CompressedImage.
    :param arrival: when it was received, seconds of ``time.perf_counter``.
    """

    camera: str
    message: Any
    arrival: float


class FrameQueue(Generic[Item]):
    """
    Where frames wait for the one thread that takes them; whoever puts one never waits.

    With ``every`` all frames are kept and taken one by one in the order they came, so that a
    replay gives the same result each time. Otherwise each camera has one slot with its latest
    frame, and all slots are taken at once: no camera starves and a silent one holds up nobody.
    """

    def __init__(self, *, every: bool = False) -> None:
        self._every = every
        self._waiting: deque[Item] = deque()
        self._slots: dict[str, Item] = {}
        self._closed = False
        self._changed = Condition()

    def put(self, camera: str, item: Item) -> Item | None:
        """Add a camera's frame; return the one that will not be taken because of it, if any."""
        with self._changed:
            if self._closed:
                return item
            superseded = None
            if self._every:
                self._waiting.append(item)
            else:
                superseded = self._slots.get(camera)
                self._slots[camera] = item
            self._changed.notify()
            return superseded

    def take(self) -> list[Item]:
        """Wait for frames and return those to look at together; none once closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._waiting or self._slots)
            if self._waiting:
                return [self._waiting.popleft()]
            taken = list(self._slots.values())
            self._slots.clear()
            return taken

    def close(self) -> list[Item]:
        """End the waiting; return the frames that will not be taken any more."""
        with self._changed:
            self._closed = True
            left = [*self._waiting, *self._slots.values()]
            self._waiting.clear()
            self._slots.clear()
            self._changed.notify_all()
            return left
