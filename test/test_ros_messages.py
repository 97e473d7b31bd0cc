from array import array

import numpy as np
import pytest
from squeezedet_ros.config import ModelConfig
from squeezedet_ros.detections import Detections
from squeezedet_ros.image_codec import decode_image
from squeezedet_ros.ros import messages
from std_msgs.msg import Header

pytestmark = pytest.mark.ros


def header():
    result = Header(frame_id='left_optical')
    result.stamp.sec, result.stamp.nanosec = 12, 345
    return result


def test_boxes_become_centre_and_size_exactly():
    found = Detections(
        np.array([[10.25, 20.5, 110.75, 60.0], [0, 0, 1241, 374]], np.float32),
        np.array([0.75, 0.5], np.float32),
        np.array([2, 0]),
    )
    message = messages.detections_to_message(found, header(), ['0', '1', '2'])
    first, second = message.detections
    assert (first.bbox.center.position.x, first.bbox.center.position.y) == (60.5, 40.25)
    assert (first.bbox.size_x, first.bbox.size_y, first.bbox.center.theta) == (100.5, 39.5, 0.0)
    assert (second.bbox.center.position.x, second.bbox.size_x) == (620.5, 1241.0)
    results = [detection.results[0].hypothesis for detection in message.detections]
    assert [(item.class_id, item.score) for item in results] == [('2', 0.75), ('0', 0.5)]
    assert first.id == ''


def test_the_header_is_on_the_array_and_on_each_detection():
    found = Detections(np.ones((2, 4), np.float32), np.ones(2, np.float32), np.zeros(2, int))
    message = messages.detections_to_message(found, header(), ['0'])
    assert [message.header, *(item.header for item in message.detections)] == [header()] * 3


def test_an_object_that_is_known_has_its_id():
    found = Detections(
        np.ones((3, 4), np.float32), np.ones(3, np.float32), np.zeros(3, int), np.array([12, 0, 3])
    )
    message = messages.detections_to_message(found, header(), ['0'])
    assert [detection.id for detection in message.detections] == ['12', '', '3']


def test_spare_messages_are_filled_again_and_nothing_of_them_is_left():
    rng = np.random.default_rng(0)
    spare = []
    for count, ids in ((3, np.array([7, 0, 9])), (1, None), (0, None), (4, np.arange(4))):
        boxes, scores = rng.uniform(0, 90, (count, 4)), rng.uniform(0, 1, count)
        labels = rng.integers(0, 3, count)
        found = Detections(boxes.astype(np.float32), scores.astype(np.float32), labels, ids)
        own = Header(frame_id=f'lens {count}')
        message = messages.detections_to_message(found, own, ['0', '1', '2'], spare)
        assert message == messages.detections_to_message(found, own, ['0', '1', '2'])
        assert all(one is other for one, other in zip(message.detections, spare, strict=False))
    assert len(spare) == 4


def test_nothing_seen_is_an_array_without_detections():
    message = messages.detections_to_message(Detections.empty(), header(), [])
    assert message.header == header()
    assert message.detections == []


def test_class_ids_are_indices_or_names():
    assert messages.class_ids(['car', 'cyclist'], 'index') == ['0', '1']
    assert messages.class_ids(['car', 'cyclist'], 'name') == ['car', 'cyclist']


def test_labels_and_method_are_told():
    labels = messages.label_info(header(), ['car', 'cyclist'], 0.25)
    assert [(item.class_id, item.class_name) for item in labels.class_map] == [
        (0, 'car'),
        (1, 'cyclist'),
    ]
    assert labels.threshold == 0.25
    vision = messages.vision_info(header(), ModelConfig(), '/front/label_info')
    assert (vision.method, vision.database_location) == ('squeezedet', '/front/label_info')


@pytest.mark.parametrize('strided', [False, True])
def test_an_image_survives_the_way_through_its_message(strided):
    image = np.arange(5 * 8 * 3, dtype=np.uint8).reshape(5, 8, 3)
    image = image[:, ::2] if strided else image
    message = messages.image_to_message(image, header())
    assert isinstance(message.data, array)
    assert message.header == header()
    np.testing.assert_array_equal(decode_image(message), image)


def test_a_status_holds_text():
    status = messages.status(messages.WARN, 'name', 'text', 'left', {'a': 1.23456, 'b': 7})
    assert [(item.key, item.value) for item in status.values] == [('a', '1.235'), ('b', '7')]
    assert (status.level, status.name, status.message, status.hardware_id) == (
        b'\x01',
        'name',
        'text',
        'left',
    )


def test_stamps_in_nanoseconds():
    assert messages.stamp_nanoseconds(header()) == 12_000_000_345
    assert messages.stamp_nanoseconds(Header()) == 0
