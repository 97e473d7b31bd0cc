import numpy as np
import pytest
from squeezedet_ros.config import ModelConfig
from squeezedet_ros.training.augmentation import (
    draw_drift,
    mirror_centres,
    modern_sample,
    Objects,
    paper_sample,
    relight,
)
from squeezedet_ros.training.recipe import TrainingConfig

MODEL = ModelConfig(fit='adaptive', anchor_placement='stride')
TRAINING = TrainingConfig(window=(256, 320))
NO_REGION = np.zeros((0, 4), np.float32)


def scene(x0=300, y0=150, x1=420, y1=230):
    """Return a grey image with one white object, and its label as edges."""
    image = np.full((375, 1242, 3), 60, np.uint8)
    image[y0:y1, x0:x1] = 255
    box = np.array([[x0, y0, x1, y1]], np.float32)
    return image, Objects(box, np.zeros(1, np.int64), NO_REGION)


def white_extent(image):
    level = image.max(2).astype(int)
    rows, columns = np.nonzero(level > (level.max() + np.median(level)) / 2)
    return np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])


@pytest.mark.parametrize('seed', range(12))
def test_modern_boxes_follow_the_pixels(seed):
    image, objects = scene()
    sample = modern_sample(image, objects, MODEL, TRAINING, np.random.default_rng(seed))
    assert sample.image.shape == (256, 320, 3)
    boxes = np.concatenate([sample.objects.boxes, sample.objects.ignored])
    if len(boxes):
        np.testing.assert_allclose(white_extent(sample.image), boxes[0], atol=2.5)


@pytest.mark.parametrize('seed', range(12))
def test_paper_boxes_follow_the_pixels(seed):
    image, objects = scene()
    sample = paper_sample(image, objects, ModelConfig(), np.random.default_rng(seed))
    assert sample.image.shape == (384, 1248, 3)
    # The reference's flip loses a pixel, and stretching scales it.
    np.testing.assert_allclose(white_extent(sample.image), sample.objects.boxes[0], atol=2.5)


def test_both_orientations_occur():
    image, objects = scene(x0=1000, x1=1150)
    sides = set()
    for seed in range(12):
        sample = paper_sample(image, objects, ModelConfig(), np.random.default_rng(seed))
        sides.add(bool(sample.objects.boxes[0, 0] > 624))
    assert sides == {True, False}


def test_drift_stays_in_its_bounds_and_off_the_objects():
    rng = np.random.default_rng(3)
    boxes = np.array([[40, 20, 80, 60], [200, 90, 300, 140]], np.float32)
    drifts = np.array([draw_drift(boxes, (375, 1242), rng) for _ in range(4000)])
    assert drifts.min(0).tolist() == [-150, -100]
    # The bound, left + 1 = 41, is exclusive: the box stays at 0 or beyond.
    assert drifts.max(0).tolist() == [40, 20]
    assert (boxes[0, :2] - drifts).min() >= -1


def test_drift_without_objects():
    rng = np.random.default_rng(3)
    drifts = np.array([draw_drift(NO_REGION, (375, 1242), rng) for _ in range(4000)])
    assert drifts.min(0).tolist() == [-150, -100]
    assert drifts.max(0).tolist() == [150, 100]


def test_drift_with_an_object_left_of_the_image():
    drifts = [
        draw_drift(np.float32([[-400, -400, 5, 5]]), (375, 1242), np.random.default_rng(i))
        for i in range(9)
    ]
    assert set(drifts) == {(-150, -100)}


def test_drift_leaves_some_of_a_small_image():
    rng = np.random.default_rng(3)
    drifts = np.array([draw_drift(NO_REGION, (40, 30), rng) for _ in range(4000)])
    assert drifts.max(0).tolist() == [29, 39]
    image, nothing = np.zeros((1, 1, 3), np.uint8), Objects(NO_REGION, np.zeros(0, int), NO_REGION)
    for seed in range(9):
        sample = paper_sample(image, nothing, ModelConfig(), np.random.default_rng(seed))
        assert sample.image.shape == (384, 1248, 3)


def test_ignored_regions_of_the_paper_follow_the_pixels():
    image, objects = scene()
    both = Objects(objects.boxes, objects.classes, objects.boxes + 1)
    for seed in range(6):
        moved = paper_sample(image, both, ModelConfig(), np.random.default_rng(seed)).objects
        shift = moved.ignored - moved.boxes
        # One pixel, the other way where the image is mirrored, and scaled.
        np.testing.assert_allclose(np.abs(shift), 1, atol=0.35)
        assert (shift[0, 1:] > 0).any()


def test_mirror_loses_the_references_pixel():
    assert mirror_centres(np.float32([0, 100, 1241]), 1242).tolist() == [1241, 1141, 0]


def test_an_object_cut_to_little_is_ignored():
    image = np.full((400, 400, 3), 60, np.uint8)
    objects = Objects(
        np.float32([[10, 10, 390, 390]]), np.zeros(1, np.int64), np.float32([[0, 0, 50, 50]])
    )
    training = TrainingConfig(window=(64, 64), scale_jitter=1.0)
    sample = modern_sample(image, objects, MODEL, training, np.random.default_rng(0))
    assert len(sample.objects.boxes) == 0
    assert len(sample.objects.ignored) >= 1
    assert sample.objects.ignored.min() >= 0
    assert sample.objects.ignored.max() <= 64


def test_light_keeps_the_shape_and_varies():
    image, _ = scene()
    lit = [relight(image, np.random.default_rng(seed)) for seed in range(5)]
    assert all(item.shape == image.shape and item.dtype == np.uint8 for item in lit)
    assert len({int(item.sum()) for item in lit}) == 5
