import json
import re

import cv2
import numpy as np
import pytest
from squeezedet_ros.errors import CheckpointError
from squeezedet_ros.training.loss import LossTerms
from squeezedet_ros.training.summary import write_summary

pytest.importorskip('matplotlib')


def write_log(out, evaluations):
    parts = dict.fromkeys(LossTerms._fields, 1.5)
    steps = [
        {'step': step, 'lr': 1e-3, 'seconds': 0.25, 'waited': 0.125, **parts} for step in range(10)
    ]
    (out / 'log.jsonl').write_text(
        ''.join(json.dumps(item) + '\n' for item in steps + evaluations)
    )


def test_the_page_holds_everything_in_itself(tmp_path):
    write_log(
        tmp_path,
        [
            {'step': 5, 'score': 0.75, 'ap': {'car': 0.75, '<b>': None}},
            {'step': 10, 'score': 0.5, 'ap': {'car': 0.5, '<b>': None}},
        ],
    )
    cv2.imwrite(str(tmp_path / 'batch.png'), np.zeros((8, 8, 3), np.uint8))
    path = write_summary(tmp_path, 5.0)
    page = path.read_text()
    assert '10 steps, 2.0 epochs; a step took 0.250 s and waited 0.125 s' in page
    assert '<th>best</th><td>5</td><td>0.750</td><td>0.750</td><td>-</td>' in page
    assert '<th>last</th><td>10</td><td>0.500</td>' in page
    assert '<b>' not in page
    assert page.count('<img') == 2
    assert page.count('data:image/jpeg') == 1
    assert not re.search(r'(src|href)="(?!data:)', page)


def test_without_a_validation_split(tmp_path):
    write_log(tmp_path, [])
    assert 'There was no validation split.' in write_summary(tmp_path, 5.0).read_text()


def test_evaluations_without_truth_have_no_score(tmp_path):
    rows = [{'step': 5, 'score': None, 'ap': {'car': None}}]
    write_log(tmp_path, rows)
    page = write_summary(tmp_path, 5.0).read_text()
    assert '<th>best</th><td>5</td><td>-</td><td>-</td>' in page


def test_a_log_without_a_step_is_refused(tmp_path):
    (tmp_path / 'log.jsonl').write_text('')
    with pytest.raises(CheckpointError, match=r'log\.jsonl tells of no step'):
        write_summary(tmp_path, 5.0)
