"""Starting ROS in a process, and what keeps it from that."""

from __future__ import annotations

import rclpy
from rclpy.context import Context
from rclpy.signals import SignalHandlerOptions
from squeezedet_ros.errors import SqueezeDetError


class RosStartError(SqueezeDetError):
    """ROS cannot be started with these arguments, this environment or this home."""


def start_ros(args: list[str] | None, context: Context | None = None) -> None:
    """
    Start ROS, and leave signals alone.

    :param args: of the command line, None for those of the process.
    :raises RosStartError: when a file of parameters cannot be read, say, or no log written.
    """
    try:
        rclpy.init(args=args, context=context, signal_handler_options=SignalHandlerOptions.NO)
    except RuntimeError as error:
        # Its end names lines of rcl's own source.
        reason = str(error).partition(', at /')[0]
        hint = ' (ROS_LOG_DIR names another folder)' if 'log directory' in reason else ''
        raise RosStartError(f'ROS cannot start: {reason}{hint}') from error
