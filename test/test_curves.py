from __future__ import annotations

import sys

import cv2
from kitti_scenes import CLASSES, found, random_set, truth
import numpy as np
import pytest
from squeezedet_ros.errors import MissingPackageError
from squeezedet_ros.evaluation.average_precision import evaluate_detections
from squeezedet_ros.evaluation.curves import require_matplotlib, save_curves

pytest.importorskip('matplotlib', reason='matplotlib is not installed')

KITTI = {'car': 0.7, 'pedestrian': 0.5, 'cyclist': 0.5}
HALF = dict.fromkeys(CLASSES, 0.5)
GREEN, BLUE, BLACK = (0x73, 0x9E, 0x00), (0xB2, 0x72, 0x00), (0, 0, 0)


def draw(path, truths, detections, graded=()):
    results = {
        'kitti': evaluate_detections(truths, detections, CLASSES),
        'half': evaluate_detections(truths, detections, CLASSES, 0.5),
    }
    save_curves(path, results, {'kitti': KITTI, 'half': HALF}, graded)
    return cv2.imread(str(path))


def pixels(picture, colour):
    return int((picture == colour).all(-1).sum())


def test_a_panel_for_each_class_and_a_line_for_each_difficulty(tmp_path):
    truths, detections = random_set(5, 40, 100, 1)
    picture = draw(tmp_path / 'new' / 'curves.png', truths, detections, CLASSES)
    assert picture.shape[1] > 2 * picture.shape[0]
    panels = np.array_split(picture, 3, axis=1)
    assert all(pixels(panel, BLUE) > 50 for panel in panels)
    assert all(pixels(panel, BLACK) > 500 for panel in panels)


def test_a_class_without_grades_has_one_difficulty(tmp_path):
    truths, detections = random_set(5, 40, 100, 1)
    picture = draw(tmp_path / 'curves.png', truths, detections, {'car'})
    car, pedestrian, cyclist = np.array_split(picture, 3, axis=1)
    assert pixels(car, BLUE) > 50
    assert pixels(pedestrian, BLUE) == pixels(cyclist, BLUE) == pixels(pedestrian, GREEN) == 0


def test_an_overlap_that_a_class_has_already_is_not_drawn_again(tmp_path):
    """Pedestrians have 0.5 twice, and their legend is therefore half as high as that of cars."""
    boxes = ((100, 100, 200, 150), (300, 100, 330, 180))
    scene = truth(('Car', *boxes[0]), ('Pedestrian', *boxes[1]))
    seen = found((0, 0.9, *boxes[0]), (1, 0.9, *boxes[1]))
    car, pedestrian, _ = np.array_split(draw(tmp_path / 'curves.png', [scene], [seen]), 3, axis=1)
    used = [np.flatnonzero((panel < 128).all(-1).any(1)).max() for panel in (car, pedestrian)]
    assert used[0] > used[1] + 10


def test_nothing_seen_and_nothing_there(tmp_path):
    assert draw(tmp_path / 'curves.png', [truth()], [found()]).size
    assert draw(tmp_path / 'curves.png', [truth(('Car', 0, 0, 90, 90))], [found()]).size


def test_absence_of_matplotlib_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, 'matplotlib', None)
    with pytest.raises(MissingPackageError, match='needs matplotlib'):
        require_matplotlib()
