from dataclasses import replace

import cv2
import numpy as np
import pytest
from squeezedet_ros.config import ModelConfig
from squeezedet_ros.errors import ConfigError
from squeezedet_ros.preprocessing import (
    fit_image,
    fit_transform,
    FitTransform,
    network_size,
    normalize,
    normalize_on_cpu,
)
import torch

MODEL = ModelConfig(input_size=(128, 416))


def marked(height, width, box):
    image = np.zeros((height, width, 3), np.uint8)
    x0, y0, x1, y1 = box
    image[y0:y1, x0:x1] = 255
    return image


@pytest.mark.parametrize('fit', ['stretch', 'letterbox', 'crop', 'adaptive'])
@pytest.mark.parametrize('size', [(375, 1242), (480, 640), (1080, 1920), (640, 480)])
def test_boxes_follow_the_pixels_and_come_back(fit, size):
    height, width = size
    box = np.array([width // 2 - 60, height // 2 - 30, width // 2 + 20, height // 2 + 40])
    config = replace(MODEL, fit=fit)
    fitted, transform = fit_image(marked(height, width, box), config)
    assert fit_transform(size, config) == transform
    assert fitted.shape == (*network_size(config, size), 3)
    rows, columns = np.nonzero(fitted[..., 0] > 127)
    seen = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    moved = transform.to_network(box[None].astype(np.float32))
    np.testing.assert_allclose(moved[0], seen, atol=1.0)
    np.testing.assert_allclose(transform.to_source(moved)[0], box, rtol=0, atol=1e-3)


@pytest.mark.parametrize('fit', ['letterbox', 'crop', 'adaptive'])
@pytest.mark.parametrize('size', [(480, 640), (1080, 1920)])
def test_aspect_is_kept(fit, size):
    _, transform = fit_image(np.zeros((*size, 3), np.uint8), replace(MODEL, fit=fit))
    assert transform.scale[0] / transform.scale[1] == pytest.approx(1, abs=0.005)


def test_stretch_makes_a_4_to_3_camera_wide():
    _, transform = fit_image(np.zeros((480, 640, 3), np.uint8), ModelConfig())
    assert transform.scale[0] / transform.scale[1] == pytest.approx(1248 / 640 / (384 / 480))


def test_adaptive_size_keeps_the_area_in_whole_strides():
    config = ModelConfig(fit='adaptive')
    # sqrt(384 * 1248 / (480 * 640)) = 1.249: 599.5 by 799.4.
    assert network_size(config, (480, 640)) == (592, 800)
    assert network_size(config, (375, 1242)) == (384, 1264)
    # No side below 64, so that the other has 384 * 1248 / 64 = 7488 at most.
    for extreme in ((10, 8000), (1, 100_000_000)):
        assert network_size(config, extreme) == (64, 7488)
        assert network_size(config, extreme[::-1]) == (7488, 64)
    assert network_size(ModelConfig(), (480, 640)) == (384, 1248)


@pytest.mark.parametrize(
    ('image', 'expected', 'transform'),
    [
        # 360 * 1.4 = 504 is halfway between 496 and 512, in floating point just below: down.
        # Then 496 / 360 fits the whole image: 661 of 672 columns, five left free before them.
        ((360, 480), (496, 672), FitTransform((661 / 480, 496 / 360), (5.0, 0.0))),
        # sqrt(384 * 1248 / (375 * 1242)) = 1.014: 380.4 by 1259.8, and the limit is far.
        ((375, 1242), (384, 1264), FitTransform((1264 / 1242, 382 / 375), (0.0, 1.0))),
        # 64 * 1.4 = 89.6 is nearest to 96.
        ((64, 64), (96, 96), FitTransform((1.5, 1.5), (0.0, 0.0))),
    ],
)
def test_adaptive_magnifies_no_more_than_the_model_allows(image, expected, transform):
    config = ModelConfig(fit='adaptive')
    assert network_size(config, image) == expected
    fitted, found = fit_image(np.zeros((*image, 3), np.uint8), config)
    assert fitted.shape == (*expected, 3)
    assert found == fit_transform(image, config) == transform
    box = np.array([[8, 16, 40, 48]], np.float32)
    (x0, y0), (x_scale, y_scale) = transform.offset, transform.scale
    moved = found.to_network(box)
    there = [x0 + 8 * x_scale, y0 + 16 * y_scale, x0 + 40 * x_scale, y0 + 48 * y_scale]
    np.testing.assert_allclose(moved[0], there, rtol=1e-6)
    np.testing.assert_allclose(found.to_source(moved), box, rtol=1e-6)


def test_another_limit_of_magnification_counts():
    small = ModelConfig(fit='adaptive', max_magnification=1.0)
    assert network_size(small, (64, 64)) == (64, 64)
    # sqrt(384 * 1248 / (360 * 480)) = 1.665: 599.5 by 799.4, with no limit before that.
    large = ModelConfig(fit='adaptive', max_magnification=2.0)
    assert network_size(large, (360, 480)) == (592, 800)
    with pytest.raises(ConfigError, match=r'max_magnification must be in \[1, 16\], got 0\.5'):
        ModelConfig(max_magnification=0.5)


def test_letterbox_pads_with_the_mean():
    fitted, transform = fit_image(
        np.full((100, 100, 3), 255, np.uint8), replace(MODEL, fit='letterbox')
    )
    assert transform == FitTransform((1.28, 1.28), (144.0, 0.0))
    assert fitted[64, 143].tolist() == [104, 117, 124]
    assert fitted[64, 144].tolist() == [255, 255, 255]


def test_stretch_and_normalise_are_the_references():
    """The reference subtracts, then resizes: but for rounding to bytes that is the same."""
    image = np.random.default_rng(0).integers(0, 256, (375, 1242, 3), np.uint8)
    config = ModelConfig()
    mean = np.array(config.pixel_mean, np.float32)
    expected = cv2.resize(image.astype(np.float32) - mean, (1248, 384))
    fitted, _ = fit_image(image, config)
    found = normalize(torch.from_numpy(fitted[None]), torch.from_numpy(mean), torch.float32)
    assert found.shape == (1, 3, 384, 1248)
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert np.abs(found[0].permute(1, 2, 0).numpy() - expected).max() < 1.5


def test_on_a_cpu_normalising_gives_the_same_bits():
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 50, 70, 3), np.uint8))
    mean, out = ModelConfig().pixel_mean, torch.full((2, 50, 70, 3), torch.nan)
    found = normalize_on_cpu(images, mean, out)
    assert torch.equal(found, normalize(images, torch.tensor(mean), torch.float32))
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert found.data_ptr() == out.data_ptr()


@pytest.mark.parametrize('fit', ['stretch', 'letterbox', 'crop', 'adaptive'])
@pytest.mark.parametrize('size', [(60, 200), (100, 100), MODEL.input_size])
def test_an_image_is_fitted_into_memory_that_is_there(fit, size):
    config = replace(MODEL, fit=fit)
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    expected, transform = fit_image(image, config)
    batch = np.zeros((3, *expected.shape), np.uint8)
    found, way = fit_image(image, config, batch[1])
    assert np.shares_memory(found, batch[1])
    np.testing.assert_array_equal(batch[1], expected)
    assert not batch[[0, 2]].any()
    assert way == transform


@pytest.mark.parametrize('fit', ['stretch', 'letterbox', 'crop', 'adaptive'])
@pytest.mark.parametrize('size', [(1, 1), (1, 60_000), (60_000, 1)])
def test_the_narrowest_images_are_fitted_too(fit, size):
    config = replace(MODEL, fit=fit)
    image, _ = fit_image(np.full((*size, 3), 200, np.uint8), config)
    assert image.shape == (*network_size(config, size), 3)
    assert (image == 200).any()
