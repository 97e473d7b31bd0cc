"""Bags written here hold, byte for byte, what rclpy makes of the same messages."""

from importlib import import_module

import numpy as np
import pytest
from rclpy.serialization import deserialize_message, serialize_message
from ros_testing import image_message, picture, stamped
from sensor_msgs.msg import Image
from squeezedet_ros.data.bag import BagReader
from squeezedet_ros.data.bag_writer import BagWriter, STORAGES
from squeezedet_ros.data.detection_bag import DetectionBagWriter
from squeezedet_ros.data.ground_truth import GroundTruth
from squeezedet_ros.data.interfaces import typestore
from squeezedet_ros.data.truth_message import make_header
from squeezedet_ros.detections import Detections
from squeezedet_ros.ros import messages

pytestmark = pytest.mark.ros
STAMP = 1_700_000_000_123_456_789
CLASSES = ('car', 'pedestrian', 'cyclist')
SEEN = Detections(
    np.array([[10.25, 20.1, 30.7, 40], [0.3, 0, 1241, 374.9], [1, 2, 3, 4]], np.float32),
    np.array([0.75, 0.3, 0.1], np.float32),
    np.array([2, 0, 1]),
    np.array([12, 0, 345]),
)
TRUTH = GroundTruth(
    np.array([[10.25, 20.5, 30, 40]], np.float32),
    ('Car',),
    np.array([0.25], np.float32),
    np.array([2]),
)


@pytest.fixture(scope='module', params=STORAGES)
def raws(request, tmp_path_factory):
    """Return the messages of a bag by topic."""
    path = tmp_path_factory.mktemp(request.param) / 'bag'
    with BagWriter(path, request.param) as bag:
        bag.write_image('lens', STAMP, picture())
        bag.write_image('lens', STAMP, picture(), compressed=True)
        bag.write_ground_truth('lens', STAMP, TRUTH)
        writer = DetectionBagWriter(bag, 'lens', CLASSES, 0.25)
        writer.write(make_header(STAMP, 'lens'), STAMP, SEEN.select(SEEN.scores > 0.2), SEEN)
    with BagReader(path) as bag:
        return {raw.topic: raw for raw in bag.messages()}


def assert_same(raw, message):
    """
    Make sure that a message of a bag is, byte for byte, what rclpy makes of it.

    Fast CDR leaves the bytes between aligned fields as they were in memory; here they are 0, so
    rclpy's bytes are compared once those are 0 too.
    """
    written, expected = bytes(raw.data), serialize_message(message)
    store = typestore()
    cleared = store.serialize_cdr(store.deserialize_cdr(expected, raw.type), raw.type)
    assert written == bytes(cleared)
    assert len(written) == len(expected)
    assert {ours for ours, theirs in zip(written, expected, strict=True) if ours != theirs} <= {0}
    assert deserialize_message(written, type(message)) == message


def test_detections_are_what_the_node_publishes(raws):
    header = stamped(Image, STAMP, 'lens').header
    expected = messages.detections_to_message(SEEN, header, CLASSES)
    assert_same(raws['lens/detections/unfiltered'], expected)
    fewer = messages.detections_to_message(SEEN.select(SEEN.scores > 0.2), header, CLASSES)
    assert_same(raws['lens/detections'], fewer)


def test_the_classes_are_what_the_node_says(raws):
    expected = messages.label_info(stamped(Image, STAMP, '').header, CLASSES, 0.25)
    assert_same(raws['lens/label_info'], expected)


def test_an_image_is_that_of_rclpy(raws):
    expected = image_message(picture(), STAMP)
    expected.header.frame_id = 'lens'
    assert_same(raws['lens/image_raw'], expected)


@pytest.mark.parametrize(
    'topic',
    [
        'lens/image_raw',
        'lens/image_raw/compressed',
        'lens/ground_truth',
        'lens/detections',
        'lens/detections/unfiltered',
        'lens/label_info',
    ],
)
def test_rclpy_writes_what_it_reads(raws, topic):
    package, _, name = raws[topic].type.split('/')
    kind = getattr(import_module(f'{package}.msg'), name)
    assert_same(raws[topic], deserialize_message(bytes(raws[topic].data), kind))
