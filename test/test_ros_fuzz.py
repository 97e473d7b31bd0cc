"""Messages of any content, on a real process: the node answers for each."""

import os
import signal

import pytest
from ros_testing import (
    Account,
    Client,
    image_message,
    NodeProcess,
    picture,
    READY,
    running,
    values_of,
)
from sensor_msgs.msg import CompressedImage, Image
from squeezedet_ros.ros.scheduling import OUTCOMES

pytestmark = pytest.mark.ros
FUZZED = int(os.environ.get('SQUEEZEDET_FUZZ_MESSAGES', '150'))


def ros_header(message, fields):
    message.header.stamp.sec, message.header.stamp.nanosec = (
        fields.header.sec,
        fields.header.nanosec,
    )
    message.header.frame_id = fields.header.frame_id
    return message


def ros_image(fields):
    message = ros_header(Image(), fields)
    for name in ('height', 'width', 'encoding', 'is_bigendian', 'step', 'data'):
        setattr(message, name, getattr(fields, name))
    return message


def ros_compressed(fields):
    message = ros_header(CompressedImage(), fields)
    message.format, message.data = fields.format, fields.data
    return message


def feed(client, kind, strategy, to_message):
    """Send drawn messages, each of which must be answered; return the counts by outcome."""
    hypothesis = pytest.importorskip('hypothesis')
    account = Account(client)
    _, statuses = client.outputs('front')
    publisher, sent = client.image_publisher('front', kind), []

    @hypothesis.settings(
        max_examples=FUZZED,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[hypothesis.Phase.generate],
    )
    @hypothesis.given(strategy)
    def answered(fields):
        sent.append(to_message(fields))
        publisher.publish(sent[-1])
        client.spin_until(lambda: len(statuses) == len(sent))
        (status,) = statuses[-1].status
        assert values_of(status)['outcome'] in OUTCOMES

    answered()
    counts = account.settled(len(sent))
    assert counts['detected'] > 0
    assert counts['undecodable'] > 0
    return counts


def test_fuzzed_images_are_all_accounted_for(weights, tmp_path):
    fuzzing = pytest.importorskip('fuzzing')
    with (
        running(NodeProcess, weights, tmp_path / 'log') as node,
        Client(node.domain) as client,
    ):
        node.wait_for(READY)
        counts = feed(client, Image, fuzzing.raw_images(), ros_image)
        assert 'failed' not in counts
        arrays, _ = client.outputs('front')
        client.image_publisher('front').publish(image_message(picture()))
        client.spin_until(lambda: arrays)
        assert node.end(signal.SIGINT) == 0


def test_fuzzed_files_are_all_accounted_for(weights, tmp_path):
    fuzzing = pytest.importorskip('fuzzing')
    compressed = {'image_transport': 'compressed'}
    with (
        running(NodeProcess, weights, tmp_path / 'log', **compressed) as node,
        Client(node.domain) as client,
    ):
        node.wait_for(READY)
        feed(client, CompressedImage, fuzzing.compressed_pictures(), ros_compressed)
        assert node.end(signal.SIGTERM) == 0
