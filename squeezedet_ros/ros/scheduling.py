"""Which frame is looked at next. Knows nothing of ROS."""

from __future__ import annotations

from collections import deque
import math
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

    def waiting(self) -> list[Item]:
        """Return the frames that were not taken yet; they stay."""
        with self._changed:
            return [*self._waiting, *self._slots.values()]

    def close(self) -> list[Item]:
        """End the waiting; return the frames that will not be taken any more."""
        with self._changed:
            self._closed = True
            left = [*self._waiting, *self._slots.values()]
            self._waiting.clear()
            self._slots.clear()
            self._changed.notify_all()
            return left


class FrameAges:
    """
    How old the frames of a camera are, by stamps and a clock of which either may jump.

    The age is the clock's time less the stamp. Where these cannot be compared it is the time the
    frame has waited, so that no frame is stale for a jump and none is fresh for ever:

    - without a stamp;
    - with a stamp ahead of the clock, which was set back or has not yet jumped forward;
    - for a second after the stamps were set back by more than one, as where a bag begins anew: the
      clock may arrive after the first frame. It ends when the clock goes back too.

    A camera whose stamps lag for longer has stale frames only, and the reason tells their age.
    """

    _GRACE_S = 1.0

    def __init__(self) -> None:
        self._stamp = 0
        self._now = 0
        self._grace_ends = -math.inf

    def age(self, stamp: int, now: int, waited: float, at: float) -> float:
        """
        Return the seconds a frame is old.

        :param stamp: nanoseconds, 0 for none; frames come in the order they arrived.
        :param now: nanoseconds of the clock that stamps are set by.
        :param waited: seconds since it arrived.
        :param at: seconds of a clock that never jumps.
        """
        clock_set_back, self._now = now < self._now, now
        if not stamp:
            return waited
        stamps_set_back, self._stamp = self._stamp - stamp > self._GRACE_S * 1e9, stamp
        if clock_set_back:
            self._grace_ends = at
        elif stamps_set_back:
            self._grace_ends = at + self._GRACE_S
        return waited if stamp > now or at < self._grace_ends else (now - stamp) / 1e9
