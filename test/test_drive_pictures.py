from drives import drive, frame, grey, SIZE
from kitti_scenes import found, truth
import numpy as np
from squeezedet_ros.config import SelectionConfig
from squeezedet_ros.evaluation.drive_pictures import (
    Choice,
    choose_worst,
    make_pictures,
    spread_out,
)

CAR = (100, 100, 200, 200)
AWAY = (400, 100, 500, 200)
ONE, TWO = truth(('Car', *CAR)), truth(('Car', *CAR), ('Car', *AWAY))


def test_frames_with_most_errors_come_first_and_those_without_are_left_out():
    record = drive(
        frame(0, found((0, 0.9, *CAR)), truth=ONE),
        frame(1, truth=TWO),
        frame(2, found((0, 0.3, *CAR)), truth=ONE),
        frame(3, found(), truth=TWO),
        frame(4, found((0, 0.9, *AWAY))),
    )
    assert choose_worst(record, SelectionConfig(), 0.5, 9) == [
        (3, '2 missed (0 badly placed), 0 false'),
        (2, '1 missed (0 badly placed), 0 false'),
    ]


def test_a_drive_without_a_scored_frame_has_no_worst():
    assert choose_worst(drive(frame(0, truth=ONE)), SelectionConfig(), 0.5, 9) == []


def test_chosen_frames_are_a_second_apart_while_there_are_such():
    times = np.arange(30) / 10
    ranked = [Choice(row, '') for row in (15, 14, 16, 2, 24, 25)]
    assert [choice.frame for choice in spread_out(ranked, times, 2)] == [15, 2]
    assert [choice.frame for choice in spread_out(ranked, times, 4)] == [15, 14, 2, 25]


def test_boxes_are_in_pixels_of_the_frame_and_in_its_order():
    record = drive(frame(0, found((0, 0.9, *CAR), (1, 0.5, *AWAY)), truth=ONE), frame(1))
    first, second = make_pictures(record, [Choice(0, ''), Choice(1, '')], grey)
    assert first.size == SIZE
    assert first.boxes == [list(CAR), list(AWAY)]
    assert first.truth == [[*CAR, 'Car']]
    assert (second.boxes, second.truth) == ([], None)


def test_a_frame_without_an_image_is_left_out():
    record = drive(frame(0, found()), frame(1, found()))
    choices = [Choice(1, ''), Choice(0, '')]
    pictures = make_pictures(record, choices, lambda stamps: grey([min(stamps)]))
    assert [item.choice.frame for item in pictures] == [0]


def test_an_image_of_one_row_can_be_shown():
    wide = np.zeros((1, 70_000, 3), np.uint8)
    (picture,) = make_pictures(
        drive(frame(0, found())),
        [Choice(0, '')],
        lambda stamps: [(stamp, wide) for stamp in stamps],
    )
    assert picture.jpeg
