"""Where TensorRT keeps what it took minutes to build."""

from __future__ import annotations

import os
from pathlib import Path

from squeezedet_ros.errors import DeviceError


def plan_folder(model: str = '') -> Path:
    """
    Return the folder of the plans, which is made where it is missing.

    :param model: for a folder in it, of one model.
    :raises DeviceError: when it cannot be made.
    """
    home = Path(os.environ.get('XDG_CACHE_HOME') or '~/.cache').expanduser()
    path = home / 'squeezedet_ros' / 'tensorrt' / model
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DeviceError(f'TensorRT needs a folder for what it builds: {error}') from error
    return path
