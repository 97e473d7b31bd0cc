"""What a configured node holds: the detector, its cameras and, while active, its worker."""

from __future__ import annotations

from contextlib import ExitStack

from diagnostic_msgs.msg import DiagnosticStatus
import numpy as np
from rclpy.lifecycle import LifecycleNode
from squeezedet_ros.checkpoint import resolve_weights
from squeezedet_ros.config import SelectionConfig
from squeezedet_ros.detector import Detector
from squeezedet_ros.ros.camera import Camera
from squeezedet_ros.ros.diagnostics import camera_status
from squeezedet_ros.ros.parameters import NodeParameters
from squeezedet_ros.ros.worker import FrameWorker


class Pipeline:
    """From image topics to detection topics."""

    def __init__(self, node: LifecycleNode, parameters: NodeParameters) -> None:
        """
        Load the weights, warm up and advertise the topics.

        :raises SqueezeDetError: for a setting, a weights file or a device that cannot be used.
        """
        parameters.check()
        self._node = node
        self._config = parameters.node
        self.weights = resolve_weights(self._config.weights)
        self.detector = Detector.from_checkpoint(
            self.weights, parameters.selection, parameters.engine
        )
        blank = np.zeros((*self.detector.model.input_size, 3), np.uint8)
        self.detector.detect([blank] * len(self._config.cameras))
        self._cameras: dict[str, Camera] = {}
        self._worker: FrameWorker | None = None
        with ExitStack() as undo:
            undo.callback(self.close)
            for name in self._config.cameras:
                self._cameras[name] = Camera(node, name, self._config)
            self._announce()
            undo.pop_all()

    def select(self, selection: SelectionConfig) -> None:
        """Use another selection from the next batch on."""
        self.detector.selection = selection
        self._announce()

    def _announce(self) -> None:
        for camera in self._cameras.values():
            camera.announce(self.detector.model, self.detector.selection.plot_prob_thresh)

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
        self._worker = FrameWorker(self._node, self.detector, self._cameras, self._config)
        for camera in self._cameras.values():
            camera.listen(self._worker.put)

    def stop(self, patience: float | None = None) -> bool:
        """
        Receive no more frames; return whether all work has ended.

        :param patience: seconds to wait for the last batch, none for as long as it takes.
        """
        for camera in self._cameras.values():
            camera.ignore()
        worker, self._worker = self._worker, None
        return worker is None or worker.stop(patience)

    def close(self, patience: float | None = None) -> bool:
        """Give all topics back; return whether all work has ended, as :meth:`stop` does."""
        ended = self.stop(patience)
        for camera in self._cameras.values():
            camera.close()
        self._cameras.clear()
        return ended

    def statuses(self, prefix: str) -> list[DiagnosticStatus]:
        """
        Return what /diagnostics says of each camera.

        :raises RuntimeError: when the worker died, so that the process ends and says why.
        """
        if self._worker is not None and not self._worker.is_alive:
            raise RuntimeError('the thread that looks at frames has died; its error is above')
        statuses = []
        for name, camera in self._cameras.items():
            account = camera.account.read()
            silence = camera.silence(account.silent_for, self._config.silent_after)
            statuses.append(camera_status(f'{prefix}: {name}', name, account, silence))
        return statuses
