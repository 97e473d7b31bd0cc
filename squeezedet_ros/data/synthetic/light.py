"""
Light of one scene: sun, sky, haze, and how surfaces answer it.

Colours are BGR. Surface colours and light are linear; everything that is put on the picture is in
display values in [0, 1], the square root of linear values.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from squeezedet_ros.data.synthetic.camera import Floats

ENVIRONMENT_SIZE = (96, 256)


@dataclass(frozen=True, slots=True, kw_only=True)
class Light:
    """Light of one scene; ``environment`` is what shiny surfaces mirror (elevation, azimuth)."""

    sun_direction: Floats
    sun_colour: Floats
    sky_colour: Floats
    ground_colour: Floats
    zenith: Floats
    horizon: Floats
    haze_colour: Floats
    haze_length: float
    cloudiness: float
    darkness: float
    environment: Floats


def irradiance(light: Light, normals: Floats, sunlit: float | Floats, occlusion: Floats) -> Floats:
    """
    Give the light that falls on surfaces.

    :param normals: (..., 3) unit vectors, world.
    :param sunlit: 1 in the sun, 0 in shadow; a number or (...,).
    :param occlusion: (...,) share of the sky that is seen.
    :return: (..., 3) linear BGR.
    """
    up = (0.5 + 0.5 * normals[..., 1:2]) * occlusion[..., None]
    ambient = light.sky_colour * up + light.ground_colour * (1 - up) * occlusion[..., None]
    facing = np.maximum(normals @ light.sun_direction, 0) * sunlit
    total: Floats = ambient + light.sun_colour * facing[..., None]
    return total


def reflections(light: Light, directions: Floats) -> Floats:
    """Look up what is mirrored from unit directions (..., 3): linear BGR."""
    rows, columns = ENVIRONMENT_SIZE
    row = (0.5 - 0.5 * np.clip(directions[..., 1], -1, 1)) * (rows - 1)
    azimuth = np.arctan2(directions[..., 0], directions[..., 2]) / (2 * np.pi) + 0.5
    found: Floats = light.environment[
        row.astype(np.intp), (azimuth * (columns - 1)).astype(np.intp)
    ]
    return found


def shade(
    light: Light,
    albedo: Floats,
    gloss: Floats,
    normals: Floats,
    views: Floats,
    occlusion: Floats,
    sunlit: float,
) -> Floats:
    """
    Light surface points.

    :param albedo: (N, 3) linear BGR.
    :param gloss: (N,) 0 is matt, 1 mirrors like clear lacquer or glass.
    :param normals: (N, 3) unit vectors.
    :param views: (N, 3) unit vectors from the camera to the points.
    :param occlusion: (N,) share of the sky that is seen.
    :param sunlit: 1 in the sun, 0 in shadow.
    :return: (N, 3) display BGR.
    """
    diffuse = albedo * irradiance(light, normals, sunlit, occlusion)
    facing = -np.einsum('nk,nk->n', normals, views)
    mirrored = views + 2 * facing[:, None] * normals
    fresnel = gloss * (0.05 + 0.75 * (1 - np.clip(facing, 0, 1)) ** 4)
    spot = np.maximum(mirrored @ light.sun_direction, 0) ** 60 * gloss * (1.5 * sunlit)
    mirror = reflections(light, mirrored) * (fresnel * occlusion)[:, None]
    total = diffuse * (1 - 0.6 * fresnel)[:, None] + mirror + light.sun_colour * spot[:, None]
    display: Floats = np.sqrt(np.clip(total, 0, 4)).astype(np.float32)
    return display


def haze(light: Light, colour: Floats, distance: float | Floats) -> Floats:
    """Mix display colours with the haze of a distance in metres."""
    clear = np.exp(-np.asarray(distance, np.float32) / light.haze_length)
    if clear.ndim:
        clear = clear[..., None]
    mixed: Floats = colour * clear + light.haze_colour * (1 - clear)
    return mixed.astype(np.float32)


def _environment(
    rng: np.random.Generator, zenith: Floats, horizon: Floats, ground: Floats, wall: Floats
) -> Floats:
    rows, columns = ENVIRONMENT_SIZE
    up = np.linspace(1, -1, rows, dtype=np.float32)[:, None]
    azimuth = np.linspace(-np.pi, np.pi, columns, dtype=np.float32)
    sky = horizon + (zenith - horizon) * np.clip(up * 1.3, 0, 1)[..., None] ** 0.6
    skyline = 0.10 + 0.25 * np.abs(np.sin(azimuth)) + 0.08 * rng.standard_normal(columns)
    edge = np.asarray(cv2.GaussianBlur(skyline[None].astype(np.float32), (0, 0), 1.5), np.float32)
    shades = cv2.GaussianBlur(rng.random((rows, columns)).astype(np.float32), (0, 0), 2.0)
    walls = wall * (0.3 + 1.4 * (shades - 0.5) * 4 + 0.5).clip(0.1, 1.4)[..., None]
    picture = np.where((up < edge)[..., None], walls, sky[:, :1] + np.zeros_like(walls))
    picture = np.where((up < 0)[..., None], ground * (0.5 + 0.5 * (1 + up[..., None])), picture)
    return np.asarray(cv2.GaussianBlur(picture.astype(np.float32), (0, 0), 1.0), np.float32)


def make_light(rng: np.random.Generator) -> Light:
    """Draw the light of a scene: sunny, cloudy or dusk, from any side."""
    kind = rng.choice(['sunny', 'cloudy', 'dusk'], p=[0.52, 0.36, 0.12])
    # Mostly along the street: from the side its houses leave no sun on the road.
    along = rng.choice([0, np.pi]) + rng.normal(0, 0.5)
    azimuth = along if rng.random() < 0.7 else rng.uniform(-np.pi, np.pi)
    elevation = np.radians(rng.uniform(30, 65) if kind == 'sunny' else rng.uniform(12, 45))
    sun = np.array(
        [
            np.cos(elevation) * np.sin(azimuth),
            np.sin(elevation),
            np.cos(elevation) * np.cos(azimuth),
        ]
    ).astype(np.float32)
    power = {'sunny': rng.uniform(1.2, 2.0), 'cloudy': rng.uniform(0, 0.25), 'dusk': 0.12}[
        str(kind)
    ]
    sky_power = {'sunny': rng.uniform(0.4, 0.7), 'cloudy': rng.uniform(0.6, 1.0), 'dusk': 0.3}[
        str(kind)
    ]
    blue = np.array([1.12, 1.0, 0.92]) if kind == 'sunny' else np.array([1.03, 1.0, 0.98])
    warm = np.array([0.78, 0.95, 1.05])
    bright = {'sunny': 1.0, 'cloudy': rng.uniform(0.5, 1.05), 'dusk': rng.uniform(0.2, 0.4)}[
        str(kind)
    ]
    if kind == 'sunny' and rng.random() < 0.6:
        zenith = np.array([0.75, 0.42, 0.16]) * rng.uniform(0.7, 1.3)
        horizon = np.array([1.0, 0.92, 0.78]) * rng.uniform(0.8, 1.1)
    else:
        grey = np.array([1.04, 1.0, 0.97])
        zenith, horizon = grey * bright * rng.uniform(0.5, 1.0), grey * bright
    if kind == 'dusk':
        horizon = horizon * np.array([0.75, 0.95, 1.25])
    sky_colour = blue * sky_power
    # Exposed for asphalt of 12 % on a street that gets half of the sun.
    aim = rng.uniform(0.25, 0.34) if kind == 'dusk' else rng.uniform(0.3, 0.46)
    exposure = aim**2 / (0.12 * float(sky_power + 0.5 * power * sun[1]))
    sky_colour, power = sky_colour * exposure, power * exposure
    zenith, horizon = zenith * np.clip(exposure, 0.8, 1.6), horizon * np.clip(exposure, 0.8, 1.6)
    ground = 0.16 * (sky_colour + power * sun[1] * warm)
    wall = 0.25 * (sky_colour + 0.4 * power * warm)
    return Light(
        sun_direction=sun,
        sun_colour=(warm * power).astype(np.float32),
        sky_colour=sky_colour.astype(np.float32),
        ground_colour=(ground * 0.9).astype(np.float32),
        zenith=zenith.astype(np.float32),
        horizon=horizon.astype(np.float32),
        haze_colour=np.sqrt(horizon * 0.75).clip(0, 1).astype(np.float32),
        haze_length=float(np.exp(rng.uniform(np.log(150), np.log(1500)))),
        cloudiness=float(rng.uniform(0, 1)),
        darkness=1.0 if kind == 'dusk' else 0.0,
        environment=_environment(rng, zenith * 0.9, horizon * 0.9, ground, wall),
    )
