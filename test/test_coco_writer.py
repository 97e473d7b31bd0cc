import numpy as np
import pytest
from squeezedet_ros.data.coco_writer import write_coco
from squeezedet_ros.data.frames import list_frames, read_image
from squeezedet_ros.data.ground_truth import GroundTruth
from squeezedet_ros.data.synthetic.drive import DriveFrame, render_scene
from squeezedet_ros.errors import DatasetError


def test_frames_come_back(tmp_path):
    drawn = [render_scene(seed, (96, 192)) for seed in range(2)]
    truth = GroundTruth(
        np.float32([[0, 0, 0, 0], [3, 4, 10.5, 20]]),
        ('Pedestrian', 'DontCare'),
        np.zeros(2, np.float32),
        np.zeros(2, np.int64),
    )
    drawn.append(DriveFrame(drawn[0].image, truth, 0))
    assert write_coco(tmp_path, 'val', drawn) == 3
    frames = list_frames(tmp_path, 'val')
    for frame, expected in zip(frames, drawn, strict=True):
        found = frame.read_truth()
        assert found.names == expected.truth.names
        np.testing.assert_allclose(found.boxes, expected.truth.boxes, atol=1e-4)
        np.testing.assert_array_equal(read_image(frame.image_path), expected.image)


def test_nothing_is_overwritten(tmp_path):
    write_coco(tmp_path, 'val', [])
    with pytest.raises(DatasetError, match='exists already'):
        write_coco(tmp_path, 'val', [])
    assert write_coco(tmp_path, 'train', [render_scene(0, (96, 192))]) == 1
