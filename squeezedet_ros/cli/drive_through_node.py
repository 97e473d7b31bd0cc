"""Plays a bag into a detector node and records what it says: three processes, joined by DDS."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
import json
import os
from pathlib import Path
import sys
import time
from typing import NamedTuple

from squeezedet_ros.cli.processes import Child, Children
from squeezedet_ros.data.bag_names import image_topic
from squeezedet_ros.data.playback import read_sendings, Sending
from squeezedet_ros.data.recording import Recording
from squeezedet_ros.dds_profile import find_dds_profile, profile_variables
from squeezedet_ros.errors import SqueezeDetError
from tqdm import tqdm

CAMERA = 'camera'
_PERIOD = 0.1
_ARRIVAL_PATIENCE = 5.0
_SETTLE_S = 1.0


class DriveError(SqueezeDetError):
    """A process of the drive failed, or kept silent for too long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drive:
    """
    What to play, and to whom.

    :param topic: of the bag, with images.
    :param frames: how many there are on it.
    :param rate: pace, as a multiple of the recorded one.
    :param parameters: of the node.
    :param timeout: seconds for the node to become ready, and for it to answer a frame.
    :param live: send the images at that pace whatever the node makes of them, with the time of
        the bag on ``/clock``; otherwise it is the fastest, and each image waits for the answer to
        the one before.
    :param damaged: that the bag cannot be read beyond these frames, so that its player fails.
    """

    bag: Path
    topic: str
    compressed: bool
    frames: int
    rate: float
    parameters: dict[str, object]
    timeout: float
    live: bool = False
    damaged: bool = False


class NodeUsage(NamedTuple):
    """
    What the node took of the machine.

    :param cpu: processor seconds a second from its first frame to its last, 1 for one core.
    :param memory_mib: resident after its first and its last frame.
    :param peak_mib: the most it ever had resident.
    """

    cpu: float | None
    memory_mib: tuple[float | None, float | None]
    peak_mib: float | None


class DriveResult(NamedTuple):
    """
    What came back.

    :param sendings: when each image was sent, in the order of the bag.
    """

    recording: Recording
    usage: NodeUsage
    sendings: list[Sending]


def prepare_environment() -> None:
    """
    Give the processes to come a DDS of their own, where the user has not chosen one.

    A domain by process number keeps two drives, or a drive and a robot, from hearing each other.

    :raises SqueezeDetError: where there is no ROS 2.
    """
    if find_spec('rclpy') is None:
        raise SqueezeDetError(
            'this command runs the node, which needs ROS 2: source one, or use script/demo'
        )
    os.environ.setdefault('ROS_DOMAIN_ID', str(1 + os.getpid() % 100))
    os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    profile = find_dds_profile()
    if profile is not None:
        for name in profile_variables():
            os.environ.setdefault(name, str(profile))


def drive_through_node(drive: Drive, folder: Path) -> DriveResult:
    """
    Play a bag into a node of its own and return what it said.

    :param folder: for what is recorded, and what the processes print.
    :raises DriveError: when a process fails or keeps silent; with the last lines it printed.
    """
    path, times = folder / 'recording.jsonl', folder / 'sent.jsonl'
    for old in (path, times):
        old.unlink(missing_ok=True)
    recording = Recording(path)
    with Children(folder / 'log') as children:
        recorder = children.start('recorder', _recorder_command(path))
        node = children.start('node', node_command(drive.parameters))
        _await_ready(recording, (recorder, node), drive.timeout)
        player = children.start('player', _player_command(drive, times))
        usage = _follow(recording, (recorder, node), player, drive.frames)
        if player.exit_status and not drive.damaged:
            check_alive(player)
    return DriveResult(recording, usage, read_sendings(times))


def module_command(name: str, *arguments: str) -> list[str]:
    """Return the command that runs a module in this Python."""
    return [sys.executable, '-m', name, *arguments]


def _recorder_command(path: Path) -> list[str]:
    return module_command(
        'squeezedet_ros.ros.detection_recorder', '--camera', CAMERA, '--out', str(path)
    )


def node_command(parameters: dict[str, object]) -> list[str]:
    """Return the command that runs the node with some parameters."""
    # JSON is YAML, so that every value arrives as what it is.
    settings = [f'{name}:={json.dumps(value)}' for name, value in parameters.items()]
    options = [word for setting in settings for word in ('-p', setting)]
    return module_command('squeezedet_ros.ros.detector_node', '--ros-args', *options)


def _player_command(drive: Drive, times: Path) -> list[str]:
    remap = f'{drive.topic}:={image_topic(CAMERA, compressed=drive.compressed)}'
    options = ['--topics', drive.topic, '--remap', remap, '--rate', str(drive.rate)]
    options += ['--subscribers', '1', '--timeout', str(drive.timeout), '--times', str(times)]
    options += ['--clock', '--settle', str(_SETTLE_S)] if drive.live else ['--in-flight', '1']
    return module_command('squeezedet_ros', 'play-bag', str(drive.bag), *options)


def check_alive(*children: Child) -> None:
    """
    Make sure that processes run.

    :raises DriveError: with the last lines of one that has ended.
    """
    for child in children:
        if child.exit_status is not None:
            raise DriveError(
                f'the {child.name} ended with status {child.exit_status}:\n{child.last_words()}'
            )


def _await_ready(recording: Recording, children: tuple[Child, ...], timeout: float) -> None:
    give_up = time.monotonic() + timeout
    while not recording.ready:
        check_alive(*children)
        if time.monotonic() > give_up:
            words = '\n'.join(child.last_words() for child in children)
            raise DriveError(f'the node was not ready within {timeout:g} s:\n{words}')
        time.sleep(_PERIOD)
        recording.update()


class _Reading(NamedTuple):
    time: float
    cpu_s: float | None
    memory_mib: float | None


def _read_usage(node: Child) -> _Reading:
    return _Reading(time.monotonic(), node.cpu_seconds(), node.memory_mib())


def _usage_between(first: _Reading, last: _Reading, node: Child) -> NodeUsage:
    cpu = None
    if first.cpu_s is not None and last.cpu_s is not None and last.time > first.time:
        cpu = (last.cpu_s - first.cpu_s) / (last.time - first.time)
    return NodeUsage(cpu, (first.memory_mib, last.memory_mib), node.memory_mib('VmHWM'))


def _follow(
    recording: Recording, listeners: tuple[Child, ...], player: Child, frames: int
) -> NodeUsage:
    """Show progress until all has arrived; return what the node took from its first frame on."""
    node = listeners[-1]
    first = last = _read_usage(node)
    silent_since = time.monotonic()
    with tqdm(total=frames, unit='frame', desc='looking') as progress:
        while True:
            recording.update()
            if len(recording.statuses) > progress.n:
                last = _read_usage(node)
                first = last if progress.n == 0 else first
                progress.update(len(recording.statuses) - progress.n)
                silent_since = time.monotonic()
            if player.exit_status is not None:
                silence = time.monotonic() - silent_since
                if recording.is_complete(frames) or silence > _ARRIVAL_PATIENCE:
                    break
            check_alive(*listeners)
            time.sleep(_PERIOD)
    return _usage_between(first, last, node)
