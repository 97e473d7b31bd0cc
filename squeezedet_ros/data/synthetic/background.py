"""Sky, far horizon and the street's surface."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from squeezedet_ros.data.synthetic.camera import Camera, FAR, Floats
from squeezedet_ros.data.synthetic.light import haze, irradiance, Light
from squeezedet_ros.data.synthetic.noise import fractal_noise, sample

BIN = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Street:
    """
    Cross-section and looks of a street; metres, x to the right of its middle line.

    ``crossings`` are (first z, last z) of side streets; ``wall_heights`` (2, N) are the heights of
    what throws shade at the left and right, for each metre of z from ``wall_start``.
    """

    half_road: float
    parking: tuple[float, float]
    verge: float
    pavement: float
    wall: float
    lanes: int
    dashed: bool
    edge_lines: bool
    crossings: tuple[tuple[float, float], ...]
    zebras: tuple[float, ...]
    asphalt: Floats
    paving: Floats
    grass: Floats
    wall_heights: Floats
    wall_start: float
    horizon_heights: Floats
    horizon_colour: Floats
    noises: tuple[Floats, Floats, Floats]


def make_noises(rng: np.random.Generator) -> tuple[Floats, Floats, Floats]:
    """Make the noises a street needs: grain, patches and clouds."""
    return (
        fractal_noise(rng, 256, 64, 3),
        fractal_noise(rng, 256, 8, 4),
        fractal_noise(rng, 512, 4, 6),
    )


def paint_sky(camera: Camera, light: Light, street: Street) -> Floats:
    """Paint the sky and the far skyline over the whole picture: (H, W, 3) display BGR."""
    height, width = camera.size
    coarse = (-(-height // 2), -(-width // 2))
    ys, xs = np.mgrid[0 : coarse[0], 0 : coarse[1]].astype(np.float32) * 2
    rays = camera.rays(xs, ys)
    up = rays[..., 1] / np.linalg.norm(rays, axis=-1)
    share = np.clip(up * 1.6, 0, 1)[..., None] ** 0.7
    sky = light.horizon + (light.zenith - light.horizon) * share
    reach = 1 / np.maximum(up + 0.12, 0.05)
    clouds = sample(street.noises[2], rays[..., 0] * reach, reach + camera.z * 0.001, 6.0)
    cover = np.clip((clouds + light.cloudiness * 2 - 0.9) * 0.7, 0, 1)[..., None]
    white = light.horizon * (1.08 - 0.25 * np.clip(clouds - 0.5, 0, 1.5))[..., None]
    sky = sky + (white - sky) * cover * 0.75
    glow = np.maximum(rays @ light.sun_direction / np.linalg.norm(rays, axis=-1), 0) ** 40
    sky = sky + light.sun_colour * glow[..., None]
    picture = np.sqrt(np.clip(sky, 0, 1.4))
    picture = cv2.resize(
        picture.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR
    )
    _paint_skyline(picture, camera, light, street)
    return np.asarray(picture, np.float32)


def _paint_skyline(picture: Floats, camera: Camera, light: Light, street: Street) -> None:
    height, width = camera.size
    low = int(np.clip(camera.horizon_row() + 0.05 * height, 1, height))
    high = int(np.clip(camera.horizon_row() - 0.35 * camera.focal, 0, low - 1))
    ys, xs = np.mgrid[high:low, 0:width].astype(np.float32)
    rays = camera.rays(xs, ys)
    slope = rays[..., 1] / np.hypot(rays[..., 0], rays[..., 2])
    azimuth = np.arctan2(rays[..., 0], rays[..., 2])
    bins = (azimuth / (2 * np.pi) + 0.5) * (len(street.horizon_heights) - 1)
    crown = sample(street.noises[1], azimuth * 60, slope * 60, 6.0)
    edge = np.interp(bins, np.arange(len(street.horizon_heights)), street.horizon_heights)
    cover = np.clip((edge + 0.006 * crown - slope) * camera.focal * 0.7, 0, 1)[..., None]
    facing = np.stack([-np.sin(azimuth), 0 * azimuth + 0.4, -np.cos(azimuth)], -1)
    lit = irradiance(light, facing, 0.8, np.full(azimuth.shape, 0.8, np.float32))
    shade = street.horizon_colour * np.clip(1 + 0.45 * crown, 0.2, 2)[..., None]
    colour = haze(light, np.sqrt(np.clip(shade * lit, 0, 1)), np.full(slope.shape, 220.0))
    picture[high:low] += (colour - picture[high:low]) * cover


@dataclass(frozen=True, slots=True)
class _Ground:
    """Street places (metres) and pixel footprints of the picture's ground rows."""

    x: Floats
    z: Floats
    wide: Floats
    deep: Floats
    distance: Floats
    first_row: int
    below: NDArray[np.bool_]


def _ground(camera: Camera) -> _Ground | None:
    height, width = camera.size
    slack = abs(np.tan(camera.roll)) * width / 2
    first = int(np.clip(camera.horizon_row() - slack, 0, height))
    if first >= height:
        return None
    ys, xs = np.mgrid[first:height, 0:width].astype(np.float32)
    rays = camera.rays(xs, ys)
    below = rays[..., 1] < -camera.height / FAR
    reach = camera.height / np.maximum(-rays[..., 1], camera.height / FAR)
    z = rays[..., 2] * reach
    x = rays[..., 0] * reach + camera.x - camera.bend * z**2
    wide = reach / camera.focal
    return _Ground(x, z + camera.z, wide, wide * reach / camera.height, reach, first, below)


def _band(value: Floats, low: float, high: float, footprint: Floats) -> Floats:
    """Share of each footprint that lies between two values."""
    rising = np.clip((value - low) / footprint + 0.5, 0, 1)
    covered: Floats = rising - np.clip((value - high) / footprint + 0.5, 0, 1)
    return covered


def _dashes(z: Floats, deep: Floats, period: float, length: float) -> Floats:
    phase = np.mod(z, period)
    sharp = _band(phase, 0.5, 0.5 + length, np.minimum(deep, period / 2))
    blend = np.clip(deep / period, 0, 1)
    dashes: Floats = sharp * (1 - blend) + length / period * blend
    return dashes


def _surface(ground: _Ground, street: Street) -> Floats:
    """Colour of the ground without light: (h, w, 3) linear BGR."""
    x, z, wide = ground.x, ground.z, ground.wide
    grain = sample(street.noises[0], x, z, 4.0) * np.clip(0.02 / ground.deep, 0.0, 1)
    patches = sample(street.noises[1], x * 2.2, z * 0.7, 22.0) * np.clip(0.6 / ground.deep, 0.1, 1)
    tracks = 0.05 * np.cos(x * (2 * np.pi / 1.7)) * np.clip(0.3 / wide, 0, 1)
    road = 1 + 0.22 * grain + 0.10 * patches + tracks
    outside = np.abs(x) - street.half_road
    beside = np.ones_like(x)
    for low, high in street.crossings:
        beside = beside - _band(z, low, high, ground.deep)
    beside = np.clip(beside, 0, 1)
    slabs = 1 - 0.25 * _dashes(z, ground.deep, 0.9, 0.04) - 0.2 * _dashes(x, wide, 0.9, 0.04)
    paving = street.paving * ((1 + 0.1 * grain + 0.1 * patches) * slabs)[..., None]
    turf = street.grass * np.clip(1 + 0.45 * grain + 0.25 * patches, 0.2, 2)[..., None]
    colour = street.asphalt * road[..., None]
    kerb = (
        street.paving * np.clip(1.25 - 0.3 * _dashes(z, ground.deep, 1.0, 0.05), 0, 2)[..., None]
    )
    bounds = (
        (0.0, 0.16, kerb),
        (0.16, street.verge, turf),
        (street.verge, street.verge + street.pavement, paving),
    )
    for low, high, looks in bounds:
        colour += (looks - colour) * (_band(outside, low, max(high, low), wide) * beside)[
            ..., None
        ]
    far = _band(outside, street.verge + street.pavement, 1e4, wide) * beside
    colour += (turf - colour) * far[..., None]
    gutter = _band(outside, -0.25, 0.0, wide) * beside
    colour *= (1 - 0.3 * gutter)[..., None]
    worn = np.clip(0.8 + 0.15 * patches + 0.15 * grain, 0.3, 1)
    paint = _markings(ground, street) * beside * worn + _zebra(ground, street) * worn
    return np.asarray(colour + (0.62 - colour) * np.clip(paint, 0, 1)[..., None], np.float32)


def _markings(ground: _Ground, street: Street) -> Floats:
    x, z, wide = ground.x, ground.z, ground.wide
    paint = np.zeros_like(x)
    left, right = -street.half_road + street.parking[0], street.half_road - street.parking[1]
    lane = (right - left) / street.lanes
    for number in range(1, street.lanes):
        middle = left + lane * number
        stripe = _band(x, middle - 0.07, middle + 0.07, wide)
        solid = number * 2 == street.lanes and not street.dashed
        paint += stripe if solid else stripe * _dashes(z, ground.deep, 9.0, 3.5)
    if street.edge_lines:
        paint += _band(x, left + 0.15, left + 0.28, wide) + _band(
            x, right - 0.28, right - 0.15, wide
        )
    for inner, outer, sign in ((left, street.parking[0], -1), (right, street.parking[1], 1)):
        if outer and street.edge_lines:
            bay = _band(sign * x, sign * inner, sign * inner + outer, wide)
            paint += (
                bay
                * _band(np.mod(z, 6.0), 0, 0.1, np.minimum(ground.deep, 3.0))
                * (ground.deep < 2)
            )
    return paint


def _zebra(ground: _Ground, street: Street) -> Floats:
    paint = np.zeros_like(ground.x)
    inside = _band(ground.x, -street.half_road + 0.3, street.half_road - 0.3, ground.wide)
    for start in street.zebras:
        bars = _dashes(ground.x, ground.wide, 1.0, 0.5)
        paint += _band(ground.z, start, start + 3.2, ground.deep) * bars * inside
        paint += _band(ground.z, start - 1.6, start - 1.2, ground.deep) * inside
    return paint


def sunlit_share(light: Light, street: Street, x: Floats, z: Floats, softness: Floats) -> Floats:
    """Share of the sun that walls leave at places on the ground; 1 is full sun."""
    sun = light.sun_direction
    flat = max(abs(float(sun[0])), 0.05)
    sign = 1 if sun[0] > 0 else -1
    reach = np.maximum(street.wall - sign * x, 0.0)
    hit = z + sun[2] / flat * reach
    bins = np.clip((hit - street.wall_start) / BIN, 0, street.wall_heights.shape[1] - 1)
    top = street.wall_heights[(sign + 1) // 2][bins.astype(np.intp)]
    clearance = reach * sun[1] / flat - top
    share: Floats = np.clip(clearance / np.maximum(softness, 0.15) + 0.5, 0, 1)
    return share


def paint_ground(
    picture: Floats, camera: Camera, light: Light, street: Street, shadow: Floats, contact: Floats
) -> None:
    """
    Paint the ground over the sky, in place.

    :param shadow: (H, W), share of the sun that objects take away.
    :param contact: (H, W), share of the sky that objects take away.
    """
    ground = _ground(camera)
    if ground is None:
        return
    rows = slice(ground.first_row, None)
    sun = sunlit_share(light, street, ground.x, ground.z, ground.deep * 2) * (1 - shadow[rows])
    up = np.broadcast_to(np.array([0, 1, 0], np.float32), (*ground.x.shape, 3))
    lit = irradiance(light, up, sun, 1 - 0.88 * contact[rows])
    view = camera.height / np.maximum(ground.distance, 0.1)
    shine = 0.10 * np.clip(1 - view, 0, 1) ** 12
    linear = (
        _surface(ground, street) * lit
        + light.horizon * shine[..., None] * (1 - contact[rows])[..., None]
    )
    colour = haze(light, np.sqrt(np.clip(linear, 0, 2)), ground.distance)
    picture[rows] = np.where(ground.below[..., None], colour, picture[rows])
