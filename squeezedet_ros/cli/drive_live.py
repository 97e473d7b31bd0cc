"""What the real node makes of a bag, as the record of a drive."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from squeezedet_ros.cli.drive_through_node import (
    CAMERA,
    Drive,
    drive_through_node,
    DriveError,
    DriveResult,
    prepare_environment,
)
from squeezedet_ros.config import EngineConfig, Mode, SelectionConfig
from squeezedet_ros.data.bag import Bag
from squeezedet_ros.data.interfaces import COMPRESSED_IMAGE
from squeezedet_ros.errors import DatasetError
from squeezedet_ros.evaluation.drive import until_damage
from squeezedet_ros.evaluation.drive_record import FrameRecord
from squeezedet_ros.evaluation.node_record import (
    join_frames,
    LOST,
    NodeFrames,
    read_played,
)
from squeezedet_ros.settings import check_settings, setting
from tqdm import tqdm

_ROS_MODULES = ('rclpy', 'vision_msgs')


@dataclass(frozen=True, slots=True, kw_only=True)
class ThroughNodeConfig:
    """How a bag is played into the node."""

    mode: Mode = setting(
        'live',
        'with --through-node: live (the bag at its pace; frames that the node is too slow for are '
        'dropped) or replay (each image waits for the answer to the one before)',
        choices=Mode,
    )
    rate: float = setting(
        1.0,
        'with --through-node: pace, as a multiple of the recorded one; in replay the fastest',
        bounds=(0.01, 100.0),
    )
    timeout: float = setting(
        120.0,
        'with --through-node: seconds for the node to become ready, and in replay to answer',
        bounds=(0.1, 3600.0),
    )

    def __post_init__(self) -> None:
        check_settings(self)


class NodeDrive(NamedTuple):
    """
    What came back.

    :param frames: one for each image, in the order of the bag.
    :param classes: names by label, as the node tells them.
    :param account: what was received, what became of it and what it took; an object of JSON.
    :param faults: what could not be read of the bag, in words.
    """

    frames: list[FrameRecord]
    classes: Sequence[str]
    account: dict[str, Any]
    faults: list[str]


def require_ros() -> None:
    """
    Make sure that there is a ROS installation.

    :raises DriveError: when there is none.
    """
    if missing := [name for name in _ROS_MODULES if find_spec(name) is None]:
        raise DriveError(
            f'playing into the node needs ROS 2, of which {" and ".join(missing)} cannot be '
            'imported; offline (without --through-node) a bag is evaluated without it'
        )


def node_parameters(
    selection: SelectionConfig,
    engine: EngineConfig,
    weights: Path,
    mode: Mode,
    *,
    compressed: bool,
) -> dict[str, object]:
    """
    Return the parameters of a node whose camera is played from a bag.

    In live mode it goes by the bag's time, and asks from the start for what the player offers.

    :param selection: of what it publishes, for average precision down to low probabilities.
    """
    settings = {**asdict(selection), **asdict(engine)}
    live = {'use_sim_time': True, 'input_reliability': 'reliable'} if mode == 'live' else {}
    return {
        # A list without elements has no type on a command line; it is the default anyway.
        **{name: value for name, value in settings.items() if value != ()},
        'cameras': [CAMERA],
        'mode': mode,
        'image_transport': 'compressed' if compressed else 'raw',
        'weights': str(weights.expanduser().resolve()),
        **live,
    }


def watch_through_node(
    path: Path,
    bag: Bag,
    topic: str,
    parameters: dict[str, object],
    config: ThroughNodeConfig,
) -> NodeDrive:
    """
    Play the images of a bag into a node of its own, and return what it said of each.

    :param bag: the same as ``path``, open.
    :param parameters: of :func:`node_parameters`.
    :raises DriveError: when there is no ROS, or a process fails or keeps silent.
    :raises DatasetError: when not a single image of the bag can be read.
    """
    require_ros()
    faults: list[str] = []
    count = bag.topics[topic].messages
    images = tqdm(read_played(bag, topic), total=count, unit='frame', desc='reading', disable=None)
    played = list(until_damage(images, faults))
    if not played:
        raise DatasetError(faults[0] if faults else f'/{topic} holds no image')
    prepare_environment()
    drive = Drive(
        bag=path,
        topic=topic,
        compressed=bag.topics[topic].type == COMPRESSED_IMAGE,
        frames=len(played),
        rate=config.rate,
        parameters=parameters,
        timeout=config.timeout,
        live=config.mode == 'live',
        damaged=bool(faults),
    )
    with TemporaryDirectory(prefix='squeezedet-') as folder:
        result = drive_through_node(drive, Path(folder))
    joined = join_frames(played, result.sendings, result.recording, drive.rate, live=drive.live)
    account = _account(joined, result, config)
    return NodeDrive(joined.frames, result.recording.classes, account, faults)


def _account(joined: NodeFrames, result: DriveResult, config: ThroughNodeConfig) -> dict[str, Any]:
    outcomes = Counter(frame.outcome for frame in joined.frames)
    first, last = result.usage.memory_mib
    return {
        'mode': config.mode,
        'rate': config.rate,
        'sent': len(result.sendings),
        'received': len(result.recording.statuses),
        'lost': outcomes[LOST],
        'strangers': joined.strangers,
        'cpu_cores': result.usage.cpu,
        'memory_mib': {'first': first, 'last': last, 'peak': result.usage.peak_mib},
    }
