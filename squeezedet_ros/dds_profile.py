"""Where Fast DDS reads that images go through shared memory. Knows nothing of ROS."""

from __future__ import annotations

from importlib.metadata import version
import os
from pathlib import Path
import sys

# That of Kilted.
_RCLPY_OF_FASTDDS_3 = 9


def find_dds_profile() -> Path | None:
    """Return the shared-memory profile of the source tree or of an installation."""
    prefixes = [Path(item) for item in os.environ.get('AMENT_PREFIX_PATH', '').split(':') if item]
    places = [Path(__file__).parents[1] / 'config']
    places += [prefix / 'share/squeezedet_ros/config' for prefix in (*prefixes, Path(sys.prefix))]
    profiles = (place / 'fastdds.xml' for place in places)
    return next((profile for profile in profiles if profile.is_file()), None)


def profile_variables() -> tuple[str, ...]:
    """
    Return the environment variables that name the profile to the installed Fast DDS.

    :raises PackageNotFoundError: where there is no ROS 2.
    """
    # Version 2, of Humble and Jazzy, reads the second; version 3 warns of it.
    names = ('FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE')
    is_new = int(version('rclpy').partition('.')[0]) >= _RCLPY_OF_FASTDDS_3
    return names[:1] if is_new else names
