"""A node that writes down what a detector says of one camera, for data/recording.py to read."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
import json
from pathlib import Path
from time import monotonic, time_ns
from typing import Any, TextIO

from diagnostic_msgs.msg import DiagnosticArray
import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.subscription import Subscription
from squeezedet_ros.data.truth_message import stamp_of
from vision_msgs.msg import Detection2D, Detection2DArray, LabelInfo

_DEPTH = 1000
_READY_PERIOD = 0.1


class DetectionRecorder(Node):
    """
    Writes each message of a camera's detector as one line.

    :param camera: name of the camera, as the detector has it.
    """

    def __init__(self, camera: str, file: TextIO) -> None:
        super().__init__('detection_recorder')
        self._camera = camera
        self._file = file
        self._has_classes = False
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.create_subscription(LabelInfo, f'{camera}/label_info', self._on_classes, latched)
        # Before Iron rclpy does not tell when a message was published.
        told = hasattr(Subscription, 'CallbackType')
        receive: Any = self._on_published if told else self._on_detections
        self.create_subscription(Detection2DArray, f'{camera}/detections', receive, _DEPTH)
        self.create_subscription(
            DiagnosticArray, f'{camera}/frame_status', self._on_status, _DEPTH
        )
        self._ready_timer = self.create_timer(_READY_PERIOD, self._check_ready)

    def _write(self, kind: str, **values: object) -> None:
        self._file.write(json.dumps({'kind': kind, **values}) + '\n')
        self._file.flush()

    def _check_ready(self) -> None:
        heard = all(
            self.count_publishers(f'{self._camera}/{topic}')
            for topic in ('detections', 'frame_status')
        )
        if heard and self._has_classes:
            self._ready_timer.cancel()
            self._write('ready')

    def _on_classes(self, message: LabelInfo) -> None:
        classes = sorted(message.class_map, key=lambda item: item.class_id)
        self._write('classes', names=[item.class_name for item in classes])
        self._has_classes = True

    def _on_published(self, message: Detection2DArray, info: dict[str, Any]) -> None:
        # 0 where the middleware does not tell.
        self._write_detections(message, int(info['source_timestamp']) or time_ns())

    def _on_detections(self, message: Detection2DArray) -> None:
        self._write_detections(message, time_ns())

    def _write_detections(self, message: Detection2DArray, published_ns: int) -> None:
        best = [detection.results[0].hypothesis for detection in message.detections]
        self._write(
            'detections',
            stamp=stamp_of(message),
            boxes=[_corners_xyxy(detection) for detection in message.detections],
            scores=[hypothesis.score for hypothesis in best],
            class_ids=[hypothesis.class_id for hypothesis in best],
            published=published_ns,
        )

    def _on_status(self, message: DiagnosticArray) -> None:
        values = {value.key: value.value for value in message.status[0].values}
        outcome = values.pop('outcome')
        self._write(
            'status',
            stamp=stamp_of(message),
            outcome=outcome,
            milliseconds={key: float(value) for key, value in values.items()},
            received=monotonic(),
        )


def _corners_xyxy(detection: Detection2D) -> list[float]:
    middle, box = detection.bbox.center.position, detection.bbox
    half_width, half_height = box.size_x / 2, box.size_y / 2
    return [
        middle.x - half_width,
        middle.y - half_height,
        middle.x + half_width,
        middle.y + half_height,
    ]


def main(argv: Sequence[str] | None = None) -> None:
    """Record until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--camera', required=True, help='name of the camera')
    parser.add_argument('--out', type=Path, required=True, help='file of JSON lines to write')
    arguments = parser.parse_args(argv)
    rclpy.init(args=[])
    with arguments.out.open('w', encoding='utf-8') as file:
        recorder = DetectionRecorder(arguments.camera, file)
        try:
            rclpy.spin(recorder)
        except (KeyboardInterrupt, ExternalShutdownException):
            pass
        finally:
            recorder.destroy_node()
            rclpy.try_shutdown()


if __name__ == '__main__':
    main()
