"""The node as its own process, on real DDS."""

from array import array
import signal
import time

import cv2
from diagnostic_msgs.msg import DiagnosticArray
from domains import fresh_domain
from lifecycle_msgs.msg import Transition
import numpy as np
import pytest
from rclpy.qos import QoSProfile, ReliabilityPolicy
from ros_testing import (
    Client,
    image_message,
    NodeProcess,
    outcomes,
    picture,
    READY,
    stamped,
    values_of,
)
from sensor_msgs.msg import CompressedImage, Image
from squeezedet_ros.checkpoint import load_checkpoint
from squeezedet_ros.config import SelectionConfig
from squeezedet_ros.detector import Detector
from squeezedet_ros.ros.scheduling import OUTCOMES
from std_srvs.srv import SetBool
from vision_msgs.msg import LabelInfo, VisionInfo

pytestmark = pytest.mark.ros


@pytest.fixture(scope='module')
def front(weights, tmp_path_factory):
    """Return a node with one camera, for all tests that leave it as they found it."""
    domain = fresh_domain()
    log = tmp_path_factory.mktemp('front') / 'log'
    settings = {'weights': str(weights), 'cameras': ['front'], 'silent_after': 2.0}
    settings |= {'engine': 'torch'}
    settings |= {'input_reliability': 'reliable', 'input_depth': 50}
    with NodeProcess(log, domain, **settings) as node:
        node.wait_for(READY)
        yield node
        assert node.end(signal.SIGINT) == 0
        assert 'Traceback' not in node.log


@pytest.fixture
def client(front):
    with Client(front.domain) as result:
        yield result


def test_detections_are_those_of_the_detector_under_the_image_header(client, weights):
    arrays, statuses = client.outputs('front')
    image = picture(size=(120, 200))
    client.image_publisher('front').publish(image_message(image, 1_700_000_000_123_456_789))
    client.spin_until(lambda: arrays and statuses)

    expected = Detector(load_checkpoint(weights), SelectionConfig()).detect([image])[0]
    assert len(expected) > 0
    message = arrays[0]
    header = message.header
    assert header.frame_id == 'camera_optical'
    assert (header.stamp.sec, header.stamp.nanosec) == (1_700_000_000, 123_456_789)
    assert statuses[0].header == header
    assert all(detection.header == header for detection in message.detections)
    boxes = []
    for detection in message.detections:
        centre, box = detection.bbox.center.position, detection.bbox
        half = box.size_x / 2, box.size_y / 2
        boxes.append(
            [centre.x - half[0], centre.y - half[1], centre.x + half[0], centre.y + half[1]]
        )
    np.testing.assert_allclose(boxes, expected.boxes, atol=1e-2)
    scores = [detection.results[0].hypothesis.score for detection in message.detections]
    np.testing.assert_allclose(scores, expected.scores, atol=1e-4)
    assert scores == sorted(scores, reverse=True)
    ids = [detection.results[0].hypothesis.class_id for detection in message.detections]
    assert ids == [str(label) for label in expected.labels]


def test_a_status_tells_the_time_of_each_stage(client):
    _, statuses = client.outputs('front')
    client.image_publisher('front').publish(image_message(picture()))
    client.spin_until(lambda: statuses)
    (status,) = statuses[0].status
    values = values_of(status)
    assert (values['outcome'], status.hardware_id) == ('detected', 'front')
    stages = ('wait', 'decode', 'preprocess', 'network', 'select', 'publish')
    spent = [float(values[stage]) for stage in stages]
    assert min(spent) >= 0
    # Each is rounded to a thousandth.
    assert sum(spent) <= float(values['total']) + 0.01


def test_labels_and_method_are_latched(client):
    labels = client.collect(LabelInfo, 'front/label_info', latched=True)
    method = client.collect(VisionInfo, 'front/vision_info', latched=True)
    client.spin_until(lambda: labels and method)
    names = [(item.class_id, item.class_name) for item in labels[0].class_map]
    assert names == [(0, 'car'), (1, 'pedestrian'), (2, 'cyclist')]
    assert labels[0].threshold == pytest.approx(SelectionConfig().plot_prob_thresh)
    assert (method[0].method, method[0].database_location) == ('squeezedet', '/front/label_info')


def test_bad_frames_are_counted_and_the_next_good_one_is_looked_at(client, front):
    arrays, statuses = client.outputs('front')
    publisher = client.image_publisher('front')
    bad = []
    for index in range(12):
        message = image_message(picture(), 10**9 + index)
        if index % 3 == 0:
            message.step -= 1
        elif index % 3 == 1:
            message.data = message.data[:-1]
        else:
            message.encoding = 'nonsense'
        bad.append(message)
    for number, message in enumerate(bad):
        publisher.publish(message)
        client.spin_until(lambda n=number: len(statuses) > n)
    good = image_message(picture(), 2 * 10**9)
    publisher.publish(good)
    client.spin_until(lambda: arrays and len(statuses) == 13)

    assert outcomes(statuses) == ['undecodable'] * 12 + ['detected']
    assert [message.header for message in arrays] == [good.header]
    reasons = [message.status[0].message for message in statuses]
    assert reasons[0] == 'expected a step of at least 480 bytes for 160 pixels bgr8, got 479'
    assert reasons[1].startswith('expected 43200 bytes of data (90 rows of step 480, bgr8), got')
    assert reasons[2].endswith("got 'nonsense'")
    # Twelve within a few seconds, but one line.
    lines = [line for line in front.log.splitlines() if 'not decodable' in line]
    assert len(lines) == 1
    assert '/front/image_raw: frame not decodable: expected a step of at least 480' in lines[0]


def test_the_selection_changes_while_running(client):
    arrays, _ = client.outputs('front')
    labels = client.collect(LabelInfo, 'front/label_info', latched=True)
    publisher = client.image_publisher('front')
    publisher.publish(image_message(picture()))
    client.spin_until(lambda: arrays and labels)
    assert len(arrays[0].detections) > 1
    default = SelectionConfig()
    try:
        assert client.set_parameters(atomically=True, top_n=1, plot_prob_thresh=0.125).successful
        publisher.publish(image_message(picture()))
        client.spin_until(lambda: len(arrays) == 2 and len(labels) == 2)
        assert len(arrays[1].detections) == 1
        assert labels[1].threshold == 0.125
        refused = client.set_parameters(atomically=True, top_n=9, nms_thresh=1.5)
        assert not refused.successful
        assert 'nms_thresh' in refused.reason
        fixed = client.set_parameters(cameras=['rear'])[0]
        assert (fixed.successful, fixed.reason) == (
            False,
            'cameras: read-only while the node is configured',
        )
        publisher.publish(image_message(picture()))
        client.spin_until(lambda: len(arrays) == 3)
        assert len(arrays[2].detections) == 1
    finally:
        values = {'top_n': default.top_n, 'plot_prob_thresh': default.plot_prob_thresh}
        assert all(result.successful for result in client.set_parameters(**values))


def test_the_overlay_is_drawn_for_who_watches_under_the_image_header(client):
    images = client.collect(Image, 'front/detections/image')
    publisher = client.image_publisher('front')
    client.spin_for(1.0)
    plain = np.zeros((120, 200, 3), np.uint8)
    sent = image_message(plain, 5 * 10**9 + 7)
    publisher.publish(sent)
    client.spin_until(lambda: images)
    assert images[0].header == sent.header
    assert (images[0].height, images[0].width, images[0].encoding) == (120, 200, 'bgr8')
    assert np.frombuffer(images[0].data, np.uint8).any()


def test_the_overlay_is_there_as_jpeg_too_under_the_image_header(client):
    pictures = client.collect(CompressedImage, 'front/detections/image/compressed')
    publisher = client.image_publisher('front')
    client.spin_for(1.0)
    sent = image_message(np.zeros((120, 200, 3), np.uint8), 6 * 10**9 + 7)
    publisher.publish(sent)
    client.spin_until(lambda: pictures)
    (message,) = pictures
    assert (message.header, message.format) == (sent.header, 'bgr8; jpeg compressed bgr8')
    drawn = cv2.imdecode(np.frombuffer(message.data, np.uint8), cv2.IMREAD_COLOR)
    assert drawn.shape == (120, 200, 3)
    assert drawn.max() > 100


def test_what_cannot_be_drawn_is_told_and_the_next_is(client, front):
    pictures = client.collect(CompressedImage, 'front/detections/image/compressed')
    arrays, _ = client.outputs('front')
    publisher = client.image_publisher('front')
    client.spin_for(1.0)
    # Wider than a JPEG can be.
    publisher.publish(image_message(np.zeros((2, 65_600, 3), np.uint8), 8 * 10**9))
    client.spin_until(
        lambda: 'front: cannot draw the overlay: ValueError: expected at most 65500' in front.log
    )
    sent = image_message(np.zeros((120, 200, 3), np.uint8), 9 * 10**9)
    publisher.publish(sent)
    client.spin_until(lambda: pictures and len(arrays) == 2)
    assert [message.header for message in pictures] == [sent.header]


def test_a_disabled_node_receives_nothing_until_it_is_enabled(client):
    arrays, _ = client.outputs('front')
    publisher = client.image_publisher('front')
    assert client.call(SetBool, 'enable', SetBool.Request(data=False)).success
    client.spin_until(lambda: not publisher.get_subscription_count())
    publisher.publish(image_message(picture()))
    client.spin_for(0.5)
    assert not arrays
    assert client.call(SetBool, 'enable', SetBool.Request(data=True)).success
    client.spin_until(publisher.get_subscription_count)
    publisher.publish(image_message(picture()))
    client.spin_until(lambda: arrays)


def test_diagnostics_tell_the_engine_and_who_is_silent(client, front):
    arrays = client.collect(DiagnosticArray, '/diagnostics')
    front.wait_for('no image on /front/image_raw for')

    def warned():
        return arrays and arrays[-1].status[1].level == b'\x01'

    client.spin_until(warned)
    whole, camera = arrays[-1].status
    assert (whole.level, values_of(whole)['state']) == (b'\x00', 'active')
    assert values_of(whole)['engine'].startswith('torch ')
    assert values_of(whole)['engine taken because'] == 'as set'
    assert ' in scores, ' in values_of(whole)['largest difference to torch float32']
    assert camera.name == '/detector: front'
    assert camera.message.startswith('no image on /front/image_raw for')
    assert 'nobody publishes images on /front/image_raw; no topic has images' in camera.message
    assert values_of(camera)['subscription'] == 'reliable'


def test_a_driver_that_a_replay_cannot_hear_is_named_until_the_parameter_is_set(weights, tmp_path):
    domain = fresh_domain()
    settings = {'weights': str(weights), 'cameras': ['front'], 'mode': 'replay', 'lazy': True}
    with NodeProcess(tmp_path / 'log', domain, **settings) as node, Client(domain) as client:
        node.wait_for(READY)
        diagnostics = client.collect(DiagnosticArray, '/diagnostics')

        def told(text):
            return diagnostics and text in diagnostics[-1].status[1].message

        client.spin_until(lambda: told('nobody listens'))
        assert diagnostics[-1].status[1].level == b'\x00'
        arrays, _ = client.outputs('front')
        client.spin_until(lambda: told('nobody publishes images on /front/image_raw; no topic'))
        lossy = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
        publisher = client.node.create_publisher(Image, 'front/image_raw', lossy)
        reason = 'nothing is received of /front/image_raw from /client: it is published'
        client.spin_until(lambda: told(reason))
        assert diagnostics[-1].status[1].level == b'\x01'
        assert sum(reason in line for line in node.log.splitlines()) == 1
        assert 'set input_reliability to best_effort' in node.log
        assert 'incompatible' not in node.log

        assert client.transition(Transition.TRANSITION_DEACTIVATE)
        assert client.transition(Transition.TRANSITION_CLEANUP)
        assert client.set_parameters(input_reliability='best_effort')[0].successful
        assert client.transition(Transition.TRANSITION_CONFIGURE)
        assert client.transition(Transition.TRANSITION_ACTIVATE)
        client.spin_until(lambda: publisher.publish(image_message(picture())) or arrays)


def test_every_frame_of_two_overloaded_cameras_is_accounted_for(weights, tmp_path):
    domain, sent = fresh_domain(), 150
    settings = {'weights': str(weights), 'cameras': ['left', 'rig/right']}
    settings |= {'input_reliability': 'reliable', 'input_depth': 1000}
    with NodeProcess(tmp_path / 'log', domain, **settings) as node, Client(domain) as client:
        node.wait_for(READY)
        diagnostics = client.collect(DiagnosticArray, '/diagnostics')
        cameras = {name: client.outputs(name) for name in settings['cameras']}
        publishers = {name: client.image_publisher(name) for name in cameras}
        image = picture(size=(375, 1242))
        for number in range(sent):
            for publisher in publishers.values():
                message = image_message(image, 10**9 + number)
                if number % 10 == 5:  # never the last, which is looked at in any case
                    message.encoding = 'nonsense'
                publisher.publish(message)
        client.spin_until(lambda: all(len(statuses) == sent for _, statuses in cameras.values()))
        for arrays, statuses in cameras.values():
            told = outcomes(statuses)
            stamps = [message.header.stamp.nanosec for message in statuses]
            assert sorted(stamps) == list(range(sent))
            assert told.count('superseded') > 0
            assert told.count('detected') > 0
            assert told.count('failed') == told.count('stale') == 0
            looked_at = [stamp for stamp, o in zip(stamps, told, strict=True) if o == 'detected']
            assert [message.header.stamp.nanosec for message in arrays] == looked_at
            assert looked_at == sorted(looked_at)
        seen = len(diagnostics)
        client.spin_until(lambda: len(diagnostics) > seen + 1)
        for status, name in zip(diagnostics[-1].status[1:], cameras, strict=True):
            values = values_of(status)
            told = outcomes(cameras[name][1])
            assert {key: int(values[key]) for key in OUTCOMES} == {
                key: told.count(key) for key in OUTCOMES
            }
            assert (int(values['received']), int(values['waiting'])) == (sent, 0)
        assert node.end(signal.SIGTERM) == 0


def test_a_silent_camera_withholds_nobody_and_old_frames_are_stale(weights, tmp_path):
    domain = fresh_domain()
    settings = {'weights': str(weights), 'cameras': ['left', 'right'], 'max_age': 5.0}
    settings |= {'image_transport': 'compressed', 'class_id_format': 'name'}
    with NodeProcess(tmp_path / 'log', domain, **settings) as node, Client(domain) as client:
        node.wait_for(READY)
        arrays, statuses = client.outputs('left')
        publisher = client.image_publisher('left', CompressedImage)
        now = time.time_ns()
        jpeg = cv2.imencode('.jpg', picture())[1].tobytes()
        frames = [(now - 10**10, jpeg), (now, jpeg), (0, jpeg), (now, jpeg[:400]), (now, b'')]
        for number, (stamp, content) in enumerate(frames):
            message = stamped(CompressedImage, stamp)
            message.format, message.data = 'jpeg', array('B', content)
            publisher.publish(message)
            client.spin_until(lambda n=number: len(statuses) > n)
        assert outcomes(statuses) == ['stale', 'detected', 'detected'] + ['undecodable'] * 2
        assert 'max_age is 5 s' in statuses[0].status[0].message
        client.spin_until(lambda: len(arrays) == 2)
        assert {d.results[0].hypothesis.class_id for d in arrays[0].detections} == {'car'}


def test_a_replay_looks_at_every_frame_in_order_and_twice_the_same(weights, tmp_path):
    domain, sent = fresh_domain(), 40
    settings = {'weights': str(weights), 'cameras': ['front'], 'mode': 'replay'}
    with NodeProcess(tmp_path / 'log', domain, **settings) as node, Client(domain) as client:
        node.wait_for(READY)
        arrays, statuses = client.outputs('front')
        publisher = client.image_publisher('front')
        for number in [*range(sent), *range(sent)]:
            publisher.publish(image_message(picture(number), 10**9 + number))
        client.spin_until(lambda: len(arrays) == len(statuses) == 2 * sent)
        assert set(outcomes(statuses)) == {'detected'}
        stamps = [message.header.stamp.nanosec for message in arrays]
        assert stamps == [*range(sent), *range(sent)]
        assert arrays[:sent] == arrays[sent:]
