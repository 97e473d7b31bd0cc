"""Draws detections for people, off the way of the frames."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Thread
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from rclpy.lifecycle import LifecycleNode
from squeezedet_ros.detections import Detections
from squeezedet_ros.errors import one_line
from squeezedet_ros.ros.annotations import detections_to_annotations
from squeezedet_ros.ros.camera import Camera
from squeezedet_ros.ros.messages import image_to_jpeg_message, image_to_message
from squeezedet_ros.ros.scheduling import FrameQueue
from squeezedet_ros.visualization import draw_detections, draw_zones
from squeezedet_ros.zones import Zones
from std_msgs.msg import Header

# What pixels are known to raise: no memory, or an absurd shape.
PIXEL_FAILURES = (cv2.error, RuntimeError, ValueError, MemoryError)
THROTTLE_S = 5.0


class _Drawing(NamedTuple):
    camera: Camera
    header: Header
    image: NDArray[np.uint8]
    detections: Detections
    zones: Zones


class OverlayPainter:
    """A thread that draws the latest frame of each camera somebody watches."""

    def __init__(self, node: LifecycleNode, classes: Sequence[str]) -> None:
        self._node = node
        self._classes = classes
        self._queue: FrameQueue[_Drawing] = FrameQueue()
        self._is_hurried = False
        self._thread = Thread(target=self._run, name='overlay', daemon=True)
        self._thread.start()

    def show(
        self,
        camera: Camera,
        header: Header,
        image: NDArray[np.uint8],
        detections: Detections,
        zones: Zones,
    ) -> None:
        """
        Draw this soon, unless a later frame of the camera comes first or nobody watches.

        Annotations are published at once: a viewer wants those of each frame.
        """
        annotations = camera.annotations
        if annotations is not None and annotations.get_subscription_count():
            message = detections_to_annotations(detections, header, self._classes)
            annotations.publish(message)
        overlays = camera.overlay, camera.compressed_overlay
        if any(overlay.get_subscription_count() for overlay in overlays):
            self._queue.put(camera.name, _Drawing(camera, header, image, detections, zones))

    def stop(self, patience: float | None = None) -> None:
        """
        End the thread once what it was given is drawn.

        :param patience: seconds to wait for the drawing at hand; others are dropped then.
        """
        left = self._queue.close()
        self._is_hurried = patience is not None
        self._thread.join(patience)
        self._draw(left)

    def _run(self) -> None:
        while drawings := self._queue.take():
            self._draw(drawings)

    def _draw(self, drawings: Sequence[_Drawing]) -> None:
        for drawing in drawings:
            if self._is_hurried:
                return
            try:
                self._draw_one(drawing)
            except PIXEL_FAILURES as error:
                self._node.get_logger().error(
                    f'{drawing.camera.name}: cannot draw the overlay: {one_line(error)}',
                    throttle_duration_sec=THROTTLE_S,
                )

    def _draw_one(self, drawing: _Drawing) -> None:
        camera, header, image, detections, zones = drawing
        ground = draw_zones(image, zones) if zones else image
        picture = draw_detections(ground, detections, self._classes)
        if camera.overlay.get_subscription_count():
            camera.overlay.publish(image_to_message(picture, header))
        if camera.compressed_overlay.get_subscription_count():
            camera.compressed_overlay.publish(image_to_jpeg_message(picture, header))
