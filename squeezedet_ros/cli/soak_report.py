"""The books of a soak: what was sent, what became of it, and whether that is as it should be."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

MINUTE_S = 60.0
# The middleware's pools and the heap around them grow to their size in the first minutes.
_WARM_UP_S = 600.0
_LEAST_SLOPE_S = 600.0
_MOST_SLOPE = 1.0
_MOST_GROWTH = 1.1
_MOST_UNFAIR = 0.1
STAGES = ('wait', 'decode', 'preprocess', 'network', 'select', 'publish')


class Memory(NamedTuple):
    """Resident memory of the node, MiB: all of it, and without files and shared segments."""

    at: float
    resident: float
    anonymous: float


class Finding(NamedTuple):
    """One line of the verdict; ``right`` is none where the soak was too short to tell."""

    right: bool | None
    text: str


class Tally(NamedTuple):
    """
    The images of all cameras.

    :param rate: detected a second, from the first to the last of them; 0 for fewer than two.
    """

    sent: int
    detected: int
    rate: float

    @property
    def lost(self) -> float:
        """Return the share of those sent for which there was no answer."""
        return 1 - self.detected / self.sent if self.sent else 1.0


class SoakBooks:
    """
    What the cameras and the listener wrote, and the node's memory.

    :ivar ready: whether the node was heard on all its topics.
    """

    def __init__(self, cameras: Iterable[str]) -> None:
        self.ready = False
        self.memory: list[Memory] = []
        self._cameras = tuple(cameras)
        self._sent: Mapping[str, int] = {}
        self._accounts: dict[str, dict[str, int]] = {}
        self._outcomes: dict[str, Counter[str]] = {name: Counter() for name in self._cameras}
        self._looked_at: Counter[tuple[str, int]] = Counter()
        self._arrays: Counter[tuple[str, int]] = Counter()
        self._ages: dict[int, list[float]] = defaultdict(list)
        self._stages: dict[str, list[float]] = defaultdict(list)
        self._start: float | None = None
        self._end = 0.0

    def add(self, event: Mapping[str, Any]) -> None:
        """Enter one line that a process wrote."""
        kind = event['kind']
        if kind == 'ready':
            self.ready = True
        elif kind == 'sent':
            self._sent = event['counts']
        elif kind == 'account':
            self._accounts[event['camera']] = event['counts']
        elif kind == 'array':
            self._arrays[event['camera'], event['stamp']] += 1
        elif kind == 'status':
            self._add_status(event)

    def _add_status(self, event: Mapping[str, Any]) -> None:
        self._outcomes[event['camera']][event['outcome']] += 1
        if event['outcome'] != 'detected':
            return
        self._looked_at[event['camera'], event['stamp']] += 1
        milliseconds = event['milliseconds']
        if self._start is None:
            self._start = event['at']
        self._end = event['at']
        self._ages[int((event['at'] - self._start) // MINUTE_S)].append(milliseconds['age'])
        for stage in STAGES:
            self._stages[stage].append(milliseconds[stage])
        self._stages['overhead'].append(milliseconds['total'] - milliseconds['network'])

    def tally(self) -> Tally:
        """Return how many images were sent and detected so far, and how fast."""
        detected = self._looked_at.total()
        seconds = 0.0 if self._start is None else self._end - self._start
        rate = (detected - 1) / seconds if seconds else 0.0
        return Tally(sum(self._sent.values()), detected, rate)

    def age_percentiles(self, minute: int) -> tuple[float, float] | None:
        """Return the 50th and 99th percentile of the age of a minute's detections, ms."""
        ages = self._ages.get(minute)
        if not ages:
            return None
        p50, p99 = np.percentile(ages, (50, 99)).tolist()
        return p50, p99

    def memory_slopes(self) -> tuple[float, float] | None:
        """Return the growth of resident and of anonymous memory after warm-up, MiB an hour."""
        warm = [item for item in self.memory if item.at - self.memory[0].at >= self._warm_up()]
        if len(warm) < 2:
            return None
        hours = np.array([item.at for item in warm]) / 3600
        resident = np.polyfit(hours, [item.resident for item in warm], 1)[0]
        anonymous = np.polyfit(hours, [item.anonymous for item in warm], 1)[0]
        return float(resident), float(anonymous)

    def _warm_up(self) -> float:
        return min(_WARM_UP_S, (self.memory[-1].at - self.memory[0].at) / 3)

    def minute_line(self, minute: int) -> str:
        """Return the account, memory and age at the end of a minute."""
        total = sum(self._outcomes.values(), Counter())
        counts = ', '.join(f'{count} {name}' for name, count in total.most_common())
        ages, slopes = self.age_percentiles(minute), self.memory_slopes()
        age = f'age p50 {ages[0]:.0f} p99 {ages[1]:.0f} ms' if ages else 'nothing detected'
        growth = f', {slopes[0]:+.1f} MiB/h' if slopes else ''
        resident = f'{self.memory[-1].resident:.1f}' if self.memory else 'no'
        return f'{minute + 1:3} min: {counts}; {age}; {resident} MiB{growth}'

    def overhead_line(self) -> str:
        """Return the node's part of a frame's time, ms: medians, and each stage's."""
        if not self._stages:
            return 'overhead: nothing was detected'
        medians = {name: float(np.median(values)) for name, values in self._stages.items()}
        stages = ', '.join(f'{name} {medians[name]:.2f}' for name in STAGES)
        return f'overhead: {medians["overhead"]:.2f} ms less the network; median ms of {stages}'

    def verdict(self, minutes: int) -> list[Finding]:
        """Return what is right and what is not, after so many whole minutes."""
        return [
            *(self._conservation(name) for name in self._cameras),
            self._arrays_finding(),
            self._fairness(),
            self._age_finding(minutes),
            self._memory_finding(),
        ]

    def _conservation(self, camera: str) -> Finding:
        account = self._accounts.get(camera, {})
        told = self._outcomes[camera]
        received, waiting = account.get('received', 0), account.get('waiting', -1)
        by_outcome = {name: account.get(name, 0) for name in told}
        right = received == sum(told.values()) > 0 and waiting == 0 and by_outcome == dict(told)
        sent = self._sent.get(camera, 0)
        parts = ' + '.join(f'{count} {name}' for name, count in told.items())
        return Finding(
            right,
            f'{camera}: {received} received = {parts or "none"}, {waiting} waiting; of {sent} '
            f'sent {sent - received} were lost on the way to the node',
        )

    def _arrays_finding(self) -> Finding:
        repeated = sum(count - 1 for count in self._looked_at.values())
        right = self._arrays == self._looked_at and not repeated
        text = f'{self._arrays.total()} arrays for {self._looked_at.total()} frames detected'
        return Finding(right, f'{text}, {repeated} of them twice')

    def _fairness(self) -> Finding:
        detected = [self._outcomes[name]['detected'] for name in self._cameras]
        # A camera that began first may be one frame ahead however short the soak.
        allowed = max(1.0, _MOST_UNFAIR * max(detected))
        right = max(detected) - min(detected) <= allowed
        return Finding(right, f'detected of each camera: {", ".join(map(str, detected))}')

    def _age_finding(self, minutes: int) -> Finding:
        first, last = self.age_percentiles(0), self.age_percentiles(minutes - 1)
        if minutes < 2 or first is None or last is None:
            return Finding(None, 'p99 age: less than two minutes with detections')
        text = f'p99 age: {first[1]:.0f} ms in the first minute, {last[1]:.0f} in the last'
        return Finding(last[1] <= _MOST_GROWTH * first[1], text)

    def _memory_finding(self) -> Finding:
        slopes = self.memory_slopes()
        if slopes is None:
            return Finding(None, 'memory: no figures')
        warm_up = self._warm_up()
        text = (
            f'memory: {slopes[0]:+.2f} MiB an hour after the first {warm_up:.0f} s, '
            f'{slopes[1]:+.2f} without files and segments'
        )
        measured = self.memory[-1].at - self.memory[0].at - warm_up
        if measured < _LEAST_SLOPE_S:
            return Finding(None, f'{text}; {measured:.0f} s are too short to judge')
        return Finding(slopes[0] < _MOST_SLOPE, text)
