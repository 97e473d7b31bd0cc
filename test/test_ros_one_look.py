"""~/detect and tracking ids of the node as its own process, on real DDS."""

import signal

from domains import fresh_domain
from lifecycle_msgs.msg import Transition
import pytest
from ros_testing import (
    Client,
    image_message,
    NodeProcess,
    outcomes,
    picture,
)
from sensor_msgs.msg import Image
from std_srvs.srv import SetBool, Trigger

pytestmark = pytest.mark.ros


@pytest.fixture(scope='module')
def rig(weights, tmp_path_factory):
    """Return an inactive node with two cameras, for tests that leave it so."""
    domain = fresh_domain()
    log = tmp_path_factory.mktemp('rig') / 'log'
    settings = {'weights': str(weights), 'cameras': ['left', 'right'], 'autostart': False}
    settings |= {'input_reliability': 'reliable', 'input_depth': 50, 'silent_after': 20.0}
    settings |= {'track': True}
    with NodeProcess(log, domain, **settings) as node:
        with Client(domain) as client:
            answer = client.call(Trigger, 'detect', Trigger.Request())
            assert (answer.success, answer.message) == (False, 'the node is not configured')
            assert client.transition(Transition.TRANSITION_CONFIGURE)
        yield node
        assert node.end(signal.SIGINT) == 0
        assert 'Traceback' not in node.log


@pytest.fixture
def client(rig):
    with Client(rig.domain) as result:
        yield result


class Asked:
    """A call of ~/detect that is under way."""

    def __init__(self, client):
        self._client = client
        self._service = client.node.create_client(Trigger, '/detector/detect')
        client.spin_until(self._service.service_is_ready)
        self._future = self._service.call_async(Trigger.Request())

    @property
    def is_answered(self):
        return self._future.done()

    def answer(self):
        self._client.spin_until(self._future.done)
        answer = self._future.result()
        return answer.success, answer.message


def publishers(client, *cameras):
    """Return a publisher for each camera, before anybody listens."""
    return [client.node.create_publisher(Image, f'{name}/image_raw', 1000) for name in cameras]


def publish_until_answered(client, asked, sources, bad=()):
    """Publish images again and again, as cameras do, until the call is answered."""
    number = 0
    while not asked.is_answered:
        number += 1
        for index, source in enumerate(sources):
            message = image_message(picture(), 10**9 + number)
            if index in bad:
                message.encoding = 'nonsense'
            source.publish(message)
        client.spin_for(0.1)
    return number


def objects(array):
    count = len(array.detections)
    return f'{count} object' if count == 1 else f'{count} objects'


def test_an_inactive_node_looks_at_one_frame_of_each_camera(client):
    outputs = [client.outputs(name) for name in ('left', 'right')]
    overlays = client.collect(Image, 'left/detections/image')
    sources = publishers(client, 'left', 'right')
    client.spin_for(1.0)
    asked = Asked(client)
    publish_until_answered(client, asked, sources)
    for _ in range(5):
        sources[0].publish(image_message(picture(), 5 * 10**9))
        client.spin_for(0.1)
    arrays = [array for array, _ in outputs]
    assert [len(array) for array in arrays] == [1, 1]
    assert len(arrays[0][0].detections) > 0
    left, right = (objects(array[0]) for array in arrays)
    assert asked.answer() == (True, f'left: {left}, right: {right}')
    for array, statuses in outputs:
        assert outcomes(statuses) == ['detected']
        assert statuses[0].header == array[0].header
        # One image confirms no object.
        assert {detection.id for detection in array[0].detections} == {''}
    client.spin_until(lambda: len(overlays) == 1)
    assert overlays[0].header == arrays[0][0].header
    client.spin_until(lambda: not client.node.count_subscribers('left/image_raw'))
    assert client.state() == 'inactive'


def test_a_bad_and_a_missing_frame_are_told_and_the_node_answers_others_meanwhile(client):
    arrays, statuses = client.outputs('left')
    (left,) = publishers(client, 'left')
    assert client.set_parameters(plot_prob_thresh=0.25)[0].successful
    asked = Asked(client)
    client.spin_until(left.get_subscription_count)
    client.spin_for(0.5)
    message = image_message(picture())
    message.encoding = 'nonsense'
    left.publish(message)
    client.spin_until(lambda: statuses)
    # The service waits for the right camera, and holds up nobody.
    assert not asked.is_answered
    assert client.state() == 'inactive'
    answer = client.call(Trigger, 'detect', Trigger.Request())
    assert (answer.success, answer.message) == (False, 'an earlier call is under way')
    left.publish(image_message(picture()))
    success, text = asked.answer()
    assert not success
    assert text.startswith('left: expected an encoding among ')
    assert text.endswith("got 'nonsense', right: no image on /right/image_raw within 20 s")
    assert outcomes(statuses) == ['undecodable']
    assert not arrays
    assert client.set_parameters(plot_prob_thresh=0.4)[0].successful


def test_a_look_goes_by_what_is_set_while_it_waits(client):
    arrays, _ = client.outputs('left')
    sources = publishers(client, 'left', 'right')
    asked = Asked(client)
    client.spin_until(lambda: client.node.count_subscribers('left/image_raw'))
    assert client.set_parameters(plot_prob_thresh=1.0)[0].successful
    publish_until_answered(client, asked, sources)
    assert asked.answer() == (True, 'left: 0 objects, right: 0 objects')
    client.spin_until(lambda: arrays)
    assert not arrays[0].detections
    assert client.set_parameters(plot_prob_thresh=0.4)[0].successful


def test_an_active_node_tells_of_the_next_detected_frame_and_ids_stay(client):
    outputs = [client.outputs(name) for name in ('left', 'right')]
    assert client.transition(Transition.TRANSITION_ACTIVATE)
    sources = [client.image_publisher(name) for name in ('left', 'right')]
    asked = Asked(client)
    sent = publish_until_answered(client, asked, sources)
    success, text = asked.answer()
    assert success
    assert text.startswith('left: ')
    client.spin_until(lambda: all(len(statuses) == sent for _, statuses in outputs))
    for array, statuses in outputs:
        assert outcomes(statuses).count('detected') == len(array)
        stamps = [message.header.stamp.nanosec for message in array]
        assert len(set(stamps)) == len(stamps)
    seen = len(outputs[0][0])
    for number in range(3):
        sources[0].publish(image_message(picture(), 10**9 + 500 + number))
        client.spin_until(lambda n=number: len(outputs[0][0]) == seen + n + 1)
    last, before = outputs[0][0][-1], outputs[0][0][-2]
    ids = [detection.id for detection in last.detections]
    assert ids == [detection.id for detection in before.detections]
    assert all(text.isdecimal() for text in ids)
    assert len(set(ids)) == len(ids) > 0
    assert client.transition(Transition.TRANSITION_DEACTIVATE)


def test_a_disabled_node_looks_once_and_goes_on_when_enabled(client):
    arrays, statuses = client.outputs('left')
    assert client.transition(Transition.TRANSITION_ACTIVATE)
    assert client.call(SetBool, 'enable', SetBool.Request(data=False)).success
    sources = publishers(client, 'left', 'right')
    client.spin_until(lambda: not client.node.count_subscribers('left/image_raw'))
    asked = Asked(client)
    publish_until_answered(client, asked, sources)
    assert asked.answer()[0]
    client.spin_until(lambda: len(statuses) == len(arrays) == 1)
    asked = Asked(client)
    client.spin_until(lambda: client.node.count_subscribers('left/image_raw'))
    assert client.call(SetBool, 'enable', SetBool.Request(data=True)).success
    success, text = asked.answer()
    assert not success
    assert text.endswith('right: the node began to look at all frames first')
    client.spin_until(sources[0].get_subscription_count)
    client.spin_for(0.5)
    sources[0].publish(image_message(picture(), 7 * 10**9))
    client.spin_until(lambda: len(arrays) == 2)
    assert client.transition(Transition.TRANSITION_DEACTIVATE)


def test_a_call_is_answered_when_the_node_activates_or_cleans_up(client):
    arrays, _ = client.outputs('left')
    asked = Asked(client)
    client.spin_until(lambda: client.node.count_subscribers('left/image_raw'))
    assert client.transition(Transition.TRANSITION_ACTIVATE)
    reason = 'the node began to look at all frames first'
    assert asked.answer() == (False, f'left: {reason}, right: {reason}')
    client.image_publisher('left').publish(image_message(picture()))
    client.spin_until(lambda: arrays)
    asked = Asked(client)
    client.spin_for(0.5)
    assert client.transition(Transition.TRANSITION_DEACTIVATE)
    assert asked.answer() == (False, 'left: the node stopped first, right: the node stopped first')
    asked = Asked(client)
    client.spin_until(lambda: client.node.count_subscribers('left/image_raw'))
    assert client.transition(Transition.TRANSITION_CLEANUP)
    assert asked.answer()[1].startswith('left: the node stopped first')
    assert client.transition(Transition.TRANSITION_CONFIGURE)


def test_a_node_that_waits_for_a_frame_ends_cleanly(weights, tmp_path):
    domain = fresh_domain()
    settings = {'weights': str(weights), 'cameras': ['left'], 'autostart': False}
    with NodeProcess(tmp_path / 'log', domain, **settings) as node, Client(domain) as client:
        assert client.transition(Transition.TRANSITION_CONFIGURE)
        Asked(client)
        client.spin_until(lambda: client.node.count_subscribers('left/image_raw'))
        assert node.end(signal.SIGTERM) == 0
        assert 'Traceback' not in node.log
        assert 'never' not in node.log
