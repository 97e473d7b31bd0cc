"""Single images out of a set and a bag."""

import cv2
import numpy as np
import pytest
from squeezedet_ros.data.bag_writer import BagWriter
from squeezedet_ros.data.image_lookup import images_by_name, images_by_stamp
from squeezedet_ros.errors import DatasetError


def shade(value):
    return np.full((8, 12, 3), value, np.uint8)


def test_by_name(tmp_path):
    for folder in ('ImageSets', 'training/image_2', 'training/label_2'):
        (tmp_path / folder).mkdir(parents=True)
    for name, value in (('a', 10), ('b', 20)):
        cv2.imwrite(str(tmp_path / f'training/image_2/{name}.png'), shade(value))
        (tmp_path / f'training/label_2/{name}.txt').write_text('')
    (tmp_path / 'ImageSets/val.txt').write_text('a\nb\n')
    images = images_by_name(tmp_path, 'val', ['b', 'c'])
    assert list(images) == ['b']
    np.testing.assert_array_equal(images['b'], shade(20))
    with pytest.raises(DatasetError, match='test'):
        images_by_name(tmp_path, 'test', ['b'])


def test_by_stamp(tmp_path):
    with BagWriter(tmp_path / 'bag') as bag:
        for stamp, value in ((1, 10), (2, 20), (2, 30), (3, 40)):
            bag.write_image('camera', stamp, shade(value))
    images = images_by_stamp(tmp_path / 'bag', None, [2, 3, 9])
    assert {stamp: int(image[0, 0, 0]) for stamp, image in images.items()} == {2: 20, 3: 40}
    with pytest.raises(DatasetError, match='no topic other'):
        images_by_stamp(tmp_path / 'bag', 'other', [2])
