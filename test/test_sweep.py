"""What settings of the selection are worth on a drive."""

import cv2
import numpy as np
import pytest
from squeezedet_ros.config import EngineConfig, ModelConfig, SelectionConfig
from squeezedet_ros.data.ground_truth import GroundTruth
from squeezedet_ros.detections import Detections
from squeezedet_ros.detector import Detector
from squeezedet_ros.errors import ConfigError, DatasetError
from squeezedet_ros.evaluation.drive_record import DriveRecord, FrameRecord
from squeezedet_ros.evaluation.sweep import (
    format_sweep,
    report_sweep,
    run_sweep,
    save_sweep,
    Sweep,
    SweepConfig,
)
from squeezedet_ros.network import SqueezeDet
import torch

CLASSES = ('car', 'pedestrian')


@pytest.fixture(scope='module')
def detector():
    torch.manual_seed(1)
    network = SqueezeDet(ModelConfig(input_size=(64, 96), classes=CLASSES))
    return Detector(network, engine=EngineConfig(device='cpu', num_threads=1))


def picture(stamp):
    return np.random.default_rng(stamp).integers(0, 256, (60, 90, 3), np.uint8)


def images(stamps):
    """Give the images in the order of the drive, whatever order they are asked for."""
    return ((stamp, picture(stamp)) for stamp in sorted(stamps))


def seen(*scores):
    """Return cars of 40 pixels beside each other, the first at 0."""
    left = 50 * np.arange(len(scores), dtype=np.float32)
    boxes = np.stack([left, 0 * left, left + 40, 0 * left + 40], 1)
    return Detections(boxes, np.array(scores, np.float32), np.zeros(len(scores), np.int64))


def truth(count):
    cars = seen(*[1.0] * count)
    names = ('car',) * count
    return GroundTruth(cars.boxes, names, np.zeros(count, np.float32), np.zeros(count, np.int64))


def frame(stamp, found=None, own=None):
    return FrameRecord(
        stamp_ns=stamp, size=(60, 90), outcome='detected', detections=found or seen(), truth=own
    )


def make_record(*frames):
    return DriveRecord(
        name='x',
        topic='camera/image_raw',
        classes=CLASSES,
        frames=frames,
        plot_prob_thresh=0.4,
        settings={},
    )


def small(**settings):
    return SweepConfig(sweep_top_n=(2, 50), sweep_thresh=(0.0, 0.3), **settings)


def test_each_setting_sees_what_a_detector_of_that_setting_sees(detector):
    record = make_record(frame(1), frame(2))
    selection = SelectionConfig(nms_thresh=0.6, class_thresh=('car=0.9',))
    sweep = run_sweep(detector, record, selection, small(), images)
    tried = [(item.top_n, item.plot_prob_thresh, item.nms_thresh) for item in sweep.selections]
    assert tried == [(2, 0, 0.6), (2, 0.3, 0.6), (50, 0, 0.6), (50, 0.3, 0.6)]
    for selection, found in zip(sweep.selections, sweep.detections, strict=True):
        detector.selection = selection
        for stamp, one in zip((1, 2), found, strict=True):
            [expected] = detector.detect([picture(stamp)])
            np.testing.assert_array_equal(one.boxes, expected.boxes)
            np.testing.assert_array_equal(one.scores, expected.scores)
    assert len(sweep.detections[2][0]) > len(sweep.detections[0][0]) > 0
    assert all(value > 0 for times in sweep.select_ms for value in times)


def test_frames_are_spread_over_those_that_were_looked_at(detector):
    frames = [frame(stamp) for stamp in range(1, 10)]
    lost = FrameRecord(stamp_ns=50, size=None, outcome='undecodable', detections=None)
    record = make_record(*frames[:5], lost, *frames[5:], frame(9))
    sweep = run_sweep(detector, record, SelectionConfig(), small(sweep_frames=3), images)
    assert [item.stamp_ns for item in sweep.frames] == [1, 5, 9]
    assert [len(found) for found in sweep.detections] == [3] * 4


def hand_made():
    """Two frames with two cars each, one without truth; the second threshold sees one less."""
    settings = [SelectionConfig(top_n=8, plot_prob_thresh=value) for value in (0.1, 0.5)]
    frames = [frame(1, own=truth(2)), frame(2, own=truth(2)), frame(3)]
    low = [seen(0.9, 0.6, 0.2), seen(0.9), seen()]
    high = [seen(0.9, 0.6), seen(0.9), seen()]
    return Sweep(settings, frames, [low, high], [[1, 2, 9], [3, 3, 3]], [20, 40, 30])


def test_a_row_for_each_setting():
    report = report_sweep(hand_made(), CLASSES, 0.5)
    assert (report['frames'], report['with_truth'], report['network_ms']) == (3, 2, 30)
    low, high = report['rows']
    assert (low['top_n'], low['plot_prob_thresh'], low['select_ms']) == (8, 0.1, 2)
    assert low['detections_per_frame'] == pytest.approx(4 / 3)
    assert low['all'] == {
        'truth': 4,
        'true_positives': 3,
        'false_positives': 1,
        'false_negatives': 1,
        'precision': 0.75,
        'recall': 0.75,
    }
    assert low['classes']['car'] == low['all']
    assert low['classes']['pedestrian']['precision'] is None
    assert (high['all']['precision'], high['all']['recall']) == (1, 0.75)
    lines = format_sweep(report).splitlines()
    assert lines[0] == 'sweep over 3 frames, 2 with truth (overlap 0.5); network 30.0 ms'
    assert lines[2].split() == ['8', '0.1', '2.00', '1.33', '0.750', '0.750', '0.750/0.750', '-/-']
    assert len(lines) == 4


def test_without_truth_only_counts_and_times_are_told():
    sweep = hand_made()
    report = report_sweep(sweep._replace(frames=[frame(1), frame(2), frame(3)]), CLASSES, 0.5)
    assert set(report['rows'][0]) == {
        'top_n',
        'plot_prob_thresh',
        'select_ms',
        'detections_per_frame',
    }
    assert format_sweep(report).splitlines()[2].split() == ['8', '0.1', '2.00', '1.33']


def test_the_picture_sets_the_blog_posts_thresholds_side_by_side(detector, tmp_path):
    """Two frames high and, as 0.1 and 0.5 are swept with two values of top_n, four wide."""
    record = make_record(*(frame(stamp, own=truth(1)) for stamp in (1, 2, 3)))
    config = SweepConfig(sweep_top_n=(2, 9, 50), sweep_thresh=(0.0, 0.1, 0.5, 0.9))
    sweep = run_sweep(detector, record, SelectionConfig(), config, images)
    save_sweep(tmp_path / 'new' / 'sweep.png', sweep, CLASSES, images, 2)
    sheet = cv2.imread(str(tmp_path / 'new' / 'sweep.png'))
    assert sheet.shape[1] == 4 * 800 + 5 * 6
    assert sheet.shape[0] == 32 + 3 * 6 + 2 * (24 + round(60 * 800 / 90))
    # Where much is seen there is more orange than where little is.
    orange = (sheet[:, :, 2] > 180) & (sheet[:, :, 0] < 40)
    cells = [orange[:, 6 + column * 806 :][:, :800].sum() for column in range(4)]
    assert cells[2] > cells[0] > cells[1]


def test_a_single_setting_is_one_column(detector, tmp_path):
    config = SweepConfig(sweep_top_n=(9,), sweep_thresh=(0.2,))
    sweep = run_sweep(detector, make_record(frame(1)), SelectionConfig(), config, images)
    save_sweep(tmp_path / 'sweep.png', sweep, CLASSES, images, 4)
    assert cv2.imread(str(tmp_path / 'sweep.png')).shape[1] == 800 + 2 * 6


def test_a_drive_of_which_nothing_was_seen_has_no_sweep(detector):
    lost = FrameRecord(stamp_ns=1, size=None, outcome='undecodable', detections=None)
    with pytest.raises(DatasetError, match='needs frames that were looked at, x has none'):
        run_sweep(detector, make_record(lost), SelectionConfig(), SweepConfig(), images)


def test_values_are_checked():
    with pytest.raises(ConfigError, match='must have a value each'):
        SweepConfig(sweep_thresh=())
    with pytest.raises(ConfigError, match='top_n must be in'):
        SweepConfig(sweep_top_n=(0,))
    with pytest.raises(ConfigError, match='plot_prob_thresh must be in'):
        SweepConfig(sweep_thresh=(0.5, 1.5))
