"""What a user says of foreign weights, and the model that follows from it and the port."""

from __future__ import annotations

from dataclasses import dataclass, replace
import math

from squeezedet_ros.config import Architecture, ModelConfig, Padding
from squeezedet_ros.errors import CheckpointError, ConfigError
from squeezedet_ros.settings import setting
from squeezedet_ros.weight_import.ports import Port

# Of 256 levels; by less the weights could leave float32.
_LEAST_STD = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions:
    """What is known of the weights beside their file; None is the port's own."""

    architecture: Architecture | None = setting(None, 'network; by default the one that fits')
    padding: Padding | None = setting(
        None, 'padding rule they were trained with; valid for the reference before May 2017'
    )
    classes: tuple[str, ...] | None = setting(
        None, 'class names, in the order of the network output'
    )
    input_size: tuple[int, int] | None = setting(None, 'network input, height and width in pixels')
    anchor_shapes: tuple[tuple[float, float], ...] | None = setting(
        None, 'anchor shapes in network pixels, in the order of the network output'
    )
    pixel_mean: tuple[float, float, float] | None = setting(
        None, 'mean colour that was subtracted, blue, green, red'
    )
    pixel_std: tuple[float, float, float] | None = setting(
        None, 'deviation that was divided by, blue, green, red'
    )

    def __post_init__(self) -> None:
        if self.pixel_std and not all(_LEAST_STD <= part < math.inf for part in self.pixel_std):
            raise ConfigError(
                f'pixel_std must be finite and at least {_LEAST_STD}, got {self.pixel_std!r}'
            )


def model_config(
    port: Port, architecture: Architecture, options: ImportOptions, outputs: int
) -> ModelConfig:
    """
    Return the model that weights of a port are.

    :param outputs: channels of ConvDet.
    :raises CheckpointError: when anchor shapes and classes do not make that many.
    :raises ConfigError: for an option outside its bounds.
    """
    config = port.config(architecture)
    if options.padding == 'valid' and port.valid_input_size:
        config = replace(config, input_size=port.valid_input_size)
    config = replace(
        config,
        padding=options.padding or config.padding,
        classes=options.classes or config.classes,
        input_size=options.input_size or config.input_size,
        anchor_shapes=options.anchor_shapes or config.anchor_shapes,
        pixel_mean=options.pixel_mean or config.pixel_mean,
    )
    anchors, classes = config.anchors_per_cell, len(config.classes)
    if outputs != anchors * (classes + 5):
        raise CheckpointError(_wrong_outputs(outputs, anchors, classes))
    return config


def _wrong_outputs(outputs: int, anchors: int, classes: int) -> str:
    if outputs % (classes + 5):
        hint = f'{outputs} is no multiple of {classes + 5}: say which by --classes'
    else:
        hint = f'{classes} classes make {outputs // (classes + 5)} anchor shapes: say which by '
        hint += '--anchor-shapes'
    return (
        f'ConvDet has {outputs} channels, expected {anchors * (classes + 5)} for {anchors} anchor '
        f'shapes and {classes} classes, K * (C + 1 + 4); {hint}'
    )
