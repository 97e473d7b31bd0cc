"""What a detector node says of itself on /diagnostics, for whoever asks whether it works."""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from squeezedet_ros.contract import DIAGNOSTICS
from squeezedet_ros.ros.startup import start_ros

LEVELS = ('ok', 'warn', 'error', 'stale')
_DEPTH, _STEP_S = 100, 0.2


def level_of(status: DiagnosticStatus) -> str:
    """Return a status's level as a word; one that there is not counts as the worst."""
    level = status.level[0] if isinstance(status.level, bytes) else int(status.level)
    return LEVELS[min(level, len(LEVELS) - 1)]


def statuses_of(node: str, message: DiagnosticArray) -> list[DiagnosticStatus]:
    """Return what an array says of a node and its cameras, the node's own first."""
    found = [item for item in message.status if item.name == node]
    if found:
        found += [item for item in message.status if item.name.startswith(f'{node}: ')]
    return found


def hear(node: str, patience_s: float) -> Sequence[DiagnosticStatus]:
    """
    Return what a node says of itself next, nothing if it does not within that time.

    :param node: its full name, such as ``/detector``.
    :raises RosStartError: where ROS does not start.
    """
    context = Context()
    start_ros([], context)
    listener = rclpy.create_node('health', context=context, enable_rosout=False)
    heard: list[DiagnosticStatus] = []

    def keep(message: DiagnosticArray) -> None:
        if not heard:
            heard.extend(statuses_of(node, message))

    listener.create_subscription(DiagnosticArray, DIAGNOSTICS, keep, _DEPTH)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(listener)
    end = monotonic() + patience_s
    try:
        while not heard and (left := end - monotonic()) > 0:
            # Python answers to Ctrl-C in between.
            executor.spin_once(timeout_sec=min(left, _STEP_S))
    finally:
        executor.shutdown()
        listener.destroy_node()
        rclpy.shutdown(context=context)
    return heard
