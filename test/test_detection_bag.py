"""What a detector saw, written into a bag and read back."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from rosbags.interfaces import QosDurability
from rosbags.rosbag2 import Reader
from squeezedet_ros.data.bag import BagReader
from squeezedet_ros.data.bag_writer import BagWriter, STORAGES
from squeezedet_ros.data.detection_bag import (
    DetectionBagWriter,
    detections_to_message,
    read_detection_bag,
)
from squeezedet_ros.data.interfaces import DETECTION_2D_ARRAY
from squeezedet_ros.data.truth_message import edges_of, hypothesis_of, make_header
from squeezedet_ros.detections import Detections
from squeezedet_ros.errors import DatasetError

STAMP = 1_700_000_000_123_456_789
CLASSES = ('car', 'pedestrian', 'cyclist')
SEEN = Detections(
    np.array([[10.25, 20.1, 30.7, 40], [0.3, 0, 1241, 374.9]], np.float32),
    np.array([0.75, 0.1], np.float32),
    np.array([2, 0]),
)


def write(path, storage='mcap', count=2):
    with BagWriter(path, storage) as bag:
        writer = DetectionBagWriter(bag, 'front', CLASSES, 0.4)
        for index in range(count):
            stamp = STAMP + index
            published = SEEN.select(SEEN.scores >= 0.4)
            writer.write(make_header(stamp, 'lens'), stamp + 7, published, SEEN)
    return path


def write_arrays(path, topic, ids, *, kind=DETECTION_2D_ARRAY):
    with BagWriter(path) as bag:
        message = detections_to_message(SEEN, make_header(STAMP, 'lens'), ids)
        bag.write_message(topic, kind, STAMP, message)
    return path


def assert_same(found, expected):
    np.testing.assert_array_equal(found.boxes, expected.boxes)
    np.testing.assert_array_equal(found.scores, expected.scores)
    np.testing.assert_array_equal(found.labels, expected.labels)


@pytest.mark.parametrize('storage', STORAGES)
def test_detections_come_back_as_they_were(tmp_path, storage):
    read = read_detection_bag(write(tmp_path / 'bag', storage))
    assert read.topic == 'front/detections/unfiltered'
    assert read.classes == CLASSES
    assert read.threshold == 0.4
    assert list(read.detections) == [STAMP, STAMP + 1]
    for found in read.detections.values():
        assert_same(found, SEEN)


def test_what_is_published_is_a_topic_of_its_own(tmp_path):
    read = read_detection_bag(write(tmp_path / 'bag'), '/front/detections')
    assert_same(read.detections[STAMP], SEEN.select(np.array([0])))


def test_the_message_has_the_header_of_the_image(tmp_path):
    with BagReader(write(tmp_path / 'bag', count=1)) as bag:
        [raw] = bag.messages(['front/detections'])
        message = bag.decode(raw)
    assert raw.recorded_ns == STAMP + 7
    for header in (message.header, message.detections[0].header):
        assert (header.stamp.sec, header.stamp.nanosec) == (1_700_000_000, 123_456_789)
        assert header.frame_id == 'lens'
    assert message.detections[0].results[0].hypothesis.class_id == 'cyclist'


def test_the_names_are_latched(tmp_path):
    with Reader(write(tmp_path / 'bag')) as bag:
        kept = {item.topic: item.ext.offered_qos_profiles for item in bag.connections}
    assert [qos.durability for qos in kept['/front/label_info']] == [QosDurability.TRANSIENT_LOCAL]
    with BagReader(tmp_path / 'bag') as bag:
        assert bag.topics['front/label_info'] == ('vision_msgs/msg/LabelInfo', 1, True)


def test_an_image_in_which_nothing_was_seen_is_there(tmp_path):
    with BagWriter(tmp_path / 'bag') as bag:
        writer = DetectionBagWriter(bag, 'front', CLASSES, 0.4)
        nothing = Detections.empty()
        writer.write(make_header(STAMP, ''), STAMP, nothing, nothing)
    read = read_detection_bag(tmp_path / 'bag')
    assert len(read.detections[STAMP]) == 0
    assert read.classes == CLASSES


def test_names_without_a_label_info_are_classes_as_they_come(tmp_path):
    path = write_arrays(tmp_path / 'bag', 'left/detections', CLASSES)
    read = read_detection_bag(path)
    assert read.topic == 'left/detections'
    assert read.classes == ('cyclist', 'car')
    assert read.threshold is None
    assert read.detections[STAMP].labels.tolist() == [0, 1]


def test_the_more_probable_comes_first(tmp_path):
    turned = SEEN.select(np.array([1, 0]))
    with BagWriter(tmp_path / 'bag') as bag:
        message = detections_to_message(turned, make_header(STAMP, ''), CLASSES)
        bag.write_message('a/detections', DETECTION_2D_ARRAY, STAMP, message)
    assert read_detection_bag(tmp_path / 'bag').detections[STAMP].scores.tolist() == [
        0.75,
        pytest.approx(0.1),
    ]


def test_numbers_that_nothing_names_are_refused(tmp_path):
    path = write_arrays(tmp_path / 'bag', 'left/detections', '012')
    with pytest.raises(DatasetError, match=r"left/detections at .* class_id '2' is a number"):
        read_detection_bag(path)


def test_the_choice_between_two_cameras_is_the_users(tmp_path):
    with BagWriter(tmp_path / 'bag') as bag:
        for camera in ('left', 'right'):
            writer = DetectionBagWriter(bag, camera, CLASSES, 0.4)
            writer.write(make_header(STAMP, ''), STAMP, SEEN, SEEN)
    with pytest.raises(DatasetError, match='2 topics of detections, expected one; choose from'):
        read_detection_bag(tmp_path / 'bag')
    assert len(read_detection_bag(tmp_path / 'bag', 'left/detections').detections) == 1


def test_truth_is_no_detections(tmp_path):
    path = write_arrays(tmp_path / 'bag', 'left/ground_truth', CLASSES)
    with pytest.raises(DatasetError, match='0 topics of detections'):
        read_detection_bag(path)


def test_a_topic_of_something_else_is_refused(tmp_path):
    with pytest.raises(DatasetError, match='holds vision_msgs/msg/LabelInfo, expected'):
        read_detection_bag(write(tmp_path / 'bag'), 'front/label_info')


def write_each(path, arrays):
    with BagWriter(path) as bag:
        for stamp, seen in arrays:
            message = detections_to_message(seen, make_header(stamp, ''), CLASSES)
            bag.write_message('a/detections', DETECTION_2D_ARRAY, stamp, message)
        connection = bag._connections['a/detections']
        bag._writer.write(connection, STAMP + 99, b'\0\1\0\0\xff')
    return read_detection_bag(path)


def test_what_cannot_be_read_is_left_out_alone_and_told(tmp_path):
    wrong = [
        replace(SEEN, boxes=np.full((2, 4), np.nan, np.float32)),
        replace(SEEN, scores=np.array([np.inf, 0.1], np.float32)),
    ]
    arrays = [(STAMP, SEEN), *((STAMP + 1 + row, seen) for row, seen in enumerate(wrong))]
    read = write_each(tmp_path / 'bag', arrays)
    assert list(read.detections) == [STAMP]
    assert [part.partition(': ')[2].partition(',')[0] for part in read.damage[:2]] == [
        'expected a box of finite pixels',
        'expected finite scores',
    ]
    assert f'at {STAMP + 99} ns cannot be read' in read.damage[2]


def test_of_two_arrays_of_one_stamp_the_second_is_told(tmp_path):
    read = write_each(tmp_path / 'bag', [(STAMP, SEEN), (STAMP, Detections.empty())])
    np.testing.assert_array_equal(read.detections[STAMP].boxes, SEEN.boxes)
    assert read.damage[0] == (
        f'a/detections has a second array of stamp {STAMP}, which is left out'
    )


def test_a_box_of_an_older_vision_msgs_is_told():
    middle = SimpleNamespace(x=1.0, y=2.0, theta=0.0)
    box = SimpleNamespace(center=middle, size_x=3.0, size_y=4.0)
    with pytest.raises(DatasetError, match=r'expected bbox\.center\.position of vision_msgs 4'):
        edges_of(SimpleNamespace(bbox=box))
    with pytest.raises(DatasetError, match=r'expected results\.hypothesis of vision_msgs 4'):
        hypothesis_of(SimpleNamespace(results=[SimpleNamespace(id='car', score=0.5)]))
