"""The subscription of one camera: made to fit its publishers, and what is amiss with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from time import monotonic
from typing import Any

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import qos_policy_name_from_kind, QoSProfile
from sensor_msgs.msg import CompressedImage, Image
from squeezedet_ros.config import NodeConfig
from squeezedet_ros.contract import camera_input
from squeezedet_ros.ros.diagnostics import Remark
from squeezedet_ros.ros.image_topics import advice, OTHER, published_images, TYPES
from squeezedet_ros.ros.messages import OK, WARN
from squeezedet_ros.ros.qos import describe, input_qos, is_latched, Offer, offers, unheard

try:
    from rclpy.event_handler import SubscriptionEventCallbacks, UnsupportedEventTypeError
except ImportError:  # before Iron
    from rclpy.qos_event import SubscriptionEventCallbacks, UnsupportedEventTypeError

_CHECK_PERIOD_S = 0.5
# Discovery takes a moment, and a driver that is started anew should not raise an alarm.
_ABSENT_AFTER_S = 3.0
# Fast DDS can crash (its issue 3303) when a subscription is removed in the moment in which a
# publisher comes or goes. One that is not asked any more is deaf, and removed when they have been
# the same for so long.
_STILL_AFTER_S = 2.0


class ImageInput:
    """
    Receives the images of a camera while they are wanted.

    With ``lazy`` the subscription exists only while ``is_wanted`` holds; where the parameters
    leave it to the publishers, another takes its place when they offer something else. What
    arrives between the two subscriptions is not received. What is created for it has callback
    groups of its own: that of the node notes all that was ever in it (rclpy's issue 1356).
    """

    def __init__(
        self, node: Node, camera: str, config: NodeConfig, is_wanted: Callable[[], bool]
    ) -> None:
        self._node = node
        self._config = config
        self._transport = config.image_transport
        self._message = CompressedImage if self._transport == 'compressed' else Image
        self._name = camera_input(camera, self._transport)
        self._sibling = camera_input(camera, OTHER[self._transport])
        self._is_wanted = is_wanted
        self._arrived: Callable[[Any], None] | None = None
        self._begun: Callable[[], None] = lambda: None
        self._subscriptions: dict[str, Any] = {}
        self._asked: str | None = None
        self._publishers: frozenset[tuple[int, ...]] = frozenset()
        self._still_since = monotonic()
        self._timer: Any = None
        self._qos: QoSProfile | None = None
        self._has_heard = False
        self._refused = ''
        self._told = ''
        self._published: dict[str, set[str]] | None = None
        self._advice = ''

    @property
    def topic(self) -> str:
        """Return the name images are expected on, after remapping."""
        return str(self._node.resolve_topic_name(self._name))

    def listen(self, arrived: Callable[[Any], None], begun: Callable[[], None]) -> None:
        """Call ``arrived`` with each image, and ``begun`` when images come to be wanted."""
        self._arrived, self._begun = arrived, begun
        self.check()
        follows = self._config.input_reliability == 'auto' and self._config.mode == 'live'
        if follows or self._config.lazy:
            # Steady, so that it ticks without a simulated clock too.
            clock = Clock(clock_type=ClockType.STEADY_TIME)
            self._timer = self._node.create_timer(
                _CHECK_PERIOD_S,
                self._tick,
                callback_group=MutuallyExclusiveCallbackGroup(),
                clock=clock,
            )

    def _tick(self) -> None:
        self.check()

    def ignore(self) -> None:
        """Receive no more images."""
        self._arrived = None
        if self._timer is not None:
            self._node.destroy_timer(self._timer)
            self._timer = None
        self._asked = None
        self._remove_deaf()

    @property
    def is_idle(self) -> bool:
        """Return whether images would be received if only somebody wanted them."""
        return self._arrived is not None and self._asked is None

    def check(self) -> bool:
        """Make the subscription what it has to be by now; return whether images are awaited."""
        if self._arrived is None:
            return False
        offered = self._offers()
        if self._is_still(offered):
            self._remove_deaf()
        if self._config.lazy and not self._is_wanted():
            self._asked = None
            return False
        qos = self._fitting_qos(offered)
        if self._asked is None:
            self._begun()
        elif self._asked != describe(qos):
            self._node.get_logger().info(
                f'{self.topic}: asking for {describe(qos)} instead of {self._asked}, '
                'as its publishers offer'
            )
        self._subscribe(qos)
        return True

    def _offers(self) -> list[Offer]:
        kind = TYPES[self._transport]
        return [offer for offer in offers(self._node, self.topic) if offer.type == kind]

    def _is_still(self, offered: Sequence[Offer]) -> bool:
        """Return whether the publishers have been the same for a while."""
        publishers = frozenset(offer.gid for offer in offered)
        if publishers != self._publishers:
            self._publishers, self._still_since = publishers, monotonic()
        return monotonic() - self._still_since >= _STILL_AFTER_S

    def _fitting_qos(self, offered: Sequence[Offer]) -> QoSProfile:
        """Return what fits the publishers; while there are none, what fitted the last ones."""
        if not offered and self._qos is not None:
            return self._qos
        # An image that was kept by its publisher is new only to those who heard none yet.
        late = not self._has_heard or (self._qos is not None and is_latched(self._qos))
        return input_qos(self._config, offered, late=late)

    def _subscribe(self, qos: QoSProfile) -> None:
        self._qos, self._asked = qos, describe(qos)
        if self._asked in self._subscriptions:
            return
        self._refused = ''
        receive = partial(self._receive, self._asked)
        create = partial(
            self._node.create_subscription,
            self._message,
            self._name,
            receive,
            qos,
            callback_group=MutuallyExclusiveCallbackGroup(),
        )
        refused = partial(self._on_refusal, self._asked)
        try:
            events = SubscriptionEventCallbacks(incompatible_qos=refused)
            subscription = create(event_callbacks=events)
        except UnsupportedEventTypeError:
            subscription = create()
        self._subscriptions[self._asked] = subscription

    def _remove_deaf(self) -> None:
        for asked in self._subscriptions.keys() - {self._asked}:
            self._node.destroy_subscription(self._subscriptions.pop(asked))

    def _receive(self, asked: str, message: Any) -> None:  # noqa: ANN401
        if self._arrived is not None and asked == self._asked:
            self._has_heard = True
            self._refused = ''
            self._arrived(message)

    def _on_refusal(self, asked: str, event: Any) -> None:  # noqa: ANN401
        """Note the policy by which a publisher and the subscription do not fit each other."""
        if asked == self._asked:
            self._refused = qos_policy_name_from_kind(event.last_policy_kind).lower()

    def describe(self) -> dict[str, object]:
        """Return what /diagnostics tells of the subscription and its publishers."""
        if self._asked is None:
            return {'subscription': 'none'}
        return {'subscription': self._asked, 'publishers': len(self._offers())}

    def remark(self, silent_for: float) -> Remark | None:
        """
        Return what is amiss when images should come but do not; log it when that is news.

        :param silent_for: seconds without an image.
        """
        was_idle = self.is_idle
        if not self.check():
            self._told = ''
            return Remark(OK, 'nobody listens, so no image is received') if self.is_idle else None
        if was_idle:
            # Until this moment nobody wanted one.
            silent_for = 0.0
        fault = self._fault(silent_for)
        text = fault
        if fault and silent_for > self._config.silent_after:
            text = f'no image on {self.topic} for {silent_for:.0f} s: {fault}'
        if fault and fault != self._told:
            self._node.get_logger().warning(text)
        self._told = fault
        return Remark(WARN, text) if fault else None

    def _fault(self, silent_for: float) -> str:
        """Return the reason why images do not come, empty if they do or should soon."""
        offered, topic, qos = self._offers(), self.topic, self._qos
        if not offered:
            if silent_for <= min(_ABSENT_AFTER_S, self._config.silent_after):
                return ''
            sibling = str(self._node.resolve_topic_name(self._sibling))
            published = published_images(self._node, topic)
            if published != self._published:
                # It compares names letter by letter, of each topic that has images.
                self._advice = advice(topic, sibling, self._transport, published)
                self._published = published
            return f'nobody publishes images on {topic}; {self._advice}'
        deaf_to = unheard(offered, qos) if qos is not None else []
        if deaf_to and (silent_for > _ABSENT_AFTER_S or all(offer.node for offer in deaf_to)):
            names = ', '.join(sorted({offer.node or 'an unknown node' for offer in deaf_to}))
            return (
                f'nothing is received of {topic} from {names}: it is published best_effort, but '
                f'reliable is asked for; set input_reliability to {self._remedy()}'
            )
        if silent_for <= self._config.silent_after:
            return ''
        refused = f', and one does not fit by its {self._refused}' if self._refused else ''
        return f'publishers there: {len(offered)}{refused}'

    def _remedy(self) -> str:
        if self._config.mode == 'replay':
            return 'best_effort (frames may then be lost), or publish it reliable'
        return 'auto or best_effort'
