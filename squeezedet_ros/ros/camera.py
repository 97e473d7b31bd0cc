"""The topics of one camera, and the account of its frames."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    QoSProfile,
    ReliabilityPolicy,
)
from sensor_msgs.msg import CompressedImage, Image
from squeezedet_ros.config import ModelConfig, NodeConfig
from squeezedet_ros.ros import messages
from squeezedet_ros.ros.diagnostics import FrameAccount
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


def input_qos(config: NodeConfig) -> QoSProfile:
    """Return how images are subscribed to: a replay misses none, live mode wants the latest."""
    if config.mode == 'replay':
        return QoSProfile(history=HistoryPolicy.KEEP_ALL, reliability=ReliabilityPolicy.RELIABLE)
    reliable = config.input_reliability == 'reliable'
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=config.input_depth,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
    )


class Camera:
    """Publishers of a camera from configure on, its subscription while frames are wanted."""

    def __init__(self, node: LifecycleNode, name: str, config: NodeConfig) -> None:
        self.name = name
        self.account = FrameAccount()
        self.tracker = Tracker() if config.track else None
        self._node = node
        self._qos = input_qos(config)
        self._type = CompressedImage if config.image_transport == 'compressed' else Image
        suffix = '/compressed' if config.image_transport == 'compressed' else ''
        self._input = f'{name}/image_raw{suffix}'
        self._subscription: Any = None
        self._silence_told = False
        self._watcher: Watcher | None = None
        publisher = node.create_lifecycle_publisher
        self.detections = publisher(Detection2DArray, f'{name}/detections', 10)
        self.overlay = publisher(Image, f'{name}/detections/image', 1)
        self._frame_status = publisher(DiagnosticArray, f'{name}/frame_status', 100)
        self._label_info = node.create_publisher(LabelInfo, f'{name}/label_info', _LATCHED)
        self._vision_info = node.create_publisher(VisionInfo, f'{name}/vision_info', _LATCHED)

    @property
    def input_topic(self) -> str:
        """Return the name images are expected on, after remapping."""
        return str(self._node.resolve_topic_name(self._input))

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
        for publisher in (self.detections, self.overlay, self._frame_status):
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

        self.account.listen()
        self._subscription = self._node.create_subscription(
            self._type, self._input, arrived, self._qos
        )

    def ignore(self) -> None:
        """Receive no more frames."""
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None

    def silence(self, silent_for: float, allowed: float) -> str | None:
        """
        Return what is amiss when frames should come but do not; log it once for each silence.

        :param silent_for: seconds without a frame.
        :param allowed: seconds after which that is amiss.
        """
        if self._subscription is None or silent_for <= allowed:
            self._silence_told = False
            return None
        topic = self.input_topic
        publishers = self._node.count_publishers(topic)
        text = f'no image on {topic} for {silent_for:.0f} s; publishers there: {publishers}'
        if not self._silence_told:
            self._node.get_logger().warning(text)
            self._silence_told = True
        return text

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
        stamp = messages.stamp_nanoseconds(header)
        if stamp:
            values['age'] = (self._node.get_clock().now().nanoseconds - stamp) / 1e6
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
        for publisher in (self.detections, self.overlay, self._frame_status):
            self._node.destroy_lifecycle_publisher(publisher)
        for publisher in (self._label_info, self._vision_info):
            self._node.destroy_publisher(publisher)
