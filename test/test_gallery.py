from __future__ import annotations

import cv2
from kitti_scenes import CLASSES, found, truth
import numpy as np
import pytest
from squeezedet_ros.data.kitti import KittiFrame
from squeezedet_ros.errors import DatasetError
from squeezedet_ros.evaluation.gallery import (
    DETECTION_COLOUR,
    NEUTRAL_COLOUR,
    rank_frames,
    save_gallery,
    TRUTH_COLOUR,
)

BOX = (100, 60, 160, 110)
AWAY = (200, 60, 260, 110)


def rank(truths, detections):
    return rank_frames(truths, detections, CLASSES, 0.5)


def test_the_frame_with_most_errors_is_first():
    truths = [truth(), truth(('Car', *BOX)), truth(('Car', *BOX), ('Cyclist', *AWAY))]
    seen = [found((0, 0.9, *BOX)), found((0, 0.9, *BOX)), found((1, 0.9, *AWAY))]
    assert rank(truths, seen) == [(2, 2, 1, 0), (0, 0, 1, 0), (1, 0, 0, 0)]


def test_a_badly_placed_object_is_missed_and_a_false_alarm():
    """The upper 20 of 50 rows: an overlap of 0.4. One row less than a tenth is elsewhere."""
    high = (100, 60, 160, 90)
    scene = truth(('Car', 100, 60, 160, 135))
    assert rank([scene], [found((0, 0.9, *high))]) == [(0, 1, 1, 1)]
    assert rank([scene], [found((1, 0.9, *high))]) == [(0, 1, 1, 0)]
    assert rank([scene], [found((0, 0.9, 150, 105, 210, 135))]) == [(0, 1, 1, 0)]


def test_what_counts_neither_way_is_no_error():
    scene = truth(('DontCare', 0, 0, 180, 180, -1, -1), ('Van', *AWAY), ('Car', 0, 0, 30, 20))
    assert rank([scene], [found((0, 0.9, *BOX), (0, 0.8, *AWAY))]) == [(0, 0, 0, 0)]


def test_frames_of_equal_errors_stay_in_order():
    assert [item.frame for item in rank([truth()] * 3, [found()] * 3)] == [0, 1, 2]
    assert rank([], []) == []


@pytest.fixture
def frames(tmp_path):
    """Two grey images, of 400 x 200 and 300 x 300 pixels."""
    made = []
    for name, size in (('a', (200, 400, 3)), ('b', (300, 300, 3))):
        frame = KittiFrame(name, tmp_path / f'{name}.png', tmp_path / f'{name}.txt')
        cv2.imwrite(str(frame.image_path), np.full(size, 100, np.uint8))
        made.append(frame)
    return made


def test_truth_and_detections_have_their_own_colours(frames, tmp_path):
    truths = [truth(('Car', *BOX), ('Van', 20, 120, 80, 180)), truth()]
    seen = [found((0, 0.9, *AWAY), (len(CLASSES), 0.8, 0, 0, 30, 30)), found()]
    path = tmp_path / 'new' / 'gallery.png'
    save_gallery(path, frames, truths, seen, CLASSES, rank(truths, seen))
    sheet = cv2.imread(str(path))
    assert sheet.shape[1] == 2 * 800 + 3 * 6
    picture = sheet[32:]
    # Two columns of 800 pixels: the first image is twice as large, at 6 pixels from the edges.
    for colour, box in ((TRUTH_COLOUR, BOX), (DETECTION_COLOUR, AWAY)):
        rows, columns = np.nonzero((picture == colour).all(-1))
        assert columns.min() == pytest.approx(6 + 2 * box[0], abs=1)
        assert columns.max() == pytest.approx(6 + 2 * box[2], abs=1)
        assert rows.max() >= 6 + 2 * box[3]
    assert (picture == NEUTRAL_COLOUR).all(-1)[:, :200].any()
    legend = sheet[:32]
    for colour in (TRUTH_COLOUR, DETECTION_COLOUR, NEUTRAL_COLOUR):
        assert (legend == colour).all(-1).sum() > 200


def test_an_unreadable_image_is_named(frames, tmp_path):
    frames[0].image_path.unlink()
    truths, seen = [truth()] * 2, [found()] * 2
    with pytest.raises(DatasetError, match=r'no image .*a\.png'):
        save_gallery(tmp_path / 'x.png', frames, truths, seen, CLASSES, rank(truths, seen))
