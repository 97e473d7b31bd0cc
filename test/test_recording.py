"""What a node said, read while it is being written."""

import json

import numpy as np
import pytest
from squeezedet_ros.data.recording import Recording

CLASSES = {'kind': 'classes', 'names': ['car', 'cyclist']}


def detections(stamp, ids=('1', '0')):
    boxes = [[0.0, 1.0, 2.0, 3.0], [4.0, 5.0, 6.0, 7.0]][: len(ids)]
    scores = [0.75, 0.5][: len(ids)]
    return {
        'kind': 'detections',
        'stamp': stamp,
        'boxes': boxes,
        'scores': scores,
        'class_ids': list(ids),
        'published': stamp + 5,
    }


def status(stamp, outcome='detected', **milliseconds):
    return {
        'kind': 'status',
        'stamp': stamp,
        'outcome': outcome,
        'milliseconds': milliseconds,
        'received': stamp / 10,
    }


def append(path, *events, end='\n'):
    with path.open('a') as file:
        file.write('\n'.join(json.dumps(event) for event in events) + end)


def recorded(path, *events):
    append(path, *events)
    recording = Recording(path)
    recording.update()
    return recording


def test_nothing_was_said_yet(tmp_path):
    recording = Recording(tmp_path / 'none')
    recording.update()
    assert not recording.ready
    assert not recording.is_complete(1)


def test_events_become_columns(tmp_path):
    events = CLASSES, {'kind': 'ready'}, detections(7), status(7, network=12.5)
    recording = recorded(tmp_path / 'said', *events)
    assert recording.ready
    assert recording.classes == ('car', 'cyclist')
    found = recording.detections[7]
    np.testing.assert_array_equal(found.boxes, [[0, 1, 2, 3], [4, 5, 6, 7]])
    assert found.scores.tolist() == [0.75, 0.5]
    assert found.labels.tolist() == [1, 0]
    assert recording.publications == [(7, found, 12)]
    assert recording.statuses == [(7, 'detected', {'network': 12.5}, 0.7)]


def test_class_names_are_as_good_as_indices(tmp_path):
    recording = recorded(tmp_path / 'said', CLASSES, detections(7, ids=('cyclist', 'car')))
    assert recording.detections[7].labels.tolist() == [1, 0]


def test_an_empty_frame_is_a_frame(tmp_path):
    recording = recorded(tmp_path / 'said', CLASSES, detections(7, ids=()), status(7))
    assert recording.detections[7].boxes.shape == (0, 4)
    assert recording.is_complete(1)


def test_a_line_counts_when_it_is_finished(tmp_path):
    path = tmp_path / 'said'
    recording = recorded(path, CLASSES)
    text = json.dumps(status(1))
    with path.open('a') as file:
        file.write(text[:10])
    recording.update()
    assert recording.statuses == []
    with path.open('a') as file:
        file.write(text[10:] + '\n')
    recording.update()
    recording.update()
    assert len(recording.statuses) == 1


def test_a_detected_frame_is_complete_with_its_detections(tmp_path):
    path = tmp_path / 'said'
    recording = recorded(path, CLASSES, status(1), status(2, 'undecodable'))
    assert not recording.is_complete(2)
    append(path, detections(1))
    recording.update()
    assert recording.is_complete(2)
    assert not recording.is_complete(3)


def test_an_unknown_event_is_an_error(tmp_path):
    append(tmp_path / 'said', {'kind': 'rumour'})
    with pytest.raises(ValueError, match='rumour'):
        Recording(tmp_path / 'said').update()
