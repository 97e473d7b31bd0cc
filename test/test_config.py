from dataclasses import fields, replace

import pytest
from squeezedet_ros.config import (
    EngineConfig,
    FIXED_CONFIGS,
    LIVE_CONFIGS,
    ModelConfig,
    NodeConfig,
    SelectionConfig,
    ZoneConfig,
)
from squeezedet_ros.errors import ConfigError
from squeezedet_ros.evaluation.evaluator import EvaluationConfig
from squeezedet_ros.training.recipe import TrainingConfig

CONFIGS = (
    ModelConfig,
    *LIVE_CONFIGS,
    *FIXED_CONFIGS,
    EvaluationConfig,
    TrainingConfig,
)


@pytest.mark.parametrize('config', CONFIGS)
def test_every_setting_says_what_it_is(config):
    assert all(item.metadata['description'] for item in fields(config))


@pytest.mark.parametrize('config', CONFIGS)
def test_bounds_and_choices_are_enforced(config):
    for item in fields(config):
        if 'bounds' in item.metadata:
            low, high = item.metadata['bounds']
            for wrong in (low - 1, high + 1):
                with pytest.raises(ConfigError, match=rf'^{item.name} must be in .*got {wrong}'):
                    config(**{item.name: wrong})
        if 'choices' in item.metadata:
            with pytest.raises(ConfigError, match=rf"^{item.name} must be one of .*got 'odd'"):
                config(**{item.name: 'odd'})


def test_not_a_number_is_outside_every_bound():
    with pytest.raises(ConfigError, match='plot_prob_thresh'):
        SelectionConfig(plot_prob_thresh=float('nan'))


def test_model_round_trip():
    model = replace(ModelConfig.paper('squeezedet_plus'), classes=('car', 'bus'))
    assert ModelConfig.from_json(model.to_json()) == model


def test_the_papers_settings():
    model, selection = ModelConfig(), SelectionConfig()
    assert model.classes == ('car', 'pedestrian', 'cyclist')
    assert model.pixel_mean == (103.939, 116.779, 123.68)
    assert (selection.top_n, selection.plot_prob_thresh, selection.nms_thresh) == (200, 0.4, 0.4)
    assert ModelConfig.paper('squeezedet_plus').input_size == (375, 1242)


@pytest.mark.parametrize('text', ['', '[3]', '{"fit": "odd"}', '{"input_size": 3}', '{"x": 1}'])
def test_foreign_json_is_refused(text):
    with pytest.raises(ConfigError):
        ModelConfig.from_json(text)


@pytest.mark.parametrize(
    'values',
    [
        {'classes': ()},
        {'classes': ('car', 'car')},
        {'input_size': (384,)},
        {'input_size': (32, 1248)},
        {'anchor_shapes': ()},
        {'anchor_shapes': ((3.0, 0.0),)},
    ],
)
def test_impossible_models_are_refused(values):
    with pytest.raises(ConfigError, match=next(iter(values))):
        ModelConfig(**values)


@pytest.mark.parametrize('device', ['gpu', 'cpu:1', 'cuda:x', ''])
def test_unknown_devices_are_refused(device):
    with pytest.raises(ConfigError, match='device must be'):
        EngineConfig(device=device)


@pytest.mark.parametrize('device', ['auto', 'cpu', 'cuda', 'cuda:1'])
def test_known_devices(device):
    assert EngineConfig(device=device).device == device


@pytest.mark.parametrize('cameras', [(), ('front', 'front'), ('front left',), ('9lives',)])
def test_impossible_cameras_are_refused(cameras):
    with pytest.raises(ConfigError, match='cameras must be'):
        NodeConfig(cameras=cameras)


@pytest.mark.parametrize('entry', ['car', 'car=2', 'car=0.5=0.6'])
def test_impossible_thresholds_are_refused(entry):
    with pytest.raises(ConfigError, match='class_thresh must be CLASS=THRESH'):
        SelectionConfig(class_thresh=(entry,))


@pytest.mark.parametrize('name', ['include_zones', 'exclude_zones'])
def test_impossible_zones_are_refused(name):
    with pytest.raises(ConfigError, match=f'^{name} must be CAMERA=X0 Y0'):
        ZoneConfig(**{name: ('front=0 0 1 1',)})
