"""KITTI's rules of matching, one by one, and all of them against a plain reading of the rules."""

from __future__ import annotations

from kitti_scenes import CLASSES, found, random_set, truth
import numpy as np
import pytest
from squeezedet_ros.evaluation.kitti_matching import (
    ALL,
    count_outcomes,
    count_truth,
    DIFFICULTIES,
    make_scenes,
    recalled_scores,
)

EASY, MODERATE, HARD, _ = DIFFICULTIES
BOX = (100, 100, 200, 150)


def outcome(truths, detections, difficulty=ALL, min_overlap=0.5, name='car', label=0):
    """Return (truth, right, wrong, missed) of one image, whatever the scores."""
    scenes = make_scenes([truths], [detections], label, name)
    counts = count_outcomes(scenes, difficulty, min_overlap, [0.0])
    return (count_truth(scenes, difficulty), *(int(part[0]) for part in counts))


def test_right_wrong_and_missed():
    truths = truth(('Car', *BOX), ('Car', 300, 100, 400, 150))
    assert outcome(truths, found((0, 0.9, *BOX), (0, 0.8, 500, 0, 560, 60))) == (2, 1, 1, 1)


def test_overlap_must_exceed_the_least():
    """Half of the detection lies on the truth: IOU 25 / (50 + 50 - 25) = 1/3 exactly."""
    seen = found((0, 0.9, 100, 125, 200, 175))
    assert outcome(truth(('Car', *BOX)), seen, min_overlap=1 / 3) == (1, 0, 1, 1)
    assert outcome(truth(('Car', *BOX)), seen, min_overlap=0.333) == (1, 1, 0, 0)


def test_second_detection_of_an_object_is_wrong():
    seen = found((0, 0.9, *BOX), (0, 0.8, *BOX))
    assert outcome(truth(('Car', *BOX)), seen) == (1, 1, 1, 0)


def test_class_names_are_compared_without_case():
    assert outcome(truth(('car', *BOX)), found((0, 0.9, *BOX)), name='CAR') == (1, 1, 0, 0)


def test_other_class_neither_finds_nor_is_wrong():
    assert outcome(truth(('Car', *BOX)), found((1, 0.9, *BOX))) == (1, 0, 0, 1)


@pytest.mark.parametrize(
    ('neighbour', 'name', 'label'), [('Van', 'car', 0), ('Person_sitting', 'pedestrian', 1)]
)
def test_neighbouring_class_counts_neither_way(neighbour, name, label):
    seen = found((label, 0.9, *BOX))
    assert outcome(truth((neighbour, *BOX)), seen, name=name, label=label) == (0, 0, 0, 0)
    assert outcome(truth((neighbour, *BOX)), found(), name=name, label=label) == (0, 0, 0, 0)


def test_truck_is_no_neighbour_of_car():
    assert outcome(truth(('Truck', *BOX)), found((0, 0.9, *BOX))) == (0, 0, 1, 0)


def test_dont_care_forgives_what_lies_mostly_inside_it():
    region = truth(('DontCare', 0, 0, 150, 300, -1, -1))
    assert outcome(region, found((0, 0.9, 0, 100, 100, 150))) == (0, 0, 0, 0)
    assert outcome(region, found((0, 0.9, 100, 100, 190, 150))) == (0, 0, 0, 0)
    assert outcome(region, found((0, 0.9, *BOX))) == (0, 0, 1, 0), 'half inside is not mostly'


def test_two_dont_care_regions_do_not_add_up():
    regions = truth(('DontCare', 0, 0, 145, 300, -1, -1), ('DontCare', 155, 0, 400, 300, -1, -1))
    assert outcome(regions, found((0, 0.9, *BOX))) == (0, 0, 1, 0)


def test_an_object_inside_dont_care_is_still_found():
    scene = truth(('DontCare', 0, 0, 400, 400, -1, -1), ('Car', *BOX))
    assert outcome(scene, found((0, 0.9, *BOX))) == (1, 1, 0, 0)


def test_small_object_need_not_be_found():
    low = (100, 100, 200, 124)
    assert outcome(truth(('Car', *low)), found()) == (0, 0, 0, 0)
    assert outcome(truth(('Car', 100, 100, 200, 125)), found()) == (0, 0, 0, 0)
    assert outcome(truth(('Car', 100, 100, 200, 126)), found()) == (1, 0, 0, 1)


def test_at_the_least_height_a_detection_counts_and_an_object_does_not():
    limit = (100, 100, 200, 125)
    assert outcome(truth(), found((0, 0.9, *limit))) == (0, 0, 1, 0)
    assert outcome(truth(('Car', *limit)), found((0, 0.9, *limit))) == (0, 0, 0, 0)


def test_small_detection_is_never_wrong_nor_right():
    low = (100, 100, 200, 124)
    assert outcome(truth(), found((0, 0.9, *low))) == (0, 0, 0, 0)
    assert outcome(truth(('Car', 100, 100, 200, 126)), found((0, 0.9, *low))) == (1, 0, 0, 0)


def test_small_detection_of_any_class_excuses_a_miss():
    """As in KITTI's cleanData, which sets the height's mark before it looks at the class."""
    scene = truth(('Car', 100, 100, 200, 126))
    assert outcome(scene, found((2, 0.9, 100, 100, 200, 124))) == (1, 0, 0, 0)


def test_small_detection_yields_to_one_that_counts():
    scene = truth(('Car', 100, 100, 200, 126))
    seen = found((0, 0.9, 100, 100, 200, 124), (0, 0.2, 100, 100, 200, 140))
    assert outcome(scene, seen) == (1, 1, 0, 0)


def test_a_height_at_the_limit_is_that_of_the_file():
    """In float32 these edges are 25.000008 pixels apart, in the file exactly 25."""
    edges = (103.07, 128.07)
    assert np.float32(edges[1]) - np.float32(edges[0]) > 25
    scene = truth(('Car', 100, edges[0], 200, edges[1]))
    assert outcome(scene, found()) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ('difficulty', 'height', 'truncated', 'occluded', 'counts'),
    [
        (EASY, 41, 0.15, 0, 1),
        (EASY, 40, 0.15, 0, 0),
        (EASY, 41, 0.16, 0, 0),
        (EASY, 41, 0.15, 1, 0),
        (MODERATE, 26, 0.3, 1, 1),
        (MODERATE, 25, 0.3, 1, 0),
        (MODERATE, 26, 0.31, 1, 0),
        (MODERATE, 26, 0.3, 2, 0),
        (HARD, 26, 0.5, 2, 1),
        (HARD, 25, 0.5, 2, 0),
        (HARD, 26, 0.51, 2, 0),
        (HARD, 26, 0.5, 3, 0),
        (ALL, 26, 1, 3, 1),
        (ALL, 26, -1, -1, 1),
        (ALL, 25, 0, 0, 0),
    ],
)
def test_limits_of_a_difficulty(difficulty, height, truncated, occluded, counts):
    scene = truth(('Car', 0, 100, 100, 100 + height, truncated, occluded))
    assert outcome(scene, found(), difficulty) == (counts, 0, 0, counts)
    if height > difficulty.min_height:
        seen = found((0, 0.9, 0, 100, 100, 100 + height))
        assert outcome(scene, seen, difficulty) == (counts, counts, 0, 0)


def test_overlap_decides_over_score_when_counting():
    """The better fitting detection is taken; the more probable one is left over and wrong."""
    seen = found((0, 0.9, 100, 105, 200, 155), (0, 0.5, *BOX))
    assert outcome(truth(('Car', *BOX)), seen) == (1, 1, 1, 0)
    scenes = make_scenes([truth(('Car', *BOX))], [seen], 0, 'car')
    assert recalled_scores(scenes, ALL, 0.5) == pytest.approx([0.9])


def test_thresholds_are_counted_side_by_side():
    seen = found((0, 0.9, *BOX), (0, 0.5, 300, 100, 400, 150), (0, 0.3, 500, 0, 560, 60))
    scenes = make_scenes([truth(('Car', *BOX), ('Car', 300, 100, 400, 150))], [seen], 0, 'car')
    counts = count_outcomes(scenes, ALL, 0.5, [0.95, 0.9, 0.5, 0.1])
    assert counts.true_positives.tolist() == [0, 1, 2, 2]
    assert counts.false_positives.tolist() == [0, 0, 0, 1]
    assert counts.false_negatives.tolist() == [2, 1, 0, 0]


def test_boxes_without_area_match_nothing():
    seen = found((0, 0.9, 100, 100, 100, 150))
    assert outcome(truth(('Car', 100, 100, 100, 150)), seen, min_overlap=0) == (1, 0, 1, 1)


def area(box):
    return max(0.0, float(box[2] - box[0])) * max(0.0, float(box[3] - box[1]))


def shared(first, second):
    return area([*np.maximum(first[:2], second[:2]), *np.minimum(first[2:], second[2:])])


def plain_counts(truths, seen, difficulty, min_overlap, threshold, label, name):
    """Read KITTI's rules aloud, one box after the other."""
    neighbour = {'car': 'van', 'pedestrian': 'person_sitting'}.get(name)
    tall = [box[3] - box[1] >= difficulty.min_height for box in seen.boxes]
    left = {index for index in range(len(seen)) if seen.scores[index] >= threshold}
    left -= {index for index in left if tall[index] and seen.labels[index] != label}
    right = missed = 0
    for row, called in enumerate(item.lower() for item in truths.names):
        if called not in (name, neighbour):
            continue
        box = truths.boxes[row]
        must = called == name and box[3] - box[1] > difficulty.min_height
        must &= bool(truths.occluded[row] <= difficulty.max_occluded)
        must &= bool(truths.truncated[row] <= np.float32(difficulty.max_truncated))
        overlaps = {}
        for index in sorted(left):
            common = shared(box, seen.boxes[index])
            union = area(box) + area(seen.boxes[index]) - common
            if common and common / union > min_overlap:
                overlaps[index] = common / union
        counting = {index: value for index, value in overlaps.items() if tall[index]}
        if counting:
            left.remove(max(counting, key=counting.get))
            right += must
        elif overlaps:
            left.remove(min(overlaps))
        else:
            missed += must
    regions = [b for b, n in zip(truths.boxes, truths.names, strict=True) if n == 'DontCare']
    wrong = sum(
        tall[index]
        and not any(
            shared(seen.boxes[index], region) / area(seen.boxes[index]) > min_overlap
            for region in regions
        )
        for index in left
    )
    return right, wrong, missed


@pytest.mark.parametrize('difficulty', DIFFICULTIES, ids=lambda difficulty: difficulty.name)
@pytest.mark.parametrize(('label', 'name'), list(enumerate(CLASSES)))
def test_counts_equal_a_plain_reading_of_the_rules(difficulty, label, name):
    truths, detections = random_set(seed=7, images=40, score_steps=10, dont_care=1)
    for min_overlap in (0.3, 0.7):
        for threshold in (0.0, 0.5):
            scenes = make_scenes(truths, detections, label, name)
            got = count_outcomes(scenes, difficulty, min_overlap, [threshold])
            expected = np.sum(
                [
                    plain_counts(t, d, difficulty, min_overlap, threshold, label, name)
                    for t, d in zip(truths, detections, strict=True)
                ],
                0,
            )
            assert [int(part[0]) for part in got] == expected.tolist()
