"""The topics of one camera, and the account of its frames."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import CompressedImage, Image
from squeezedet_ros.config import ModelConfig, NodeConfig
from squeezedet_ros.contract import camera_outputs
from squeezedet_ros.ros import messages
from squeezedet_ros.ros.annotations import annotations_type
from squeezedet_ros.ros.diagnostics import FrameAccount, Remark
from squeezedet_ros.ros.image_input import ImageInput
from squeezedet_ros.ros.scheduling import Frame, Outcome
from squeezedet_ros.tracking import Tracker
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray, LabelInfo, VisionInfo

Watcher = Callable[[Frame, Outcome, str], None]
_LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
_LEVELS = {
    'detected': messages.OK,
    'superseded': messages.WARN,
    'stale': messages.WARN,
    'undecodable': messages.ERROR,
    'failed': messages.ERROR,
}


class Camera:
    """Publishers of a camera from configure on, its subscription while frames are wanted."""

    def __init__(self, node: LifecycleNode, name: str, config: NodeConfig) -> None:
        self.name = name
        self.account = FrameAccount()
        self.tracker = Tracker() if config.track else None
        self._node = node
        self._input = ImageInput(node, name, config, self._is_watched)
        self._watcher: Watcher | None = None
        publisher = node.create_lifecycle_publisher
        topics = camera_outputs(name)
        self.detections = publisher(Detection2DArray, topics.detections, 10)
        self.overlay = publisher(Image, topics.overlay, 1)
        self.compressed_overlay = publisher(CompressedImage, topics.compressed_overlay, 1)
        kind = annotations_type()
        self.annotations = kind and publisher(kind, topics.annotations, 10)
        self._frame_status = publisher(DiagnosticArray, topics.frame_status, 100)
        self._label_info = node.create_publisher(LabelInfo, topics.label_info, _LATCHED)
        self._vision_info = node.create_publisher(VisionInfo, topics.vision_info, _LATCHED)

    @property
    def input_topic(self) -> str:
        """Return the name images are expected on, after remapping."""
        return self._input.topic

    def _outputs(self) -> list[Any]:
        outputs = [self.detections, self.overlay, self.compressed_overlay, self.annotations]
        return [publisher for publisher in outputs if publisher is not None]

    def _is_watched(self) -> bool:
        return self._watcher is not None or any(
            publisher.get_subscription_count() for publisher in self._outputs()
        )

    def announce(self, model: ModelConfig, threshold: float) -> None:
        """Publish what the labels mean, for all who ask from now on."""
        header = messages.header_at(self._node.get_clock().now().to_msg())
        self._label_info.publish(messages.label_info(header, model.classes, threshold))
        topic = self._label_info.topic_name
        self._vision_info.publish(messages.vision_info(header, model, topic))

    @property
    def publishes(self) -> bool:
        """Return whether what is published of frames goes out, as it does while active."""
        return bool(self.detections.is_activated)

    def let_publish(self, *, allowed: bool) -> None:
        """Let what is published of frames go out, or not, whatever state the node is in."""
        for publisher in (*self._outputs(), self._frame_status):
            (publisher.on_activate if allowed else publisher.on_deactivate)(None)

    def watch(self, watcher: Watcher | None) -> None:
        """Tell each frame's outcome and the reason for it, in any thread, to this one or none."""
        self._watcher = watcher

    def listen(self, receive: Callable[[Frame], None]) -> None:
        """Begin to receive frames."""

        def arrived(message: Image | CompressedImage) -> None:
            frame = Frame(self.name, message, perf_counter())
            self.account.arrived(frame.arrival)
            receive(frame)

        self._input.listen(arrived, self.account.listen)

    def ignore(self) -> None:
        """Receive no more frames."""
        self._input.ignore()

    def remark(self, silent_for: float) -> Remark | None:
        """
        Return what has to be said of the images, such as that none come; log it when it is news.

        :param silent_for: seconds without a frame.
        """
        return self._input.remark(silent_for)

    def describe_input(self) -> Mapping[str, object]:
        """Return what /diagnostics tells of the subscription to the images."""
        return self._input.describe()

    def report(
        self,
        frame: Frame,
        outcome: Outcome,
        stages_ms: Mapping[str, float],
        reason: str = '',
    ) -> None:
        """Account for a frame: its one outcome and the milliseconds it spent in each stage."""
        total_ms = (perf_counter() - frame.arrival) * 1000
        self.account.ended(outcome, total_ms)
        header: Header = frame.message.header
        values: dict[str, object] = {'outcome': outcome, **stages_ms, 'total': total_ms}
        stamp, now = messages.stamp_nanoseconds(header), self._node.get_clock().now().nanoseconds
        # A simulated clock stands at 0 until somebody tells the time.
        if stamp and now:
            values['age'] = (now - stamp) / 1e6
        entry = messages.status(
            _LEVELS[outcome],
            f'{self._node.get_fully_qualified_name()}: {self.name}',
            reason or outcome,
            self.name,
            values,
        )
        self._frame_status.publish(messages.status_array(header, [entry]))
        watcher = self._watcher
        if watcher is not None:
            watcher(frame, outcome, reason or outcome)

    def close(self) -> None:
        """Give all topics back."""
        self.ignore()
        for publisher in (*self._outputs(), self._frame_status):
            self._node.destroy_lifecycle_publisher(publisher)
        for publisher in (self._label_info, self._vision_info):
            self._node.destroy_publisher(publisher)
