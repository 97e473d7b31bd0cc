from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from squeezedet_ros.config import ModelConfig
from squeezedet_ros.data.ground_truth import GroundTruth
from squeezedet_ros.data.kitti import KittiFrame, list_frames
from squeezedet_ros.data.kitti_writer import write_kitti
from squeezedet_ros.data.synthetic.drive import render_scene
from squeezedet_ros.training.dataset import (
    Draw,
    frame_weights,
    objects_of,
    TrainingSet,
    WeightedBatches,
)
from squeezedet_ros.training.recipe import TrainingConfig

CLASSES = ('car', 'pedestrian', 'cyclist')
MODEL = ModelConfig(fit='adaptive', anchor_placement='stride', input_size=(128, 256))


def frames(names):
    return [KittiFrame(name, Path(), Path()) for name in names]


def test_names_become_classes_or_regions():
    truth = GroundTruth(
        np.float32([[0, 0, 9, 9]] * 5 + [[5, 5, 4, 9]]),
        ('Car', 'Van', 'DontCare', 'Cyclist', 'Tram', 'Car'),
        np.zeros(6, np.float32),
        np.zeros(6, np.int64),
    )
    objects = objects_of(truth, CLASSES, {'Van': 'car'})
    assert objects.classes.tolist() == [0, 0, 2]
    assert objects.boxes.tolist() == [[0, 0, 10, 10]] * 3
    assert len(objects.ignored) == 2  # DontCare and Tram; the last Car has no width.


def test_weight_of_the_longest_prefix():
    weights = frame_weights(
        frames(['dawn_sand_1', 'dawn_2', 'kitti']), {'dawn': 2, 'dawn_sand': 0.5}
    )
    assert weights.tolist() == [0.5, 2, 1]


def test_an_epoch_draws_by_weight():
    names = [f'a{i}' for i in range(60)] + [f'b{i}' for i in range(60)]
    training = TrainingConfig(batch_size=8, source_weights=('=1', 'b=3'))
    draws = [draw for batch in WeightedBatches(frames(names), training, 0, 15) for draw in batch]
    assert [draw.number for draw in draws] == list(range(120))
    counts = Counter(draw.frame for draw in draws)
    assert sum(counts[i] for i in range(60)) == pytest.approx(30, abs=2)
    assert max(counts[i] for i in range(60)) == 1
    assert {counts[i] for i in range(60, 120)} <= {1, 2}


def test_resumed_order_is_the_unbroken_one():
    names = [str(i) for i in range(37)]
    training = TrainingConfig(batch_size=4)
    whole = list(WeightedBatches(frames(names), training, 0, 30))
    assert list(WeightedBatches(frames(names), training, 13, 30)) == whole[13:]
    assert len(WeightedBatches(frames(names), training, 13, 30)) == 17
    other = TrainingConfig(batch_size=4, seed=1)
    assert list(WeightedBatches(frames(names), other, 0, 30)) != whole


@pytest.fixture(scope='module')
def drawn(tmp_path_factory):
    directory = tmp_path_factory.mktemp('drawn')
    write_kitti(directory, [render_scene(seed, (96, 192)) for seed in range(2)])
    return list_frames(directory, 'train')


@pytest.mark.parametrize('recipe', ['modern', 'paper'])
def test_samples_repeat_by_their_number(drawn, recipe):
    training = TrainingConfig(recipe=recipe, window=(128, 128))
    data = TrainingSet(drawn, MODEL, training)
    first, again, other = data[Draw(0, 5)], data[Draw(0, 5)], data[Draw(0, 6)]
    assert np.array_equal(first.image, again.image)
    assert np.array_equal(first.objects.boxes, again.objects.boxes)
    assert not np.array_equal(first.image, other.image)


def test_a_batch_holds_targets_of_its_window(drawn):
    data = TrainingSet(drawn, MODEL, TrainingConfig(window=(128, 128)))
    batch = data.collate([data[Draw(0, 1)], data[Draw(1, 2)]])
    assert batch.images.shape == (2, 128, 128, 3)
    assert batch.targets.responsible.shape == (2, 8 * 8 * 9)


def test_image_files_are_read(drawn):
    assert cv2.imread(str(drawn[0].image_path)).shape == (96, 192, 3)
