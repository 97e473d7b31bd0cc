"""Frames from folders, KITTI sets and videos."""

import cv2
import numpy as np
import pytest
from squeezedet_ros.data.bag import BagReader
from squeezedet_ros.data.coco_writer import write_coco
from squeezedet_ros.data.ground_truth import GroundTruth
from squeezedet_ros.data.kitti_writer import write_kitti
from squeezedet_ros.data.sources import (
    folder_source,
    Frame,
    open_source,
    stamp_at,
    video_source,
    write_bag,
)
from squeezedet_ros.errors import ConfigError, DatasetError

SECOND = 1_000_000_000


def save_images(folder, names):
    folder.mkdir()
    for value, name in enumerate(names):
        assert cv2.imwrite(str(folder / name), np.full((16, 24, 3), 10 * value, np.uint8))
    return folder


def save_video(path, count=5, fps=20.0):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'mp4v'), fps, (64, 48))
    for value in range(count):
        writer.write(np.full((48, 64, 3), 40 * value, np.uint8))
    writer.release()
    return path


def test_stamps_begin_at_one_second_and_do_not_drift():
    assert [stamp_at(index, 10) for index in (0, 1, 78)] == [SECOND, 1_100_000_000, 8_800_000_000]
    assert stamp_at(3, 30) == 1_100_000_000


def test_a_folder_is_read_in_the_order_of_its_numbers(tmp_path):
    folder = save_images(tmp_path / 'images', ['frame10.png', 'frame9.png', 'frame100.png'])
    (folder / 'notes.txt').write_text('no image')
    source = open_source(folder)
    frames = list(source.frames)
    assert source.total == 3
    assert [frame.image[0, 0, 0] for frame in frames] == [10, 0, 20]
    assert [frame.stamp_ns for frame in frames] == [SECOND, 1_100_000_000, 1_200_000_000]
    assert frames[0].truth is None


def test_the_rate_sets_the_stamps(tmp_path):
    folder = save_images(tmp_path / 'images', ['0.png', '1.png'])
    assert [frame.stamp_ns for frame in folder_source(folder, 2.0).frames] == [
        SECOND,
        SECOND * 3 // 2,
    ]


def test_only_the_first_frames_are_taken(tmp_path):
    source = folder_source(save_images(tmp_path / 'images', ['0.png', '1.png', '2.png']))
    assert source.first(2).total == 2
    assert len(list(source.first(2).frames)) == 2
    assert source.first(None) is source
    assert source.first(9).total == 3


def test_an_empty_folder_is_told(tmp_path):
    with pytest.raises(DatasetError, match='holds no image'):
        folder_source(tmp_path)


@pytest.mark.parametrize(
    'damage', [lambda data: data[: len(data) // 2], lambda data: data[:0], lambda data: data[9:]]
)
def test_a_damaged_image_is_named(tmp_path, damage):
    folder = tmp_path / 'images'
    folder.mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    content = cv2.imencode('.jpg', noise)[1].tobytes()
    (folder / '0.jpg').write_bytes(content)
    (folder / '1.jpg').write_bytes(damage(content))
    with pytest.raises(DatasetError, match=r'1\.jpg cannot be read'):
        list(folder_source(folder).frames)


@pytest.mark.parametrize('layout', ['kitti', 'coco'])
def test_a_labelled_set_brings_its_truth(tmp_path, layout):
    truth = GroundTruth(
        np.array([[1, 2, 11, 12]], np.float32),
        ('Cyclist',),
        np.array([0.5], np.float32),
        np.array([1]),
    )
    frames = [Frame(0, np.full((16, 24, 3), 7, np.uint8), truth)]
    if layout == 'kitti':
        write_kitti(tmp_path, frames)
    else:
        write_coco(tmp_path, 'train', frames)
    [frame] = open_source(tmp_path, 'train').frames
    assert frame.truth.names == ('Cyclist',)
    np.testing.assert_array_equal(frame.truth.boxes, truth.boxes)
    assert frame.image[0, 0, 0] == 7


def test_a_split_that_is_not_there_is_told(tmp_path):
    with pytest.raises(DatasetError, match="has no split 'val'"):
        open_source(save_images(tmp_path / 'images', ['0.png']), 'val')


def test_the_split_of_a_kitti_set_must_be_named(tmp_path):
    (tmp_path / 'ImageSets').mkdir()
    (tmp_path / 'ImageSets/train.txt').write_text('000000\n')
    with pytest.raises(DatasetError, match='expected the name of a split: train'):
        open_source(tmp_path)


def test_a_video_has_its_own_rate(tmp_path):
    source = open_source(save_video(tmp_path / 'drive.mp4'))
    frames = list(source.frames)
    assert source.total == len(frames) == 5
    assert [frame.stamp_ns - SECOND for frame in frames[:3]] == [0, 50_000_000, 100_000_000]
    # Lossy, so the grey levels are only near.
    assert abs(int(frames[2].image[0, 0, 0]) - 80) < 10


def test_the_rate_of_a_video_can_be_set(tmp_path):
    frames = list(video_source(save_video(tmp_path / 'drive.mp4'), fps=10.0).frames)
    assert frames[1].stamp_ns == 1_100_000_000


@pytest.mark.parametrize('content', [b'', b'not a video'])
def test_an_unreadable_video_is_told(tmp_path, content):
    (tmp_path / 'drive.mp4').write_bytes(content)
    with pytest.raises(DatasetError, match=r'drive\.mp4 is not a video that can be read'):
        video_source(tmp_path / 'drive.mp4')


def test_a_path_to_nothing_is_told(tmp_path):
    with pytest.raises(DatasetError, match='no such folder or video'):
        open_source(tmp_path / 'none')
    with pytest.raises(DatasetError, match='no such video'):
        video_source(tmp_path / 'none.mp4')


def test_no_bag_is_left_when_an_image_is_damaged(tmp_path):
    folder = save_images(tmp_path / 'images', ['0.png', '1.png'])
    (folder / '1.png').write_bytes(b'')
    with pytest.raises(DatasetError, match=r'1\.png'):
        write_bag(tmp_path / 'bag', folder_source(folder).frames, 'camera')
    assert not (tmp_path / 'bag').exists()


def test_a_bag_of_a_folder_holds_its_images(tmp_path):
    folder = save_images(tmp_path / 'images', ['0.png', '1.png'])
    assert write_bag(tmp_path / 'bag', folder_source(folder).frames, 'front') == 2
    with BagReader(tmp_path / 'bag') as bag:
        assert list(bag.topics) == ['front/image_raw']
        assert [image[0, 0, 0] for _, image in bag.images('front/image_raw')] == [0, 10]


@pytest.mark.parametrize('camera', ['front camera', '', 'a//b', '1st'])
def test_a_camera_that_no_topic_can_be_named_by_is_refused(tmp_path, camera):
    folder = save_images(tmp_path / 'images', ['0.png'])
    with pytest.raises(ConfigError, match='cameras must be distinct topic names'):
        write_bag(tmp_path / 'bag', folder_source(folder).frames, camera)
    assert not (tmp_path / 'bag').exists()
