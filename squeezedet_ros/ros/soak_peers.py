"""The other ends of a soaked node: cameras that drive it, and a listener that writes down all."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from functools import partial
import json
from pathlib import Path
from time import monotonic
from typing import TextIO

from diagnostic_msgs.msg import DiagnosticArray
import numpy as np
import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.publisher import Publisher
from sensor_msgs.msg import Image
from squeezedet_ros.ros.messages import image_to_message, stamp_nanoseconds
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray

_DEPTH = 10_000
_PICTURES = 4
_PERIOD_S = 1.0
_READY_PERIOD_S = 0.1


class SoakCameras(Node):
    """
    Publishes pictures of noise as camera drivers do, and writes down how many.

    The cameras are not in step: each is a share of the period later than the one before. They
    begin when each of them has its subscriber.

    :param size: height and width of the images, pixels.
    """

    def __init__(
        self, cameras: Sequence[str], rate: float, size: tuple[int, int], file: TextIO
    ) -> None:
        super().__init__('soak_cameras')
        self._file = file
        self._sent: Counter[str] = Counter()
        self._pictures = [_picture(seed, size) for seed in range(_PICTURES)]
        self._sinks = {
            name: self.create_publisher(Image, f'{name}/image_raw', 1) for name in cameras
        }
        self._turn = 0
        self._heard = False
        self.create_timer(1 / (rate * len(cameras)), self._publish_next)
        self.create_timer(_PERIOD_S, self.write)

    def _publish_next(self) -> None:
        if not self._heard:
            self._heard = all(sink.get_subscription_count() for sink in self._sinks.values())
            return
        names = list(self._sinks)
        name = names[self._turn % len(names)]
        message = self._pictures[self._turn % _PICTURES]
        self._turn += 1
        message.header.stamp = self.get_clock().now().to_msg()
        message.header.frame_id = name
        publisher: Publisher = self._sinks[name]
        publisher.publish(message)
        self._sent[name] += 1

    def write(self) -> None:
        """Write how many images were sent so far."""
        _write(self._file, 'sent', counts=dict(self._sent))


def _picture(seed: int, size: tuple[int, int]) -> Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
    return image_to_message(pixels, Header())


def _write(file: TextIO, kind: str, **values: object) -> None:
    file.write(json.dumps({'kind': kind, **values}) + '\n')
    file.flush()


class SoakListener(Node):
    """Writes what the node says of the frames of some cameras, one line each."""

    def __init__(self, cameras: Sequence[str], file: TextIO) -> None:
        super().__init__('soak_listener')
        self._cameras = cameras
        self._file = file
        for name in cameras:
            self.create_subscription(
                DiagnosticArray, f'{name}/frame_status', partial(self._on_status, name), _DEPTH
            )
            self.create_subscription(
                Detection2DArray, f'{name}/detections', partial(self._on_array, name), _DEPTH
            )
        self.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics, _DEPTH)
        self._ready_timer = self.create_timer(_READY_PERIOD_S, self._check_ready)

    def _check_ready(self) -> None:
        topics = [f'{name}/{t}' for name in self._cameras for t in ('detections', 'frame_status')]
        if all(self.count_publishers(topic) for topic in topics):
            self._ready_timer.cancel()
            _write(self._file, 'ready')

    def _on_status(self, camera: str, message: DiagnosticArray) -> None:
        values = {value.key: value.value for value in message.status[0].values}
        outcome = values.pop('outcome')
        _write(
            self._file,
            'status',
            camera=camera,
            stamp=stamp_nanoseconds(message.header),
            at=monotonic(),
            outcome=outcome,
            milliseconds={key: float(value) for key, value in values.items()},
        )

    def _on_array(self, camera: str, message: Detection2DArray) -> None:
        _write(self._file, 'array', camera=camera, stamp=stamp_nanoseconds(message.header))

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            values = {value.key: value.value for value in status.values}
            if status.hardware_id in self._cameras and 'waiting' in values:
                counts = {key: int(text) for key, text in values.items() if text.isdecimal()}
                _write(self._file, 'account', camera=status.hardware_id, counts=counts)


def main(argv: Sequence[str] | None = None) -> None:
    """Publish or listen until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('role', choices=('cameras', 'listener'))
    parser.add_argument('--names', nargs='+', required=True, help='names of the cameras')
    parser.add_argument('--out', type=Path, required=True, help='file of JSON lines to write')
    parser.add_argument('--rate', type=float, default=10.0, help='images a second of each camera')
    parser.add_argument('--size', nargs=2, type=int, default=(375, 1242), help='height and width')
    arguments = parser.parse_args(argv)
    rclpy.init(args=[])
    with arguments.out.open('w', encoding='utf-8') as file:
        node: SoakCameras | SoakListener
        if arguments.role == 'cameras':
            node = SoakCameras(arguments.names, arguments.rate, tuple(arguments.size), file)
        else:
            node = SoakListener(arguments.names, file)
        try:
            rclpy.spin(node)
        except (KeyboardInterrupt, ExternalShutdownException):
            pass
        finally:
            if isinstance(node, SoakCameras):
                node.write()
            node.destroy_node()
            rclpy.try_shutdown()


if __name__ == '__main__':
    main()
