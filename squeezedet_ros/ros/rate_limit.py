"""How often a camera's frames are looked at. Knows nothing of ROS."""

from __future__ import annotations

import math


class RateLimit:
    """
    Holds the frames of a camera to a number a second, by when they are received.

    Slots lie a period apart, and a frame takes the next one up to half a period before or after
    its time; one that is later yet moves the slots that follow. So the average is kept, and a
    camera whose rate is the limit loses no frame to jitter. Two frames looked at are never less
    than half a period apart.
    """

    def __init__(self) -> None:
        self._slot = -math.inf
        self._looked = -math.inf

    def is_too_soon(self, arrival: float, max_fps: float) -> bool:
        """
        Return whether a frame comes too soon after the last one looked at.

        :param arrival: when it was received, in seconds of a clock that only goes forward.
        :param max_fps: 0 for no limit; may differ from call to call.
        """
        if max_fps == 0:
            return False
        half = 0.5 / max_fps
        return arrival < max(self._next_slot(half) - half, self._looked + half)

    def looked_at(self, arrival: float, max_fps: float) -> None:
        """Remember that this frame was looked at."""
        half = 0.5 / max_fps if max_fps else 0.0
        self._slot = max(self._next_slot(half), arrival - half)
        self._looked = arrival

    def since_last(self, arrival: float) -> float:
        """Return the seconds from the last frame looked at to this one, infinite if none was."""
        return arrival - self._looked

    def _next_slot(self, half: float) -> float:
        """Return when the next slot is; whatever the limit was, near the last frame looked at."""
        slot = min(max(self._slot, self._looked - half), self._looked + half)
        return slot + 2 * half
