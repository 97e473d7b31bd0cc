import cv2
import numpy as np
import pytest
from squeezedet_ros.data.frames import read_image
from squeezedet_ros.data.ground_truth import GroundTruth
from squeezedet_ros.data.kitti import list_frames, read_labels
from squeezedet_ros.data.kitti_writer import format_labels
from squeezedet_ros.errors import DatasetError

LINE = 'Car 0.88 3 -0.69 0.00 192.37 402.31 374.00 1.60 1.57 3.23 -2.70 1.74 3.68 -1.29\n'


@pytest.fixture
def dataset(tmp_path):
    for folder in ('training/image_2', 'training/label_2', 'ImageSets'):
        (tmp_path / folder).mkdir(parents=True)
    cv2.imwrite(str(tmp_path / 'training/image_2/a.png'), np.full((20, 30, 3), 7, np.uint8))
    (tmp_path / 'training/label_2/a.txt').write_text(LINE)
    (tmp_path / 'ImageSets/train.txt').write_text('a\n')
    return tmp_path


def test_frames_of_a_split(dataset):
    (frame,) = list_frames(dataset, 'train')
    assert frame.name == 'a'
    assert read_image(frame.image_path).shape == (20, 30, 3)
    truth = frame.read_truth()
    assert truth.names == ('Car',)
    np.testing.assert_allclose(truth.boxes, [[0, 192.37, 402.31, 374]], rtol=1e-6)
    assert truth.occluded.tolist() == [3]
    assert truth.truncated[0] == pytest.approx(0.88)


def test_labels_round_trip(dataset):
    truth = GroundTruth(
        np.float32([[1, 2, 3.5, 4], [5, 6, 7, 8.25]]),
        ('Pedestrian', 'DontCare'),
        np.float32([0.25, -1]),
        np.int64([2, -1]),
    )
    path = dataset / 'copy.txt'
    path.write_text(format_labels(truth))
    found = read_labels(path)
    assert found.names == truth.names
    for column in ('boxes', 'truncated', 'occluded'):
        np.testing.assert_array_equal(getattr(found, column), getattr(truth, column))


def test_no_objects(tmp_path):
    path = tmp_path / 'empty.txt'
    path.write_text('\n')
    assert read_labels(path).boxes.shape == (0, 4)


@pytest.mark.parametrize(
    'line',
    ['Car 0 0 -10 1 2 3', 'Car 0 0 -10 1 2 x 4', 'Car 0 0 0 1 2 3 nan', 'Car 0 inf 0 1 2 3 4'],
)
def test_corrupt_labels_are_named(tmp_path, line):
    path = tmp_path / 'bad.txt'
    path.write_text(LINE + line)
    with pytest.raises(DatasetError, match=r'bad\.txt:2: expected a type and at least 7 numbers'):
        read_labels(path)


def test_a_binary_label_file_is_named(tmp_path):
    path = tmp_path / 'bad.txt'
    path.write_bytes(b'Car \xff\xfe\x00')
    with pytest.raises(DatasetError, match=r'bad\.txt: expected text'):
        read_labels(path)


def test_missing_parts_are_named(dataset):
    with pytest.raises(DatasetError, match=r"no split 'val'.*splits present: train"):
        list_frames(dataset, 'val')
    (dataset / 'ImageSets/val.txt').write_text('a\n\n b \r\n')
    with pytest.raises(DatasetError, match=r'no label file .*b\.txt'):
        list_frames(dataset, 'val')
    (dataset / 'training/label_2/b.txt').write_text('')
    with pytest.raises(DatasetError, match='no image b'):
        list_frames(dataset, 'val')
    (dataset / 'ImageSets/val.txt').write_text('')
    with pytest.raises(DatasetError, match='names no image'):
        list_frames(dataset, 'val')


def test_ground_truth_columns_must_fit():
    with pytest.raises(ValueError, match='expected 1 rows'):
        GroundTruth(
            np.zeros((2, 4), np.float32), ('Car',), np.zeros(1, np.float32), np.zeros(1, np.int64)
        )


def test_a_mark_of_its_encoding_is_no_letter_of_a_name(dataset):
    """Some editors begin a file with one."""
    label = dataset / 'training/label_2/a.txt'
    label.write_bytes(b'\xef\xbb\xbf' + label.read_bytes())
    (dataset / 'ImageSets/val.txt').write_bytes(b'\xef\xbb\xbfa\n')
    (frame,) = list_frames(dataset, 'val')
    assert frame.name == 'a'
    assert not frame.read_truth().names[0].startswith('\ufeff')


def test_a_listing_that_is_no_text_is_refused(dataset):
    (dataset / 'ImageSets/val.txt').write_bytes(b'\xff\xfe\x00')
    with pytest.raises(DatasetError, match=r'val\.txt: expected text'):
        list_frames(dataset, 'val')
