"""Truth of a drive from where it is stated, and which image it belongs to."""

from dataclasses import replace
import json

import numpy as np
import pytest
from squeezedet_ros.data.bag import BagReader
from squeezedet_ros.data.bag_writer import BagWriter
from squeezedet_ros.data.drive_truth import check_count, DriveTruth, find_truth, match_truth
from squeezedet_ros.data.ground_truth import GroundTruth
from squeezedet_ros.data.interfaces import LABEL_INFO, typestore
from squeezedet_ros.data.truth_message import make_header
from squeezedet_ros.errors import DatasetError

TOPIC = 'front/image_raw'
STAMP = 1_700_000_000_000_000_000
MS = 1_000_000


def truth(*names):
    count = len(names)
    boxes = np.tile(np.array([1, 2, 30, 40], np.float32), (count, 1))
    return GroundTruth(boxes, names, np.zeros(count, np.float32), np.zeros(count, np.int64))


@pytest.fixture(scope='module')
def bag(tmp_path_factory):
    path = tmp_path_factory.mktemp('drive') / 'bag'
    with BagWriter(path) as writer:
        for index in range(3):
            writer.write_image('front', STAMP + index, np.zeros((4, 4, 3), np.uint8))
            writer.write_ground_truth('front', STAMP + index, truth('Car'))
            writer.write_ground_truth('other', STAMP + index, truth('Van'))
        writer.write_image('bare', STAMP, np.zeros((4, 4, 3), np.uint8))
    with BagReader(path) as reader:
        yield reader


def names(found):
    return {key: own.names for key, own in found.truths.items()}


def save_labels(folder, stems):
    folder.mkdir(exist_ok=True)
    for stem in stems:
        (folder / f'{stem}.txt').write_text(f'N{stem} 0 0 0 1 2 30 40\n')
    return str(folder)


def test_the_topic_of_the_camera_is_found(bag):
    for topic in (TOPIC, f'{TOPIC}/compressed', 'front/picture'):
        found = find_truth(bag, topic, None)
        assert found.source == '/front/ground_truth'
        assert names(found) == {STAMP + index: ('Car',) for index in range(3)}
    assert find_truth(bag, 'bare/image_raw', None) is None


def test_another_topic_can_be_named(bag):
    assert set(names(find_truth(bag, TOPIC, '/other/ground_truth')).values()) == {('Van',)}


def test_images_are_no_truth(bag):
    with pytest.raises(
        DatasetError, match='front/image_raw holds sensor_msgs/msg/Image, expected'
    ):
        find_truth(bag, TOPIC, TOPIC)


def test_what_is_not_there_is_told_with_the_nearest_topics(bag):
    with pytest.raises(
        DatasetError, match=r'no such file or folder, and .*nearest: .*ground_truth'
    ):
        find_truth(bag, TOPIC, 'front/ground_trut')


def test_a_folder_goes_by_stamps_where_its_names_are_some(bag, tmp_path):
    found = find_truth(bag, TOPIC, save_labels(tmp_path / 'a', [STAMP, STAMP + 2]))
    assert found.key == 'stamp'
    assert names(found) == {STAMP: (f'N{STAMP}',), STAMP + 2: (f'N{STAMP + 2}',)}


def test_other_names_go_by_order_numbers_by_value(bag, tmp_path):
    found = find_truth(bag, TOPIC, save_labels(tmp_path / 'a', ['f9', 'f10', 'f1']))
    assert found.key == 'order'
    assert names(found) == {0: ('Nf1',), 1: ('Nf9',), 2: ('Nf10',)}
    # As KITTI's raw drives count their images.
    raw = save_labels(tmp_path / 'b', ['0000000001', '0000000000'])
    assert find_truth(bag, TOPIC, raw).key == 'order'


def test_a_folder_without_labels_is_told(bag, tmp_path):
    with pytest.raises(DatasetError, match='holds no label file'):
        find_truth(bag, TOPIC, str(tmp_path))


def test_tracking_labels_go_by_the_number_of_the_frame(bag, tmp_path):
    """Lines of three frames as KITTI's tracking benchmark has them; frame 1 has no object."""
    file = tmp_path / '0000.txt'
    rest = '-1.79 296.74 161.75 455.22 292.37 2.0 1.82 4.43 -4.55 1.86 13.41 -2.11'
    file.write_text(f'0 2 Car 0 1 {rest}\n0 -1 DontCare -1 -1 {rest}\n2 2 Car 2 0 {rest}\n')
    found = find_truth(bag, TOPIC, str(file))
    assert found.key == 'order'
    assert names(found) == {0: ('Car', 'DontCare'), 1: (), 2: ('Car',)}
    np.testing.assert_array_equal(found.truths[0].truncated, [0, -1])
    np.testing.assert_array_equal(found.truths[0].occluded, [1, -1])
    # Level 2 says "largely", not how much: it is not to be taken for a fraction.
    np.testing.assert_array_equal(found.truths[2].truncated, [1])
    np.testing.assert_allclose(found.truths[2].boxes, [[296.74, 161.75, 455.22, 292.37]])
    check_count(found, 3)
    check_count(found, 4)


@pytest.mark.parametrize(
    'line', ['Car 0 0 0 1 2 3 4', '1.5 2 Car 0 0 0 1 2 3 4', '1 2', '0 1 Car 0']
)
def test_a_line_that_is_no_tracking_label_is_named(bag, tmp_path, line):
    (tmp_path / 'a.txt').write_text(f'0 1 Car 0 0 0 1 2 3 4\n\n{line}\n')
    with pytest.raises(DatasetError, match=r'a\.txt:3: expected'):
        find_truth(bag, TOPIC, str(tmp_path / 'a.txt'))


def save_coco(path, file_names):
    content = {
        'images': [{'id': 7 - row, 'file_name': name} for row, name in enumerate(file_names)],
        'categories': [{'id': 3, 'name': 'Car'}],
        'annotations': [{'id': 1, 'image_id': 7, 'category_id': 3, 'bbox': [1, 2, 10, 20]}],
    }
    path.write_text(json.dumps(content))
    return str(path)


def test_coco_needs_no_images(bag, tmp_path):
    found = find_truth(bag, TOPIC, save_coco(tmp_path / 'a.json', ['b.jpg', 'a.jpg']))
    assert found.key == 'order'
    assert names(found) == {0: ('Car',), 1: ()}
    np.testing.assert_array_equal(found.truths[0].boxes, [[1, 2, 10, 21]])
    stamped = save_coco(tmp_path / 'b.json', [f'deep/{STAMP}.jpg', f'{STAMP + 1}.png'])
    assert list(names(find_truth(bag, TOPIC, stamped))) == [STAMP, STAMP + 1]


def test_labels_by_order_must_be_as_many_as_the_images():
    by_order = DriveTruth('labels', 'order', {0: truth(), 1: truth()})
    check_count(by_order, 2)
    for images in (1, 3):
        with pytest.raises(DatasetError, match=f'labels of 2 images, the topic has {images}'):
            check_count(by_order, images)
    check_count(DriveTruth('labels', 'stamp', {STAMP: truth()}), 9)


def test_each_truth_belongs_to_one_image():
    told = DriveTruth('x', 'stamp', {5: truth('a'), 7: truth('b'), 9: truth('c')})
    match = match_truth(told, [5, 5, 6, 9], 0.0)
    assert [own and own.names for own in match.truths] == [('a',), None, None, ('c',)]
    assert match[1:] == (0, 0, 1)


def test_within_the_tolerance_the_nearest_pair_is_made_first():
    """
    Truth at 10 and 20 ms, images at 0, 8, 13 and 26 ms.

    8 goes with 10 (2 ms), so 13 is left with 20 (7 ms) but 26 is nearer (6 ms); 0 has none left.
    """
    told = DriveTruth('x', 'stamp', {10 * MS: truth('a'), 20 * MS: truth('b')})
    match = match_truth(told, [0, 8 * MS, 13 * MS, 26 * MS], 0.01)
    assert [own and own.names for own in match.truths] == [None, ('a',), None, ('b',)]
    assert match[1:] == (2, 6 * MS, 0)
    assert match_truth(told, [0, 8 * MS, 13 * MS, 26 * MS], 0.005).near == 1


def test_an_equal_stamp_goes_before_a_near_one():
    told = DriveTruth('x', 'stamp', {10: truth('a')})
    match = match_truth(told, [9, 10], 1.0)
    assert [own and own.names for own in match.truths] == [None, ('a',)]


def test_by_order_the_place_counts():
    told = DriveTruth('x', 'order', {0: truth('a'), 1: truth('b'), 5: truth('c')})
    match = match_truth(told, [STAMP, STAMP, STAMP], 1.0)
    assert [own and own.names for own in match.truths] == [('a',), ('b',), None]
    assert match[1:] == (0, 0, 1)


def test_a_damaged_message_is_left_out_alone(tmp_path):
    path = tmp_path / 'bag'
    with BagWriter(path) as writer:
        for index in range(3):
            writer.write_ground_truth('front', STAMP + index, truth('Car'))
        connection = writer._connections['front/ground_truth']
        writer._writer.write(connection, STAMP + 3, b'\0\1\0\0\xff')
    with BagReader(path) as reader:
        found = find_truth(reader, TOPIC, None)
    assert len(found.truths) == 3
    assert len(found.faults) == 1
    assert f'truth at {STAMP + 3} ns cannot be read' in found.faults[0]


def write_truth(path, stamps, names, boxes=None):
    with BagWriter(path) as writer:
        for stamp, name in zip(stamps, names, strict=True):
            told = truth(name) if boxes is None else replace(truth(name), boxes=boxes)
            writer.write_ground_truth('front', stamp, told)
        header = make_header(STAMP, '')
        kind = typestore().types
        names = [kind['vision_msgs/msg/VisionClass'](class_id=7, class_name='car')]
        message = kind[LABEL_INFO](header=header, class_map=names, threshold=0.5)
        writer.write_message('front/label_info', LABEL_INFO, STAMP, message, latched=True)
    with BagReader(path) as reader:
        return find_truth(reader, TOPIC, None)


def test_a_class_that_is_a_number_has_the_name_that_label_info_gives_it(tmp_path):
    found = write_truth(tmp_path / 'bag', [STAMP, STAMP + 1, STAMP + 2], ['7', 'Van', '8'])
    assert names(found) == {STAMP: ('car',), STAMP + 1: ('Van',)}
    (fault,) = found.faults
    assert "class_id '8' is a number that no LabelInfo names" in fault


def test_of_two_truths_of_one_stamp_the_second_is_told(tmp_path):
    found = write_truth(tmp_path / 'bag', [STAMP, STAMP], ['Car', 'Van'])
    assert names(found) == {STAMP: ('Car',)}
    assert found.faults == (f'a second truth of stamp {STAMP} is left out',)


@pytest.mark.parametrize('edge', [np.nan, np.inf, 1e30])
def test_a_box_that_is_none_is_told(tmp_path, edge):
    found = write_truth(tmp_path / 'bag', [STAMP], ['Car'], np.array([[1, 2, edge, 4]]))
    assert not found.truths
    assert 'expected a box of finite pixels' in found.faults[0]


def test_two_images_of_one_stamp_in_coco_are_refused(tmp_path, bag):
    images = [{'id': i, 'file_name': f'{side}/{STAMP}.png'} for i, side in enumerate('ab')]
    content = {'images': images, 'annotations': [], 'categories': []}
    (tmp_path / 'truth.json').write_text(json.dumps(content))
    with pytest.raises(DatasetError, match='several images of one stamp'):
        find_truth(bag, TOPIC, str(tmp_path / 'truth.json'))


def test_no_such_home(bag):
    with pytest.raises(DatasetError, match=r'no truth ~nobody-of-that-name/x: '):
        find_truth(bag, TOPIC, '~nobody-of-that-name/x')
