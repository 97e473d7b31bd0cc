"""What a message of boxes takes, timed on one core by a process of its own."""

from __future__ import annotations

from dataclasses import asdict
from importlib.util import find_spec
import json
from pathlib import Path
import subprocess
from typing import Any

from squeezedet_ros.cli.drive_through_node import module_command
from squeezedet_ros.config import EngineConfig
from squeezedet_ros.errors import SqueezeDetError

_MODULE = 'squeezedet_ros.ros.message_timing'
_BOXES = 64


def measure_message(
    weights: Path, engine: EngineConfig, image_size: tuple[int, int], frames: int
) -> dict[str, Any]:
    """
    Time decoding, selection and the message of 64 boxes on one core, its engine with one thread.

    :returns: milliseconds by name.
    :raises SqueezeDetError: where there is no ROS 2, or the process failed.
    """
    if find_spec('vision_msgs') is None:
        raise SqueezeDetError('--message builds messages, which needs ROS 2: source one')
    words = ['--weights', str(weights), '--engine', json.dumps(asdict(engine))]
    words += ['--image-size', *map(str, image_size)]
    words += ['--boxes', str(_BOXES), '--frames', str(frames)]
    done = subprocess.run(
        module_command(_MODULE, *words), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SqueezeDetError(f'the timing of messages failed:\n{done.stderr}')
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def message_line(found: dict[str, Any]) -> str:
    """Return what :func:`measure_message` found as a line of text."""
    return (
        f'on one core, medians of {found["boxes"]} boxes: decode and select '
        f'{found["select_median"]:.2f} ms, message {found["message_median"]:.2f}, '
        f'both {found["both_median"]:.2f} (least {found["both_least"]:.2f}, '
        f'p99 {found["both_p99"]:.2f})'
    )
