from __future__ import annotations

from dataclasses import replace

import cv2
from kitti_scenes import CLASSES, found, truth
import numpy as np
import pytest
from squeezedet_ros.config import SelectionConfig
from squeezedet_ros.data.kitti import KittiFrame
from squeezedet_ros.evaluation.evaluator import EvaluationConfig, LabelledDetections
from squeezedet_ros.evaluation.gallery import DETECTION_COLOUR
from squeezedet_ros.evaluation.pictures import CURVES, GALLERY, save_pictures

pytest.importorskip('matplotlib', reason='matplotlib is not installed')

BOX = (100, 60, 160, 110)


@pytest.fixture
def frames(tmp_path):
    made = [KittiFrame(name, tmp_path / f'{name}.png', tmp_path / name) for name in 'abc']
    for frame in made:
        cv2.imwrite(str(frame.image_path), np.full((200, 400, 3), 100, np.uint8))
    return made


def drawn(folder):
    sheet = cv2.imread(str(folder / GALLERY))[32:]
    return sheet.shape, bool((sheet == DETECTION_COLOUR).all(-1).any())


def test_only_detections_that_would_be_published_are_in_the_gallery(frames, tmp_path):
    labelled = LabelledDetections([truth(('Car', *BOX))] * 3, [found((0, 0.3, *BOX))] * 3)
    low = SelectionConfig(plot_prob_thresh=0.2)
    for selection, seen in (
        (low, True),
        (replace(low, class_thresh=('car=0.4',)), False),
        (replace(low, class_filter=('cyclist',)), False),
        (SelectionConfig(), False),
        (SelectionConfig(class_thresh=('car=0.2',)), True),
    ):
        save_pictures(tmp_path, frames, labelled, CLASSES, EvaluationConfig(), selection)
        assert drawn(tmp_path)[1] == seen
    assert cv2.imread(str(tmp_path / CURVES)).std() > 5


def test_the_gallery_has_as_many_frames_as_are_asked_for(frames, tmp_path):
    labelled = LabelledDetections([truth()] * 3, [found()] * 3)
    for count, width in ((1, 812), (2, 1618), (12, 2424)):
        config = EvaluationConfig(gallery_frames=count)
        save_pictures(tmp_path, frames, labelled, CLASSES, config, SelectionConfig())
        assert drawn(tmp_path)[0][1] == width
