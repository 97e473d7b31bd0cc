"""The page's matching gives at every threshold what the evaluation's gives."""

import json
from pathlib import Path
import shutil
import subprocess

from drives import random_drive
from kitti_scenes import CLASSES, found, truth
import pytest
from squeezedet_ros.config import SelectionConfig
from squeezedet_ros.evaluation import drive_matches
from squeezedet_ros.evaluation.average_precision import count_matches
from squeezedet_ros.evaluation.drive_matches import find_matches, IGNORED, SMALL
from squeezedet_ros.evaluation.drive_page_data import page_data, seen_with_truth
from squeezedet_ros.evaluation.evaluator import published
from squeezedet_ros.evaluation.gallery import rank_frames

PAGE = Path(drive_matches.__file__).parent / 'page'
NODE = shutil.which('node')
CAR = (100, 100, 200, 200)
OWN = {'car': 0.55, 'cyclist': 0.15}


def test_candidates_by_hand():
    scene = truth(('Van', *CAR), ('Car', 300, 100, 400, 200), ('DontCare', 500, 0, 600, 90))
    seen = found(
        (0, 0.9, 100, 100, 200, 180),  # 0.8 of the van
        (0, 0.8, 100, 100, 200, 190),  # 0.9 of the van
        (1, 0.7, *CAR),  # on the van, another class
        (0, 0.6, 300, 100, 400, 140),  # 0.4 of the car
        (2, 0.5, 510, 10, 590, 80),  # inside the region to ignore
        (1, 0.4, 700, 100, 720, 120),  # 20 pixels high
    )
    flags, objects = find_matches(scene, seen, CLASSES, 0.5)
    assert flags.tolist() == [0, 0, 0, 0, IGNORED, SMALL]
    assert objects == [[[0, 0, [1, 0], [], []], [1, 1, [], [], [3]]], [], []]


def test_too_small_detections_of_any_class_may_stand_for_an_object():
    scene = truth(('Car', 100, 100, 200, 126))
    seen = found((1, 0.9, 100, 100, 200, 124))
    assert find_matches(scene, seen, CLASSES, 0.5).objects[0] == [[0, 1, [], [0], []]]


@pytest.fixture(scope='module')
def record():
    return random_drive(11, 80)


@pytest.mark.skipif(NODE is None, reason='no node to run the script of the page')
def test_counts_equal_the_evaluation_at_any_threshold(record):
    settings = [
        {'common': step / 8, 'own': own, 'leftOut': left_out}
        for step in range(9)
        for own, left_out in (({}, []), (OWN, []), ({}, [1]))
    ]
    data = page_data(record, SelectionConfig(), 0.5, 1.5)
    script = f"""{(PAGE / 'matching.js').read_text()}
    const [data, settings] = JSON.parse(require('fs').readFileSync(0));
    const drive = openDrive(data);
    console.log(JSON.stringify(settings.map(({{common, own, leftOut}}) => countMatches(
      drive, thresholdsOf(common, own, new Set(leftOut), drive.classes), false))));"""
    done = subprocess.run(
        [NODE, '-e', script],
        input=json.dumps([data, settings]),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    truths, detections = seen_with_truth(record)
    for setting, rows in zip(settings, json.loads(done.stdout), strict=True):
        selection = SelectionConfig(
            plot_prob_thresh=setting['common'],
            class_thresh=tuple(f'{name}={value}' for name, value in setting['own'].items()),
            class_filter=tuple(
                name for label, name in enumerate(CLASSES) if label not in setting['leftOut']
            ),
        )
        shown = published(detections, selection, CLASSES)
        counts = count_matches(truths, shown, CLASSES, 0.5, -1.0).values()
        ours = [(row['truth'], row['right'], row['wrong'], row['missed']) for row in rows]
        assert ours == [tuple(row) for row in counts], setting
        misplaced = sum(item.badly_placed for item in rank_frames(truths, shown, CLASSES, 0.5))
        assert sum(row['misplaced'] for row in rows) == misplaced, setting
