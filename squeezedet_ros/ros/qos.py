"""Quality of service of the image subscriptions: what publishers offer, what is asked of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from squeezedet_ros.config import NodeConfig

# What rmw has for the name of a node of which only a publisher is discovered yet.
_UNKNOWN_NODE = '_NODE_NAME_UNKNOWN_'


class Offer(NamedTuple):
    """
    A publisher of a topic, as the graph tells of it.

    :param node: its full name, empty in the moment before it is discovered.
    :param type: of its messages, such as ``sensor_msgs/msg/Image``.
    :param latched: whether it sends its last messages to those who subscribe later.
    :param gid: what tells it from all others.
    """

    node: str
    type: str
    reliable: bool
    latched: bool
    gid: tuple[int, ...] = ()


def offers(node: Node, topic: str) -> list[Offer]:
    """
    Return the publishers of a topic that are not of the node itself.

    :param topic: its full name, after remapping.
    """
    own = node.get_name(), node.get_namespace()
    return [
        Offer(
            node=_full_name(info.node_name, info.node_namespace),
            type=info.topic_type,
            reliable=info.qos_profile.reliability == ReliabilityPolicy.RELIABLE,
            latched=info.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL,
            gid=tuple(info.endpoint_gid),
        )
        for info in node.get_publishers_info_by_topic(topic)
        if (info.node_name, info.node_namespace) != own
    ]


def _full_name(name: str, namespace: str) -> str:
    return '' if name == _UNKNOWN_NODE else f'{namespace.rstrip("/")}/{name}'


def input_qos(config: NodeConfig, offered: Sequence[Offer], *, late: bool) -> QoSProfile:
    """
    Return how images are subscribed to: a replay misses none, live mode wants the latest.

    What ``auto`` asks for in live mode every one of these publishers gives. (rclpy's
    ``qos_profile_best_available`` decides once, when the subscription is made; before there is a
    publisher it asks for more than most will offer.)

    :param late: whether to ask for an image that was published before, if publishers keep it.
    """
    replay, asked = config.mode == 'replay', config.input_reliability
    follows = asked == 'auto' and not replay
    if follows:
        reliable = bool(offered) and all(offer.reliable for offer in offered)
    else:
        reliable = asked != 'best_effort'
    late = late and follows and reliable and all(offer.latched for offer in offered)
    return QoSProfile(
        history=HistoryPolicy.KEEP_ALL if replay else HistoryPolicy.KEEP_LAST,
        depth=config.input_depth,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if late else DurabilityPolicy.VOLATILE,
    )


def is_reliable(qos: QoSProfile) -> bool:
    """Return whether a profile asks for lost messages to be sent again."""
    return bool(qos.reliability == ReliabilityPolicy.RELIABLE)


def is_latched(qos: QoSProfile) -> bool:
    """Return whether a profile asks for messages published before."""
    return bool(qos.durability == DurabilityPolicy.TRANSIENT_LOCAL)


def unheard(offered: Sequence[Offer], qos: QoSProfile) -> list[Offer]:
    """Return the publishers that a reliable subscription gets nothing from (DDS 1.4, 2.2.3.14)."""
    return [offer for offer in offered if is_reliable(qos) and not offer.reliable]


def describe(qos: QoSProfile) -> str:
    """Return a profile in the words of the parameters."""
    words = ['reliable' if is_reliable(qos) else 'best_effort']
    if is_latched(qos):
        words.append('transient_local')
    return ' '.join(words)
