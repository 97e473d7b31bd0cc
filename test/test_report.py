from __future__ import annotations

import json
import sys

from kitti_scenes import CLASSES, found, random_set, truth
import pytest
from squeezedet_ros.config import SelectionConfig
from squeezedet_ros.evaluation.average_precision import evaluate_detections
from squeezedet_ros.evaluation.coco_map import evaluate_coco
from squeezedet_ros.evaluation.report import format_report, make_report

BOX = (100, 100, 200, 150)


def test_counts_go_by_the_threshold_of_each_class():
    truths = [truth(('Car', *BOX)), truth(('Pedestrian', *BOX))]
    detections = [found((0, 0.45, *BOX)), found((1, 0.3, *BOX))]
    selection = SelectionConfig(class_thresh=('car=0.5', 'pedestrian=0.25'))
    report = make_report(truths, detections, CLASSES, 0.5, selection)
    counts = report['counts']
    assert counts['class_thresh'] == {'car': 0.5, 'pedestrian': 0.25}
    assert [counts['classes'][name]['true_positives'] for name in CLASSES] == [0, 1, 0]
    assert 'score >= 0.4, car 0.5, pedestrian 0.25, overlap 0.5' in format_report(report)


def test_report_holds_the_scores_at_both_overlaps():
    truths, detections = random_set(seed=5, images=60, score_steps=100, dont_care=1)
    report = make_report(truths, detections, CLASSES, 0.5, SelectionConfig(plot_prob_thresh=0.3))
    own = evaluate_detections(truths, detections, CLASSES)
    half = evaluate_detections(truths, detections, CLASSES, 0.5)
    assert report['images'] == 60
    assert report['kitti'] == {'ap11': own.ap11, 'ap40': own.ap40}
    assert report['kitti_iou50'] == {'ap11': half.ap11, 'ap40': half.ap40}
    assert report['min_overlap'] == {
        'kitti': {'car': 0.7, 'pedestrian': 0.5, 'cyclist': 0.5},
        'kitti_iou50': {'car': 0.5, 'pedestrian': 0.5, 'cyclist': 0.5},
    }
    assert json.loads(json.dumps(report, allow_nan=False)) == report


def test_the_single_overlap_is_in_the_name():
    assert 'kitti_iou55' in make_report([truth()], [found()], CLASSES, 0.55, SelectionConfig())


def test_counts_carry_their_rates():
    truths = [truth(('Car', *BOX), ('Car', 300, 100, 400, 150), ('Car', 500, 100, 600, 150))]
    detections = [found((0, 0.9, *BOX), (0, 0.4, 0, 0, 60, 60), (0, 0.3, 300, 100, 400, 150))]
    counts = make_report(truths, detections, CLASSES, 0.5, SelectionConfig())['counts']
    assert counts['classes']['car'] == {
        'truth': 3,
        'true_positives': 1,
        'false_positives': 1,
        'false_negatives': 2,
        'precision': 0.5,
        'recall': pytest.approx(1 / 3),
    }
    assert counts['classes']['cyclist']['precision'] is None
    assert counts['classes']['cyclist']['recall'] is None


@pytest.mark.parametrize('unknown', [(-1, 0), (0, -1)])
def test_unknown_truncation_or_occlusion_has_no_difficulty_but_all(unknown):
    truths = [truth(('Car', *BOX), ('Pedestrian', *BOX)), truth(('Car', *BOX, *unknown))]
    report = make_report(truths, [found((0, 0.9, *BOX))] * 2, CLASSES, 0.5, SelectionConfig())
    row = report['kitti']['ap11']['car']
    assert (row['easy'], row['moderate'], row['hard']) == (None, None, None)
    assert row['all'] == pytest.approx(1 / 11), 'the second sample is no point of the eleven'
    assert report['kitti']['ap11']['pedestrian']['easy'] == 0
    assert 'need every object to state its truncation' in format_report(report)


def test_dont_care_need_not_state_its_truncation():
    scene = truth(('DontCare', 0, 0, 90, 90, -1, -1), ('Car', *BOX))
    report = make_report([scene], [found((0, 0.9, *BOX))], CLASSES, 0.5, SelectionConfig())
    assert report['kitti']['ap11']['car']['easy'] == pytest.approx(1 / 11)


def test_table_shows_every_number():
    truths = [truth(('Car', *BOX))] * 41
    detections = [found((0, 0.9, *BOX))] * 40 + [found((0, 0.2, 500, 0, 560, 60))]
    report = make_report(truths, detections, CLASSES, 0.5, SelectionConfig())
    lines = [line.split() for line in format_report(report).splitlines()]
    assert lines[0] == ['41', 'images']
    assert lines[2] == ['AP11', 'overlap', 'easy', 'moderate', 'hard', 'all']
    # 40 of 41 found: 40 samples at precision 1, the last of 41 not reached
    assert lines[3] == ['car', '0.70', *['0.909'] * 4]
    assert lines[4] == ['pedestrian', '0.50', *['-'] * 4]
    assert ['car', '0.50', *['0.975'] * 4] in lines
    assert ['car', '41', '40', '0', '1', '1.000', '0.976'] in lines
    assert 'fewer than' not in format_report(report)


def test_table_warns_of_few_objects():
    report = make_report([truth(('Car', *BOX))], [found()], CLASSES, 0.5, SelectionConfig())
    assert format_report(report).splitlines()[-1].startswith('car: fewer than 41 objects')


def test_coco_scores_are_in_the_report_and_the_table():
    pytest.importorskip('pycocotools', reason='pycocotools is not installed')
    truths, detections = random_set(seed=5, images=20, score_steps=100, dont_care=1)
    report = make_report(truths, detections, CLASSES, 0.5, SelectionConfig())
    assert report['coco'] == evaluate_coco(truths, detections, CLASSES)
    lines = [line.split() for line in format_report(report).splitlines()]
    car = report['coco']['classes']['car']
    assert ['car', *(f'{value:.3f}' for value in car.values())] in lines
    assert ['COCO', 'map', 'map50', 'map75', 'map_small', 'map_medium', 'map_large'] in lines


def test_without_pycocotools_coco_is_null_and_the_table_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, 'pycocotools', None)
    report = make_report([truth(('Car', *BOX))], [found()], CLASSES, 0.5, SelectionConfig())
    assert report['coco'] is None
    assert 'COCO mAP: pycocotools is not installed' in format_report(report)
    assert report['kitti']['ap11']['car']['all'] == 0


def test_errors_are_counted_and_shared_out():
    truths = [truth(('Car', *BOX), ('Car', 300, 100, 400, 150)), truth()]
    detections = [found((0, 0.9, *BOX), (0, 0.4, 0, 0, 60, 60)), found((0, 0.9, *BOX))]
    report = make_report(truths, detections, CLASSES, 0.5, SelectionConfig())
    assert report['errors'] == {
        'objects': 2,
        'detections': 2,
        'correct': 1,
        'localisation': 0,
        'classification': 0,
        'background': 1,
        'repeated': 0,
        'missed': 1,
        'shares': {
            'correct': 0.5,
            'localisation': 0,
            'classification': 0,
            'background': 0.5,
            'repeated': 0,
        },
        'recall': 0.5,
    }
    lines = [line.split() for line in format_report(report).splitlines()]
    assert ['background', '1', '0.500'] in lines
    assert ['missed', '1', 'recall', '0.500'] in lines


def test_nothing_seen_and_nothing_there_have_no_rates():
    errors = make_report([truth()], [found()], CLASSES, 0.5, SelectionConfig())['errors']
    assert set(errors['shares'].values()) == {None}
    assert errors['recall'] is None
    assert 'recall     -' in format_report(make_report([], [], CLASSES, 0.5, SelectionConfig()))
