import json

import cv2
import numpy as np
import pytest
from squeezedet_ros.data.coco import ANNOTATION_FILES, find_annotations, read_frames
from squeezedet_ros.data.frames import read_image, read_image_size
from squeezedet_ros.data.scan import scan_frames
from squeezedet_ros.errors import DatasetError

CONTENT = {
    'images': [{'id': 7, 'file_name': 'a.png'}, {'id': 3, 'file_name': 'deep/b.jpg'}],
    'categories': [{'id': 1, 'name': 'Tractor'}, {'id': 90, 'name': 'deer'}],
    'annotations': [
        {'id': 1, 'image_id': 7, 'category_id': 90, 'bbox': [2, 3, 10, 5.5], 'iscrowd': 0},
        {'id': 2, 'image_id': 7, 'category_id': 1, 'bbox': [0, 0, 1, 1]},
        {'id': 3, 'image_id': 7, 'category_id': 1, 'bbox': [4, 4, 8, 8], 'iscrowd': 1},
        {'id': 4, 'image_id': 7, 'category_id': 90, 'bbox': [1, 1, 0, 9], 'ignore': 1},
    ],
}


@pytest.fixture
def dataset(tmp_path):
    (tmp_path / 'annotations').mkdir()
    (tmp_path / 'images' / 'deep').mkdir(parents=True)
    for name in ('a.png', 'deep/b.jpg'):
        cv2.imwrite(str(tmp_path / 'images' / name), np.full((20, 30, 3), 9, np.uint8))
    return tmp_path


def frames(dataset, **changes):
    source = dataset / 'annotations' / 'instances_train.json'
    source.write_text(json.dumps({**CONTENT, **changes}))
    return read_frames(dataset, 'train', source)


def annotation(**changes):
    entry = {**CONTENT['annotations'][0], **changes}
    return {'annotations': [{key: value for key, value in entry.items() if value is not None}]}


def test_boxes_name_their_last_pixel(dataset):
    first, second = frames(dataset)
    truth = first.read_truth()
    # A box of one pixel at the corner is 0, 0, 0, 0, as in KITTI's labels.
    np.testing.assert_array_equal(
        truth.boxes, [[2, 3, 11, 7.5], [0, 0, 0, 0], [4, 4, 11, 11], [1, 1, 0, 9]]
    )
    assert truth.names == ('deer', 'Tractor', 'DontCare', 'DontCare')
    assert set(truth.truncated) == set(truth.occluded) == {-1}
    assert (first.name, second.name) == ('a', 'deep/b')
    assert second.image_path == dataset / 'images' / 'deep' / 'b.jpg'
    assert second.read_truth().boxes.shape == (0, 4)


def test_a_picture_of_another_size_is_another_picture(dataset):
    """A photograph whose orientation is told by EXIF alone, say."""
    images = [{**entry, 'height': 20, 'width': 30} for entry in CONTENT['images']]
    images[1] |= {'height': 30, 'width': 20}
    (unknown,) = frames(dataset, images=[{**images[0], 'width': 0}])
    assert unknown.announced_size is None
    for read in (read_image, read_image_size):
        scan = scan_frames(frames(dataset, images=images), read=read)
        assert [frame.name for frame in scan.frames] == ['a']
        assert 'b.jpg is 20 high and 30 wide, its set says 30 and 20' in scan.damaged[0]


@pytest.mark.parametrize('folder', ['train', 'images/train', 'images', '.'])
def test_where_images_may_lie(tmp_path, folder):
    (tmp_path / 'annotations').mkdir()
    (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(tmp_path / folder / 'a.png'), np.zeros((2, 2, 3), np.uint8))
    (frame,) = frames(tmp_path, images=CONTENT['images'][:1])
    assert frame.image_path.samefile(tmp_path / folder / 'a.png')


@pytest.mark.parametrize('pattern', ANNOTATION_FILES)
def test_where_annotations_may_lie(tmp_path, pattern):
    path = tmp_path / pattern.format(split='night')
    path.parent.mkdir()
    path.write_text('{}')
    assert find_annotations(tmp_path, 'night') == path
    assert find_annotations(tmp_path, 'day') is None


@pytest.mark.parametrize(
    ('changes', 'reason'),
    [
        (annotation(bbox=[1, 2, 3]), r'annotations\[0\] \(id 1\): expected bbox .* got \[1, 2, 3'),
        (annotation(bbox=None), 'got None'),
        (annotation(bbox=[1, 2, -3, 4]), r'got \[1, 2, -3, 4\]'),
        (annotation(bbox=[1, 2, float('nan'), 4]), r'got \[1, 2, nan, 4\]'),
        (annotation(bbox=[1e30, 2, 3, 4]), 'got'),
        (annotation(bbox=['1', 2, 3, 4]), r"got \['1'"),
        (annotation(category_id=5), r'\(id 1\): its category_id 5 is not among'),
        (annotation(category_id=None), 'its category_id None is not among'),
        (annotation(category_id=90.0), r'its category_id 90\.0 is not among'),
        (annotation(iscrowd='0'), "expected iscrowd and ignore 0 or 1, got '0'"),
    ],
)
def test_a_damaged_annotation_spoils_its_frame_alone(dataset, changes, reason):
    first, second = frames(dataset, **changes)
    with pytest.raises(DatasetError, match=r'instances_train\.json: .*' + reason):
        first.read_truth()
    assert len(second.read_truth()) == 0


@pytest.mark.parametrize(
    ('changes', 'reason'),
    [
        ({'images': []}, 'names no image'),
        ({'images': None}, 'expected images, a list of objects'),
        ({'annotations': [3]}, 'expected annotations, a list of objects'),
        ({'categories': [{'id': 'x', 'name': 'a'}]}, r"categories\[0\] .*id of type int, got 'x'"),
        (
            {'images': [CONTENT['images'][0]] * 2},
            r'images\[1\] \(id 7\): expected an id of its own, got that of .*images\[0\]',
        ),
        (
            {'categories': [{'id': 1, 'name': 'car'}, {'id': 1, 'name': 'deer'}]},
            r'categories\[1\] \(id 1\): expected an id of its own',
        ),
        ({'categories': [{'id': 1}]}, r'categories\[0\] \(id 1\): expected name of type str'),
        (annotation(image_id=44), 'its image_id 44 is not among the images'),
        ({'images': [{'id': 7}]}, r'images\[0\] \(id 7\): expected file_name'),
        ({'images': [{'id': 7, 'file_name': '../a.png'}]}, 'expected a file_name below'),
        ({'images': [{'id': 7, 'file_name': '/a.png'}]}, 'expected a file_name below'),
        (
            {'images': [{'id': 7, 'file_name': 'c.png'}]},
            r'no image; looked for .*train/c\.png, .*images/train/c\.png, .*images/c\.png, ',
        ),
    ],
)
def test_a_file_that_is_not_cocos_is_refused(dataset, changes, reason):
    with pytest.raises(DatasetError, match=reason):
        frames(dataset, **({'annotations': []} | changes))


@pytest.mark.parametrize('content', [b'{"images": [', b'\xff\xfe\x00', b'[]'])
def test_what_is_no_json_object_is_named(dataset, content):
    source = dataset / 'annotations' / 'train.json'
    source.write_bytes(content)
    with pytest.raises(DatasetError, match=r'train\.json'):
        read_frames(dataset, 'train', source)
