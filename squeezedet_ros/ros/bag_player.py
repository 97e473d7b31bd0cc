"""
Publishes a rosbag2 onto topics, for machines without ``ros2 bag play``.

The bytes of a message go out as they lie in the bag.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from importlib import import_module
import json
from time import monotonic, time_ns
from typing import TextIO

from diagnostic_msgs.msg import DiagnosticArray
import rclpy
from rclpy.duration import Duration
from rclpy.exceptions import InvalidTopicNameException
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock
from squeezedet_ros.data.bag import Bag, RawMessage, Topic
from squeezedet_ros.data.bag_names import image_topic
from squeezedet_ros.data.playback import (
    excerpt,
    Pace,
    PlaybackConfig,
    PlaybackError,
    Sending,
)
from squeezedet_ros.data.truth_message import NANOSECONDS
from squeezedet_ros.errors import DatasetError
from squeezedet_ros.ros.startup import start_ros

_DEPTH = 10
_CLOCK_PERIOD = 0.025
_DISCOVERY_PERIOD = 0.05
_SILENCE = 3.0


class BagPlayer(Node):
    """
    A node with a publisher for each topic of a bag.

    :param topics: the topics to publish, by name in the bag.
    :param names: names to publish under, where they differ from those in the bag.
    :param times: where to write when each message was sent, for ``read_sendings``.
    """

    def __init__(
        self,
        topics: Mapping[str, Topic],
        names: Mapping[str, str],
        config: PlaybackConfig,
        times: TextIO | None = None,
    ) -> None:
        super().__init__('bag_player')
        self._config = config
        self._times = times
        self._pace = Pace(config.rate)
        self._time_publisher = self.create_publisher(Clock, '/clock', 1) if config.clock else None
        self._sinks: dict[str, Publisher] = {}
        self._camera_of: dict[str, str] = {}
        self._unanswered: Counter[str] = Counter()
        for name, topic in topics.items():
            self._add_topic(name, names.get(name, name), topic)
        if config.in_flight:
            for camera in set(self._camera_of.values()):
                self._listen_to(camera)

    def _add_topic(self, name: str, published: str, topic: Topic) -> None:
        package, _, message = topic.type.partition('/')
        try:
            kind = getattr(import_module(f'{package}.msg'), message.removeprefix('msg/'))
        except (ImportError, AttributeError):
            self.get_logger().warning(f'{name} is left out: {topic.type} is not installed')
            return
        durability = (
            DurabilityPolicy.TRANSIENT_LOCAL if topic.latched else DurabilityPolicy.VOLATILE
        )
        qos = QoSProfile(
            depth=_DEPTH, reliability=ReliabilityPolicy.RELIABLE, durability=durability
        )
        try:
            self._sinks[name] = self.create_publisher(kind, published, qos)
        except InvalidTopicNameException as error:
            raise PlaybackError(f'{name} cannot be published as {published!r}: {error}') from error
        for compressed in (False, True):
            camera = published.removesuffix(image_topic('', compressed=compressed))
            if camera != published:
                self._camera_of[name] = camera

    def _listen_to(self, camera: str) -> None:
        def answered(_: DiagnosticArray) -> None:
            self._unanswered[camera] -= 1

        self.create_subscription(DiagnosticArray, f'{camera}/frame_status', answered, 1000)

    def await_listeners(self) -> None:
        """
        Wait until each topic has its subscribers, and each camera somebody who answers.

        :raises PlaybackError: when that takes longer than the timeout.
        """
        start = monotonic()
        while missing := self._missing_listener():
            if monotonic() - start > self._config.timeout:
                raise PlaybackError(f'waited {self._config.timeout:g} s for {missing}')
            if monotonic() - start > _SILENCE:
                self.get_logger().info(f'waiting for {missing}', throttle_duration_sec=10.0)
            rclpy.spin_once(self, timeout_sec=_DISCOVERY_PERIOD)
        settled = monotonic() + self._config.settle
        while (left := settled - monotonic()) > 0:
            rclpy.spin_once(self, timeout_sec=left)

    def _missing_listener(self) -> str:
        for publisher in self._sinks.values():
            if publisher.get_subscription_count() < self._config.subscribers:
                return f'a subscriber of {publisher.topic_name}'
        if self._config.in_flight:
            for camera in self._camera_of.values():
                if not self.count_publishers(f'{camera}/frame_status'):
                    return f'somebody who publishes {camera}/frame_status'
        return ''

    def rewind(self) -> None:
        """Take the next message for the first one."""
        self._pace = Pace(self._config.rate)

    def play(self, message: RawMessage) -> bool:
        """
        Publish a message when it is due and its camera has answered for earlier images.

        :returns: whether its topic is published at all.
        :raises PlaybackError: when no answer comes in time.
        """
        if message.topic not in self._sinks:
            return False
        self._sleep_until(self._pace.due(message.recorded_ns, monotonic()), message.recorded_ns)
        camera = self._camera_of.get(message.topic)
        if self._config.in_flight and camera is not None:
            start = monotonic()
            self._await_answers(camera, self._config.in_flight - 1)
            self._pace.postpone(monotonic() - start)
            self._unanswered[camera] += 1
        self._tell_time(message.recorded_ns)
        sent_ns = time_ns()
        self._sinks[message.topic].publish(message.data)
        if self._times is not None:
            sending = Sending(message.topic, message.recorded_ns, sent_ns)
            self._times.write(json.dumps(sending._asdict()) + '\n')
        return True

    def _sleep_until(self, due: float, recorded_ns: int) -> None:
        """Spin until then; the clock runs on towards the time of the message that is due."""
        while (left := due - monotonic()) > 0:
            self._tell_time(recorded_ns - round(left * self._config.rate * NANOSECONDS))
            rclpy.spin_once(self, timeout_sec=min(left, _CLOCK_PERIOD))

    def _tell_time(self, recorded_ns: int) -> None:
        if self._time_publisher is not None:
            clock = Clock()
            clock.clock.sec, clock.clock.nanosec = divmod(max(0, recorded_ns), NANOSECONDS)
            self._time_publisher.publish(clock)

    def _await_answers(self, camera: str, most: int) -> None:
        give_up = monotonic() + self._config.timeout
        while self._unanswered[camera] > most:
            if monotonic() > give_up:
                raise PlaybackError(
                    f'waited {self._config.timeout:g} s for {camera}/frame_status of an image'
                )
            rclpy.spin_once(self, timeout_sec=_DISCOVERY_PERIOD)

    def finish(self) -> None:
        """
        Wait until every image is answered and every message has arrived.

        :raises PlaybackError: when an answer does not come in time.
        """
        if self._config.in_flight:
            for camera in set(self._camera_of.values()):
                self._await_answers(camera, 0)
        for publisher in self._sinks.values():
            publisher.wait_for_all_acked(Duration(seconds=self._config.timeout))


def play_bag(
    bag: Bag,
    topics: list[str],
    names: Mapping[str, str],
    config: PlaybackConfig,
    times: TextIO | None = None,
) -> int:
    """
    Publish some topics of an open bag, or all.

    :param names: names to publish under, where they differ from those in the bag.
    :param times: where to write when each message was sent, for ``read_sendings``.
    :returns: the number of messages that were played.
    :raises PlaybackError: when nobody listens or answers.
    :raises RosStartError: where ROS does not start.
    :raises DatasetError: when a topic is not in the bag, or it is damaged.
    """
    present = bag.topics
    for name in names:
        bag.known_topic(name)
    chosen = [bag.known_topic(topic) for topic in topics] or sorted(present)
    start_ros([])
    player = BagPlayer({name: present[name] for name in chosen}, names, config, times)
    try:
        return _play(bag, player, chosen, config)
    finally:
        player.destroy_node()
        rclpy.try_shutdown()


def _play(bag: Bag, player: BagPlayer, topics: list[str], config: PlaybackConfig) -> int:
    played = 0
    player.await_listeners()
    while True:
        player.rewind()
        try:
            for message in excerpt(bag.messages(topics), config):
                played += player.play(message)
        except DatasetError:
            # What was sent before the damage is to arrive all the same.
            player.finish()
            raise
        if not config.loop or not played:
            break
    player.finish()
    return played
