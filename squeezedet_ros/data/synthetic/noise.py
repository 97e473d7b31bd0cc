"""Tileable noise and the colour textures made of it."""

import cv2
import numpy as np
from squeezedet_ros.data.synthetic.camera import Floats


def fractal_noise(rng: np.random.Generator, size: int, coarsest: int, octaves: int) -> Floats:
    """
    Make tileable noise.

    :param size: edge length in pixels, a multiple of ``coarsest * 2 ** (octaves - 1)``.
    :param coarsest: number of cells along an edge in the first octave; it doubles each octave.
    :return: (size, size), mean 0, standard deviation 1.
    """
    total = np.zeros((size, size), np.float32)
    for octave in range(octaves):
        cells = coarsest << octave
        values = rng.standard_normal((cells, cells)).astype(np.float32)
        wrapped = np.pad(values, 2, mode='wrap')
        step = size // cells
        large = cv2.resize(wrapped, None, fx=step, fy=step, interpolation=cv2.INTER_CUBIC)
        total += large[2 * step : 2 * step + size, 2 * step : 2 * step + size] * 0.6**octave
    centred: Floats = (total - total.mean()) / total.std()
    return centred


def sample(noise: Floats, x: Floats, y: Floats, period: float) -> Floats:
    """Look up tileable noise at places (any 2-D shape); it repeats after ``period``."""
    size = noise.shape[0]
    scale = size / period
    u = np.mod(x * scale, size).astype(np.float32)
    v = np.mod(y * scale, size).astype(np.float32)
    found = cv2.remap(noise, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    return np.asarray(found, np.float32)
