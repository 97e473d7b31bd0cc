"""``squeezedet soak``: load the node for minutes and hold its account against what was sent."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
import json
from pathlib import Path
import time

from squeezedet_ros.cli.drive_through_node import (
    check_alive,
    DriveError,
    module_command,
    node_command,
    prepare_environment,
)
from squeezedet_ros.cli.options import add_config, read_config
from squeezedet_ros.cli.processes import Child, Children, signals_as_interrupt
from squeezedet_ros.cli.soak_report import Finding, Memory, MINUTE_S, SoakBooks
from squeezedet_ros.errors import ConfigError
from squeezedet_ros.settings import check_settings, setting

INTERRUPTED = 130
_PEERS = 'squeezedet_ros.ros.soak_peers'
_PERIOD_S = 1.0
_SETTLING_S = 4.0
_WORDS = {True: 'right', False: 'WRONG', None: 'open'}


@dataclass(frozen=True, slots=True, kw_only=True)
class SoakConfig:
    """How long and how hard the node is loaded."""

    minutes: float = setting(1.0, 'minutes of load', bounds=(0.1, 100_000.0))
    cameras: int = setting(3, 'cameras, not in step with each other', bounds=(1, 32))
    rate: float = setting(10.0, 'images a second of each camera', bounds=(0.1, 1000.0))
    size: str = setting('1242x375', 'width and height of the images')
    timeout: float = setting(
        300.0, 'seconds for the node to become ready', bounds=(1.0, 100_000.0)
    )

    def __post_init__(self) -> None:
        check_settings(self)
        sides = self.size.split('x')
        if len(sides) != 2 or not all(side.isdecimal() and int(side) for side in sides):
            raise ConfigError(f'size must be WIDTHxHEIGHT such as 1242x375, got {self.size!r}')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_config(parser, SoakConfig)
    parser.add_argument(
        '--parameter',
        action='append',
        default=[],
        metavar='NAME:=VALUE',
        help='parameter of the node, its value as JSON or text',
    )
    parser.add_argument(
        '--overhead', action='store_true', help='tell what the node adds to the forward pass'
    )
    parser.add_argument(
        '--out', type=Path, default=Path('out/soak'), help='folder for what the processes print'
    )


def run(arguments: argparse.Namespace) -> int:
    """
    Load the node, print the account of each minute and the verdict; return 1 if any is wrong.

    :raises DriveError: when a process fails or the node does not become ready.
    """
    config = read_config(arguments, SoakConfig)
    names = [f'camera_{number}' for number in range(config.cameras)]
    parameters = {'cameras': names, **_read_parameters(arguments.parameter)}
    prepare_environment()
    books = SoakBooks(names)
    try:
        with signals_as_interrupt():
            minutes = Soak(arguments.out, config, books).run(names, parameters)
    except KeyboardInterrupt:
        return INTERRUPTED
    if arguments.overhead:
        print(books.overhead_line())
    return _print_verdict(books.verdict(minutes))


def _read_parameters(assignments: list[str]) -> dict[str, object]:
    parameters: dict[str, object] = {}
    for text in assignments:
        name, mark, value = text.partition(':=')
        if not mark:
            raise ConfigError(f'a parameter must be NAME:=VALUE, got {text!r}')
        try:
            parameters[name] = json.loads(value)
        except json.JSONDecodeError:
            parameters[name] = value
    return parameters


def _print_verdict(findings: list[Finding]) -> int:
    for right, text in findings:
        print(f'{_WORDS[right]}: {text}')
    return int(any(right is False for right, _ in findings))


class Soak:
    """The processes of a soak, and the files they write."""

    def __init__(self, folder: Path, config: SoakConfig, books: SoakBooks) -> None:
        """Begin with empty files in a folder."""
        self._folder, self._config, self._books = folder, config, books
        folder.mkdir(parents=True, exist_ok=True)
        self._paths = [folder / f'{role}.jsonl' for role in ('listener', 'cameras')]
        for path in self._paths:
            path.unlink(missing_ok=True)
        self._positions = dict.fromkeys(self._paths, 0)

    def run(self, names: list[str], parameters: dict[str, object]) -> int:
        """
        Load a node of its own, and return the whole minutes that it was.

        :raises DriveError: when a process fails or the node does not become ready.
        """
        width, height = self._config.size.split('x')
        listener_path, cameras_path = (str(path) for path in self._paths)
        load = ['--rate', str(self._config.rate), '--size', height, width]
        with Children(self._folder) as children:
            listener = children.start(
                'listener',
                module_command(_PEERS, 'listener', '--names', *names, '--out', listener_path),
            )
            node = children.start('node', node_command(parameters))
            self._await_ready(node, listener)
            command = module_command(_PEERS, 'cameras', '--names', *names, '--out', cameras_path)
            cameras = children.start('cameras', [*command, *load])
            minutes = self._soak(node, (listener, node, cameras))
            cameras.stop()
            for _ in _ticks(_SETTLING_S):
                self._read()
            self._read()
        return minutes

    def _await_ready(self, node: Child, listener: Child) -> None:
        for _ in _ticks(self._config.timeout):
            self._read()
            check_alive(node, listener)
            if self._books.ready:
                return
        raise DriveError(f'the node was not ready in time:\n{node.last_words()}')

    def _soak(self, node: Child, children: tuple[Child, ...]) -> int:
        start, minute = time.monotonic(), 0
        for now in _ticks(self._config.minutes * MINUTE_S):
            self._read()
            check_alive(*children)
            self._weigh(node, now)
            if now - start >= (minute + 1) * MINUTE_S:
                print(self._books.minute_line(minute), flush=True)
                minute += 1
        return max(1, minute)

    def _weigh(self, node: Child, now: float) -> None:
        resident, anonymous = node.memory_mib(), node.memory_mib('RssAnon')
        if resident is not None and anonymous is not None:
            self._books.memory.append(Memory(now, resident, anonymous))

    def _read(self) -> None:
        """Enter the lines that were finished since the last call."""
        for path, position in self._positions.items():
            if not path.exists():
                continue
            with path.open('rb') as file:
                file.seek(position)
                whole, newline, _ = file.read().rpartition(b'\n')
            self._positions[path] = position + len(whole) + len(newline)
            for line in whole.splitlines():
                self._books.add(json.loads(line))


def _ticks(seconds: float) -> Iterator[float]:
    """Give the time of ``time.monotonic`` once a second, to the end of a span."""
    start = time.monotonic()
    while (now := time.monotonic()) < start + seconds:
        yield now
        time.sleep(_PERIOD_S)
    yield now
