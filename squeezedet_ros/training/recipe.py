"""What a training is: every setting of it, each fact once."""

from __future__ import annotations

from dataclasses import dataclass
import math
from typing import Literal

from squeezedet_ros.errors import ConfigError
from squeezedet_ros.settings import check_settings, setting

Recipe = Literal['modern', 'paper']
TrainingPrecision = Literal['float32', 'bfloat16']


@dataclass(frozen=True, slots=True, kw_only=True)
class LossWeights:
    """
    Coefficients of the four parts of the loss.

    Defaults are the reference's, squeezeDet@e7c0860:src/config/kitti_squeezeDet_config.py.
    """

    box: float = setting(5.0, 'LOSS_COEF_BBOX')
    confidence_positive: float = setting(75.0, 'LOSS_COEF_CONF_POS')
    confidence_negative: float = setting(100.0, 'LOSS_COEF_CONF_NEG')
    classification: float = setting(1.0, 'LOSS_COEF_CLASS')


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingConfig:
    """Settings of ``squeezedet train``."""

    recipe: Recipe = setting(
        'modern',
        'modern (AdamW, one cycle, averaged weights, crop windows) or paper (momentum SGD, '
        'staircase decay, clipping per variable, drift and flip of stretched images)',
        choices=Recipe,
    )
    epochs: float = setting(60.0, 'passes over the training images', bounds=(0.0, 100000.0))
    batch_size: int = setting(8, 'images a step, of all processes', bounds=(1, 4096))
    learning_rate: float = setting(1e-3, 'peak of the learning rate', bounds=(0.0, 10.0))
    weight_decay: float = setting(1e-4, 'decay of the kernels', bounds=(0.0, 1.0))
    window: tuple[int, int] = setting(
        (384, 512), 'crop window of the modern recipe, (height, width) in network pixels'
    )
    scale_jitter: float = setting(
        1.7, 'greatest factor by which a window is scaled up or down', bounds=(1.0, 8.0)
    )
    ema_decay: float = setting(
        0.998, 'decay a step of the averaged weights (modern)', bounds=(0.0, 0.99999)
    )
    confidence_bias: float = setting(
        -4.0, 'start of the confidence bias (modern); sigmoid(-4) is 0.018', bounds=(-10.0, 0.0)
    )
    sharpness: float = setting(
        6.0,
        'how fast the share that an anchor has in an object falls with its overlap (modern): '
        '(overlap / best overlap) ** sharpness',
        bounds=(1.0, 1000.0),
    )
    dropout: float = setting(
        0.0, 'share of features dropped before ConvDet (modern; paper has 0.5)', bounds=(0.0, 0.9)
    )
    precision: TrainingPrecision = setting(
        'float32',
        'float32, or bfloat16 for the convolutions (faster on GPUs and on CPUs with AMX)',
        choices=TrainingPrecision,
    )
    frozen: tuple[str, ...] = setting(
        ('conv1',),
        'layers that keep their pretrained weights; none by default where there are none',
    )
    aliases: tuple[str, ...] = setting(
        ('Van=car', 'Truck=car'), 'labels trained as a class of the model, LABEL=CLASS'
    )
    source_weights: tuple[str, ...] = setting(
        ('=1',), 'how often images are drawn, PREFIX=WEIGHT by the longest prefix of their name'
    )
    evaluate_every: float = setting(
        2.0, 'epochs between two evaluations on the validation split', bounds=(0.01, 100000.0)
    )
    strict: bool = setting(
        False, 'stop at the first damaged image or label, instead of leaving it out'
    )
    save_every: float = setting(
        120.0,
        'seconds between two saved states, from which a stopped training goes on',
        bounds=(0.0, 86400.0),
    )
    workers: int = setting(1, 'processes that load images', bounds=(0, 64))
    seed: int = setting(0, 'seed of everything random', bounds=(0, 2**31))

    def __post_init__(self) -> None:
        check_settings(self)
        if len(self.window) != 2 or min(self.window) < 64:
            raise ConfigError(f'window must be (height, width) of at least 64, got {self.window}')
        _ = self.alias_map(), self.weight_map()

    def alias_map(self) -> dict[str, str]:
        """Return the class that each aliased label, in lower case, is trained as."""
        pairs = [_split(item, 'aliases') for item in self.aliases]
        return {label.lower(): name for label, name in pairs}

    def loss_weights(self) -> LossWeights:
        """Return the coefficients of the recipe: the reference's own for paper."""
        return LossWeights() if self.recipe == 'paper' else _MODERN_LOSS

    def weight_map(self) -> dict[str, float]:
        """Return the weight of each name prefix."""
        pairs = [_split(item, 'source_weights') for item in self.source_weights]
        try:
            weights = {prefix: float(weight) for prefix, weight in pairs}
        except ValueError as error:
            raise ConfigError(f'source_weights must be PREFIX=NUMBER: {error}') from error
        if not all(0 <= weight < math.inf for weight in weights.values()):
            raise ConfigError(
                f'source_weights must be finite numbers of at least 0, '
                f'got {", ".join(self.source_weights)}'
            )
        return weights


_MODERN_LOSS = LossWeights(
    box=2.0, confidence_positive=1.0, confidence_negative=1.0, classification=1.0
)


def _split(item: str, name: str) -> tuple[str, str]:
    key, equals, value = item.partition('=')
    if not equals:
        raise ConfigError(f'{name} must be pairs joined by "=", got {item!r}')
    return key, value
