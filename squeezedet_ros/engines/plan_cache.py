"""Where TensorRT keeps what it took minutes to build."""

from __future__ import annotations

import os
from pathlib import Path

from squeezedet_ros.errors import DeviceError


def plan_folder() -> Path:
    """
    Return the folder of the plans, which is made where it is missing.

    :raises DeviceError: when it cannot be made.
    """
    # ONNX Runtime makes the last folder of a path and no other.
    home = Path(os.environ.get('XDG_CACHE_HOME') or '~/.cache').expanduser()
    path = home / 'squeezedet_ros' / 'tensorrt'
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DeviceError(f'TensorRT needs a folder for what it builds: {error}') from error
    return path
