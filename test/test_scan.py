import pytest
from squeezedet_ros.data.frames import list_frames, read_image
from squeezedet_ros.data.kitti_writer import write_kitti
from squeezedet_ros.data.scan import scan_frames
from squeezedet_ros.data.synthetic.drive import render_scene
from squeezedet_ros.errors import DatasetError


@pytest.fixture
def directory(tmp_path):
    write_kitti(tmp_path, [render_scene(seed, (96, 192)) for seed in range(4)])
    labels = tmp_path / 'training' / 'label_2'
    (labels / '000000.txt').write_text('Car 0 0 0 1 2 3 4\nDontCare -1 -1 0 1 2 3 4\n' * 2)
    (labels / '000001.txt').write_text('Car 0 0 0 1 2 3')
    (labels / '000002.txt').write_text('')
    (labels / '000003.txt').write_text('Car 0 0 0 1 2 3 4\n')
    image = tmp_path / 'training' / 'image_2' / '000003.png'
    image.write_bytes(image.read_bytes()[:-2000])
    return tmp_path


def test_damaged_labels_are_named_and_left_out(directory):
    scan = scan_frames(list_frames(directory, 'train'))
    assert [frame.name for frame in scan.frames] == ['000000', '000002', '000003']
    (message,) = scan.damaged
    assert '000001.txt:1: expected a type' in message
    assert scan.labels == {'Car': 3, 'DontCare': 2}
    assert scan.empty == 1


def test_images_are_looked_at_when_asked(directory):
    scan = scan_frames(list_frames(directory, 'train'), read=read_image)
    assert [frame.name for frame in scan.frames] == ['000000', '000002']
    assert ['000001' in scan.damaged[0], '000003.png is not' in scan.damaged[1]] == [True, True]


def test_strict_stops(directory):
    with pytest.raises(DatasetError, match=r'000001\.txt:1'):
        scan_frames(list_frames(directory, 'train'), strict=True)


def test_a_set_without_a_sound_frame_is_refused(directory):
    with pytest.raises(DatasetError, match=r'none of the 1 frames .*000001\.txt'):
        scan_frames(list_frames(directory, 'train')[1:2])
    assert scan_frames([]).frames == []
