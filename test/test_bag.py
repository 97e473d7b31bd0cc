"""Rosbag2 files written and read."""

from pathlib import Path

import numpy as np
import pytest
from rosbags.rosbag2 import Reader
from squeezedet_ros.data.bag import BagReader
from squeezedet_ros.data.bag_names import image_topic, truth_topic
from squeezedet_ros.data.bag_writer import BagWriter, STORAGES
from squeezedet_ros.data.ground_truth import GroundTruth
from squeezedet_ros.data.interfaces import typestore, VISION_MSGS
from squeezedet_ros.data.truth_message import make_header
from squeezedet_ros.errors import DatasetError

INTERFACES = Path(__file__).resolve().parents[1] / 'script/vision_msgs/msg'
STAMP = 1_700_000_000_123_456_789
TRUTH = GroundTruth(
    np.array([[10.25, 20.5, 30, 40], [0, 0, 1241, 374]], np.float32),
    ('Car', 'DontCare'),
    np.array([0.25, -1], np.float32),
    np.array([2, -1]),
)


def picture(seed=0, size=(24, 40)):
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)


def write(path, count=3, storage='mcap', *, compressed=False):
    with BagWriter(path, storage) as bag:
        for index in range(count):
            bag.write_ground_truth('front', STAMP + index, TRUTH)
            bag.write_image('front', STAMP + index, picture(index), compressed=compressed)
    return path


def open_topics(path, *topics):
    with BagReader(path) as bag:
        return [bag.decode(message) for message in bag.messages(topics)]


@pytest.mark.parametrize('name', VISION_MSGS)
def test_definitions_are_those_that_the_environment_compiles(name):
    assert VISION_MSGS[name] == (INTERFACES / f'{name}.msg').read_text()


@pytest.mark.parametrize('storage', STORAGES)
def test_images_come_back_as_they_were(tmp_path, storage):
    with BagReader(write(tmp_path / 'bag', storage=storage)) as bag:
        assert bag.image_topics() == ['front/image_raw']
        assert bag.topics['front/image_raw'].messages == 3
        images = list(bag.images('/front/image_raw'))
    assert [image.stamp_ns for image in images] == [STAMP, STAMP + 1, STAMP + 2]
    for index, (_, image) in enumerate(images):
        np.testing.assert_array_equal(image, picture(index))


@pytest.mark.parametrize('storage', STORAGES)
def test_ground_truth_comes_back_as_it_was(tmp_path, storage):
    with BagReader(write(tmp_path / 'bag', storage=storage)) as bag:
        truths = bag.ground_truth(truth_topic('front'))
    assert list(truths) == [STAMP, STAMP + 1, STAMP + 2]
    read = truths[STAMP + 2]
    np.testing.assert_array_equal(read.boxes, TRUTH.boxes)
    assert read.names == TRUTH.names
    np.testing.assert_array_equal(read.truncated, TRUTH.truncated)
    np.testing.assert_array_equal(read.occluded, TRUTH.occluded)


def test_ground_truth_message_holds_middle_and_size(tmp_path):
    [message] = open_topics(write(tmp_path / 'bag', count=1), 'front/ground_truth')
    car = message.detections[0]
    assert message.header.frame_id == car.header.frame_id == 'front'
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (1_700_000_000, 123_456_789)
    assert (car.bbox.center.position.x, car.bbox.center.position.y) == (20.125, 30.25)
    assert (car.bbox.size_x, car.bbox.size_y) == (19.75, 19.5)
    assert (car.results[0].hypothesis.class_id, car.results[0].hypothesis.score) == ('Car', 1.0)


def test_compressed_images_are_nearly_the_same(tmp_path):
    smooth = np.full((24, 40, 3), (30, 120, 210), np.uint8)
    with BagWriter(tmp_path / 'bag') as bag:
        bag.write_image('front', STAMP, smooth, compressed=True)
    with BagReader(tmp_path / 'bag') as bag:
        [(_, image)] = bag.images(image_topic('front', compressed=True))
    assert np.abs(image.astype(int) - smooth).max() <= 3


def test_another_reader_takes_the_bag(tmp_path):
    with Reader(write(tmp_path / 'bag')) as bag:
        kinds = {connection.topic: connection.msgtype for connection in bag.connections}
        assert bag.message_count == 6
    assert kinds == {
        '/front/image_raw': 'sensor_msgs/msg/Image',
        '/front/ground_truth': 'vision_msgs/msg/Detection2DArray',
    }


def test_a_single_file_of_a_bag_is_a_bag(tmp_path):
    path = write(tmp_path / 'bag')
    with BagReader(path / 'bag.mcap') as bag:
        assert len(list(bag.images('front/image_raw'))) == 3


def test_an_existing_bag_is_kept(tmp_path):
    path = write(tmp_path / 'bag')
    with pytest.raises(DatasetError, match='exists already'):
        BagWriter(path)
    with BagReader(path) as bag:
        assert bag.topics['front/image_raw'].messages == 3


def test_a_bag_that_fails_half_way_is_taken_away(tmp_path):
    flat = picture()[0]
    with pytest.raises(ValueError, match='unpack'), BagWriter(tmp_path / 'bag') as bag:
        bag.write_image('front', STAMP, flat)
    assert not (tmp_path / 'bag').exists()


def test_no_such_bag(tmp_path):
    with pytest.raises(DatasetError, match=f'no such bag: {tmp_path}/none'):
        BagReader(tmp_path / 'none')


def test_a_bag_of_ros_1_is_refused(tmp_path):
    (tmp_path / 'old.bag').write_bytes(b'#ROSBAG V2.0\n')
    with pytest.raises(DatasetError, match='ROS 1 bag'):
        BagReader(tmp_path / 'old.bag')


def test_the_nearest_topics_are_offered(tmp_path):
    with (
        BagReader(write(tmp_path / 'bag')) as bag,
        pytest.raises(DatasetError, match=r'no topic front/imag_raw; nearest: front/image_raw'),
    ):
        list(bag.messages(['front/imag_raw']))


def test_a_topic_without_images_is_refused(tmp_path):
    with (
        BagReader(write(tmp_path / 'bag')) as bag,
        pytest.raises(DatasetError, match='expected images; image topics: front/image_raw'),
    ):
        bag.find_image_topic('front/ground_truth')


def test_images_are_no_ground_truth(tmp_path):
    with (
        BagReader(write(tmp_path / 'bag')) as bag,
        pytest.raises(DatasetError, match='holds sensor_msgs/msg/Image, expected vision_msgs'),
    ):
        bag.ground_truth('front/image_raw')


def test_the_choice_between_two_cameras_is_the_users(tmp_path):
    with BagWriter(tmp_path / 'bag') as bag:
        bag.write_image('left', STAMP, picture())
        bag.write_image('right', STAMP, picture())
    with BagReader(tmp_path / 'bag') as bag:
        assert bag.find_image_topic('/right/image_raw') == 'right/image_raw'
        with pytest.raises(DatasetError, match=r'choose from left/image_raw, right/image_raw'):
            bag.find_image_topic()


@pytest.mark.parametrize('storage', STORAGES)
@pytest.mark.parametrize('share', [0.0, 0.3, 0.6, 0.95])
def test_a_cut_bag_is_told(tmp_path, storage, share):
    path = write(tmp_path / 'bag', count=8, storage=storage)
    file = next(item for item in path.iterdir() if item.suffix in ('.mcap', '.db3'))
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(DatasetError, match='cannot be read as a rosbag2'), BagReader(path) as bag:
        list(bag.messages())


def test_a_foreign_file_is_told(tmp_path):
    (tmp_path / 'notes.mcap').write_bytes(b'not a bag at all')
    with (
        pytest.raises(DatasetError, match='cannot be read as a rosbag2'),
        BagReader(tmp_path / 'notes.mcap'),
    ):
        pass


def test_a_folder_without_a_bag_is_told(tmp_path):
    with pytest.raises(DatasetError, match='cannot be read as a rosbag2'), BagReader(tmp_path):
        pass


def test_an_image_that_is_too_short_is_named(tmp_path):
    image = typestore().types['sensor_msgs/msg/Image']
    message = image(
        header=make_header(STAMP, 'front'),
        height=24,
        width=40,
        encoding='bgr8',
        is_bigendian=0,
        step=120,
        data=np.zeros(100, np.uint8),
    )
    path = tmp_path / 'bag'
    with BagWriter(path) as bag:
        bag.write_message('front/image_raw', 'sensor_msgs/msg/Image', STAMP, message)
    with (
        BagReader(path) as bag,
        pytest.raises(DatasetError, match=rf'front/image_raw at {STAMP} ns: expected 2880 bytes'),
    ):
        list(bag.images('front/image_raw'))
