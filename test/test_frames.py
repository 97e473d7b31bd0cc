import json

import cv2
import numpy as np
import pytest
from squeezedet_ros.data.frames import has_split, list_frames, read_image, read_image_size
from squeezedet_ros.data.kitti_writer import write_kitti
from squeezedet_ros.data.synthetic.drive import render_scene
from squeezedet_ros.errors import DatasetError


@pytest.fixture
def kitti(tmp_path):
    write_kitti(tmp_path, [render_scene(1, (96, 192))])
    return tmp_path


@pytest.fixture
def coco(tmp_path):
    (tmp_path / 'annotations').mkdir()
    cv2.imwrite(str(tmp_path / 'a.png'), np.zeros((20, 30, 3), np.uint8))
    content = {'images': [{'id': 1, 'file_name': 'a.png'}], 'annotations': [], 'categories': []}
    (tmp_path / 'annotations' / 'train.json').write_text(json.dumps(content))
    return tmp_path


@pytest.mark.parametrize(('layout', 'name'), [('kitti', '000000'), ('coco', 'a')])
def test_the_layout_is_found(layout, name, request):
    directory = request.getfixturevalue(layout)
    (frame,) = list_frames(directory, 'train')
    assert frame.name == name
    assert read_image(frame.image_path).shape[:2] == read_image_size(frame.image_path)
    assert len(frame.read_truth()) == (
        0 if layout == 'coco' else len(render_scene(1, (96, 192))[1])
    )
    assert has_split(directory, 'train')
    assert not has_split(directory, 'val')
    with pytest.raises(DatasetError, match=r"no split 'val'"):
        list_frames(directory, 'val')


def test_no_layout_says_what_was_looked_for(tmp_path):
    with pytest.raises(DatasetError, match=r'ImageSets.*instances_train\.json.*train\.json'):
        list_frames(tmp_path, 'train')


def test_damaged_images_are_named(kitti):
    path = kitti / 'training' / 'image_2' / '000000.png'
    path.write_bytes(path.read_bytes()[:200])
    assert read_image_size(path) == (96, 192)
    with pytest.raises(DatasetError, match=r'000000\.png is not an image'):
        read_image(path)
    path.write_bytes(b'nothing')
    for read in (read_image, read_image_size):
        with pytest.raises(DatasetError, match=r'000000\.png is not an image'):
            read(path)
    path.unlink()
    with pytest.raises(DatasetError, match=r'no image .*000000\.png'):
        read_image(path)
