"""
How the known SqueezeDet implementations name, lay out and read their tensors.

A layer is named here as in our network: ``conv1``, ``fire2.squeeze``, ``convdet``. What is said
of a port was read from its repository, at the commit that its ``source`` names.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
import re

from squeezedet_ros.config import Architecture, ModelConfig

# What training leaves in a file beside the weights, by a pattern of its name.
_LEFT_OUT = (
    (r'(.*/)?global_step', 'counter'),
    (r'(.*/)?(Momentum|Adam|Adam_1|RMSProp|RMSProp_1)', 'optimizer slot'),
    (r'(.*/)?beta[12]_power|optimizer_weights/.*', 'optimizer state'),
    (r'.*/ExponentialMovingAverage', 'moving average of a weight'),
    (r'(.*/)?iou', 'overlaps of the last batch'),
)
_CONVDET_AND_CONV1 = r'conv12|conv1'
_FIRE = r'fire(?:[2-9]|1[01])/(?:squeeze1x1|expand1x1|expand3x3)'
_TENSORFLOW = re.compile(rf'({_CONVDET_AND_CONV1}|{_FIRE})/(kernels|biases)')
# Keras repeats a layer's name as its group, and conv1 there has the name Keras gave it.
_KERAS = re.compile(rf'(?:.*/)?({_CONVDET_AND_CONV1}|conv2d(?:_\d+)?|{_FIRE})/(kernel|bias)')
_PYTORCH = re.compile(
    r'(?:module\.)?(?:base\.)?(?:features\.(\d+)(?:\.(squeeze|expand1x1|expand3x3))?|convdet)'
    r'\.(weight|bias)'
)
# At which place of ``features`` fire2 to fire11 stand, between pools.
_PYTORCH_FIRES: dict[Architecture, tuple[int, ...]] = {
    'squeezedet': (3, 4, 6, 7, 9, 10, 11, 12, 13, 14),
    'squeezedet_plus': (3, 4, 5, 7, 8, 9, 10, 12, 13, 14),
}
_PYTORCH_ANCHOR_SHAPES = (
    (34.0, 30.0),
    (75.0, 45.0),
    (38.0, 90.0),
    (127.0, 68.0),
    (80.0, 174.0),
    (196.0, 97.0),
    (194.0, 178.0),
    (283.0, 156.0),
    (381.0, 185.0),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """
    One implementation.

    :param place: from a tensor's name and an architecture to our name for it, or None.
    :param model: its configuration of SqueezeDet, and of SqueezeDet+ but for the layers.
    :param channels_last: kernels are (height, width, in, out) instead of (out, in, height, width).
    :param per_anchor: ConvDet's channels are all of the first anchor's (classes, confidence,
        deltas), then all of the second's, instead of all classes, all confidences, all deltas.
    :param red_first: images are red, green, blue.
    :param pixel_std: what is divided by after the mean was subtracted, blue, green, red.
    :param centre_shift: pixels from its centre of a box to ours, in x and in y.
    :param valid_input_size: (height, width) where the padding is VALID, None for the model's.
    """

    name: str
    source: str
    place: Callable[[str, Architecture], str | None]
    model: ModelConfig
    plus: ModelConfig
    channels_last: bool
    per_anchor: bool = False
    red_first: bool = False
    pixel_std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    centre_shift: float = 0.0
    valid_input_size: tuple[int, int] | None = None

    def config(self, architecture: Architecture) -> ModelConfig:
        """Return what the port runs an architecture with."""
        return self.model if architecture == 'squeezedet' else self.plus


def reason_to_leave_out(name: str) -> str | None:
    """Return why a tensor is of no use to a detector, or None where it may be a weight."""
    bare = name.removesuffix(':0')
    return next((why for pattern, why in _LEFT_OUT if re.fullmatch(pattern, bare)), None)


def _slashed(pattern: re.Pattern[str], name: str) -> str | None:
    match = pattern.fullmatch(name.removesuffix(':0'))
    if match is None:
        return None
    layer, kind = match.groups()
    if layer.startswith('fire'):
        layer = 'fires.' + layer.replace('squeeze1x1', 'squeeze').replace('/', '.')
    else:
        layer = 'convdet' if layer == 'conv12' else 'conv1'
    return f'{layer}.{"weight" if kind.startswith("kernel") else "bias"}'


def _place_tensorflow(name: str, _: Architecture) -> str | None:
    return _slashed(_TENSORFLOW, name)


def _place_keras(name: str, _: Architecture) -> str | None:
    return _slashed(_KERAS, name)


def _place_pytorch(name: str, architecture: Architecture) -> str | None:
    match = _PYTORCH.fullmatch(name)
    if match is None:
        return None
    index, part, kind = match.groups()
    if index is None:
        return f'convdet.{kind}'
    fires = _PYTORCH_FIRES[architecture]
    if part is None:
        return f'conv1.{kind}' if index == '0' else None
    return (
        f'fires.fire{fires.index(int(index)) + 2}.{part}.{kind}' if int(index) in fires else None
    )


_REFERENCE = ModelConfig.paper('squeezedet')
_REFERENCE_PLUS = ModelConfig.paper('squeezedet_plus')
_KERAS_CLASSES = ('cyclist', 'pedestrian', 'car')
# Keras subtracts each image's own mean and divides by its deviation. These are KITTI's, over all
# three colours, from the PyTorch port's numbers.
_KERAS_MEAN = (96.2, 96.2, 96.2)
_KERAS_STD = (80.1, 80.1, 80.1)
_PYTORCH_MODEL = replace(
    _REFERENCE,
    padding='symmetric',
    anchor_placement='cell',
    anchor_shapes=_PYTORCH_ANCHOR_SHAPES,
    pixel_mean=(95.923, 98.801, 93.877),
    exp_thresh=10.0,
)

PORTS = (
    Port(
        name='tensorflow',
        source='BichenWuUCB/squeezeDet@e7c0860',
        place=_place_tensorflow,
        model=_REFERENCE,
        plus=_REFERENCE_PLUS,
        channels_last=True,
        # Before 83d3517 SqueezeDet was VALID too, at the input of SqueezeDet+.
        valid_input_size=_REFERENCE_PLUS.input_size,
    ),
    Port(
        name='keras',
        source='omni-us/squeezedet-keras@cb35550',
        place=_place_keras,
        model=replace(_REFERENCE, classes=_KERAS_CLASSES, pixel_mean=_KERAS_MEAN),
        plus=replace(_REFERENCE_PLUS, classes=_KERAS_CLASSES, pixel_mean=_KERAS_MEAN),
        channels_last=True,
        pixel_std=_KERAS_STD,
    ),
    Port(
        name='pytorch',
        source='QiuJueqin/SqueezeDet-PyTorch@b0d80da',
        place=_place_pytorch,
        model=_PYTORCH_MODEL,
        plus=replace(_PYTORCH_MODEL, architecture='squeezedet_plus'),
        channels_last=False,
        per_anchor=True,
        red_first=True,
        pixel_std=(81.200, 80.130, 78.782),
        # Its boxes end in the last pixel inside: their middle is half a pixel before ours.
        centre_shift=0.5,
    ),
)
