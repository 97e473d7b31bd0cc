"""The reference's error analysis, rule by rule; all overlaps are worked out by hand."""

from __future__ import annotations

from kitti_scenes import CLASSES, found, random_boxes, random_set, truth
import pytest
from squeezedet_ros.detections import Detections
from squeezedet_ros.evaluation.error_analysis import analyse_errors, ErrorCounts

# 100 x 50 pixels by the reference's count, which takes the last one as inside.
BOX = (100, 100, 199, 149)
FAR = (400, 100, 499, 149)


def errors(truths, detections) -> dict[str, int]:
    counts = analyse_errors([truths], [detections], CLASSES)._asdict()
    return {name: count for name, count in counts.items() if count}


def test_one_of_each_kind():
    scene = truth(*(('Car', x, 100, x + 99, 149) for x in (0, 200, 400, 600, 800)))
    seen = found(
        (0, 0.9, 0, 100, 99, 149),
        (0, 0.8, 0, 100, 99, 149),
        (0, 0.7, 200, 100, 299, 119),
        (1, 0.6, 400, 100, 499, 149),
        (0, 0.5, 0, 300, 99, 349),
    )
    assert errors(scene, seen) == {
        'objects': 5,
        'detections': 5,
        'correct': 1,
        'repeated': 1,
        'localisation': 1,
        'classification': 1,
        'background': 1,
        'missed': 4,
    }


@pytest.mark.parametrize(
    ('bottom', 'kind'),
    [
        # Of the 50 rows 25 are covered: exactly half, and one row less.
        (124, 'correct'),
        (123, 'localisation'),
        # 6 rows are more than a tenth, 5 are exactly a tenth.
        (105, 'localisation'),
        (104, 'background'),
    ],
)
def test_limits_of_the_overlap_count_the_last_pixel(bottom, kind):
    got = errors(truth(('Car', *BOX)), found((0, 0.9, 100, 100, 199, bottom)))
    assert got.pop(kind) == 1
    assert got == {'objects': 1, 'detections': 1} | ({} if kind == 'correct' else {'missed': 1})


def test_only_as_many_detections_as_objects_are_judged():
    """The third and the fourth are not, although one of them is right."""
    scene = truth(('Car', *BOX), ('Car', *FAR))
    seen = found((0, 0.9, *BOX), (0, 0.8, 0, 0, 50, 50), (0, 0.7, *FAR), (0, 0.6, 0, 0, 50, 50))
    assert errors(scene, seen) == {
        'objects': 2,
        'detections': 2,
        'correct': 1,
        'background': 1,
        'missed': 1,
    }


def test_the_most_probable_are_judged_in_whatever_order_they_come():
    seen = found((0, 0.9, *BOX), (0, 0.8, 0, 0, 50, 50))
    backwards = Detections(seen.boxes[::-1], seen.scores[::-1], seen.labels[::-1])
    assert errors(truth(('Car', *BOX)), backwards) == {'objects': 1, 'detections': 1, 'correct': 1}


def test_the_object_overlapped_most_decides_even_if_it_is_of_another_class():
    scene = truth(('Pedestrian', *BOX), ('Car', 100, 110, 199, 159))
    assert errors(scene, found((0, 0.9, *BOX))) == {
        'objects': 2,
        'detections': 1,
        'classification': 1,
        'missed': 2,
    }


def test_a_second_detection_finds_no_other_object():
    scene = truth(('Car', *BOX), ('Car', 100, 110, 199, 159))
    seen = found((0, 0.9, *BOX), (0, 0.8, *BOX))
    assert errors(scene, seen) == {
        'objects': 2,
        'detections': 2,
        'correct': 1,
        'repeated': 1,
        'missed': 1,
    }


def test_images_without_an_object_are_passed_over():
    region = truth(('DontCare', *BOX, -1, -1), ('Van', *FAR))
    assert errors(region, found((0, 0.9, 0, 0, 50, 50))) == {}
    assert errors(truth(), found((0, 0.9, *BOX))) == {}


def test_neighbours_and_dont_care_are_background():
    scene = truth(('Car', 0, 0, 50, 50), ('Van', *BOX), ('Car', 700, 0, 750, 50))
    assert errors(scene, found((0, 0.9, *BOX))) == {
        'objects': 2,
        'detections': 1,
        'background': 1,
        'missed': 2,
    }


def test_detections_of_no_class_are_not_looked_at():
    seen = found((len(CLASSES), 0.9, *BOX), (0, 0.2, *BOX))
    assert errors(truth(('Car', *BOX)), seen) == {'objects': 1, 'detections': 1, 'correct': 1}


def test_everything_is_missed_where_nothing_is_seen():
    assert errors(truth(('Car', *BOX)), found()) == {'objects': 1, 'missed': 1}
    assert analyse_errors([], [], CLASSES) == ErrorCounts()


# What the reference's own analyze_detections gave for the sets written as result files: objects,
# detections, correct, localisation, classification, background, repeated, missed.
@pytest.mark.parametrize(
    ('scenes', 'expected'),
    [
        (random_set(1, 150, 1 << 20, 1), (427, 400, 200, 7, 29, 126, 38, 227)),
        (random_set(2, 150, 8, 1), (445, 426, 210, 7, 35, 126, 48, 235)),
        (random_boxes(4, 400), (804, 620, 145, 63, 400, 0, 12, 659)),
    ],
    ids=['plain', 'ties', 'random_boxes'],
)
def test_equals_the_reference_itself(scenes, expected):
    assert analyse_errors(*scenes, CLASSES) == expected


def test_counts_of_a_set_add_up():
    counts = analyse_errors(*random_set(5, 60, 100, 1), CLASSES)
    assert counts.detections == sum(counts[2:7])
    assert counts.objects == counts.correct + counts.missed
    assert min(counts) > 0


def test_images_and_detections_must_pair_up():
    with pytest.raises(ValueError, match='shorter'):
        analyse_errors([truth(), truth()], [found()], CLASSES)
