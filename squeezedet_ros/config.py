"""
Everything that can be set, each fact once.

The dataclass fields carry their description and bounds in ``metadata``; ROS parameter
descriptors, command line help and the parameter table of the README are made from them. Sizes
are always ``(height, width)`` in pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
import json
import re
from typing import Any, Literal

from squeezedet_ros.errors import ConfigError, shown
from squeezedet_ros.model_rules import check_model
from squeezedet_ros.named_values import read_polygons, read_thresholds
from squeezedet_ros.settings import check_settings, setting

Architecture = Literal['squeezedet', 'squeezedet_plus']
Fit = Literal['stretch', 'letterbox', 'crop', 'adaptive']
AnchorPlacement = Literal['reference', 'stride', 'cell']
Padding = Literal['same', 'valid', 'symmetric']
NmsVariant = Literal['greedy', 'reference']
Precision = Literal['auto', 'float32', 'float16', 'bfloat16', 'int8']
EngineName = Literal[
    'auto',
    'torch',
    'torch_eager',
    'cuda_graph',
    'onnxruntime',
    'onnxruntime_tensorrt',
    'openvino',
    'tensorrt',
]
ImageTransport = Literal['raw', 'compressed']
Reliability = Literal['auto', 'best_effort', 'reliable']
Mode = Literal['live', 'replay']
ClassIdFormat = Literal['index', 'name']

# A relative ROS topic name: words of letters, digits and single underscores, joined by slashes.
# The middleware takes some 250 letters for a whole topic name.
_CAMERA_NAME = re.compile(r'(?!.*__)(?!.{101})[A-Za-z][A-Za-z0-9_]*(/[A-Za-z][A-Za-z0-9_]*)*')
_MOST_CAMERAS = 64
_DEVICE = re.compile('auto|cpu|cuda(:[0-9]{1,3})?')

# (width, height), BichenWuUCB/squeezeDet@e7c0860:src/config/kitti_squeezeDet_config.py
KITTI_ANCHOR_SHAPES = (
    (36.0, 37.0),
    (366.0, 174.0),
    (115.0, 59.0),
    (162.0, 87.0),
    (38.0, 90.0),
    (258.0, 173.0),
    (224.0, 108.0),
    (78.0, 170.0),
    (72.0, 43.0),
)

# (width, height), k-means with IOU distance over the street labels at the scale of fit adaptive
# without a limit.
STREET_ANCHOR_SHAPES = (
    (32.0, 28.0),
    (18.0, 55.0),
    (32.0, 88.0),
    (65.0, 52.0),
    (59.0, 148.0),
    (114.0, 88.0),
    (111.0, 251.0),
    (192.0, 148.0),
    (308.0, 297.0),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """What a checkpoint is: saved in its header, never changed afterwards."""

    architecture: Architecture = setting(
        'squeezedet', 'network of the paper', choices=Architecture
    )
    padding: Padding = setting(
        'same',
        'padding rule of conv1 and the pools: same or valid (as TensorFlow defines them) or '
        'symmetric (half a kernel on every side of conv1, pools rounding up, as in PyTorch ports)',
        choices=Padding,
    )
    classes: tuple[str, ...] = setting(
        ('car', 'pedestrian', 'cyclist'), 'class names, in the order of the network output'
    )
    input_size: tuple[int, int] = setting(
        (384, 1248), 'network input, (height, width) in pixels; with fit adaptive the area at most'
    )
    fit: Fit = setting(
        'stretch',
        'how an image is fitted to the network: stretch (as the reference, aspect not kept), '
        'letterbox (whole image, padded), crop (middle of the image), '
        'adaptive (whole image, the network takes its aspect)',
        choices=Fit,
    )
    max_magnification: float = setting(
        1.4,
        'how many times fit adaptive magnifies an image at most; a small image goes through a '
        'smaller network',
        bounds=(1.0, 16.0),
    )
    anchor_shapes: tuple[tuple[float, float], ...] = setting(
        KITTI_ANCHOR_SHAPES, 'anchor shapes, (width, height) in network pixels'
    )
    anchor_placement: AnchorPlacement = setting(
        'reference',
        'anchor centres: reference (spread evenly over the input), stride (at the middle of '
        'the receptive field) or cell (at the middle of equal cells, as in PyTorch ports)',
        choices=AnchorPlacement,
    )
    pixel_mean: tuple[float, float, float] = setting(
        (103.939, 116.779, 123.68), 'mean colour that is subtracted, in blue, green, red'
    )
    exp_thresh: float = setting(
        1.0,
        'delta above which the box size grows linearly instead of exponentially',
        bounds=(0.0, 10.0),
    )

    def __post_init__(self) -> None:
        check_settings(self)
        check_model(self)

    @classmethod
    def paper(cls, architecture: Architecture) -> ModelConfig:
        """Return the reference's configuration for KITTI (its src/config/, e7c0860)."""
        if architecture == 'squeezedet_plus':
            return cls(architecture=architecture, padding='valid', input_size=(375, 1242))
        return cls(architecture=architecture)

    @property
    def anchors_per_cell(self) -> int:
        """Return K, the number of anchor shapes."""
        return len(self.anchor_shapes)

    def to_json(self) -> str:
        """Return the config as one JSON object, the form in a checkpoint's header."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> ModelConfig:
        """
        Read back what :meth:`to_json` wrote.

        :raises ConfigError: when the text is no such object, or a value is outside its bounds.
        """
        try:
            values = json.loads(text)
            if not isinstance(values, dict):
                raise TypeError(f'got a {type(values).__name__}')
            unknown = set(values) - {item.name for item in fields(cls)}
            if unknown:
                raise ConfigError(f'unknown model settings: {", ".join(sorted(unknown))}')
            return cls(**{key: _as_tuples(values[key]) for key in values})
        except ConfigError:
            raise
        except (ValueError, TypeError, RecursionError) as error:
            raise ConfigError(f'model config is not the expected JSON object: {error}') from error


def _as_tuples(value: Any) -> Any:  # noqa: ANN401
    return tuple(_as_tuples(item) for item in value) if isinstance(value, list) else value


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectionConfig:
    """Which boxes of a frame are kept; may change while the node runs."""

    top_n: int = setting(
        200, 'boxes kept by confidence before suppression (N of the paper)', bounds=(1, 1000)
    )
    plot_prob_thresh: float = setting(
        0.4, 'least probability of a published detection (PLOT_PROB_THRESH)', bounds=(0.0, 1.0)
    )
    nms_thresh: float = setting(
        0.4, 'IOU above which the weaker of two boxes of a class is dropped', bounds=(0.0, 1.0)
    )
    nms_variant: NmsVariant = setting(
        'greedy',
        'greedy (standard) or reference (a suppressed box still suppresses others)',
        choices=NmsVariant,
    )
    class_thresh: tuple[str, ...] = setting(
        (),
        'CLASS=THRESH: least probability of a published detection of that class, in place of '
        'plot_prob_thresh',
    )
    class_filter: tuple[str, ...] = setting(
        (), 'names of the classes that are published; none for all'
    )

    def __post_init__(self) -> None:
        check_settings(self)
        read_thresholds('class_thresh', self.class_thresh)


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneConfig:
    """
    Where in a camera's image detections count; may change while the node runs.

    A detection is where the middle of its box's lower edge is: there a thing on wheels or feet
    stands on the ground, and zones are drawn on the ground.
    """

    include_zones: tuple[str, ...] = setting(
        (),
        'CAMERA=X0 Y0 X1 Y1 X2 Y2 ...: corners of a polygon in shares of the width and height of '
        'the image; of a camera with such polygons only detections are published whose box has '
        'the middle of its lower edge in one of them',
    )
    exclude_zones: tuple[str, ...] = setting(
        (), 'as include_zones, for polygons in which no detection is published'
    )

    def __post_init__(self) -> None:
        read_polygons('include_zones', self.include_zones)
        read_polygons('exclude_zones', self.exclude_zones)


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitConfig:
    """Which frames of live mode are looked at; may change while the node runs."""

    max_age: float = setting(
        0.0,
        'seconds from its stamp after which a waiting frame is stale and not looked at, 0 for '
        'never; of live mode',
        bounds=(0.0, 3600.0),
    )
    max_fps: float = setting(
        0.0,
        'frames of a camera looked at in a second, on average; those that come sooner are '
        'superseded; 0 for no limit; of live mode',
        bounds=(0.0, 1000.0),
    )

    def __post_init__(self) -> None:
        check_settings(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveConfig:
    """All that may change while the node runs; it changes as one."""

    selection: SelectionConfig = SelectionConfig()
    zones: ZoneConfig = ZoneConfig()
    limits: LimitConfig = LimitConfig()


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineConfig:
    """Where and how the forward pass runs."""

    engine: EngineName = setting(
        'auto',
        'what runs the network: auto (the fastest that is installed for the device: on a CPU '
        'openvino, onnxruntime, torch, on CUDA torch), torch (on a CPU each convolution and its '
        'ReLU in one), torch_eager (the plain network), cuda_graph (the plain network, its '
        'kernels on CUDA issued as one), onnxruntime, onnxruntime_tensorrt, openvino (CPU) or '
        'tensorrt (its own interface)',
        choices=EngineName,
    )
    allow_fallback: bool = setting(
        True,
        'go on with the next engine, at last torch_eager, where the first is not installed, '
        'cannot start or says something else than torch in float32; else refuse',
    )
    device: str = setting('auto', 'auto (first CUDA device, else CPU), cpu, cuda or cuda:N')
    precision: Precision = setting(
        'auto',
        'auto (float16 on CUDA, float32 on CPU), float32, float16, bfloat16 or int8 (openvino and '
        'onnxruntime on a CPU)',
        choices=Precision,
    )
    calibration: str = setting(
        '', 'folder of images like those to be looked at, which int8 is fitted to at configure'
    )
    num_threads: int = setting(
        0, 'CPU threads of the forward pass, 0 for one per core', bounds=(0, 256)
    )
    compile_network: bool = setting(
        False,
        'compile the network with torch.compile at configure (slow start, faster frames); of '
        'engine torch',
    )

    def __post_init__(self) -> None:
        check_settings(self)
        if not _DEVICE.fullmatch(self.device):
            raise ConfigError(
                f'device must be auto, cpu, cuda or cuda:N, got {shown(self.device)}'
            )
        if self.compile_network and self.engine not in ('auto', 'torch'):
            raise ConfigError(f'compile_network needs engine torch, got {self.engine!r}')


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeConfig:
    """What the ROS node listens to and how; fixed while it is configured."""

    cameras: tuple[str, ...] = setting(
        ('camera',), 'cameras to watch; topics are <camera>/image_raw, <camera>/detections, ...'
    )
    image_transport: ImageTransport = setting(
        'raw',
        'raw (Image on <camera>/image_raw) or compressed (CompressedImage on '
        '<camera>/image_raw/compressed)',
        choices=ImageTransport,
    )
    mode: Mode = setting(
        'live',
        'live (the latest frame of each camera, older ones are superseded) or replay (every '
        'frame, in order, waiting in memory)',
        choices=Mode,
    )
    input_reliability: Reliability = setting(
        'auto',
        'auto (live: what all publishers offer, followed as they change; replay: reliable), '
        'best_effort (receives from any publisher, lost frames stay lost) or reliable (lost '
        'frames are sent again; receives from reliable publishers only)',
        choices=Reliability,
    )
    input_depth: int = setting(
        1, 'frames of a camera the middleware keeps until the node takes them', bounds=(1, 1000)
    )
    lazy: bool = setting(
        False,
        'receive images only while somebody subscribes to what is made of them: '
        '<camera>/detections, its overlay or its annotations',
    )
    silent_after: float = setting(
        5.0, 'seconds without a frame after which a camera is reported', bounds=(0.1, 3600.0)
    )
    weights: str = setting(
        '',
        'checkpoint to load; empty for the one in the package; with #sha256=DIGEST after the path '
        'it must have that digest',
    )
    class_id_format: ClassIdFormat = setting(
        'index',
        'class_id of a detection: index (as LabelInfo names it) or name',
        choices=ClassIdFormat,
    )
    track: bool = setting(
        False,
        'give an object the same id in all images of a camera: decimal, from its second detection '
        'on, never given twice while the node is configured',
    )
    autostart: bool = setting(
        True, 'configure and activate at start, and end the process if that fails'
    )

    def __post_init__(self) -> None:
        check_settings(self)
        check_cameras(self.cameras)


def check_cameras(names: Sequence[str]) -> None:
    """
    Make sure that cameras have names that topics can begin with.

    :raises ConfigError: naming the first that has not.
    """
    wrong = [name for name in names if not _CAMERA_NAME.fullmatch(name)]
    if wrong or len(set(names)) != len(names) or not 1 <= len(names) <= _MOST_CAMERAS:
        raise ConfigError(
            'cameras must be distinct topic names such as front or rig/front, of at most 100 '
            f'letters, at most {_MOST_CAMERAS} and at least one, '
            f'got {shown(wrong[0] if wrong else list(names))}'
        )


# What makes up the parameters of the node.
LIVE_CONFIGS = (SelectionConfig, ZoneConfig, LimitConfig)
FIXED_CONFIGS = (NodeConfig, EngineConfig)
