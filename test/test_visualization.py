from dataclasses import replace

import numpy as np
import pytest
from squeezedet_ros.detections import Detections
from squeezedet_ros.visualization import (
    cell_scale,
    contact_sheet,
    draw_detections,
    draw_truth,
    draw_zones,
    EXCLUDE_COLOUR,
    INCLUDE_COLOUR,
    legend,
    PALETTE,
)
from squeezedet_ros.zones import Zones

CLASSES = ('car', 'pedestrian', 'cyclist')


def detections(*rows):
    boxes = np.array([row[:4] for row in rows], np.float32).reshape(-1, 4)
    labels = np.array([row[4] for row in rows], np.int64)
    return Detections(boxes, np.full(len(rows), 0.5, np.float32), labels)


def test_each_class_has_its_colour_on_the_box_and_the_image_is_left_alone():
    image = np.zeros((200, 300, 3), np.uint8)
    drawn = draw_detections(
        image, detections((40, 60, 120, 160, 0), (180, 60, 260, 160, 1)), CLASSES
    )
    assert not image.any()
    # The middle of the left edges.
    assert tuple(drawn[110, 40]) == PALETTE[0]
    assert tuple(drawn[110, 180]) == PALETTE[1]
    assert not drawn[110, 50:110].any()


def test_one_colour_can_be_for_all():
    image = np.zeros((200, 300, 3), np.uint8)
    seen = detections((40, 60, 120, 160, 0), (180, 60, 260, 160, 1))
    drawn = draw_detections(image, seen, CLASSES, (1, 2, 3))
    assert tuple(drawn[110, 40]) == tuple(drawn[110, 180]) == (1, 2, 3)
    boxes = np.array([[20, 20, 60, 60]], np.float32)
    assert tuple(draw_truth(image, boxes, ['Car'], (4, 5, 6))[40, 20]) == (4, 5, 6)


def test_the_id_of_a_tracked_object_is_in_its_caption():
    image = np.zeros((200, 300, 3), np.uint8)
    seen = detections((40, 60, 120, 160, 0))
    drawn = {
        number: draw_detections(image, replace(seen, ids=np.array([number])), CLASSES)
        for number in (0, 7, 8)
    }
    np.testing.assert_array_equal(drawn[0], draw_detections(image, seen, CLASSES))
    above = [(picture[:60] == PALETTE[0]).all(-1).any(0).sum() for picture in drawn.values()]
    assert above[0] < above[1]
    assert (drawn[7] != drawn[8]).any()


def test_a_legend_names_colours_from_left_to_right():
    strip = legend([('first', PALETTE[0]), ('second', PALETTE[1])], 400)
    assert strip.shape[1:] == (400, 3)
    columns = [np.flatnonzero((strip == colour).all(-1).any(0)) for colour in PALETTE[:2]]
    assert columns[0].max() < columns[1].min()
    assert (strip[:, columns[0].max() + 1 : columns[1].min()] == 255).any(), 'the text'


def test_zones_are_outlined_in_their_colours_and_named():
    image = np.zeros((201, 301, 3), np.uint8)
    square = ((0.2, 0.3), (0.4, 0.3), (0.4, 0.9), (0.2, 0.9))
    triangle = ((0.6, 0.4), (1.0, 0.4), (1.0, 1.0))
    drawn = draw_zones(image, Zones([square], [triangle]))
    assert not image.any()
    # The left edge at 0.2 of 300, the level edge at 0.4 of 200.
    assert tuple(drawn[120, 60]) == INCLUDE_COLOUR
    assert tuple(drawn[80, 240]) == EXCLUDE_COLOUR
    assert not drawn[100:170, 65:115].any()
    # The names, above the first corners.
    assert drawn[50:58, 62:80].any()
    assert drawn[70:78, 182:200].any()


def test_nothing_seen_draws_nothing():
    image = np.full((20, 30, 3), 9, np.uint8)
    np.testing.assert_array_equal(draw_detections(image, Detections.empty(), CLASSES), image)


@pytest.mark.parametrize(
    'box', [(0, 0, 29, 19), (25, 0, 29, 2), (28.6, 18.7, 29, 19), (3, 3, 3, 3)]
)
def test_boxes_at_the_edges_and_without_area(box):
    drawn = draw_detections(np.zeros((20, 30, 3), np.uint8), detections((*box, 2)), CLASSES)
    assert drawn.shape == (20, 30, 3)
    assert drawn.any()


def test_a_read_only_strided_view_can_be_drawn_on():
    image = np.zeros((40, 90, 3), np.uint8)[:, :60]
    image.flags.writeable = False
    assert draw_detections(image, detections((5, 20, 50, 35, 0)), CLASSES).any()


def test_truth_is_white_and_named_below():
    image = np.zeros((100, 100, 3), np.uint8)
    drawn = draw_truth(image, np.array([[20, 20, 60, 60]], np.float32), ['Car'])
    assert tuple(drawn[40, 20]) == (255, 255, 255)
    assert drawn[62:80].any()
    assert not drawn[:19].any()


def test_a_sheet_has_every_image_in_reading_order():
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    images = [np.full((50, 100, 3), colour, np.uint8) for colour in colours]
    sheet = contact_sheet(images, ['a', 'b', 'c'], columns=2, width=418)
    # Cells of (418 - 3 * 6) / 2 = 200 pixels: pictures 100 high, with captions of 24.
    assert sheet.shape == (6 + 124 + 6 + 124 + 6, 418, 3)
    assert tuple(sheet[50, 100]) == colours[0]
    assert tuple(sheet[50, 310]) == colours[1]
    assert tuple(sheet[190, 100]) == colours[2]
    # A caption, and the empty cell.
    assert sheet[108:128, 8:30].max() > 128
    assert sheet[140:250, 220:].max() < 64


def test_a_sheet_of_different_sizes_and_of_one():
    wide, high = np.zeros((40, 80, 3), np.uint8), np.zeros((80, 40, 3), np.uint8)
    assert contact_sheet([wide, high], ['', ''], columns=2, width=218).shape[1] == 218
    assert contact_sheet([wide], [''], columns=4, width=112).shape == (50 + 24 + 12, 112, 3)


@pytest.mark.parametrize(('images', 'captions'), [([], []), ([np.zeros((4, 4, 3), np.uint8)], [])])
def test_a_sheet_needs_images_and_their_captions(images, captions):
    with pytest.raises(ValueError, match='a caption each'):
        contact_sheet(images, captions)


def test_a_tall_image_does_not_make_a_tall_sheet():
    tall = np.full((3000, 2, 3), 9, np.uint8)
    sheet = contact_sheet([tall, np.full((10, 20, 3), 9, np.uint8)], ['tall', 'wide'], width=400)
    assert sheet.shape[0] < 2.5 * 200 + 60
    assert cell_scale(tall, 200) == pytest.approx(400 / 3000)
    assert cell_scale(np.zeros((10, 20, 3), np.uint8), 200) == 10
