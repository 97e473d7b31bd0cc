"""Drawn drives as bags and KITTI folders, and bags of folders."""

import numpy as np
import pytest
from squeezedet_ros.cli.main import main
from squeezedet_ros.data.bag import BagReader
from squeezedet_ros.data.frames import list_frames as frames_of
from squeezedet_ros.data.frames import read_image
from squeezedet_ros.data.kitti import list_frames, read_labels
from squeezedet_ros.data.synthetic.drive import DriveConfig, render_drive, render_scene

SMALL = ('--frames', '2', '--size', '96', '320', '--seed', '7')
SECOND = 1_000_000_000


@pytest.fixture(scope='module')
def drawn():
    return list(render_drive(DriveConfig(seed=7, frames=2, size=(96, 320))))


def assert_same_truth(read, truth):
    np.testing.assert_array_equal(read.boxes, truth.boxes)
    assert read.names == truth.names
    np.testing.assert_array_equal(read.occluded, truth.occluded)


def test_a_bag_of_a_drive_is_the_drive(drawn, tmp_path, capsys):
    assert main(['render-drive', '--out', str(tmp_path / 'bag'), *SMALL]) == 0
    assert '2 frames on /camera/image_raw' in capsys.readouterr().out
    with BagReader(tmp_path / 'bag') as bag:
        images = list(bag.images('camera/image_raw'))
        truths = bag.ground_truth('camera/ground_truth')
    assert [image.stamp_ns for image in images] == [SECOND, SECOND + SECOND // 10]
    for (stamp_ns, image), frame in zip(images, drawn, strict=True):
        np.testing.assert_array_equal(image, frame.image)
        assert_same_truth(truths[stamp_ns], frame.truth)


def test_a_kitti_folder_of_a_drive_goes_into_a_bag(drawn, tmp_path):
    folder, bag_path = tmp_path / 'set', tmp_path / 'bag'
    assert main(['render-drive', '--out', str(folder), '--format', 'kitti', *SMALL]) == 0
    frames = list_frames(folder, 'train')
    np.testing.assert_array_equal(read_image(frames[1].image_path), drawn[1].image)
    options = ['--split', 'train', '--camera', 'front', '--storage', 'sqlite3', '--fps', '5']
    assert main(['make-bag', '--data', str(folder), '--out', str(bag_path), *options]) == 0
    with BagReader(bag_path) as bag:
        [(_, first), (stamp_ns, second)] = bag.images('front/image_raw')
        truths = bag.ground_truth('front/ground_truth')
    assert stamp_ns == SECOND + SECOND // 5
    np.testing.assert_array_equal(first, drawn[0].image)
    np.testing.assert_array_equal(second, drawn[1].image)
    assert_same_truth(truths[stamp_ns], read_labels(frames[1].label_path))


def test_scenes_are_streets_of_their_own(tmp_path):
    out = tmp_path / 'set'
    assert main(['render-drive', '--out', str(out), '--format', 'kitti', '--scenes', *SMALL]) == 0
    for index, frame in enumerate(list_frames(out, 'train')):
        expected = render_scene(7 + index, (96, 320)).image
        np.testing.assert_array_equal(read_image(frame.image_path), expected)


@pytest.mark.parametrize('form', ['bag', 'kitti'])
def test_what_is_there_is_kept(tmp_path, capsys, form):
    (tmp_path / 'mine').write_text('dear')
    assert main(['render-drive', '--out', str(tmp_path), '--format', form, *SMALL]) == 2
    assert 'exists already' in capsys.readouterr().err
    assert (tmp_path / 'mine').read_text() == 'dear'


def test_a_size_that_cannot_be_drawn_is_told(tmp_path, capsys):
    assert main(['render-drive', '--out', str(tmp_path / 'bag'), '--size', '1', '1']) == 2
    assert 'size: expected' in capsys.readouterr().err
    assert not (tmp_path / 'bag').exists()


@pytest.mark.parametrize('option', [('--fps', '0'), ('--fps', 'inf'), ('--frames', '0')])
def test_numbers_must_be_above_zero(tmp_path, capsys, option):
    with pytest.raises(SystemExit):
        main(['make-bag', '--data', '.', '--out', str(tmp_path / 'bag'), *option])
    assert option[0] in capsys.readouterr().err


def test_splits_of_a_coco_set_are_drawn_one_after_the_other(drawn, tmp_path, capsys):
    out = tmp_path / 'set'
    draw = ['render-drive', '--out', str(out), '--format', 'coco', *SMALL]
    assert main([*draw, '--split', 'train']) == 0
    assert main([*draw, '--split', 'val']) == 0
    for split in ('train', 'val'):
        frames = frames_of(out, split)
        assert len(frames) == len(drawn)
        np.testing.assert_array_equal(read_image(frames[1].image_path), drawn[1].image)
    assert main([*draw, '--split', 'val']) == 2
    assert 'exists already' in capsys.readouterr().err
