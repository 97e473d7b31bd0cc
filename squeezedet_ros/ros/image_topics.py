"""Where images are published, and what to set when they are not where they are expected."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import SequenceMatcher

from rclpy.node import Node
from squeezedet_ros.config import ImageTransport
from squeezedet_ros.contract import camera_input
from squeezedet_ros.ros.qos import offers

TYPES: Mapping[ImageTransport, str] = {
    'raw': 'sensor_msgs/msg/Image',
    'compressed': 'sensor_msgs/msg/CompressedImage',
}
OTHER: Mapping[ImageTransport, ImageTransport] = {'raw': 'compressed', 'compressed': 'raw'}


def published_images(node: Node, topic: str) -> dict[str, set[str]]:
    """
    Return the types of messages on each topic of images that others publish.

    :param topic: one that is told of whatever is published there.
    """
    wanted = set(TYPES.values())
    found: dict[str, set[str]] = {}
    for name, types in node.get_topic_names_and_types():
        if name == topic or wanted & set(types):
            kinds = {offer.type for offer in offers(node, name)}
            if kinds:
                found[name] = kinds
    return found


def advice(
    topic: str, sibling: str, transport: ImageTransport, published: Mapping[str, Iterable[str]]
) -> str:
    """
    Return what to do when nobody publishes the images that are wanted.

    :param topic: full name of the topic they are expected on.
    :param sibling: the same camera's topic of the other transport.
    :param published: types by topic, as :func:`published_images` has them.
    """
    other = OTHER[transport]
    found = set(published.get(topic, ()))
    if TYPES[other] in found:
        return (
            f'it carries {TYPES[other]}, not {TYPES[transport]}: '
            f'set image_transport to {other} and remap {sibling}:={topic}'
        )
    if found:
        return f'it carries {", ".join(sorted(found))}, not {TYPES[transport]}'
    if TYPES[other] in published.get(sibling, ()):
        return f'but {sibling} is published: set image_transport to {other}'
    if near := _nearest(topic, TYPES[transport], published):
        return f'the nearest image topic is {near}: {_point_to(topic, near)}'
    if near := _nearest(sibling, TYPES[other], published):
        return (
            f'the nearest image topic is {near}: set image_transport to {other} '
            f'and {_point_to(sibling, near)}'
        )
    return 'no topic has images: is the camera running, with the same ROS_DOMAIN_ID?'


def _nearest(topic: str, kind: str, published: Mapping[str, Iterable[str]]) -> str | None:
    names = sorted(name for name, types in published.items() if kind in types)
    return max(names, key=lambda name: SequenceMatcher(None, topic, name).ratio(), default=None)


def _point_to(topic: str, near: str) -> str:
    """Return how to make the node take its images from another topic."""
    remap = f'remap {topic}:={near}'
    ending = camera_input('', 'compressed' if topic.endswith('/compressed') else 'raw')
    if topic.endswith(ending) and near.endswith(ending) and near != ending:
        return f'set cameras to that name, or {remap}'
    return remap
