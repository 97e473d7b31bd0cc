"""The account of every frame, and what /diagnostics says of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock
from time import perf_counter
from typing import NamedTuple

from diagnostic_msgs.msg import DiagnosticStatus
import numpy as np
from numpy.typing import NDArray
from squeezedet_ros.ros.messages import ERROR, OK, status
from squeezedet_ros.ros.scheduling import Outcome, OUTCOMES

_LATENCIES_KEPT = 1000


@dataclass(frozen=True, slots=True)
class Account:
    """
    A camera's numbers at one moment.

    :param counts: frames by outcome since the node was configured.
    :param waiting: frames that arrived and have no outcome yet.
    :param rates: frames a second received and detected since the last account.
    :param bad: frames undecodable or failed since the last account.
    :param latencies_ms: 50th, 95th and 99th percentile from arrival to publication, none before
        the first detection.
    :param silent_for: seconds since the last frame, or since listening began.
    """

    counts: Mapping[Outcome, int]
    waiting: int
    rates: tuple[float, float]
    bad: int
    latencies_ms: tuple[float, float, float] | None
    silent_for: float

    @property
    def received(self) -> int:
        """Return the frames that have an outcome: each has exactly one."""
        return sum(self.counts.values())


class FrameAccount:
    """Counts what became of a camera's frames; used from several threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._arrived = 0
        self._counts: dict[Outcome, int] = dict.fromkeys(OUTCOMES, 0)
        # All of it now: what grows later lies between tensors (see MainThread).
        self._latencies_ms = np.zeros(_LATENCIES_KEPT)
        self._last_heard = perf_counter()
        self._last_read = perf_counter()
        self._marks = (0, 0, 0)

    def listen(self) -> None:
        """Start the time of silence anew."""
        with self._lock:
            self._last_heard = perf_counter()

    def arrived(self, at: float) -> None:
        """Count a frame that was received at a time of ``time.perf_counter``."""
        with self._lock:
            self._arrived += 1
            self._last_heard = at

    def ended(self, outcome: Outcome, latency_ms: float) -> None:
        """Count a frame's one outcome; only those of detected frames are latencies."""
        with self._lock:
            if outcome == 'detected':
                self._latencies_ms[self._counts[outcome] % _LATENCIES_KEPT] = latency_ms
            self._counts[outcome] += 1

    def read(self) -> Account:
        """Return the numbers; rates are over the time since the last call."""
        with self._lock:
            now = perf_counter()
            counts = dict(self._counts)
            elapsed = max(now - self._last_read, 1e-9)
            marks = (
                self._arrived,
                counts['detected'],
                counts['undecodable'] + counts['failed'],
            )
            arrived, detected, bad = (
                mark - before for mark, before in zip(marks, self._marks, strict=True)
            )
            self._last_read, self._marks = now, marks
            latencies = self._latencies_ms[: counts['detected']].copy()
            waiting = self._arrived - sum(counts.values())
            silent_for = now - self._last_heard
        return Account(
            counts=counts,
            waiting=waiting,
            rates=(arrived / elapsed, detected / elapsed),
            bad=bad,
            latencies_ms=_percentiles(latencies),
            silent_for=silent_for,
        )


def _percentiles(latencies_ms: NDArray[np.float64]) -> tuple[float, float, float] | None:
    if not len(latencies_ms):
        return None
    p50, p95, p99 = np.percentile(latencies_ms, (50, 95, 99)).tolist()
    return p50, p95, p99


class Remark(NamedTuple):
    """What has to be said of a camera, at a level of DiagnosticStatus."""

    level: bytes
    text: str


def camera_status(
    name: str,
    camera: str,
    account: Account,
    remark: Remark | None,
    source: Mapping[str, object],
) -> DiagnosticStatus:
    """
    Return what /diagnostics says of a camera.

    :param remark: told instead of the rate, unless that says something worse.
    :param source: more values, on where the frames come from.
    """
    values: dict[str, object] = {
        'received': account.received,
        **{str(outcome): count for outcome, count in account.counts.items()},
        'waiting': account.waiting,
        'received per second': account.rates[0],
        'detected per second': account.rates[1],
        'seconds since last frame': account.silent_for,
        **source,
    }
    if account.latencies_ms is not None:
        names = ('latency p50 ms', 'latency p95 ms', 'latency p99 ms')
        values.update(zip(names, account.latencies_ms, strict=True))
    level, text = OK, f'{account.rates[1]:.1f} frames a second looked at'
    if account.bad:
        level, text = ERROR, f'{account.bad} frames could not be looked at'
    if remark is not None and remark.level >= level:
        level, text = remark
    return status(level, name, text, camera, values)
