"""Energy that the machine tells of itself: RAPL, NVML, or the power rails of a Jetson."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from threading import Event, Thread
from time import perf_counter
from typing import NamedTuple

import torch

_SAMPLE_S = 0.05
_RAPL = 'class/powercap'
_RAILS = 'class/hwmon'
# The sensors of Jetson modules, and the rail of Orin NX and Nano through which all of it goes; on
# others the rails are added up. (Jetson Linux Developer Guide, Jetson Module Power Monitors.)
_SENSORS = ('ina3221', 'ina238')
_INPUT_RAIL = 'VDD_IN'


class Meter(ABC):
    """
    Something that counts energy between :meth:`start` and :meth:`stop`.

    :ivar name: what is measured, and by what.
    """

    name: str

    @abstractmethod
    def start(self) -> None:
        """Begin to count."""

    @abstractmethod
    def stop(self) -> float:
        """Return the joules since :meth:`start`."""


class RaplMeter(Meter):
    """The counter of a processor package, which begins again at its range (powercap of Linux)."""

    def __init__(self, zone: Path) -> None:
        """
        Take a zone of powercap.

        :raises OSError: when it may not be read, as by default only root may.
        """
        self.name = f'RAPL {(zone / "name").read_text().strip()}'
        self._counter = zone / 'energy_uj'
        self._range = int((zone / 'max_energy_range_uj').read_text())
        self._begin = self._read()

    def _read(self) -> int:
        return int(self._counter.read_text())

    def start(self) -> None:
        """Begin to count."""
        self._begin = self._read()

    def stop(self) -> float:
        """Return the joules since :meth:`start`, of at most one turn of the counter."""
        return (self._read() - self._begin) % (self._range + 1) / 1e6


class NvmlMeter(Meter):
    """The counter of an NVIDIA GPU since Volta, by NVML."""

    def __init__(self, device: torch.device) -> None:
        """
        Take a CUDA device, to which NVML may give another number.

        :raises pynvml.NVMLError: when there is no driver, or none that counts.
        """
        import pynvml

        pynvml.nvmlInit()
        uuid = torch.cuda.get_device_properties(device).uuid
        self._nvml = pynvml
        self._handle = pynvml.nvmlDeviceGetHandleByUUID(f'GPU-{uuid}')
        self.name = f'NVML {pynvml.nvmlDeviceGetName(self._handle)}'
        self._begin = self._read()

    def _read(self) -> int:
        return int(self._nvml.nvmlDeviceGetTotalEnergyConsumption(self._handle))

    def start(self) -> None:
        """Begin to count."""
        self._begin = self._read()

    def stop(self) -> float:
        """Return the joules since :meth:`start`."""
        return (self._read() - self._begin) / 1e3


class Rail(NamedTuple):
    """Files of one channel of a power sensor, millivolts and milliamperes."""

    label: str
    voltage: Path
    current: Path

    def watts(self) -> float:
        """Return the power at this moment."""
        return int(self.voltage.read_text()) * int(self.current.read_text()) / 1e6


class RailMeter(Meter):
    """Power rails of a Jetson, read twenty times a second and added up over time."""

    def __init__(self, rails: Iterable[Rail]) -> None:
        """
        Take some rails.

        :raises OSError: when one of them may not be read.
        """
        self._rails = tuple(rails)
        self.name = f'rails {" + ".join(rail.label for rail in self._rails)}'
        self._joules = 0.0
        self._ended = Event()
        self._thread: Thread | None = None
        self._watts()

    def _watts(self) -> float:
        return sum(rail.watts() for rail in self._rails)

    def start(self) -> None:
        """Begin to read."""
        self._joules, self._ended = 0.0, Event()
        self._thread = Thread(target=self._sample, name='power', daemon=True)
        self._thread.start()

    def stop(self) -> float:
        """Return the joules since :meth:`start`."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
        return self._joules

    def _sample(self) -> None:
        before, watts, ended = perf_counter(), self._watts(), False
        while not ended:
            ended = self._ended.wait(_SAMPLE_S)
            now, power = perf_counter(), self._watts()
            self._joules += (watts + power) / 2 * (now - before)
            before, watts = now, power


def find_meters(
    device: torch.device, system: Path = Path('/sys')
) -> tuple[list[Meter], dict[str, str]]:
    """
    Return what can be read on this machine, and of the rest why not.

    :param device: where the forward pass runs.
    :param system: where the kernel shows its devices.
    """
    meters: list[Meter] = []
    absent: dict[str, str] = {}
    zones = sorted((system / _RAPL).glob('intel-rapl:?'))
    if not zones:
        absent['RAPL'] = f'{system / _RAPL} has no intel-rapl'
    try:
        meters += [RaplMeter(zone) for zone in zones]
    except OSError as error:
        absent['RAPL'] = f'{error.strerror}: {error.filename}'
    rails = _find_rails(system / _RAILS)
    if rails:
        meters.append(RailMeter(rails))
    else:
        absent['rails'] = f'{system / _RAILS} has no {" or ".join(_SENSORS)} of a Jetson'
    if device.type == 'cuda':
        _add_nvml(device, meters, absent)
    else:
        absent['NVML'] = 'the forward pass is not on a GPU'
    return meters, absent


def _find_rails(folder: Path) -> list[Rail]:
    rails = []
    for label in sorted(folder.glob('hwmon*/in*_label')):
        monitor, number = label.parent, label.name[2 : -len('_label')]
        if (monitor / 'name').read_text().strip() not in _SENSORS:
            continue
        current = monitor / f'curr{number}_input'
        # Further channels of the sensor are sums without a current of their own.
        if current.is_file():
            rails.append(Rail(label.read_text().strip(), monitor / f'in{number}_input', current))
    whole = [rail for rail in rails if rail.label == _INPUT_RAIL]
    return whole or rails


def _add_nvml(device: torch.device, meters: list[Meter], absent: dict[str, str]) -> None:
    if find_spec('pynvml') is None:
        absent['NVML'] = 'pynvml is not installed (pip install nvidia-ml-py)'
        return
    from pynvml import NVMLError

    try:
        meters.append(NvmlMeter(device))
    except NVMLError as error:
        absent['NVML'] = str(error)


def energy_lines(found: dict[str, dict[str, float]], absent: dict[str, str]) -> str:
    """Return joules a frame by meter, or why there are none, as lines of text."""
    lines = [
        f'energy: {row["joules_per_frame"]:.3f} J a frame, {row["watts"]:.1f} W ({name})'
        for name, row in found.items()
    ]
    if not lines:
        reasons = '; '.join(f'{name}: {why}' for name, why in absent.items())
        lines = [f'energy cannot be read here: {reasons}']
    return '\n'.join(lines)
