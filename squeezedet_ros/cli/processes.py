"""Child processes that never outlive the command that started them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
import ctypes
import os
from pathlib import Path
import signal
import subprocess
from types import FrameType, TracebackType

# prctl(2); loaded here because between fork and exec nothing may be loaded.
_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1
_PATIENCE = 5.0
_TAIL_LINES = 20


def _end_with_parent() -> None:
    """Have the system end this process when its parent is killed before it can do so itself."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


class Child:
    """A running process whose output goes to a file."""

    def __init__(self, name: str, command: Sequence[str], log: Path) -> None:
        self.name = name
        self._log = log
        with log.open('wb') as file:
            # In a session of its own Ctrl-C does not reach it: it is ended in its turn.
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_end_with_parent,
            )

    @property
    def exit_status(self) -> int | None:
        """Return None while it runs."""
        return self._process.poll()

    def last_words(self) -> str:
        """Return the last lines of its output."""
        lines = self._log.read_text(errors='replace').splitlines()
        return '\n'.join(lines[-_TAIL_LINES:])

    def memory_mib(self, part: str = 'VmRSS') -> float | None:
        """Return the resident memory, or a part of it by proc(5); None once it has ended."""
        try:
            status = Path(f'/proc/{self._process.pid}/status').read_text()
        except OSError:
            return None
        kilobytes = [line.split()[1] for line in status.splitlines() if line.startswith(part)]
        return int(kilobytes[0]) / 1024 if kilobytes else None

    def cpu_seconds(self) -> float | None:
        """Return the processor time of all its threads, by proc(5); None once it has ended."""
        try:
            status = Path(f'/proc/{self._process.pid}/stat').read_text()
        except OSError:
            return None
        # Its name, in brackets, may hold anything.
        user, system = status.rpartition(')')[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf('SC_CLK_TCK')

    def stop(self) -> None:
        """End the process and all that it started: politely, then firmly."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            self._send(number)
            try:
                self._process.wait(_PATIENCE)
                break
            except subprocess.TimeoutExpired:
                continue
        self._send(signal.SIGKILL)

    def _send(self, number: signal.Signals) -> None:
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:
            return


class Children:
    """Processes that end with the block, the last one started first."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._children: list[Child] = []

    def __enter__(self) -> Children:
        self._logs.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for child in reversed(self._children):
            child.stop()

    def start(self, name: str, command: Sequence[str]) -> Child:
        """Start a process whose output goes to ``<name>.log``."""
        child = Child(name, command, self._logs / f'{name}.log')
        self._children.append(child)
        return child


@contextmanager
def signals_as_interrupt() -> Iterator[None]:
    """
    Let a request to end, or a closed terminal, unwind the program as Ctrl-C does.

    Ctrl-C's own signal too: a shell starts what runs in its background with it ignored.
    """

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        # Else nohup wants the program to outlive its terminal.
        numbers.append(signal.SIGHUP)
    before = [signal.signal(number, interrupt) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
