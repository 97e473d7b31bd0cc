"""When each message of a bag is due."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
import json
from pathlib import Path
from typing import NamedTuple

from squeezedet_ros.data.bag import RawMessage
from squeezedet_ros.data.truth_message import NANOSECONDS
from squeezedet_ros.errors import ConfigError, DatasetError, SqueezeDetError
from squeezedet_ros.settings import check_settings, setting


class PlaybackError(SqueezeDetError):
    """Nobody listens to a bag that is played, or nobody answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybackConfig:
    """How a bag is published."""

    rate: float = setting(1.0, 'pace, as a multiple of the recorded one', bounds=(0.01, 100.0))
    loop: bool = setting(False, 'begin again at the end, until interrupted')
    start: float = setting(
        0.0, 'seconds of the recording, from its first message on, to leave out', bounds=(0.0, 1e9)
    )
    duration: float = setting(0.0, 'seconds of it to play (0 to its end)', bounds=(0.0, 1e9))
    clock: bool = setting(False, 'publish the time of recording on /clock')
    subscribers: int = setting(
        0, 'subscribers each topic must have before the first message', bounds=(0, 100)
    )
    settle: float = setting(
        0.0,
        'seconds from the arrival of the subscribers to the first message: their side of the '
        'connection is made a moment later',
        bounds=(0.0, 3600.0),
    )
    in_flight: int = setting(
        0,
        'images of a camera that may be without their <camera>/frame_status; the next one '
        'waits, so that no frame is lost on a slow machine (0 never waits)',
        bounds=(0, 1000),
    )
    timeout: float = setting(
        60.0, 'seconds to wait for a subscriber or a frame_status', bounds=(0.1, 3600.0)
    )

    def __post_init__(self) -> None:
        check_settings(self)


def excerpt(messages: Iterable[RawMessage], config: PlaybackConfig) -> Iterator[RawMessage]:
    """Return of some messages, in the order of recording, those that are to be played."""
    first: int | None = None
    for message in messages:
        first = message.recorded_ns if first is None else first
        seconds = (message.recorded_ns - first) / NANOSECONDS - config.start
        if config.duration and seconds >= config.duration:
            return
        if seconds >= 0:
            yield message


class Sending(NamedTuple):
    """
    That a message was sent.

    :param recorded_ns: when the bag received it.
    :param sent_ns: when it was sent, in nanoseconds of the machine's clock.
    """

    topic: str
    recorded_ns: int
    sent_ns: int


def read_sendings(path: Path) -> list[Sending]:
    """
    Read what ``play-bag --times`` wrote, but for a line that is not finished.

    :raises DatasetError: when there is no such file or it holds something else.
    """
    try:
        whole, _, _ = path.read_text(encoding='utf-8').rpartition('\n')
        return [Sending(**json.loads(line)) for line in whole.splitlines()]
    except (OSError, ValueError, TypeError) as error:
        raise DatasetError(f'{path} does not tell when messages were sent: {error}') from error


class Pace:
    """
    Turns times of recording into times of sending, in seconds of a steady clock.

    :param rate: multiple of the recorded pace.
    """

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._origin: float | None = None

    def due(self, recorded_ns: int, now: float) -> float:
        """Return when a message is to be sent; the first one is due at once."""
        elapsed = recorded_ns / NANOSECONDS / self._rate
        if self._origin is None:
            self._origin = now - elapsed
        return self._origin + elapsed

    def postpone(self, seconds: float) -> None:
        """Move everything that is still to come, after the sending had to wait."""
        if self._origin is not None:
            self._origin += seconds


def parse_remaps(remaps: list[str]) -> dict[str, str]:
    """
    Return new topic names by old ones, without leading slashes, from ``OLD:=NEW``.

    :raises ConfigError: when one is not of this form.
    """
    names = {}
    for remap in remaps:
        old, separator, new = remap.partition(':=')
        if not (separator and old and new):
            raise ConfigError(f'a remap must be OLD:=NEW, got {remap!r}')
        names[old.lstrip('/')] = new.lstrip('/')
    return names
