import pytest
from squeezedet_ros.errors import ConfigError
from squeezedet_ros.training.recipe import TrainingConfig


def test_paper_has_the_references_coefficients():
    weights = TrainingConfig(recipe='paper').loss_weights()
    assert (weights.box, weights.classification) == (5.0, 1.0)
    assert (weights.confidence_positive, weights.confidence_negative) == (75.0, 100.0)


def test_modern_has_its_own():
    weights = TrainingConfig().loss_weights()
    assert (weights.box, weights.classification) == (2.0, 1.0)
    assert (weights.confidence_positive, weights.confidence_negative) == (1.0, 1.0)


def test_pairs():
    training = TrainingConfig(aliases=('Van=car',), source_weights=('=1', 'night_=2.5'))
    assert training.alias_map() == {'van': 'car'}
    assert training.weight_map() == {'': 1.0, 'night_': 2.5}


@pytest.mark.parametrize(
    'values',
    [
        {'aliases': ('Van',)},
        {'source_weights': ('a=b',)},
        {'source_weights': ('a=nan',)},
        {'source_weights': ('a=inf',)},
        {'source_weights': ('=-1',)},
        {'window': (32, 512)},
    ],
)
def test_what_is_refused(values):
    with pytest.raises(ConfigError, match=next(iter(values))):
        TrainingConfig(**values)
