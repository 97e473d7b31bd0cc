from itertools import product
import json

import cv2
import numpy as np
import pytest
from real_data import DATA
from squeezedet_ros.config import KITTI_ANCHOR_SHAPES, ModelConfig, STREET_ANCHOR_SHAPES
from squeezedet_ros.data.frames import list_frames
from squeezedet_ros.data.kitti import KittiFrame
from squeezedet_ros.errors import ConfigError, DatasetError
from squeezedet_ros.training.anchor_clustering import (
    AnchorSet,
    cluster_shapes,
    mean_best_overlap,
    network_shapes,
    read_anchor_set,
    shape_overlaps,
)

STREET = DATA / 'street'


def test_overlap_by_hand():
    # 10x20 in 20x20 is half of it; 10x20 and 20x10 share 10x10 of 300.
    found = shape_overlaps(np.array([[10.0, 20.0]]), np.array([[20.0, 20.0], [20.0, 10.0]]))
    np.testing.assert_allclose(found, [[0.5, 1 / 3]])
    assert mean_best_overlap(np.array([[10.0, 20.0]]), np.array([[20.0, 20.0]])) == 0.5


def test_two_clear_groups():
    shapes = np.array([[10.0, 10.0]] * 3 + [[100.0, 50.0]] * 2)
    assert cluster_shapes(shapes, 2).tolist() == [[10, 10], [100, 50]]


def test_as_good_as_every_partition():
    shapes = np.float64([[10, 12], [14, 11], [30, 70], [25, 60], [90, 40], [70, 45], [12, 30]])
    settled = []
    for owners in map(np.array, product(range(3), repeat=len(shapes))):
        if len(set(owners)) == 3:
            anchors = np.array([shapes[owners == index].mean(0) for index in range(3)])
            overlaps = shape_overlaps(shapes, anchors)
            # Where each shape is with the anchor nearest to it, k-means stops.
            if np.array_equal(overlaps.argmax(1), owners):
                settled.append(overlaps.max(1).mean())
    found = cluster_shapes(shapes, 3)
    assert mean_best_overlap(shapes, found) >= max(settled) - 1e-12
    assert found.prod(1).tolist() == sorted(found.prod(1))


def test_the_seed_decides():
    shapes = np.random.default_rng(0).uniform(5, 200, (200, 2))
    assert np.array_equal(cluster_shapes(shapes, 5, 3), cluster_shapes(shapes, 5, 3))


def test_too_few_shapes():
    with pytest.raises(DatasetError, match='at least 2 distinct box shapes, got 1'):
        cluster_shapes(np.ones((9, 2)), 2)


def test_shapes_are_in_network_pixels(tmp_path):
    labels, image = tmp_path / 'a.txt', tmp_path / 'a.png'
    # 20 pixels wide and 10 high, last pixel included; the second has no width at all.
    labels.write_text('Van 0 0 0 0 0 19 9\nCar 0 0 0 5 5 4 9\nTree 0 0 0 0 0 50 50\n')
    cv2.imwrite(str(image), np.zeros((100, 200, 3), np.uint8))
    frames = [KittiFrame('a', image, labels)]
    model = ModelConfig(input_size=(200, 800))
    found = network_shapes(frames, ('car',), {'van': 'car'}, model)
    np.testing.assert_allclose(found, [[80, 20]])
    assert network_shapes(frames, ('boat',), {}, model).shape == (0, 2)


def test_anchor_file(tmp_path):
    path = tmp_path / 'anchors.json'
    content = {'anchor_shapes': [[5, 6.5]], 'input_size': [96, 192], 'fit': 'crop', 'boxes': 7}
    path.write_text(json.dumps(content))
    assert read_anchor_set(path) == AnchorSet(((5.0, 6.5),), (96, 192), 'crop')


@pytest.mark.parametrize(
    'changes',
    [{'anchor_shapes': [[1]]}, {'anchor_shapes': [[0, 3]]}, {'input_size': 3}, {'fit': 'wide'}],
)
def test_a_bad_anchor_file_is_named(tmp_path, changes):
    path = tmp_path / 'anchors.json'
    content = {'anchor_shapes': [[5, 6]], 'input_size': [96, 192], 'fit': 'crop', **changes}
    path.write_text(json.dumps(content))
    with pytest.raises(ConfigError, match=r'anchors\.json'):
        read_anchor_set(path)
    with pytest.raises(ConfigError, match='no anchor file'):
        read_anchor_set(tmp_path / 'none.json')


@pytest.mark.skipif(not STREET.is_dir(), reason=f'the street images are not at {STREET}')
def test_street_shapes_fit_the_street():
    """They give up some overlap with cars, the most frequent, for pedestrians and cyclists."""
    frames = list_frames(STREET, 'train')
    model = ModelConfig(fit='adaptive')
    shapes = network_shapes(frames, model.classes, {'van': 'car', 'truck': 'car'}, model)
    overlaps = [
        mean_best_overlap(shapes, np.array(anchors))
        for anchors in (KITTI_ANCHOR_SHAPES, STREET_ANCHOR_SHAPES, cluster_shapes(shapes, 9))
    ]
    np.testing.assert_allclose(overlaps, [0.629, 0.682, 0.718], atol=0.003)
