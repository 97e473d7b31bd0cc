from typing import NamedTuple

import cv2
import numpy as np
import pytest
from squeezedet_ros.data.ground_truth import GroundTruth
from squeezedet_ros.data.kitti_writer import format_labels, write_kitti
from squeezedet_ros.errors import DatasetError


class Frame(NamedTuple):
    image: np.ndarray
    truth: GroundTruth


def _frame(value=7):
    truth = GroundTruth(
        np.array([[1, 2, 30, 40.5], [5, 6, 7, 8]], np.float32),
        ('Car', 'DontCare'),
        np.array([0.25, 0.5], np.float32),
        np.array([2, 3], np.int64),
    )
    return Frame(np.full((50, 60, 3), value, np.uint8), truth)


def test_label_lines_have_kittis_fifteen_columns():
    car, dont_care = format_labels(_frame().truth).splitlines()
    assert car == 'Car 0.25 2 -10 1.00 2.00 30.00 40.50 -1 -1 -1 -1000 -1000 -1000 -10'
    assert dont_care == 'DontCare -1 -1 -10 5.00 6.00 7.00 8.00 -1 -1 -1 -1000 -1000 -1000 -10'
    assert len(car.split()) == 15


@pytest.mark.parametrize('suffix', ['.png', '.jpg'])
def test_layout(tmp_path, suffix):
    assert write_kitti(tmp_path, iter([_frame(7), _frame(90)]), suffix=suffix) == 2
    assert (tmp_path / 'ImageSets/train.txt').read_text() == '000000\n000001\n'
    image = cv2.imread(str(tmp_path / f'training/image_2/000001{suffix}'))
    assert np.abs(image.astype(int) - 90).max() <= 1
    assert (tmp_path / 'training/label_2/000000.txt').read_text() == format_labels(_frame().truth)


def test_no_object_gives_an_empty_label_file(tmp_path):
    empty = GroundTruth(
        np.zeros((0, 4), np.float32), (), np.zeros(0, np.float32), np.zeros(0, np.int64)
    )
    write_kitti(tmp_path, [Frame(np.zeros((4, 4, 3), np.uint8), empty)])
    assert (tmp_path / 'training/label_2/000000.txt').read_text() == ''


def test_unknown_suffix_is_refused(tmp_path):
    with pytest.raises(ValueError, match='suffix'):
        write_kitti(tmp_path, [], suffix='.bmp')


def test_unwritable_image_is_named(tmp_path):
    (tmp_path / 'training/image_2/000000.png').mkdir(parents=True)
    with pytest.raises(DatasetError, match=r'000000\.png'):
        write_kitti(tmp_path, [_frame()])
