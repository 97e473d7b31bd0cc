"""A bag through the detector, frame by frame."""

import tracemalloc

import numpy as np
import pytest
from squeezedet_ros.config import EngineConfig, ModelConfig, SelectionConfig
from squeezedet_ros.data.bag import BagReader
from squeezedet_ros.data.bag_writer import BagWriter, STORAGES
from squeezedet_ros.data.drive_truth import DriveTruth
from squeezedet_ros.data.ground_truth import GroundTruth
from squeezedet_ros.data.interfaces import IMAGE, typestore
from squeezedet_ros.data.truth_message import make_header
from squeezedet_ros.detector import Detector
from squeezedet_ros.errors import DatasetError
from squeezedet_ros.evaluation.drive import add_truth, find_images, read_frames, watch_drive
from squeezedet_ros.evaluation.drive_record import DriveRecord, FrameRecord
from squeezedet_ros.network import SqueezeDet
import torch

STAMP = 1_700_000_000_000_000_000
TOPIC = 'front/image_raw'


@pytest.fixture(scope='module')
def detector():
    torch.manual_seed(1)
    network = SqueezeDet(ModelConfig(input_size=(64, 96)))
    return Detector(
        network,
        SelectionConfig(plot_prob_thresh=0.0, top_n=20),
        EngineConfig(device='cpu', num_threads=1),
    )


def picture(index, size=(48, 80)):
    return np.random.default_rng(index).integers(0, 256, (*size, 3), np.uint8)


def write(path, count, storage='mcap', size=(48, 80)):
    with BagWriter(path, storage) as bag:
        for index in range(count):
            bag.write_image('front', STAMP + index, picture(index, size))
    return path


def write_short(bag, stamp):
    """Write an image that announces more bytes than it has."""
    message = typestore().types[IMAGE](
        header=make_header(stamp, 'front'),
        height=48,
        width=80,
        encoding='bgr8',
        is_bigendian=0,
        step=240,
        data=np.zeros(100, np.uint8),
    )
    bag.write_message(TOPIC, IMAGE, stamp, message)


def watch(path, detector, batch_size=4):
    with BagReader(path) as bag:
        return watch_drive(detector, bag, TOPIC, batch_size, SelectionConfig())


@pytest.mark.parametrize('storage', STORAGES)
def test_every_frame_is_seen_as_the_detector_alone_sees_it(tmp_path, detector, storage):
    watched = watch(write(tmp_path / 'bag', 10, storage), detector)
    assert [frame.stamp_ns for frame in watched.frames] == [STAMP + index for index in range(10)]
    assert {frame.outcome for frame in watched.frames} == {'detected'}
    assert {frame.size for frame in watched.frames} == {(48, 80)}
    assert watched.faults == []
    images = [picture(index) for index in range(10)]
    alone = [found for start in (0, 4, 8) for found in detector.detect(images[start:][:4])]
    for frame, found in zip(watched.frames, alone, strict=True):
        assert len(found)
        np.testing.assert_array_equal(frame.detections.boxes, found.boxes)
        np.testing.assert_array_equal(frame.detections.scores, found.scores)
    stages = [list(frame.milliseconds) for frame in watched.frames]
    assert stages == [['decode', 'preprocess', 'network', 'select']] * 10
    total = sum(sum(frame.milliseconds.values()) for frame in watched.frames[4:8])
    assert 0 < total < 1e3 * watched.seconds


def test_what_cannot_be_decoded_is_told_and_the_rest_is_seen(tmp_path, detector):
    with BagWriter(tmp_path / 'bag') as bag:
        for index in range(0, 4, 2):
            bag.write_image('front', STAMP + index, picture(0))
            write_short(bag, STAMP + index + 1)
        bag._writer.write(bag._connections[TOPIC], STAMP + 4, b'\0\1\0\0')
    watched = watch(tmp_path / 'bag', detector)
    outcomes = [frame.outcome for frame in watched.frames]
    assert outcomes == ['detected', 'undecodable', 'detected', 'undecodable', 'undecodable']
    assert [frame.stamp_ns for frame in watched.frames] == [STAMP + index for index in range(5)]
    assert watched.frames[1].detections is None
    assert watched.frames[1].size is None
    assert list(watched.frames[1].milliseconds) == ['decode']
    [fault] = watched.faults
    assert fault.startswith('3 images cannot be decoded, the first: expected 11520 bytes')


def test_frames_before_the_damage_are_seen(tmp_path, detector):
    path = write(tmp_path / 'bag', 200)
    file = path / 'bag.mcap'
    content = bytearray(file.read_bytes())
    place = 9 * len(content) // 10
    content[place : place + 100_000] = bytes(100_000)
    file.write_bytes(content)
    watched = watch(path, detector, 16)
    assert 80 < len(watched.frames) < 190
    [fault] = watched.faults
    assert fault.startswith('the recording is damaged, what follows is left out')


def test_a_topic_without_images_is_told(tmp_path, detector):
    with BagWriter(tmp_path / 'bag', 'sqlite3') as bag:
        bag._writer.add_connection(f'/{TOPIC}', IMAGE, typestore=typestore())
    with pytest.raises(DatasetError, match='/front/image_raw holds no image'):
        watch(tmp_path / 'bag', detector)


def test_images_are_found_by_their_stamps(tmp_path):
    with BagReader(write(tmp_path / 'bag', 6)) as bag:
        found = dict(find_images(bag, TOPIC, [STAMP + 4, STAMP + 1, STAMP + 99]))
        assert list(found) == [STAMP + 1, STAMP + 4]
        np.testing.assert_array_equal(found[STAMP + 4], picture(4))
        reads = iter(read_frames(bag, TOPIC))
        assert next(reads).decode_ms >= 0


def test_memory_does_not_grow_with_the_images(tmp_path, detector):
    """What stays of a frame is below 2 KiB at 20 detections; its image has 169 KiB."""
    size = (240, 240)
    path = write(tmp_path / 'bag', 120, size=size)
    watch(write(tmp_path / 'first', 8, size=size), detector)
    tracemalloc.start()
    watched = watch(path, detector)
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(watched.frames) == 120
    assert kept / 120 < 4096
    # Two batches of four, decoded and fitted, and a chunk of the file.
    assert peak < 60 * size[0] * size[1] * 3


def make_record(*stamps):
    frames = [
        FrameRecord(stamp_ns=stamp, size=(4, 4), outcome='detected', detections=None)
        for stamp in stamps
    ]
    return DriveRecord(
        name='x',
        topic=TOPIC,
        classes=('car',),
        frames=frames,
        plot_prob_thresh=0.4,
        settings={'warnings': ['before']},
    )


def truth(*names):
    count = len(names)
    return GroundTruth(
        np.zeros((count, 4), np.float32), names, np.zeros(count, np.float32), np.zeros(count, int)
    )


def test_truth_is_added_and_its_matching_told():
    told = DriveTruth('labels', 'stamp', {1: truth('Van', 'Tree'), 5: truth()}, faults=('bad',))
    record = add_truth(make_record(1, 2), told, {'van': 'car'}, 0.0)
    assert [frame.truth and frame.truth.names for frame in record.frames] == [
        ('car', 'Tree'),
        None,
    ]
    assert record.settings['truth'] == {
        'source': 'labels',
        'key': 'stamp',
        'tolerance_s': 0.0,
        'matched': 1,
        'near': 0,
        'farthest_ms': 0.0,
        'frames_without': 1,
        'unused': 1,
    }
    assert record.settings['warnings'] == [
        'before',
        'bad',
        '1 of 2 frames have no truth in labels',
        '1 truths in labels belong to no frame',
    ]


def test_a_near_truth_is_told():
    told = DriveTruth('labels', 'stamp', {3_000_000: truth()})
    record = add_truth(make_record(1_000_000), told, {}, 0.002)
    assert record.settings['truth']['near'] == 1
    assert record.settings['truth']['farthest_ms'] == 2
    assert record.settings['warnings'] == ['before']
