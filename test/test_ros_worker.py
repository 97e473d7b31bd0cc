from concurrent.futures import ThreadPoolExecutor
from threading import Event
from time import perf_counter

from domains import fresh_domain
import numpy as np
import pytest
import rclpy
from rclpy.lifecycle import LifecycleNode
from ros_testing import Client, image_message, outcomes, picture, tiny_network
from sensor_msgs.msg import Image
from squeezedet_ros.config import EngineConfig, LiveConfig, ModelConfig, NodeConfig
from squeezedet_ros.detections import Detections
from squeezedet_ros.detector import Detector
from squeezedet_ros.ros import overlay
from squeezedet_ros.ros.camera import Camera
from squeezedet_ros.ros.rules import make_rules
from squeezedet_ros.ros.scheduling import Frame
from squeezedet_ros.ros.worker import FrameWorker
import torch

pytestmark = pytest.mark.ros


@pytest.fixture
def domain():
    return fresh_domain()


@pytest.fixture
def node(domain):
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=domain)
    result = LifecycleNode('detector', context=context)
    yield result
    result.destroy_node()
    rclpy.shutdown(context=context)


@pytest.fixture
def submit():
    with ThreadPoolExecutor(1) as threads:
        yield threads.submit


def eager(network):
    """Return a detector that runs the network as it is, with what the tests hang into it."""
    return Detector(network, engine=EngineConfig(engine='torch_eager'))


def rules_for(config):
    return make_rules(LiveConfig(), ModelConfig().classes, config.cameras)


def refuse_black(_, inputs):
    """Raise, as a device without memory does, when an image of the batch is black."""
    if any(bool((image == image[:, :1, :1]).all()) for image in inputs[0]):
        raise torch.OutOfMemoryError('no room for a black image')


def test_a_forward_pass_that_raises_fails_its_frame_only_and_publishes_no_array(
    node, domain, submit
):
    config = NodeConfig(cameras=('left', 'right'))
    cameras = {name: Camera(node, name, config) for name in config.cameras}
    node.on_activate(None)
    network = tiny_network()
    network.register_forward_pre_hook(refuse_black)
    with Client(domain) as client:
        outputs = {name: client.outputs(name) for name in cameras}
        arrays = {name: both[0] for name, both in outputs.items()}
        statuses = {name: both[1] for name, both in outputs.items()}
        worker = FrameWorker(node, eager(network), cameras, config, rules_for(config), submit)
        frames = {'left': np.zeros((90, 160, 3), np.uint8), 'right': picture()}
        for _ in range(3):
            for name, image in frames.items():
                frame = Frame(name, image_message(image), perf_counter())
                cameras[name].account.arrived(frame.arrival)
                worker.put(frame)
            total = len(statuses['left']) + len(statuses['right']) + 2
            client.spin_until(lambda n=total: sum(map(len, statuses.values())) >= n)
        assert outcomes(statuses['left']) == ['failed'] * 3
        assert outcomes(statuses['right']) == ['detected'] * 3
        client.spin_until(lambda: len(arrays['right']) == 3)
        assert not arrays['left']
        reason = statuses['left'][0].status[0].message
        assert reason == 'OutOfMemoryError: no room for a black image'
        assert worker.stop()
        for name, outcome in (('left', 'failed'), ('right', 'detected')):
            account = cameras[name].account.read()
            assert (account.received, account.counts[outcome], account.waiting) == (3, 3, 0)


def test_frames_that_wait_at_the_end_are_accounted_for(node, submit):
    config = NodeConfig(mode='replay')
    camera = Camera(node, 'camera', config)
    network, release = tiny_network(), Event()
    network.register_forward_pre_hook(lambda *_: release.wait(60) and None)
    worker = FrameWorker(
        node, eager(network), {'camera': camera}, config, rules_for(config), submit
    )
    for number in range(5):
        frame = Frame('camera', image_message(picture(), 10**9 + number), perf_counter())
        camera.account.arrived(frame.arrival)
        worker.put(frame)
    # One of 90 x 160 x 3 bytes is being looked at, or will be in a moment.
    assert worker.waiting_mb in (0.1728, 0.216)
    release.set()
    worker.stop()
    account = camera.account.read()
    assert (account.received, account.waiting) == (5, 0)
    assert account.counts['detected'] + account.counts['superseded'] == 5


def test_a_worker_that_is_not_waited_for_tells_of_no_frame_twice(node, submit):
    config = NodeConfig(cameras=('left', 'right'))
    cameras = {name: Camera(node, name, config) for name in config.cameras}
    network, begun, release = tiny_network(), Event(), Event()

    def hold(*_):
        begun.set()
        release.wait(60)

    network.register_forward_pre_hook(hold)
    worker = FrameWorker(node, eager(network), cameras, config, rules_for(config), submit)
    for name in ('left', 'right', 'right'):
        frame = Frame(name, image_message(picture()), perf_counter())
        cameras[name].account.arrived(frame.arrival)
        worker.put(frame)
        begun.wait(60)
    assert not worker.stop(0.01)
    release.set()
    assert worker.stop()
    for name, count in (('left', 1), ('right', 2)):
        account = cameras[name].account.read()
        assert (account.counts['superseded'], account.waiting) == (count, 0)
        assert account.received == count


def test_who_has_no_time_ends_after_the_drawing_at_hand(node, domain, monkeypatch):
    config = NodeConfig(cameras=('left', 'right'))
    cameras = {name: Camera(node, name, config) for name in config.cameras}
    node.on_activate(None)
    drawn, begun, go_on = [], Event(), Event()

    def wait_and_draw(image, *_):
        drawn.append(image)
        begun.set()
        assert go_on.wait(60)
        return image

    monkeypatch.setattr(overlay, 'draw_detections', wait_and_draw)
    with Client(domain) as client:
        pictures = {name: client.collect(Image, f'{name}/detections/image') for name in cameras}
        overlays = [camera.overlay for camera in cameras.values()]
        client.spin_until(lambda: all(each.get_subscription_count() for each in overlays))
        painter = overlay.OverlayPainter(node, ModelConfig().classes)

        def show(name, image):
            message = image_message(image)
            painter.show(cameras[name], message.header, image, Detections.empty(), ())

        show('left', picture(0))
        assert begun.wait(60)
        for name in ('right', 'left'):
            show(name, picture(1))
        painter.stop(0.01)
        go_on.set()
        painter._thread.join()
        client.spin_until(lambda: pictures['left'])
        assert len(drawn) == 1
        painter = overlay.OverlayPainter(node, ModelConfig().classes)
        for name in ('right', 'left'):
            show(name, picture(1))
        painter.stop()
        assert len(drawn) == 3
