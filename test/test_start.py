import numpy as np
import pytest
from real_data import DATA
from squeezedet_ros.config import KITTI_ANCHOR_SHAPES, ModelConfig, STREET_ANCHOR_SHAPES
from squeezedet_ros.errors import CheckpointError, ConfigError
from squeezedet_ros.network import SqueezeDet
from squeezedet_ros.training.anchor_clustering import AnchorSet
from squeezedet_ros.training.recipe import TrainingConfig
from squeezedet_ros.training.start import initial_network, load_imagenet_features, with_classes
import torch

FEATURES = DATA / 'weights' / 'squeezenet_v1.1_imagenet.npz'


def network(recipe='modern'):
    return initial_network('squeezedet', TrainingConfig(recipe=recipe))


def test_modern_start():
    found = network()
    assert found.config.anchor_shapes == STREET_ANCHOR_SHAPES
    assert (found.config.fit, found.config.anchor_placement) == ('adaptive', 'stride')
    bias = found.convdet.bias.detach()
    assert torch.equal(bias[27:36], torch.full((9,), -4.0))
    assert not bias[:27].any()
    assert not bias[36:].any()
    # Kaiming's deviation for 96 channels: sqrt(2 / 96).
    deviation = float(found.fires['fire10'].expand1x1.weight.detach().std())
    assert deviation == pytest.approx((2 / 96) ** 0.5, rel=0.03)


def test_paper_start():
    found = network('paper')
    assert found.config.anchor_shapes == KITTI_ANCHOR_SHAPES
    assert not found.convdet.bias.any()


def test_classes_and_anchors_are_the_datas():
    anchors = AnchorSet(((9.0, 8.0), (30.0, 40.0)), (96, 192), 'letterbox')
    found = initial_network('squeezedet', TrainingConfig(), ('deer', 'boar'), anchors)
    config = found.config
    assert config.classes == ('deer', 'boar')
    assert (config.anchor_shapes, config.input_size, config.fit) == anchors
    assert config.anchor_placement == 'stride'
    # 2 anchors: 2 * 2 class channels, 2 confidences, 2 * 4 deltas.
    assert found.convdet.bias.detach().tolist() == [0] * 4 + [-4] * 2 + [0] * 8


def test_other_classes_keep_all_but_their_channels():
    old = SqueezeDet(ModelConfig(anchor_shapes=((9.0, 8.0), (30.0, 40.0)), input_size=(64, 64)))
    with torch.no_grad():
        old.convdet.bias.copy_(torch.arange(16.0) + 1)
    new = with_classes(old, ('cyclist', 'deer', 'boar', 'car'))
    # Channels of old: car, pedestrian, cyclist of anchor 0 are 1, 2, 3, of anchor 1 are 4, 5, 6.
    assert new.convdet.bias.tolist() == [3, 0, 0, 1, 6, 0, 0, 4, *range(7, 17)]
    pixels = torch.randn(1, 3, 64, 64)
    before, after = old.eval()(pixels), new.eval()(pixels)
    assert torch.equal(before.confidence_logits, after.confidence_logits)
    assert torch.equal(before.deltas, after.deltas)
    assert torch.equal(before.class_logits[..., [2, 0]], after.class_logits[..., [0, 3]])
    with pytest.raises(ConfigError, match='distinct without regard to case'):
        with_classes(old, ('deer', 'Deer'))


def test_the_seed_decides():
    first, again = network(), network()
    other = initial_network('squeezedet', TrainingConfig(seed=1))
    key = 'fires.fire5.squeeze.weight'
    assert torch.equal(first.state_dict()[key], again.state_dict()[key])
    assert not torch.equal(first.state_dict()[key], other.state_dict()[key])


def test_arrays_find_their_layers(tmp_path):
    kernel = np.random.default_rng(0).normal(size=(16, 64, 1, 1)).astype(np.float32)
    np.savez(tmp_path / 'features.npz', **{'fire2.squeeze1x1.weight': kernel})
    found = network()
    assert load_imagenet_features(found, tmp_path / 'features.npz') == ['fire2.squeeze1x1.weight']
    assert np.array_equal(found.fires['fire2'].squeeze.weight.detach().numpy(), kernel)


@pytest.mark.parametrize(
    ('key', 'shape', 'reason'),
    [
        ('conv1.weight', (3, 3, 3, 64), r'expected \(64, 3, 3, 3\)'),
        ('classifier.weight', (1000, 512), 'no such layer'),
    ],
)
def test_arrays_without_a_place_are_refused(tmp_path, key, shape, reason):
    np.savez(tmp_path / 'features.npz', **{key: np.zeros(shape, np.float32)})
    with pytest.raises(CheckpointError, match=reason):
        load_imagenet_features(network(), tmp_path / 'features.npz')


def test_numbers_that_are_not_finite_are_refused(tmp_path):
    np.savez(tmp_path / 'features.npz', **{'conv1.bias': np.full(64, np.nan, np.float32)})
    with pytest.raises(CheckpointError, match=r'finite numbers, conv1\.bias has others'):
        load_imagenet_features(network(), tmp_path / 'features.npz')


def test_pickles_and_missing_files_are_refused(tmp_path):
    np.savez(tmp_path / 'pickled.npz', x=np.array([{}], dtype=object))
    for name, reason in (('pickled.npz', 'cannot be read'), ('none.npz', 'is no file')):
        with pytest.raises(CheckpointError, match=reason):
            load_imagenet_features(network(), tmp_path / name)


@pytest.mark.skipif(not FEATURES.is_file(), reason='needs the data folder: set SQUEEZEDET_DATA')
def test_the_imagenet_features_fit_up_to_fire9():
    names = load_imagenet_features(network(), FEATURES)
    assert len(names) == 2 * (1 + 8 * 3)
    with np.load(FEATURES) as arrays:
        assert sum(array.size for array in arrays.values()) == 722_496
