"""Work for the thread that a process begins with."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar('T')


class MainThread:
    """
    Does what other threads ask for, one after the other, in the thread that serves.

    Tensors belong into the first thread of a process. By glibc its heap alone holds blocks of any
    size; that of another thread consists of pieces of 64 MiB, which are given back whenever one is
    empty. And it is its own: in one that all share, a small block of another thread that lands
    between two tensors and stays takes the place of the tensors that follow.
    """

    def __init__(self) -> None:
        self._jobs: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """Have something done; never waits. What it raises, whoever asks for the result gets."""
        future: Future[T] = Future()
        self._jobs.put((future, work))
        return future

    def serve(self) -> None:
        """Work in this thread until told to stop."""
        while self._serve_next():
            pass

    def stop(self) -> None:
        """Have :meth:`serve` return after what was submitted before."""
        self._jobs.put(None)

    def _serve_next(self) -> bool:
        # A function of its own, so that nothing of the last job is held while the next is awaited.
        job = self._jobs.get()
        if job is None:
            return False
        future, work = job
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 (it is not lost: the future raises it)
            future.set_exception(error)
            # The error knows this frame: what it held would stay until Python looks for rings.
            del future, job
        return True
