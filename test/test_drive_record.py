"""A drive's record on disk and back."""

import json
import re

import numpy as np
import pytest
from squeezedet_ros.data.ground_truth import GroundTruth
from squeezedet_ros.detections import Detections
from squeezedet_ros.errors import DatasetError
from squeezedet_ros.evaluation.drive_record import (
    DriveRecord,
    FrameRecord,
    load_record,
    record_path,
    save_record,
)

STAMP = 1_700_000_000_123_456_789


def seen(count, ids=None):
    rng = np.random.default_rng(count)
    return Detections(
        rng.uniform(0, 1e3, (count, 4)).astype(np.float32),
        rng.uniform(0, 1, count).astype(np.float32),
        rng.integers(0, 3, count),
        ids,
    )


def make_record():
    truth = GroundTruth(
        np.array([[1 / 3, 2, 3, 4]], np.float32),
        ('Car',),
        np.array([-1], np.float32),
        np.array([2]),
    )
    full = FrameRecord(
        stamp_ns=STAMP,
        size=(375, 1242),
        outcome='detected',
        detections=seen(40),
        truth=truth,
        milliseconds={'network': 12.345},
        published_ns=STAMP + 5,
    )
    tracked = FrameRecord(
        stamp_ns=STAMP + 1,
        size=(1, 2),
        outcome='detected',
        detections=seen(2, ids=np.array([7, 0])),
    )
    empty = FrameRecord(
        stamp_ns=STAMP + 2,
        size=(1, 2),
        outcome='detected',
        detections=Detections.empty(),
        name='000002',
    )
    lost = FrameRecord(stamp_ns=STAMP + 3, size=None, outcome='undecodable', detections=None)
    return DriveRecord(
        name='drive',
        topic='camera/image_raw',
        classes=('car', 'pedestrian', 'cyclist'),
        frames=[full, tracked, empty, lost],
        plot_prob_thresh=0.4,
        settings={'bag': 'x', 'selection': {'top_n': 64}},
        class_thresh={'pedestrian': 0.3},
    )


def assert_same_columns(one, other):
    assert type(one) is type(other)
    for name in type(one).__slots__ if one is not None else ():
        first, second = getattr(one, name), getattr(other, name)
        assert getattr(first, 'dtype', None) == getattr(second, 'dtype', None)
        np.testing.assert_array_equal(first, second)


def test_every_number_comes_back_as_it_was(tmp_path):
    record = make_record()
    save_record(tmp_path / 'new' / 'a.record.jsonl', record)
    back = load_record(tmp_path / 'new' / 'a.record.jsonl')
    for name in ('name', 'topic', 'classes', 'plot_prob_thresh', 'settings'):
        assert getattr(back, name) == getattr(record, name)
    assert len(back.frames) == len(record.frames)
    for one, other in zip(record.frames, back.frames, strict=True):
        for name in ('stamp_ns', 'size', 'outcome', 'milliseconds', 'published_ns', 'name'):
            assert getattr(one, name) == getattr(other, name)
        assert_same_columns(one.detections, other.detections)
        assert_same_columns(one.truth, other.truth)


def test_numbers_are_short_and_what_is_not_there_is_left_out(tmp_path):
    save_record(tmp_path / 'a.jsonl', make_record())
    lines = [json.loads(line) for line in (tmp_path / 'a.jsonl').read_text().splitlines()]
    assert lines[0]['kind'] == 'drive'
    assert lines[1]['truth']['boxes'] == [[0.33333334, 2, 3, 4]]
    assert lines[4] == {'stamp_ns': STAMP + 3, 'outcome': 'undecodable'}


def test_the_record_lies_beside_the_report(tmp_path):
    assert record_path(tmp_path / 'drive.json') == tmp_path / 'drive.record.jsonl'


@pytest.mark.parametrize(
    ('damage', 'message'),
    [
        (lambda _: '', ':1: expected a drive'),
        (lambda _: 'null\n', ':1: expected a drive'),
        (lambda text: text.replace('"version":1', '"version":9', 1), 'version 9'),
        (lambda text: text[:-20], ':5: expected a drive'),
        (lambda text: text.rsplit('\n', 2)[0], '3 frames, announced were 4'),
        (lambda text: text.replace('"outcome"', '"outcoma"', 1), ":2: .*KeyError: 'outcome'"),
        (lambda text: text.replace('"labels":[', '"labels":[1,', 1), ':2: .*expected boxes'),
        (lambda _: '[]\n', ':1: expected a drive'),
        (lambda text: text.replace('"car"', 'null', 1), ':1: .*a class is None'),
        (lambda text: text.replace('"car"', '[]', 1), r':1: .*a class is \[\]'),
        (lambda text: text.replace('"plot_prob_thresh":0.4', '"plot_prob_thresh":NaN'), 'is nan'),
        (lambda text: text.replace('"labels":[', '"labels":[-1', 1), ':2: .*label -1'),
        (lambda text: re.sub(r'"boxes":\[\[[^,]*', '"boxes":[[1e300', text), ':2: .*not finite'),
        (lambda text: text.replace('"scores":[', '"scores":[Infinity', 1), ':2: .*expected a dri'),
        (lambda text: text.replace('"Car"', '5', 1), ':2: .*a name is 5'),
        (lambda text: text.replace('"occluded":[2]', '"occluded":[1e300]'), ':2: .*OverflowErr'),
        (
            lambda text: text.replace('"stamp_ns":17', '"stamp_ns":-0.17', 1),
            ':2: .*stamp_ns is -0',
        ),
    ],
)
def test_a_damaged_line_is_named(tmp_path, damage, message):
    path = tmp_path / 'a.jsonl'
    save_record(path, make_record())
    path.write_text(damage(path.read_text()))
    with pytest.raises(DatasetError, match=message):
        load_record(path)


def test_other_bytes_and_no_file_are_told(tmp_path):
    with pytest.raises(DatasetError, match='cannot be read'):
        load_record(tmp_path / 'none.jsonl')
    (tmp_path / 'bytes.jsonl').write_bytes(b'\xff\xfe\x00')
    with pytest.raises(DatasetError, match='expected a drive'):
        load_record(tmp_path / 'bytes.jsonl')
