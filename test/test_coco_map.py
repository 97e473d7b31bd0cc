"""COCO's mean average precision: by hand, and against pycocotools fed from files."""

from __future__ import annotations

import json
import sys

from kitti_scenes import CLASSES, found, random_set, truth
import numpy as np
import pytest
from squeezedet_ros.evaluation.coco_map import coco_available, evaluate_coco

pytest.importorskip('pycocotools', reason='pycocotools is not installed')

BOX = (100, 100, 200, 200)
AWAY = (400, 100, 500, 200)


def scores(truths, detections):
    return evaluate_coco([truths], [detections], CLASSES)


def test_a_perfect_detection_scores_one():
    got = scores(truth(('Car', *BOX)), found((0, 0.9, *BOX)))
    for name in ('map', 'map50', 'map75', 'map_large'):
        assert got[name] == pytest.approx(1)
    assert got['map_small'] is None
    assert got['map_medium'] is None
    assert got['classes']['car'] == pytest.approx({'map': 1, 'map50': 1, 'map75': 1})
    assert got['classes']['cyclist'] == {'map': None, 'map50': None, 'map75': None}


def test_an_overlap_of_62_percent_is_enough_for_three_of_ten_thresholds():
    got = scores(truth(('Car', *BOX)), found((0, 0.9, 100, 100, 200, 162)))
    assert got['classes']['car'] == pytest.approx({'map': 0.3, 'map50': 1, 'map75': 0})


def test_a_box_names_its_last_pixel():
    """Pixels 10 to 13 are 4, of which 10 and 11 are the half; as 3 and 1 they would be a third."""
    got = scores(truth(('Car', 10, 10, 13, 13)), found((0, 0.9, 10, 10, 11, 13)))
    assert got['map50'] == pytest.approx(1)
    # 32 x 32 pixels are small and medium, 33 x 33 no longer small.
    got = scores(truth(('Car', 0, 0, 32, 32)), found((0, 0.9, 0, 0, 32, 32)))
    assert (got['map_small'], got['map_medium']) == (None, pytest.approx(1))


def test_classes_without_truth_do_not_count():
    """Of two classes with truth one is found: the mean is a half, not a third."""
    scene = truth(('Car', *BOX), ('Pedestrian', *AWAY))
    got = scores(scene, found((0, 0.9, *BOX), (2, 0.8, *AWAY)))
    assert got['map'] == pytest.approx(0.5)


def test_a_better_false_alarm_halves_the_precision():
    got = scores(truth(('Car', *BOX)), found((0, 0.9, *AWAY), (0, 0.8, *BOX)))
    assert got['map50'] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ('label', 'name', 'other'),
    [
        (0, 'Car', 'Van'),
        (1, 'Pedestrian', 'Person_sitting'),
        (0, 'Car', 'DontCare'),
        (2, 'Cyclist', 'DontCare'),
    ],
)
def test_neighbours_and_dont_care_are_neutral(label, name, other):
    scene = truth((name, *BOX), (other, *AWAY, -1, -1))
    assert scores(scene, found((label, 0.8, *BOX)))['map'] == pytest.approx(1)
    seen = found((label, 0.9, *AWAY), (label, 0.85, *AWAY), (label, 0.8, *BOX))
    assert scores(scene, seen)['map'] == pytest.approx(1)


@pytest.mark.parametrize('other', ['Truck', 'Person_sitting', 'Misc'])
def test_other_classes_are_background(other):
    scene = truth(('Car', *BOX), (other, *AWAY))
    assert scores(scene, found((0, 0.9, *AWAY), (0, 0.8, *BOX)))['map'] == pytest.approx(0.5)


def test_detections_of_no_class_are_not_looked_at():
    seen = found((len(CLASSES), 0.95, *AWAY), (0, 0.9, *BOX))
    assert scores(truth(('Car', *BOX)), seen)['map'] == pytest.approx(1)


def test_truth_without_detections_scores_zero_and_no_truth_nothing():
    assert scores(truth(('Car', *BOX)), found())['map'] == 0
    assert scores(truth(), found((0, 0.9, *BOX)))['map'] is None
    assert evaluate_coco([], [], CLASSES)['map'] is None


def test_nothing_is_printed(capsys):
    scores(truth(('Car', *BOX)), found((0, 0.9, *BOX)))
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ('', '')


def test_images_and_detections_must_pair_up():
    with pytest.raises(ValueError, match='shorter'):
        evaluate_coco([truth(), truth()], [found()], CLASSES)


def xywh(box):
    x0, y0, x1, y1 = (float(edge) for edge in box)
    return [x0, y0, x1 - x0 + 1, y1 - y0 + 1]


def write_coco_files(folder, truths, detections):
    """Write a set as COCO has it: an annotation file and a result file."""
    annotations, results = [], []
    for image, (scene, seen) in enumerate(zip(truths, detections, strict=True)):
        for name, box in zip(scene.names, scene.boxes, strict=True):
            neutral = {'DontCare': (0, 1, 2), 'Van': (0,), 'Person_sitting': (1,)}.get(name, ())
            own = [CLASSES.index(name.lower())] if name.lower() in CLASSES else []
            for label in (*own, *neutral):
                sides = xywh(box)
                row = {'image_id': image, 'category_id': label, 'bbox': sides}
                row |= {'area': sides[2] * sides[3], 'iscrowd': int(not own)}
                annotations.append({'id': len(annotations) + 1, **row})
        for label, score, box in zip(seen.labels, seen.scores, seen.boxes, strict=True):
            row = {'image_id': image, 'category_id': int(label), 'bbox': xywh(box)}
            results.append({**row, 'score': float(score)})
    truth_set = {
        'images': [{'id': image} for image in range(len(truths))],
        'categories': [{'id': label, 'name': name} for label, name in enumerate(CLASSES)],
        'annotations': annotations,
    }
    (folder / 'truth.json').write_text(json.dumps(truth_set))
    (folder / 'found.json').write_text(json.dumps(results))


@pytest.mark.parametrize('key', [(5, 60, 100, 1), (6, 60, 5, 2)], ids=['plain', 'ties'])
def test_equals_pycocotools_on_files(key, tmp_path):
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    truths, detections = random_set(*key)
    write_coco_files(tmp_path, truths, detections)
    truth_set = COCO(tmp_path / 'truth.json')

    def stats(labels):
        run = COCOeval(truth_set, truth_set.loadRes(str(tmp_path / 'found.json')), 'bbox')
        run.params.catIds = labels
        run.evaluate()
        run.accumulate()
        run.summarize()
        return run.stats

    got = evaluate_coco(truths, detections, CLASSES)
    names = ('map', 'map50', 'map75', 'map_small', 'map_medium', 'map_large')
    np.testing.assert_allclose([got[name] for name in names], stats([0, 1, 2])[:6], atol=1e-12)
    assert 0.1 < got['map'] < 0.9
    for label, name in enumerate(CLASSES):
        np.testing.assert_allclose(list(got['classes'][name].values()), stats([label])[:3])


def test_absence_is_noticed(monkeypatch):
    assert coco_available()
    monkeypatch.setitem(sys.modules, 'pycocotools', None)
    assert not coco_available()
