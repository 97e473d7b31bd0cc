"""Draws detections for people, off the way of the frames."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Thread
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from squeezedet_ros.detections import Detections
from squeezedet_ros.ros.camera import Camera
from squeezedet_ros.ros.messages import image_to_message
from squeezedet_ros.ros.scheduling import FrameQueue
from squeezedet_ros.visualization import draw_detections
from std_msgs.msg import Header


class _Drawing(NamedTuple):
    camera: Camera
    header: Header
    image: NDArray[np.uint8]
    detections: Detections


class OverlayPainter:
    """A thread that draws the latest frame of each camera somebody watches."""

    def __init__(self, classes: Sequence[str]) -> None:
        self._classes = classes
        self._queue: FrameQueue[_Drawing] = FrameQueue()
        self._thread = Thread(target=self._run, name='overlay', daemon=True)
        self._thread.start()

    def show(
        self, camera: Camera, header: Header, image: NDArray[np.uint8], detections: Detections
    ) -> None:
        """Draw this soon, unless a later frame of the camera comes first or nobody watches."""
        if camera.overlay.get_subscription_count():
            self._queue.put(camera.name, _Drawing(camera, header, image, detections))

    def stop(self) -> None:
        """End the thread once what it was given is drawn."""
        left = self._queue.close()
        self._thread.join()
        self._draw(left)

    def _run(self) -> None:
        while drawings := self._queue.take():
            self._draw(drawings)

    def _draw(self, drawings: Sequence[_Drawing]) -> None:
        for camera, header, image, detections in drawings:
            picture = draw_detections(image, detections, self._classes)
            camera.overlay.publish(image_to_message(picture, header))
