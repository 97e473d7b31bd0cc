"""What a running node goes by. Knows nothing of ROS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from squeezedet_ros.config import LimitConfig, LiveConfig
from squeezedet_ros.postprocessing import make_selector, Selector
from squeezedet_ros.zones import make_zones, Zones


class Rules(NamedTuple):
    """
    A :class:`LiveConfig` checked against the model and the cameras; never changed, only replaced.

    Whoever looks at a frame reads it once, so that a frame never meets half a change.

    :param zones: by camera.
    """

    selector: Selector
    zones: Mapping[str, Zones]
    limits: LimitConfig


def make_rules(config: LiveConfig, classes: Sequence[str], cameras: Sequence[str]) -> Rules:
    """
    Return the rules for a model and cameras.

    :param classes: names by label.
    :raises ConfigError: for a class or a camera that there is not.
    """
    return Rules(
        make_selector(config.selection, classes), make_zones(config.zones, cameras), config.limits
    )
