import json

import cv2
import numpy as np
import pytest
from squeezedet_ros.errors import CheckpointError
from squeezedet_ros.training.journal import Evaluation, Journal, read_log


def test_steps_and_evaluations_are_written(tmp_path):
    journal = Journal(tmp_path, 0)
    journal.open()
    journal.step(0, {'lr': 0.5, 'box': 2.0})
    journal.evaluation(1, Evaluation(0.25, {'car': 0.5, 'pedestrian': None}))
    journal.close()
    assert list(read_log(tmp_path)) == [
        {'step': 0, 'lr': 0.5, 'box': 2.0},
        {'step': 1, 'score': 0.25, 'ap': {'car': 0.5, 'pedestrian': None}},
    ]
    assert journal.best == 0.25


def test_what_lies_beyond_the_resumed_step_is_dropped(tmp_path):
    entries = [{'step': 0, 'lr': 1}, {'step': 1, 'score': 0.75}, {'step': 1, 'lr': 1}]
    entries += [{'step': 2, 'score': 0.875}]
    lines = [json.dumps(entry) + '\n' for entry in entries]
    (tmp_path / 'log.jsonl').write_text(''.join(lines) + '{"step": 2')
    assert Journal(tmp_path, 1).best == 0.75
    assert list(read_log(tmp_path)) == entries[:2]


def test_a_training_stopped_before_its_first_state_begins_anew(tmp_path):
    (tmp_path / 'log.jsonl').write_text('{"step": 0, "lr": 1}\n')
    journal = Journal(tmp_path, 0)
    assert journal.best == float('-inf')
    assert list(read_log(tmp_path)) == []


def test_pictures_are_kept_in_their_colours(tmp_path):
    journal = Journal(tmp_path, 0)
    journal.open()
    image = np.zeros((4, 6, 3), np.uint8)
    image[:2] = 255, 0, 10
    journal.evaluation(3, Evaluation(0.0, {}, image))
    journal.close()
    assert np.array_equal(cv2.imread(str(tmp_path / 'validation.png')), image)


def test_tensorboard_holds_the_same(tmp_path):
    accumulator = pytest.importorskip('tensorboard.backend.event_processing.event_accumulator')
    journal = Journal(tmp_path, 0)
    journal.open()
    for step in range(3):
        journal.step(step, {'box': float(step)})
    journal.evaluation(3, Evaluation(0.5, {'car': 0.5}, np.zeros((8, 8, 3), np.uint8)))
    journal.close()
    events = accumulator.EventAccumulator(str(tmp_path / 'tensorboard'))
    events.Reload()
    assert [(event.step, event.value) for event in events.Scalars('training/box')] == [
        (0, 0.0),
        (1, 1.0),
        (2, 2.0),
    ]
    assert events.Scalars('validation/car')[0].value == 0.5
    assert events.Images('validation')[0].step == 3


def test_without_truth_there_is_no_score(tmp_path):
    journal = Journal(tmp_path, 0)
    journal.open()
    journal.evaluation(1, Evaluation(None, {'car': None}))
    assert journal.best == float('-inf')
    journal.evaluation(2, Evaluation(0.0, {'car': 0.0}))
    assert journal.best == 0
    journal.close()
    assert Journal(tmp_path, 1).best == float('-inf')


@pytest.mark.parametrize('line', ['{"step": 1', '[]', '{"lr": 1}'])
def test_a_damaged_line_is_named(tmp_path, line):
    (tmp_path / 'log.jsonl').write_text('{"step": 0, "lr": 1}\n' + line + '\n')
    with pytest.raises(CheckpointError, match=r'log\.jsonl:2: expected'):
        Journal(tmp_path, 1)
