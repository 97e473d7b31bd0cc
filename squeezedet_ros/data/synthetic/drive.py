"""Drawn street drives with exact ground truth."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from squeezedet_ros.data.ground_truth import GroundTruth
from squeezedet_ros.data.synthetic.camera import Camera
from squeezedet_ros.data.synthetic.compose import compose
from squeezedet_ros.data.synthetic.scene import draw_scene, Scene
from squeezedet_ros.data.synthetic.sensor import draw_sensor, expose, Sensor

FOCAL_SHARE = 721.5 / 1242
CAMERA_HEIGHT = 1.65


@dataclass(frozen=True, slots=True, kw_only=True)
class DriveConfig:
    """What to draw; the same values give the same bytes."""

    seed: int = field(
        metadata={
            'description': 'number that decides everything in the drive',
            'bounds': (0, 2**63 - 1),
        }
    )
    frames: int = field(metadata={'description': 'number of frames', 'bounds': (1, 100_000)})
    size: tuple[int, int] = field(
        default=(375, 1242),
        metadata={'description': 'height and width of the frames in pixels', 'bounds': (64, 4096)},
    )
    fps: float = field(
        default=10.0,
        metadata={'description': 'frames a second of driving', 'bounds': (0.1, 200.0)},
    )

    def __post_init__(self) -> None:
        """Check the bounds; raise ValueError outside of them."""
        for name in ('seed', 'frames', 'fps'):
            low, high = self.__dataclass_fields__[name].metadata['bounds']
            if not low <= getattr(self, name) <= high:
                raise ValueError(f'{name}: expected {low} to {high}, got {getattr(self, name)}')
        _check_size(self.size)


class DriveFrame(NamedTuple):
    """One frame: uint8 (H, W, 3) BGR, what is in it, and its time from the start of the drive."""

    image: NDArray[np.uint8]
    truth: GroundTruth
    stamp_ns: int


def _check_size(size: tuple[int, int]) -> None:
    low, high = DriveConfig.__dataclass_fields__['size'].metadata['bounds']
    if len(size) != 2 or not all(low <= edge <= high for edge in size):
        raise ValueError(f'size: expected (height, width) of {low} to {high} pixels, got {size}')


def _shot(
    scene: Scene, camera: Camera, sensor: Sensor, time: float, noise_seed: list[int]
) -> tuple[NDArray[np.uint8], GroundTruth]:
    picture, truth = compose(scene, camera, time)
    return expose(picture, sensor, np.random.default_rng(noise_seed)), truth


def render_drive(config: DriveConfig) -> Iterator[DriveFrame]:
    """Draw a drive along one street, frame by frame."""
    rng = np.random.default_rng([config.seed, 1])
    scene = draw_scene(rng, config.frames / config.fps, varied=False)
    sensor = draw_sensor(rng)
    bend = float(rng.normal(0, 0.0004))
    sway = rng.uniform(0, 2 * np.pi, 4)
    for number in range(config.frames):
        time = number / config.fps
        camera = Camera(
            size=config.size,
            focal=FOCAL_SHARE * config.size[1],
            x=scene.ego_x + 0.08 * float(np.sin(0.5 * time + sway[0])),
            height=CAMERA_HEIGHT + 0.01 * float(np.sin(9 * time + sway[1])),
            z=scene.ego_speed * time,
            yaw=0.008 * float(np.sin(0.6 * time + sway[2])),
            pitch=0.004 * float(np.sin(7 * time + sway[3])),
            bend=bend,
        )
        image, truth = _shot(scene, camera, sensor, time, [config.seed, 2, number])
        yield DriveFrame(image, truth, round(number * 1e9 / config.fps))


def render_scene(seed: int, size: tuple[int, int]) -> DriveFrame:
    """
    Draw one picture of a street of its own: lens, camera place, light and layout all vary.

    :param size: (height, width) in pixels.
    """
    _check_size(size)
    rng = np.random.default_rng([seed, 3])
    time = 4.0
    scene = draw_scene(rng, time, varied=True)
    camera = Camera(
        size=size,
        focal=float(max(size[1] * rng.uniform(0.5, 1.0), size[0] * 0.8)),
        x=scene.ego_x + float(rng.normal(0, 0.4)),
        height=float(rng.uniform(1.15, 2.0)),
        z=scene.ego_speed * time,
        yaw=float(rng.normal(0, 0.07)),
        pitch=float(rng.normal(0, 0.02)),
        roll=float(rng.normal(0, 0.01)),
        bend=float(rng.normal(0, 0.0008)),
    )
    image, truth = _shot(scene, camera, draw_sensor(rng), time, [seed, 4])
    return DriveFrame(image, truth, 0)
