"""What a configured node holds: the detector, its cameras and, while active, its worker."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from pathlib import Path

from diagnostic_msgs.msg import DiagnosticStatus
import numpy as np
from rclpy.lifecycle import LifecycleNode
from squeezedet_ros.checkpoint import resolve_weights
from squeezedet_ros.config import LiveConfig
from squeezedet_ros.detector import Detector
from squeezedet_ros.ros.camera import Camera
from squeezedet_ros.ros.diagnostics import camera_status
from squeezedet_ros.ros.one_look import OneLook
from squeezedet_ros.ros.parameters import NodeParameters
from squeezedet_ros.ros.rules import make_rules
from squeezedet_ros.ros.worker import FrameWorker, Submit


class Pipeline:
    """From image topics to detection topics."""

    def __init__(self, node: LifecycleNode, parameters: NodeParameters, submit: Submit) -> None:
        """
        Load the weights, warm up and advertise the topics.

        :param submit: has the work with the network done, in another thread.
        :raises SqueezeDetError: for a setting, a weights file or a device that cannot be used.
        """
        parameters.check()
        self._node = node
        self._config = parameters.node
        self.weights = resolve_weights(self._config.weights)
        self._submit = submit
        self.detector = submit(partial(_warm_detector, self.weights, parameters)).result()
        self._rules = make_rules(
            parameters.live, self.detector.model.classes, self._config.cameras
        )
        self._cameras: dict[str, Camera] = {}
        self._worker: FrameWorker | None = None
        self._look: OneLook | None = None
        with ExitStack() as undo:
            undo.callback(self.close)
            for name in self._config.cameras:
                self._cameras[name] = Camera(node, name, self._config)
            self._announce()
            undo.pop_all()

    def change(self, config: LiveConfig) -> None:
        """
        Go by other rules from the next batch on.

        :raises ConfigError: for a class or a camera that there is not; nothing has changed then.
        """
        rules = make_rules(config, self.detector.model.classes, self._config.cameras)
        announced, self._rules = self._rules.selector.config, rules
        if self._worker is not None:
            self._worker.rules = rules
        if self._look is not None:
            self._look.change(rules)
        if config.selection != announced:
            self._announce()

    def _announce(self) -> None:
        for camera in self._cameras.values():
            camera.announce(self.detector.model, self._rules.selector.least_score)

    @property
    def is_running(self) -> bool:
        """Return whether frames are received."""
        return self._worker is not None

    @property
    def waiting_mb(self) -> float:
        """Return the size of the frames that wait to be looked at, in millions of bytes."""
        return self._worker.waiting_mb if self._worker is not None else 0.0

    def start(self) -> None:
        """Begin to receive and look at frames."""
        if self._worker is not None:
            return
        self._interrupt_look('the node began to look at all frames first')
        self._worker = self._make_worker()
        for camera in self._cameras.values():
            camera.let_publish(allowed=True)
            camera.listen(self._worker.put)

    def _make_worker(self) -> FrameWorker:
        return FrameWorker(
            self._node, self.detector, self._cameras, self._config, self._rules, self._submit
        )

    def look_once(self) -> OneLook | None:
        """Look at the next frame of each camera; none while such a look is under way."""
        if self._look is not None and not self._look.done.done():
            return None
        worker = None if self.is_running else self._make_worker()
        self._look = OneLook(self._node, self._cameras, self._config.silent_after, worker)
        return self._look

    def _interrupt_look(self, reason: str, patience: float | None = None) -> None:
        if self._look is not None:
            self._look.interrupt(reason, patience)
            self._look = None

    def stop(self, patience: float | None = None) -> None:
        """
        Receive no more frames, and end the work.

        :param patience: seconds to wait for the last batch, none for as long as it takes.
        """
        self._interrupt_look('the node stopped first', patience)
        for camera in self._cameras.values():
            camera.ignore()
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.stop(patience)

    def close(self, patience: float | None = None) -> None:
        """Stop, as :meth:`stop` does, and give all topics back."""
        self.stop(patience)
        for camera in self._cameras.values():
            camera.close()
        self._cameras.clear()

    def statuses(self, prefix: str) -> list[DiagnosticStatus]:
        """
        Return what /diagnostics says of each camera.

        :raises RuntimeError: when the worker died, so that the process ends and says why.
        """
        if self._worker is not None:
            self._worker.check()
        statuses = []
        for name, camera in self._cameras.items():
            account = camera.account.read()
            remark = camera.remark(account.silent_for)
            values = camera.describe_input()
            statuses.append(camera_status(f'{prefix}: {name}', name, account, remark, values))
        return statuses


def _warm_detector(weights: Path, parameters: NodeParameters) -> Detector:
    """Return a detector that has looked at every number of images that may come together."""
    detector = Detector.from_checkpoint(weights, parameters.live.selection, parameters.engine)
    blank = np.zeros((*detector.model.input_size, 3), np.uint8)
    for count in range(len(parameters.node.cameras), 0, -1):
        detector.detect([blank] * count)
    return detector
