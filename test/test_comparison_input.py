"""What can be compared is read, and what cannot is told."""

import json

from kitti_scenes import CLASSES, found, truth
import numpy as np
import pytest
from records import AWAY, BOX, car, drive_of, frame, record, SECOND
from squeezedet_ros.config import SelectionConfig
from squeezedet_ros.data.bag_writer import BagWriter
from squeezedet_ros.data.detection_bag import DetectionBagWriter
from squeezedet_ros.data.truth_message import make_header
from squeezedet_ros.errors import DatasetError
from squeezedet_ros.evaluation.comparison_input import is_bag, load_evaluated, with_bag_truth
from squeezedet_ros.evaluation.drive_record import record_path, save_record
from squeezedet_ros.evaluation.pairing import pair_records
from squeezedet_ros.evaluation.report import make_report

TRUTH = truth(('Car', *BOX))


@pytest.fixture
def report(tmp_path):
    made = make_report([TRUTH], [car(0.9)], CLASSES, 0.5, SelectionConfig())
    path = tmp_path / 'a.json'
    path.write_text(json.dumps(made))
    return path


def write_bag(path, frames, classes=CLASSES):
    with BagWriter(path) as bag:
        writer = DetectionBagWriter(bag, 'camera', classes, 0.4)
        for stamp_ns, seen, told in frames:
            published = seen.select(seen.scores >= 0.4)
            writer.write(make_header(stamp_ns, 'camera'), stamp_ns, published, seen)
            if told is not None:
                bag.write_ground_truth('camera', stamp_ns, told)
    return path


def test_a_report_alone(report):
    side = load_evaluated(report)
    assert side.record is None
    assert side.report['kitti']['ap11']['car']['all'] == pytest.approx(1 / 11)


def test_a_record_beside_a_report(report):
    save_record(record_path(report), drive_of([TRUTH], [car(0.9)]))
    side = load_evaluated(report)
    assert side.report['images'] == 1
    assert side.record.frames[0].detections.scores == np.float32([0.9])


def test_a_report_without_truth_needs_a_record(tmp_path):
    path = tmp_path / 'drive.json'
    path.write_text('{"drive": {}, "settings": {}}')
    with pytest.raises(DatasetError, match=r'or drive.record.jsonl .* keys drive, settin'):
        load_evaluated(path)
    save_record(record_path(path), record(frame(1, car(0.9))))
    side = load_evaluated(path)
    assert side.report is None
    assert len(side.record.frames) == 1
    assert load_evaluated(record_path(path)).record.name == 'drive'


def test_a_bag_of_detections(tmp_path):
    seen = found((0, 0.9, *BOX), (1, 0.1, *AWAY))
    path = write_bag(tmp_path / 'bag', [(SECOND, seen, None)])
    assert is_bag(path)
    side = load_evaluated(path).record
    assert side.classes == CLASSES
    assert side.topic == 'camera/detections/unfiltered'
    assert side.plot_prob_thresh == pytest.approx(0.4)
    assert side.frames[0].stamp_ns == SECOND
    assert side.frames[0].detections.labels.tolist() == [0, 1]
    published = load_evaluated(path, 'camera/detections').record
    assert len(published.frames[0].detections) == 1


def test_what_a_bag_says_was_published_is_not_chosen_again(tmp_path):
    """Classes of thresholds of their own, of which LabelInfo tells the least alone."""
    seen = found((0, 0.9, *BOX), (1, 0.5, *AWAY), (0, 0.45, *AWAY), (1, 0.3, *BOX), (2, 0.2, *BOX))
    shown = seen.select(np.array([0, 1, 3]))
    with BagWriter(tmp_path / 'bag') as bag:
        writer = DetectionBagWriter(bag, 'camera', CLASSES, 0.25)
        writer.write(make_header(1, 'camera'), 1, shown, seen)
    for topic in (None, 'camera/detections'):
        side = load_evaluated(tmp_path / 'bag', topic)
        ((each,),) = (pair_records(side.record, side.record, 'looked_at').a.published,)
        assert each.scores.tolist() == pytest.approx([0.9, 0.5, 0.3])
    assert len(load_evaluated(tmp_path / 'bag').record.frames[0].detections) == 5


def test_truth_of_a_bag(tmp_path):
    path = write_bag(tmp_path / 'bag', [(5, car(0.9), TRUTH), (6, car(0.9), None)])
    side = with_bag_truth(load_evaluated(path).record, path, {})
    assert [item.truth is None for item in side.frames] == [False, True]
    assert side.frames[0].truth.names == ('car',)
    with pytest.raises(DatasetError, match='none of the 1 stamps of drive'):
        with_bag_truth(record(frame(99, car(0.9))), path, {})
    bare = write_bag(tmp_path / 'bare', [(5, car(0.9), None)])
    with pytest.raises(DatasetError, match=r'0 topics of ground truth, .* --truth-topic'):
        with_bag_truth(record(frame(5, None)), bare, {})


def test_aliases_name_the_truth(tmp_path):
    told = truth(('Truck', *BOX), ('Dog', *AWAY))
    path = write_bag(tmp_path / 'bag', [(5, car(0.9), told)])
    side = with_bag_truth(load_evaluated(path).record, path, {'truck': 'car'})
    assert side.frames[0].truth.names == ('car', 'Dog')


@pytest.mark.parametrize(
    ('damage', 'message'),
    [
        (lambda text: text[:100], 'expected the JSON that squeezedet evaluate --json writes'),
        (lambda _: '', 'expected the JSON'),
        (lambda _: '[1, 2]', 'expected an object of JSON.* got list'),
        (lambda _: '{}', 'got keys none'),
        (lambda text: text.replace('"ap40"', '"ap41"'), 'in kitti.ap40, .* got null'),
        (lambda text: text.replace('"all": 0.0909', '"all": "x0.0909'), 'expected'),
        (lambda text: text.replace('"images"', '"pictures"'), 'number of images, got null'),
        (lambda text: text.replace('"min_overlap": {', '"min_o": {', 1), 'min_overlap.kitti'),
        (lambda text: text.replace(': 0.0909', ': 9.0909'), r'numbers in \[0, 1\] or null'),
    ],
)
def test_a_report_of_another_shape_is_told(report, damage, message):
    report.write_text(damage(report.read_text()))
    with pytest.raises(DatasetError, match=message):
        load_evaluated(report)


def test_what_is_not_there_or_not_text_is_told(tmp_path):
    with pytest.raises(DatasetError, match=r'none\.json cannot be read: No such file'):
        load_evaluated(tmp_path / 'none.json')
    (tmp_path / 'bytes.json').write_bytes(b'\xff\xfe\x00')
    with pytest.raises(DatasetError, match='expected the JSON'):
        load_evaluated(tmp_path / 'bytes.json')
    with pytest.raises(DatasetError, match='cannot be read as a rosbag2'):
        load_evaluated(tmp_path)
