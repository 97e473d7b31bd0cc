"""Real processes and real DDS for the tests of the node."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
import fcntl
import itertools
import json
import os
from pathlib import Path
import re
import signal
import subprocess
import sys
import time

from diagnostic_msgs.msg import DiagnosticArray
from domains import fresh_domain
from lifecycle_msgs.srv import ChangeState, GetState
import numpy as np
from rcl_interfaces.srv import SetParameters, SetParametersAtomically
import rclpy
from rclpy.client import Client as RosClient
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image
from squeezedet_ros.config import ModelConfig
from squeezedet_ros.network import SqueezeDet
from squeezedet_ros.ros.scheduling import OUTCOMES
import torch
from vision_msgs.msg import Detection2DArray

REPOSITORY = Path(__file__).resolve().parents[1]
PATIENCE_S = 120.0
# What the node logs once it is configured with the weights of fixture `weights`.
READY = 'tiny.safetensors on '
RELIABLE = {'input_reliability': 'reliable', 'input_depth': 1000, 'num_threads': 1}
_DISCOVERY_S = 0.3
_stamps = itertools.count(1_500_000_000, 1_000_000)


def tiny_network() -> SqueezeDet:
    """Return a small random network that sees a few cars in any image."""
    torch.manual_seed(0)
    network = SqueezeDet(ModelConfig(input_size=(128, 256)))
    anchors, classes = 9, 3
    with torch.no_grad():
        # Confident, and sure of the first class: the image decides the rest.
        network.convdet.bias[: anchors * classes : classes] = 3.0
        network.convdet.bias[anchors * classes : anchors * (classes + 1)] = 2.0
    return network


class NodeProcess:
    """The node as its own process, ended with the block."""

    program: Sequence[str] = ('-m', 'squeezedet_ros.ros.detector_node')

    def __init__(self, log: Path, domain: int, *arguments: str, **parameters: object) -> None:
        settings = [f'{name}:={json.dumps(value)}' for name, value in parameters.items()]
        command = [sys.executable, *self.program, '--ros-args']
        command += [part for text in settings for part in ('-p', text)]
        environment = {**os.environ, 'ROS_DOMAIN_ID': str(domain), 'PYTHONUNBUFFERED': '1'}
        self._log = log
        self.domain = domain
        with log.open('w') as output:
            self.process = subprocess.Popen(
                [*command, *arguments],
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=REPOSITORY,
            )

    def __enter__(self) -> NodeProcess:
        return self

    def __exit__(self, *_: object) -> None:
        kill(self.process)

    @property
    def log(self) -> str:
        return self._log.read_text()

    def wait_for(self, text: str) -> None:
        """Return once the log holds a text."""
        wait_until(lambda: text in self.log or self.process.poll() is not None)
        assert text in self.log, self.log

    def exit_status(self) -> int:
        """Return the exit status once the process ends by itself."""
        return self.process.wait(PATIENCE_S)

    def end(self, number: signal.Signals) -> int:
        """Send a signal and return the exit status."""
        self.process.send_signal(number)
        return self.exit_status()


def kill(process: subprocess.Popen) -> None:
    """End a process at once, and free what Fast DDS leaves of it: 67 MiB of shared memory."""
    maps = Path(f'/proc/{process.pid}/maps')
    mapped = maps.read_text() if process.poll() is None else ''
    process.kill()
    process.communicate()
    for segment in map(Path, set(re.findall(r'/dev/shm/fast(?:dds|rtps)_[0-9a-f]{16}', mapped))):
        owned = segment.with_name(f'{segment.name}_el')
        # Those of its peers are mapped too; their owners hold the lock.
        if owned.exists() and _is_unlocked(owned):
            owned.unlink()
            segment.unlink(missing_ok=True)


def _is_unlocked(path: Path) -> bool:
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def wait_until(condition: Callable[[], object], patience: float = PATIENCE_S) -> None:
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, f'waited {patience:g} s in vain'
        time.sleep(0.05)


class Client:
    """The other end of the node's topics and services, in a context of its own."""

    def __init__(self, domain: int, node: str = '/detector') -> None:
        self._context = rclpy.Context()
        rclpy.init(context=self._context, domain_id=domain)
        self.node = rclpy.create_node('client', context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._target = node
        self._services: dict[str, RosClient] = {}

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self._context)

    def spin_until(self, condition: Callable[[], object], patience: float = PATIENCE_S) -> None:
        deadline = time.monotonic() + patience
        while not condition():
            assert time.monotonic() < deadline, f'waited {patience:g} s in vain'
            self._executor.spin_once(timeout_sec=0.05)

    def spin_briefly(self, condition: Callable[[], object], seconds: float = 3.0) -> None:
        """Spin until then, but no longer than that."""
        deadline = time.monotonic() + seconds
        while not condition() and time.monotonic() < deadline:
            self._executor.spin_once(timeout_sec=0.05)

    def spin_for(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self._executor.spin_once(timeout_sec=0.05)

    def collect(self, message_type: type, topic: str, *, latched: bool = False) -> list:
        """Return a list that grows with the messages of a topic."""
        durability = DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE
        received: list = []
        self.node.create_subscription(
            message_type, topic, received.append, QoSProfile(depth=1000, durability=durability)
        )
        return received

    def image_publisher(self, camera: str, message_type: type = Image):
        """Return a reliable publisher once the node listens to it."""
        suffix = '/compressed' if message_type is CompressedImage else ''
        publisher = self.node.create_publisher(
            message_type, f'{camera}/image_raw{suffix}', QoSProfile(depth=1000)
        )
        self.spin_until(publisher.get_subscription_count)
        # A node that follows its publishers asks for what this one offers a moment later.
        self.spin_briefly(lambda: self._is_heard_reliably(publisher.topic_name))
        # The node's side matches a moment after ours; what is published before is lost to it.
        self.spin_for(0.5)
        return publisher

    def _is_heard_reliably(self, topic: str) -> bool:
        infos = self.node.get_subscriptions_info_by_topic(topic)
        return any(info.qos_profile.reliability == ReliabilityPolicy.RELIABLE for info in infos)

    def outputs(self, camera: str) -> tuple[list, list]:
        """Return the growing lists of a camera's detections and frame statuses."""
        arrays = self.collect(Detection2DArray, f'{camera}/detections')
        statuses = self.collect(DiagnosticArray, f'{camera}/frame_status')
        for topic in ('detections', 'frame_status'):
            self.spin_until(lambda name=topic: self.node.count_publishers(f'{camera}/{name}'))
        # The publisher's side matches a moment after ours.
        self.spin_for(0.5)
        return arrays, statuses

    def call(self, service_type: type, name: str, request: object):
        """Return a service's answer."""
        if name not in self._services:
            client = self.node.create_client(service_type, f'{self._target}/{name}')
            self._services[name] = client
            self.spin_until(client.service_is_ready)
            # The service may not know of the client yet, and then its answer goes nowhere.
            self.spin_for(_DISCOVERY_S)
        future = self._services[name].call_async(request)
        self.spin_until(future.done)
        return future.result()

    def set_parameters(self, *, atomically: bool = False, **values: object):
        """Return the results of setting parameters through the node's services."""
        # rclpy takes a list without elements for one of bytes.
        kinds = {k: Parameter.Type.STRING_ARRAY if v == [] else None for k, v in values.items()}
        parameters = [Parameter(k, kinds[k], v).to_parameter_msg() for k, v in values.items()]
        kind = SetParametersAtomically if atomically else SetParameters
        name = 'set_parameters_atomically' if atomically else 'set_parameters'
        answer = self.call(kind, name, kind.Request(parameters=parameters))
        return answer.result if atomically else answer.results

    def transition(self, number: int) -> bool:
        """Ask for a lifecycle transition; return whether it was made."""
        request = ChangeState.Request()
        request.transition.id = number
        return self.call(ChangeState, 'change_state', request).success

    def state(self) -> str:
        return self.call(GetState, 'get_state', GetState.Request()).current_state.label


def running(kind: type[NodeProcess], weights: Path, log: Path, **settings: object) -> NodeProcess:
    """Return a node of one camera that gets all that is sent, in a domain of its own."""
    settings = {'weights': str(weights), 'cameras': ['front'], **RELIABLE, **settings}
    return kind(log, fresh_domain(), **settings)


class Account:
    """What /diagnostics says of a camera, beside what was sent from now on."""

    def __init__(self, client: Client, camera: str = 'front') -> None:
        self._client, self._place = client, f': {camera}'
        self._all = client.collect(DiagnosticArray, '/diagnostics')
        self._before = self._read()

    def _read(self) -> dict[str, int]:
        seen = len(self._all)
        self._client.spin_until(lambda: len(self._all) > seen)
        (status,) = (s for s in self._all[-1].status if s.name.endswith(self._place))
        return {key: int(value) for key, value in values_of(status).items() if value.isdigit()}

    def settled(self, sent: int) -> dict[str, int]:
        """Return the counts by outcome once as many frames came and none waits."""
        while True:
            now = self._read()
            counts = {key: now[key] - self._before[key] for key in ('received', *OUTCOMES)}
            if counts['received'] == sent and now['waiting'] == 0:
                break
        assert sum(counts[outcome] for outcome in OUTCOMES) == sent
        return {key: count for key, count in counts.items() if count and key != 'received'}


def picture(seed: int = 0, size: tuple[int, int] = (90, 160)) -> np.ndarray:
    """Return a random (height, width, 3) uint8 image."""
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)


def stamped(message_type: type, nanoseconds: int, frame_id: str = 'camera_optical'):
    """Return a message with a header."""
    message = message_type()
    message.header.frame_id = frame_id
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(nanoseconds, 10**9)
    return message


def image_message(pixels: np.ndarray, nanoseconds: int | None = None) -> Image:
    """Return a bgr8 message; without a stamp given, later than those before."""
    message = stamped(Image, next(_stamps) if nanoseconds is None else nanoseconds)
    message.height, message.width = pixels.shape[:2]
    message.encoding, message.step = 'bgr8', message.width * 3
    message.data = array('B', pixels.tobytes())
    return message


def values_of(status) -> dict[str, str]:
    """Return the key-value pairs of a diagnostic status."""
    return {item.key: item.value for item in status.values}


def outcomes(statuses: list) -> list[str]:
    """Return the outcome each frame_status tells of."""
    return [values_of(message.status[0])['outcome'] for message in statuses]
