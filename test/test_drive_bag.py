"""A drive's record as a bag beside its images."""

import numpy as np
import pytest
from squeezedet_ros.config import SelectionConfig
from squeezedet_ros.data.bag import BagReader
from squeezedet_ros.data.bag_names import image_topic
from squeezedet_ros.data.bag_writer import BagWriter, STORAGES
from squeezedet_ros.data.detection_bag import read_detection_bag
from squeezedet_ros.detections import Detections
from squeezedet_ros.errors import DatasetError
from squeezedet_ros.evaluation.drive_bag import write_drive_bag
from squeezedet_ros.evaluation.drive_record import DriveRecord, FrameRecord

STAMP = 1_700_000_000_123_456_789
SELECTION = SelectionConfig(plot_prob_thresh=0.4, class_thresh=('cyclist=0.2',))


def seen(*scores, label=0):
    boxes = np.tile(np.array([1.5, 2, 30, 20.25], np.float32), (len(scores), 1))
    return Detections(boxes, np.array(scores, np.float32), np.full(len(scores), label))


def drive(*found, topic='front/image_raw'):
    frames = [
        FrameRecord(
            stamp_ns=STAMP + index,
            size=(24, 40),
            outcome='superseded' if item is None else 'detected',
            detections=item,
        )
        for index, item in enumerate(found)
    ]
    return DriveRecord(
        name='drive',
        topic=topic,
        classes=('car', 'pedestrian', 'cyclist'),
        frames=frames,
        plot_prob_thresh=0.4,
        settings={},
    )


def source(path, stamps=(STAMP, STAMP + 1, STAMP + 2), *, compressed=False):
    with BagWriter(path) as bag:
        for stamp in stamps:
            picture = np.full((24, 40, 3), stamp % 200, np.uint8)
            bag.write_image('front', stamp, picture, compressed=compressed)
    return BagReader(path)


@pytest.mark.parametrize('storage', STORAGES)
def test_each_image_that_was_looked_at_has_its_detections(tmp_path, storage):
    record = drive(seen(0.9, 0.3), None, seen(0.3, 0.1, label=2))
    with source(tmp_path / 'bag') as bag:
        write_drive_bag(tmp_path / 'out', record, bag, SELECTION, storage)
    unfiltered = read_detection_bag(tmp_path / 'out')
    assert unfiltered.classes == ('car', 'pedestrian', 'cyclist')
    # The least of all classes, as the node tells it.
    assert unfiltered.threshold == pytest.approx(0.2)
    scores = [found.scores.tolist() for found in unfiltered.detections.values()]
    assert scores == [pytest.approx([0.9, 0.3]), pytest.approx([0.3, 0.1])]
    shown = read_detection_bag(tmp_path / 'out', 'front/detections')
    assert list(shown.detections) == [STAMP, STAMP + 2]
    assert [len(found) for found in shown.detections.values()] == [1, 1]


def test_the_header_is_that_of_the_image(tmp_path):
    with source(tmp_path / 'bag') as bag:
        write_drive_bag(tmp_path / 'out', drive(seen(0.9)), bag, SELECTION)
    with BagReader(tmp_path / 'out') as bag:
        [raw] = bag.messages(['front/detections'])
        assert bag.decode(raw).header.frame_id == 'front'
        assert raw.recorded_ns == STAMP
        assert 'front/image_raw' not in bag.topics


@pytest.mark.parametrize('compressed', [False, True])
def test_images_can_be_taken_over_as_they_are(tmp_path, compressed):
    topic = image_topic('front', compressed=compressed)
    with source(tmp_path / 'bag', compressed=compressed) as bag:
        record = drive(seen(0.9), None, seen(), topic=topic)
        write_drive_bag(tmp_path / 'out', record, bag, SELECTION, with_images=True)
        images = [bytes(raw.data) for raw in bag.messages([topic])]
    with BagReader(tmp_path / 'out') as bag:
        assert [bytes(raw.data) for raw in bag.messages([topic])] == images
        assert bag.topics['front/detections'].messages == 2
        order = [raw.topic for raw in bag.messages()]
    assert order.index(topic) < order.index('front/detections')


def test_images_of_one_stamp_have_theirs_in_turn(tmp_path):
    record = drive(seen(0.9), seen(0.8))
    frames = [record.frames[0], record.frames[0], record.frames[1]]
    again = DriveRecord(
        name='drive',
        topic='front/image_raw',
        classes=record.classes,
        frames=frames,
        plot_prob_thresh=0.4,
        settings={},
    )
    with source(tmp_path / 'bag', (STAMP, STAMP, STAMP + 1)) as bag:
        write_drive_bag(tmp_path / 'out', again, bag, SELECTION)
    with BagReader(tmp_path / 'out') as bag:
        assert bag.topics['front/detections'].messages == 3


def test_a_bag_that_is_there_is_kept(tmp_path):
    with source(tmp_path / 'bag') as bag, pytest.raises(DatasetError, match='exists already'):
        write_drive_bag(tmp_path / 'bag', drive(seen(0.9)), bag, SELECTION)
    with source(tmp_path / 'other') as bag:
        assert bag.topics['front/image_raw'].messages == 3


def test_a_drive_in_which_nothing_was_looked_at_is_an_empty_bag(tmp_path):
    with source(tmp_path / 'bag') as bag:
        write_drive_bag(tmp_path / 'out', drive(None, None), bag, SELECTION)
    with pytest.raises(DatasetError, match='0 topics of detections'):
        read_detection_bag(tmp_path / 'out')
