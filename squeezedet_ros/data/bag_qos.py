"""Whether a topic of a bag is latched: kept by its publisher for those who subscribe later."""

from __future__ import annotations

from rosbags.interfaces import (
    Connection,
    ConnectionExtRosbag2,
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)

_ANY_TIME = QosTime(0, 0)
LATCHED = Qos(
    history=QosHistory.KEEP_LAST,
    depth=1,
    reliability=QosReliability.RELIABLE,
    durability=QosDurability.TRANSIENT_LOCAL,
    deadline=_ANY_TIME,
    lifespan=_ANY_TIME,
    liveliness=QosLiveliness.SYSTEM_DEFAULT,
    liveliness_lease_duration=_ANY_TIME,
    avoid_ros_namespace_conventions=False,
)


def is_latched(connection: Connection) -> bool:
    """Return whether a publisher of the topic was."""
    if not isinstance(connection.ext, ConnectionExtRosbag2):
        return False
    return any(
        profile.durability is QosDurability.TRANSIENT_LOCAL
        for profile in connection.ext.offered_qos_profiles
    )
