from collections.abc import Callable
from contextlib import suppress
import gc
from threading import current_thread, Thread
import weakref

import pytest
from squeezedet_ros.ros.main_thread import MainThread

pytestmark = pytest.mark.ros


def serving(ask: Callable[[MainThread], None]) -> None:
    """Serve here, and ask in another thread."""
    work = MainThread()

    def talk() -> None:
        try:
            ask(work)
        finally:
            work.stop()

    thread = Thread(target=talk)
    thread.start()
    work.serve()
    thread.join()


def test_work_is_done_in_the_thread_that_serves_and_in_order():
    done = []

    def ask(work):
        futures = [work.submit(lambda n=n: (n, current_thread())) for n in range(3)]
        done.extend(future.result(60) for future in futures)

    serving(ask)
    assert done == [(number, current_thread()) for number in range(3)]


def test_what_is_raised_comes_to_who_asked_and_the_next_is_done():
    seen = []

    def ask(work):
        for error in (KeyError('nobody foresaw this'), SystemExit(3)):
            future = work.submit(lambda error=error: (_ for _ in ()).throw(error))
            seen.append(future.exception(60))
        seen.append(work.submit(lambda: 5).result(60))

    serving(ask)
    assert [type(item) for item in seen] == [KeyError, SystemExit, int]


def test_nothing_is_held_of_what_is_done():
    """The detector goes with the job that loaded it, however long the next one is awaited."""
    found = []

    class Detector:
        def load(self):
            return None

    def ask(work):
        detector = Detector()
        found.append(weakref.ref(detector))
        work.submit(detector.load).result(60)
        del detector
        # The thread is on its way back to the queue.
        work.submit(int).result(60)
        found.append(found[0]() is None)

    serving(ask)
    assert found[1]


def test_nothing_is_held_of_what_failed():
    """Nor until Python looks for rings: it may be a network that filled the device."""
    found = []

    class Network:
        pass

    def load():
        network = Network()
        found.append(weakref.ref(network))
        raise MemoryError('no room')

    def ask(work):
        with suppress(MemoryError):
            work.submit(load).result(60)
        work.submit(int).result(60)
        found.append(found[0]() is None)

    gc.disable()
    try:
        serving(ask)
    finally:
        gc.enable()
    assert found[1]
