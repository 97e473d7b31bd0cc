"""One look at the next frame of each camera, for whoever asks by a service."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from threading import Lock
from time import perf_counter

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode
from rclpy.task import Future
from squeezedet_ros.ros.camera import Camera
from squeezedet_ros.ros.rules import Rules
from squeezedet_ros.ros.scheduling import Frame, Outcome
from squeezedet_ros.ros.worker import FrameWorker


class OneLook:
    """
    Waits until a frame of each camera was looked at; begins at once.

    With a worker of its own exactly one frame of each camera is received and given to it, whatever
    comes of it. Without one frames come and are looked at anyway, and the first detected one that
    arrives from now on is told of. Answers, like all of ROS here, in the executor's thread.

    :param done: whether all cameras were looked at, and what of each, in one line.
    """

    def __init__(
        self,
        node: LifecycleNode,
        cameras: Mapping[str, Camera],
        patience_s: float,
        worker: FrameWorker | None,
    ) -> None:
        self.done: Future = Future()
        self._node = node
        self._cameras = cameras
        self._patience_s = patience_s
        self._worker = worker
        self._since = perf_counter()
        self._answers: dict[str, tuple[bool, str]] = {}
        self._mishaps: dict[str, str] = {}
        self._received: set[str] = set()
        self._lock = Lock()
        # Not the node's, which notes all that was ever in it (rclpy's issue 1356).
        group = MutuallyExclusiveCallbackGroup()
        # What a thread sets in a Future wakes no executor; a guard condition does.
        self._guard = node.create_guard_condition(self._finish, callback_group=group)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = node.create_timer(
            patience_s, self._give_up, callback_group=group, clock=steady
        )
        self._opened = [] if worker is None else [c for c in cameras.values() if not c.publishes]
        for camera in self._opened:
            camera.let_publish(allowed=True)
        for camera in cameras.values():
            camera.watch(self._told)
            if worker is not None:
                camera.listen(partial(self._receive, worker))

    def change(self, rules: Rules) -> None:
        """Go by other rules, where the frames are looked at for this look alone."""
        if self._worker is not None:
            self._worker.rules = rules

    def interrupt(self, reason: str, patience: float | None = None) -> None:
        """
        Answer now, with a reason for each camera that has no answer yet.

        :param patience: seconds to wait for a frame at hand, none for as long as it takes.
        """
        with self._lock:
            for name in self._cameras:
                self._answers.setdefault(name, (False, reason))
        self._finish(patience)

    def _receive(self, worker: FrameWorker, frame: Frame) -> None:
        self._cameras[frame.camera].ignore()
        self._received.add(frame.camera)
        worker.put(frame)

    def _told(self, frame: Frame, outcome: Outcome, reason: str) -> None:
        """Hear what became of a frame, in any thread."""
        if frame.arrival < self._since:
            return
        with self._lock:
            if self._is_complete():
                return
            if outcome == 'detected' or self._worker is not None:
                self._answers.setdefault(frame.camera, (outcome == 'detected', reason))
            elif outcome != 'superseded':
                self._mishaps[frame.camera] = reason
            # Under the lock, since whoever finds the answers complete may destroy it.
            if self._is_complete():
                self._guard.trigger()

    def _is_complete(self) -> bool:
        return len(self._answers) == len(self._cameras)

    def _give_up(self) -> None:
        """Wait no longer for frames; those that were received will have an outcome."""
        self._timer.cancel()
        with self._lock:
            waiting = [
                camera for name, camera in self._cameras.items() if name not in self._received
            ]
            for camera in waiting:
                self._answers.setdefault(camera.name, (False, self._missing(camera)))
            is_complete = self._is_complete()
        if is_complete:
            self._finish()
        elif self._worker is not None:
            for camera in waiting:
                camera.ignore()

    def _missing(self, camera: Camera) -> str:
        within = f'within {self._patience_s:g} s'
        if self._worker is not None:
            return f'no image on {camera.input_topic} {within}'
        mishap = self._mishaps.get(camera.name)
        return f'no image on {camera.input_topic} looked at {within}' + (
            f', the last because: {mishap}' if mishap else ''
        )

    def _finish(self, patience: float | None = None) -> None:
        if self.done.done():
            return
        self._node.destroy_timer(self._timer)
        self._node.destroy_guard_condition(self._guard)
        for camera in self._cameras.values():
            camera.watch(None)
            if self._worker is not None:
                camera.ignore()
        if self._worker is not None:
            self._worker.stop(patience)
        for camera in self._opened:
            camera.let_publish(allowed=False)
        text = ', '.join(f'{name}: {self._answers[name][1]}' for name in self._cameras)
        self.done.set_result((all(success for success, _ in self._answers.values()), text))
