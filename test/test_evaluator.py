from __future__ import annotations

import cv2
import numpy as np
import pytest
from squeezedet_ros.checkpoint import load_checkpoint, resolve_weights
from squeezedet_ros.config import EngineConfig, ModelConfig, SelectionConfig
from squeezedet_ros.data.frames import read_image
from squeezedet_ros.data.kitti import KittiFrame
from squeezedet_ros.detections import Detections
from squeezedet_ros.detector import Detector
from squeezedet_ros.engines.parity import parity_frame
from squeezedet_ros.errors import ConfigError, DatasetError
from squeezedet_ros.evaluation.evaluator import (
    detect_as_published,
    detect_frames,
    evaluation_selection,
    EvaluationConfig,
    published,
)
from squeezedet_ros.network import SqueezeDet
import torch

LABEL = '{} 0.00 0 -10 1.00 2.00 30.00 40.00 -1 -1 -1 -1000 -1000 -1000 -10\n'


@pytest.fixture(scope='module')
def detector():
    torch.manual_seed(3)
    network = SqueezeDet(ModelConfig(input_size=(96, 160)))
    selection = evaluation_selection(SelectionConfig(), EvaluationConfig())
    return Detector(network, selection, EngineConfig(device='cpu'))


@pytest.fixture
def frames(tmp_path):
    """Five noise images of two sizes, the third of them without any label."""
    pixels = np.random.default_rng(1)
    made = []
    for index in range(5):
        frame = KittiFrame(f'{index}', tmp_path / f'{index}.png', tmp_path / f'{index}.txt')
        height = 96 + 20 * (index % 2)
        image = pixels.integers(0, 256, (height, 160, 3), np.uint8)
        cv2.imwrite(str(frame.image_path), image)
        frame.label_path.write_text('' if index == 2 else LABEL.format(f'Name{index}'))
        made.append(frame)
    return made


@pytest.mark.parametrize('batch_size', [1, 2, 5, 8])
def test_every_frame_is_detected_once_and_in_order(detector, frames, batch_size):
    truths, detections = detect_frames(detector, frames, batch_size, SelectionConfig())
    names = [''.join(truth.names) for truth in truths]
    assert names == ['Name0', 'Name1', '', 'Name3', 'Name4']
    assert len(detections) == 5
    for frame, got in zip(frames, detections, strict=True):
        (expected,) = detector.detect([read_image(frame.image_path)])
        assert len(got) == len(expected) > 0
        np.testing.assert_allclose(got.scores, expected.scores, atol=1e-5)
        np.testing.assert_allclose(got.boxes, expected.boxes, atol=1e-2)


def test_no_frames_no_detections(detector):
    assert detect_frames(detector, [], 4, SelectionConfig()) == ([], [])


def test_unreadable_image_is_named(detector, frames):
    frames[3].image_path.write_bytes(b'not a picture')
    with pytest.raises(DatasetError, match=r'3\.png'):
        detect_frames(detector, frames, 2, SelectionConfig())


def test_evaluation_keeps_the_selection_but_for_the_threshold():
    given = SelectionConfig(top_n=7, nms_thresh=0.2, nms_variant='reference')
    got = evaluation_selection(given, EvaluationConfig())
    assert got == SelectionConfig(
        top_n=7, nms_thresh=0.2, nms_variant='reference', plot_prob_thresh=0.005
    )


def test_threshold_of_the_counts_is_never_cut_off():
    given = SelectionConfig(plot_prob_thresh=0.001)
    assert evaluation_selection(given, EvaluationConfig()).plot_prob_thresh == 0.001


def test_thresholds_of_classes_are_lowered_too_and_the_filter_stays():
    given = SelectionConfig(class_thresh=('car=0.5', 'cyclist=0.001'), class_filter=('car',))
    got = evaluation_selection(given, EvaluationConfig())
    assert got.class_thresh == ('car=0.005', 'cyclist=0.001')
    assert got.class_filter == ('car',)


def test_what_is_published_goes_by_the_threshold_of_its_class():
    boxes = np.zeros((5, 4), np.float32)
    scores = np.array([0.5, 0.45, 0.3, 0.45, 0.3], np.float32)
    # The last two are of no class.
    found = Detections(boxes, scores, np.array([0, 0, 1, 2, 2], np.int64))
    selection = SelectionConfig(class_thresh=('a=0.5', 'b=0.3'))
    (got,) = published([found], selection, ('a', 'b'))
    assert got.scores.tolist() == pytest.approx([0.5, 0.3, 0.45])
    (got,) = published([found], SelectionConfig(class_filter=('b',)), ('a', 'b'))
    assert got.labels.tolist() == [2]
    with pytest.raises(ConfigError, match="classes of the model \\(a, b\\), got 'car'"):
        published([found], SelectionConfig(class_filter=('car',)), ('a', 'b'))


@pytest.mark.parametrize(
    ('name', 'value'), [('prob_thresh', -0.1), ('min_overlap', 1.5), ('batch_size', 0)]
)
def test_settings_outside_their_bounds_are_named(name, value):
    with pytest.raises(ConfigError, match=f'{name} must be in .* got {value}'):
        EvaluationConfig(**{name: value})


@pytest.mark.parametrize('variant', ['greedy', 'reference'])
def test_all_that_would_be_published_is_evaluated(variant):
    """Also where a class of a high threshold would fill the top N with what it leaves out."""
    network = load_checkpoint(resolve_weights(''))
    frame = parity_frame(network.config)
    images = [frame, np.ascontiguousarray(frame[:, ::-1])]
    engine, classes = EngineConfig(device='cpu'), network.config.classes
    selection = SelectionConfig(
        top_n=30, nms_variant=variant, plot_prob_thresh=0.6, class_thresh=('pedestrian=0.02',)
    )
    own = Detector(network, selection, engine).detect(images)
    wide = Detector(network, evaluation_selection(selection, EvaluationConfig()), engine)
    alone = published(wide.detect(images), selection, classes)
    found, _ = detect_as_published(wide, images, selection)
    for each, expected, few in zip(published(found, selection, classes), own, alone, strict=True):
        np.testing.assert_array_equal(each.boxes, expected.boxes)
        np.testing.assert_array_equal(each.scores, expected.scores)
        assert len(few) < len(expected)
    assert all(len(each) > len(expected) for each, expected in zip(found, own, strict=True))
    assert all((np.diff(each.scores) <= 0).all() for each in found)
