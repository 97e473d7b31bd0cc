"""What lens and sensor do to the picture."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from squeezedet_ros.data.synthetic.camera import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensor:
    """Properties of one camera; ``blur`` in pixels, ``noise`` in display units."""

    gain: float
    contrast: float
    blur: float
    noise: float
    vignette: float
    tint: Floats
    jpeg_quality: int


def draw_sensor(rng: np.random.Generator) -> Sensor:
    """Draw a camera."""
    return Sensor(
        gain=float(rng.uniform(0.9, 1.15)),
        contrast=float(rng.uniform(0.9, 1.4)),
        blur=float(rng.uniform(0.25, 0.8)),
        noise=float(rng.uniform(0.004, 0.018)),
        vignette=float(rng.uniform(0, 0.35)),
        tint=rng.uniform(0.95, 1.05, 3).astype(np.float32),
        jpeg_quality=int(rng.integers(78, 97)),
    )


def expose(picture: Floats, sensor: Sensor, rng: np.random.Generator) -> NDArray[np.uint8]:
    """
    Turn a display picture (H, W, 3) in [0, 1] into what a camera delivers.

    :return: uint8 BGR of the same size.
    """
    height, width = picture.shape[:2]
    ys, xs = np.ogrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    fall = (1 - sensor.vignette * 0.5 * (xs**2 + 0.4 * ys**2)).astype(np.float32)
    exposed = np.clip(picture * (fall[..., None] * (sensor.tint * sensor.gain)), 0, 1)
    exposed = np.ascontiguousarray(exposed, np.float32) ** np.float32(sensor.contrast)
    exposed = np.asarray(cv2.GaussianBlur(exposed, (0, 0), sensor.blur), np.float32)
    grain = rng.standard_normal((height, width, 1), np.float32) * 0.8
    coarse = rng.standard_normal((height // 2 + 1, width // 2 + 1, 3), np.float32)
    colour_grain = np.asarray(cv2.resize(coarse, (width, height)), np.float32)
    exposed += (grain + colour_grain * 0.7) * np.float32(sensor.noise)
    raw = np.clip(exposed * 255 + 0.5, 0, 255).astype(np.uint8)
    _, packed = cv2.imencode('.jpg', raw, [cv2.IMWRITE_JPEG_QUALITY, sensor.jpeg_quality])
    return np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8)
