from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from squeezedet_ros.anchors import make_anchors
from squeezedet_ros.config import ModelConfig
from squeezedet_ros.data.ground_truth import GroundTruth
from squeezedet_ros.data.kitti import KittiFrame, list_frames
from squeezedet_ros.data.kitti_writer import write_kitti
from squeezedet_ros.data.synthetic.drive import render_scene
from squeezedet_ros.errors import ConfigError, DatasetError
from squeezedet_ros.network import SqueezeDet
from squeezedet_ros.training.dataset import (
    Draw,
    frame_weights,
    make_loader,
    objects_of,
    TrainingSet,
    WeightedBatches,
)
from squeezedet_ros.training.loss import batch_totals, modern_loss, paper_loss
from squeezedet_ros.training.recipe import TrainingConfig
import torch

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
    objects = objects_of(truth, CLASSES, {'van': 'car'})
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


@pytest.fixture
def damaged(tmp_path):
    """Return five frames; the image of 1 and the labels of 2 cannot be read."""
    write_kitti(tmp_path, [render_scene(seed, (96, 192)) for seed in range(5)])
    frames = list_frames(tmp_path, 'train')
    frames[1].image_path.write_bytes(frames[1].image_path.read_bytes()[:3000])
    frames[2].label_path.write_bytes(b'\xff\xfe')
    return frames


def same(first, second):
    return np.array_equal(first.image, second.image) and np.array_equal(
        first.objects.boxes, second.objects.boxes
    )


def test_the_next_frame_takes_the_place_of_a_damaged_one(damaged, capsys):
    training = TrainingConfig(window=(128, 128))
    data = TrainingSet(damaged, MODEL, training)
    third = data[Draw(3, 5)]
    assert same(data[Draw(1, 5)], third)
    assert same(data[Draw(2, 5)], third)
    assert same(data[Draw(1, 5)], third)
    # As a resumed training sees it, which has not met the damage before.
    assert same(TrainingSet(damaged, MODEL, training)[Draw(1, 5)], third)
    lines = capsys.readouterr().err.splitlines()[:2]
    assert '000001.png is not an image' in lines[0]
    assert '(1 so far' in lines[0]
    assert '000002.txt: expected text' in lines[1]
    assert '(2 so far' in lines[1]


def test_the_last_frame_is_followed_by_the_first(damaged):
    data = TrainingSet(damaged[:3], MODEL, TrainingConfig(window=(128, 128)))
    assert same(data[Draw(1, 5)], data[Draw(0, 5)])


def test_strict_stops_at_a_damaged_frame(damaged):
    data = TrainingSet(damaged, MODEL, TrainingConfig(window=(128, 128), strict=True))
    with pytest.raises(DatasetError, match=r'000001\.png'):
        data[Draw(1, 5)]
    lenient = TrainingSet(damaged[1:3], MODEL, TrainingConfig(window=(128, 128)))
    with pytest.raises(DatasetError, match='none of the 2 frames'):
        lenient[Draw(0, 5)]


def test_workers_name_a_damaged_frame_once(damaged, capfd):
    training = TrainingConfig(window=(64, 64), batch_size=2, workers=1)
    data = TrainingSet(damaged[:2], MODEL, training)
    assert len(list(make_loader(data, training, 0, 4))) == 4
    assert capfd.readouterr().err.count('000001.png') == 1


@pytest.mark.parametrize('recipe', ['modern', 'paper'])
@pytest.mark.parametrize(
    'labels', ['', 'Car 0 0 0 50 40 49 80\nCar 0 0 0 50 40 49.0001 39\nDontCare 0 0 0 9 9 8 8\n']
)
def test_no_nan_without_objects_and_with_boxes_without_size(tmp_path, recipe, labels):
    write_kitti(tmp_path, [render_scene(0, (96, 192))])
    (frame,) = list_frames(tmp_path, 'train')
    frame.label_path.write_text(labels)
    model = ModelConfig(input_size=(64, 64))
    training = TrainingConfig(recipe=recipe, window=(64, 64))
    data = TrainingSet([frame], model, training)
    batch = data.collate([data[Draw(0, number)] for number in range(3)])
    assert not batch.targets.responsible.any()
    network = SqueezeDet(model)
    raw = network(batch.images.float().permute(0, 3, 1, 2))
    anchors = make_anchors(model, (64, 64))
    weights, totals = training.loss_weights(), batch_totals(batch.targets)
    terms = (
        paper_loss(raw, batch.targets, anchors, (64, 64), 1.0, weights, totals)
        if recipe == 'paper'
        else modern_loss(raw, batch.targets, anchors, 1.0, weights, totals)
    )
    terms.total().backward()
    assert all(torch.isfinite(part) for part in terms)
    assert all(value.grad.isfinite().all() for value in network.parameters())


def test_weights_leave_a_frame_to_draw():
    with pytest.raises(ConfigError, match='must leave a frame to draw, got 0 for all 2'):
        frame_weights(frames(['a0', 'a1']), {'': 1.0, 'a': 0.0})
    assert frame_weights(frames(['a0', 'b1']), {'': 1.0, 'a': 0.0}).tolist() == [0, 1]
