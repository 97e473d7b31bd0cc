"""Pedestrians and cyclists: jointed bodies made of tubes, with clothes, bags and bicycles."""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray
from squeezedet_ros.data.synthetic.camera import Floats
from squeezedet_ros.data.synthetic.mesh import (
    build,
    ellipsoid,
    grid_faces,
    merge,
    Mesh,
    tube,
    unit,
)
from squeezedet_ros.data.synthetic.raster import make_texture, Texture

SWATCH = 32
HEIGHT = 1.72
POSES = 16
HEAD_PATCH = np.array([[1, 2 * SWATCH + 1], [2 * SWATCH - 2, 4 * SWATCH - 2]], np.float32)
SKIN, HAIR, TOP, TROUSERS, SHOES, BAG, FRAME, RUBBER = range(8)
# BGR display values of clothes as worn: dark ones are common
CLOTHES = np.array(
    [
        (28, 26, 26), (45, 38, 34), (70, 48, 32), (96, 70, 48), (120, 95, 70), (60, 60, 62),
        (110, 112, 115), (190, 192, 195), (215, 218, 220), (40, 38, 100), (50, 45, 140),
        (60, 85, 60), (70, 110, 150), (120, 140, 165), (150, 110, 60), (90, 50, 80),
        (70, 140, 165), (62, 88, 150),
    ],
    np.float32,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """
    What decides the shape of a person of height HEIGHT.

    ``bag`` is 0 for none, 1 for a backpack, 2 for one in the hand; ``stride`` in radians.
    """

    long_coat: bool
    bag: int
    stride: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Build, size and clothes of one person; ``height`` in metres, ``girth`` relative."""

    height: float
    girth: float
    build: Build
    texture: Texture


def _cloth(rng: np.random.Generator, colour: Floats, roughness: float) -> NDArray[np.float32]:
    noise = rng.normal(0, 1, (SWATCH, SWATCH)).astype(np.float32)
    folds = cv2.GaussianBlur(rng.normal(0, 1, (SWATCH, SWATCH)).astype(np.float32), (0, 0), 4)
    factor = 1 + roughness * (0.05 * noise + 1.9 * folds)
    return np.asarray(colour * factor[..., None], np.float32)


def _paint_head(picture: NDArray[np.uint8], skin: Floats, hair: Floats, *, long: bool) -> None:
    """Paint the face in front (both ends of the row) and hair above and behind."""
    size = 2 * SWATCH
    head = picture[size : 2 * size, :size]
    head[..., :3] = np.clip(skin, 0, 250).astype(np.uint8)
    head[..., 3] = 15
    middle = size // 2
    colour = (*(float(v) for v in hair), 15.0)
    cv2.rectangle(head, (0, 0), (size, int(size * 0.3)), colour, -1)
    low = 0.78 if long else 0.62
    cv2.ellipse(
        head,
        (middle, int(size * 0.25)),
        (int(size * 0.33), int(size * (low - 0.25))),
        0,
        0,
        360,
        colour,
        -1,
    )
    shadow = (*(float(v) for v in skin * 0.45), 15.0)
    for column in (int(size * 0.07), int(size * 0.93)):
        cv2.ellipse(head, (column, int(size * 0.46)), (3, 1), 0, 0, 360, shadow, -1)
    cv2.rectangle(head, (0, int(size * 0.64)), (3, int(size * 0.66)), shadow, -1)
    cv2.rectangle(head, (size - 4, int(size * 0.64)), (size, int(size * 0.66)), shadow, -1)


def draw_person(rng: np.random.Generator) -> Person:
    """Draw a person: size, clothes, bag."""
    picture = np.zeros((SWATCH * 4, SWATCH * 4, 4), np.uint8)
    skin = np.array([120, 150, 200], np.float32) * rng.uniform(0.35, 1.05)
    hair = np.array([40, 50, 62], np.float32) * rng.choice([0.5, 0.8, 1.0, 1.9, 2.6])
    top, trousers = CLOTHES[rng.integers(len(CLOTHES))], CLOTHES[rng.integers(9)]
    if rng.random() < 0.03:
        top = np.array([50, 215, 200], np.float32)  # safety vest
    top, trousers = 0.75 * top + 0.25 * top.mean(), 0.85 * trousers
    shoes = np.array([30, 28, 28] if rng.random() < 0.7 else [200, 200, 200], np.float32)
    frame = CLOTHES[rng.integers(len(CLOTHES))]
    rubber = np.array([24, 24, 24], np.float32)
    colours = [
        skin,
        hair,
        top,
        trousers,
        shoes,
        CLOTHES[rng.integers(len(CLOTHES))],
        frame,
        rubber,
    ]
    for number, colour in enumerate(colours):
        row, column = divmod(number, 4)
        rough = 0.25 if number in (SKIN, FRAME) else 1.0
        cell = np.clip(_cloth(rng, colour, rough), 4, 250)
        rows, columns = row * SWATCH, column * SWATCH
        picture[rows : rows + SWATCH, columns : columns + SWATCH, :3] = cell.astype(np.uint8)
        gloss = 120 if number == FRAME else 12
        picture[rows : rows + SWATCH, columns : columns + SWATCH, 3] = gloss
    _paint_head(
        picture, skin, frame if rng.random() < 0.15 else hair, long=bool(rng.random() < 0.4)
    )
    return Person(
        height=float(np.clip(rng.normal(1.72, 0.09), 1.45, 1.95))
        * (1 if rng.random() < 0.9 else 0.75),
        girth=float(rng.uniform(0.85, 1.2)),
        build=Build(
            long_coat=bool(rng.random() < 0.25),
            bag=int(rng.choice([0, 0, 0, 1, 2])),
            stride=float(rng.choice([0.35, 0.5])),
        ),
        texture=make_texture(picture, 60.0),
    )


def _patch(number: int) -> Floats:
    row, column = divmod(number, 4)
    corner = np.array([column, row], np.float32) * SWATCH
    return np.stack([corner + 4, corner + SWATCH - 5]).astype(np.float32)


def _limb(
    joints: list[Floats], radii: list[float], swatch: int, *, flatten: float = 1.0, layer: int = 0
) -> Mesh:
    path = np.array(joints, np.float32)
    return tube(
        path, np.array(radii, np.float32), _patch(swatch), sides=7, flatten=flatten, layer=layer
    )


def _point(x: float, y: float, z: float) -> Floats:
    return np.array([x, y, z], np.float32)


def _bend(
    start: Floats, first: float, second: float, lengths: tuple[float, float]
) -> list[Floats]:
    """Give three joints of a limb hanging from ``start``; angles swing it forward."""
    middle = start + lengths[0] * _point(0, -np.cos(first), np.sin(first))
    end = middle + lengths[1] * _point(0, -np.cos(second), np.sin(second))
    return [start, middle.astype(np.float32), end.astype(np.float32)]


def _foot(ankle: Floats, layer: int = 0) -> Mesh:
    s = HEIGHT
    return ellipsoid(
        ankle + _point(0, -0.012 * s, 0.04 * s),
        _point(0.028 * s, 0.024 * s, 0.078 * s),
        _patch(SHOES),
        sides=7,
        layer=layer,
    )


def _head(neck: Floats, lean: float) -> list[Mesh]:
    s = HEIGHT
    middle = neck + _point(0, 0.1 * s, 0.02 * s + 0.04 * s * lean)
    return [
        _limb([neck - _point(0, 0.02 * s, 0), middle], [0.034 * s, 0.03 * s], SKIN),
        ellipsoid(middle, _point(0.047 * s, 0.069 * s, 0.058 * s), HEAD_PATCH, sides=12, layer=1),
    ]


def pedestrian_mesh(person: Person, pose: int) -> Mesh:
    """
    Make a walking person; looks along +z, stands on y = 0.

    :param pose: place in the walking cycle, of POSES; two steps are one cycle.
    """
    return _scaled(_pedestrian(person.build, pose), person, person.height / HEIGHT)


def cyclist_mesh(person: Person, pose: int) -> Mesh:
    """
    Make a person riding a bicycle; looks along +z, stands on y = 0.

    :param pose: place in the turn of the cranks, of POSES.
    """
    return _scaled(_cyclist(person.build.bag == 1, pose), person, (1 + person.height / HEIGHT) / 2)


def _scaled(mesh: Mesh, person: Person, size: float) -> Mesh:
    return mesh._replace(
        points=mesh.points * np.array([size * person.girth, size, size], np.float32)
    )


@lru_cache(maxsize=256)
def _pedestrian(build: Build, pose: int) -> Mesh:
    s, phase = HEIGHT, pose * 2 * np.pi / POSES
    sway = 0.012 * s * np.cos(2 * phase)
    hip = _point(0, 0.52 * s + sway, 0)
    chest = _point(0, 0.76 * s + sway, 0.015 * s)
    neck = _point(0, 0.835 * s + sway, 0.01 * s)
    parts = []
    for sign in (-1.0, 1.0):
        swing = np.sin(phase + (np.pi if sign > 0 else 0))
        lift = max(np.cos(phase + (np.pi if sign > 0 else 0)), 0.0)
        thigh = build.stride * swing + 0.25 * lift
        leg = _bend(
            hip + _point(sign * 0.052 * s, 0, 0),
            thigh,
            thigh - 0.15 - 0.9 * lift,
            (0.25 * s, 0.24 * s),
        )
        parts.append(_limb(leg, [0.054 * s, 0.04 * s, 0.028 * s], TROUSERS))
        parts.append(_foot(leg[-1]))
        arm_swing = -0.7 * build.stride * swing
        shoulder = neck + _point(sign * 0.105 * s, -0.03 * s, 0)
        elbow_bend = 0.25 + (0.9 if build.bag == 1 and sign > 0 else 0.1)
        arm = _bend(shoulder, arm_swing, arm_swing + elbow_bend, (0.17 * s, 0.15 * s))
        parts.append(_limb(arm, [0.034 * s, 0.029 * s, 0.022 * s], TOP))
        parts.append(ellipsoid(shoulder, _point(0.036, 0.036, 0.036) * s, _patch(TOP), sides=7))
        parts.append(
            ellipsoid(arm[-1], _point(0.02, 0.034, 0.024) * s / 1.3, _patch(SKIN), sides=6)
        )
        if build.bag == 2 and sign > 0:
            place = arm[-1] + _point(0.02 * s, -0.12 * s, 0)
            parts.append(ellipsoid(place, _point(0.04, 0.12, 0.1) * s, _patch(BAG), sides=8))
    low = hip - _point(0, 0.17 * s if build.long_coat else 0.03 * s, 0)
    torso = [low, hip, (hip + chest) / 2, chest, neck - _point(0, 0.01 * s, 0), neck]
    width = np.array([0.1 if build.long_coat else 0.088, 0.092, 0.086, 0.108, 0.085, 0.035]) * s
    parts.append(_limb(torso, width.tolist(), TOP, flatten=0.66))
    if build.bag == 1:
        parts.append(
            ellipsoid(
                chest - _point(0, 0.02 * s, 0.09 * s), _point(0.08, 0.13, 0.055) * s, _patch(BAG)
            )
        )
    return merge([*parts, *_head(neck, 0.0)])


def _bicycle(steer: float) -> list[Mesh]:
    radius, wheelbase, crank = 0.34, 1.05, 0.28
    rear, front = _point(0, radius, -wheelbase / 2), _point(0, radius, wheelbase / 2)
    turn = np.linspace(0, 2 * np.pi, 21)
    circle = np.stack([0 * turn, np.sin(turn), np.cos(turn)], -1).astype(np.float32)
    parts = []
    for hub in (rear, front):
        path = hub + circle * (radius - 0.018)
        flat = circle * 0.018
        side = np.array([[0.02, 0, 0]], np.float32)
        rings = np.stack([path + flat, path + side, path - flat, path - side, path + flat])
        parts.append(_torus(rings, path))
        for angle in np.arange(0, np.pi, np.pi / 5):
            spoke = _point(0, np.sin(angle), np.cos(angle)) * radius
            parts.append(
                tube(
                    np.stack([hub - spoke, hub + spoke]),
                    np.full(2, 0.003, np.float32),
                    _patch(TOP),
                    sides=3,
                )
            )
    bottom = _point(0, crank, -0.08)
    seat, head = _point(0, 0.88, -0.26), _point(0, 0.86, 0.33)
    bar = _point(0, 1.02, 0.3)
    tubes = [
        (bottom, seat), (bottom, head - _point(0, 0.12, -0.03)),
        (seat - _point(0, 0.1, -0.03), head),
        (rear, bottom), (rear, seat - _point(0, 0.12, 0)), (front, head), (head, bar),
        (bar - _point(0.29, 0, 0.06 + steer), bar + _point(0.29, 0, -0.06 + steer)),
    ]  # fmt: skip
    for start, end in tubes:
        parts.append(
            tube(np.stack([start, end]), np.full(2, 0.019, np.float32), _patch(FRAME), sides=5)
        )
    parts.append(
        ellipsoid(seat + _point(0, 0.04, 0), _point(0.08, 0.035, 0.13), _patch(RUBBER), sides=7)
    )
    return parts


def _torus(rings: Floats, path: Floats) -> Mesh:
    points = rings.reshape(-1, 3)
    normals = unit((rings - path[None]).reshape(-1, 3))
    uv = np.tile(_patch(RUBBER).mean(0), (len(points), 1))
    return build(points, normals, uv, grid_faces(*rings.shape[:2]))


@lru_cache(maxsize=2 * POSES)
def _cyclist(backpack: bool, pose: int) -> Mesh:
    s, phase = HEIGHT, pose * 2 * np.pi / POSES
    hip, neck = _point(0, 0.97, -0.24), _point(0, 0.97 + 0.29 * s, 0.1)
    chest = hip + (neck - hip) * 0.72 - _point(0, 0, 0.03)
    parts = _bicycle(0.02 * np.sin(phase))
    for sign in (-1.0, 1.0):
        turn = phase + (np.pi if sign > 0 else 0)
        foot = _point(sign * 0.11, 0.31 + 0.17 * np.sin(turn), -0.08 + 0.17 * np.cos(turn))
        start = hip + _point(sign * 0.085, -0.02, 0)
        reach = foot + _point(0, 0.06, -0.03) - start
        knee = start + reach / 2 + _knee_offset(reach, 0.247 * s)
        ankle = foot + _point(0, 0.06, -0.03)
        parts.append(
            _limb([start, knee, ankle], [0.056 * s, 0.042 * s, 0.028 * s], TROUSERS, layer=1)
        )
        parts.append(_foot(ankle, 1))
        shoulder = neck + _point(sign * 0.1 * s, -0.035 * s, 0)
        hand = _point(sign * 0.27, 1.04, 0.26)
        elbow = (shoulder + hand) / 2 + _point(sign * 0.06, -0.07, -0.02)
        parts.append(
            _limb([shoulder, elbow, hand], [0.034 * s, 0.028 * s, 0.02 * s], TOP, layer=1)
        )
        parts.append(
            ellipsoid(shoulder, _point(0.037, 0.037, 0.037) * s, _patch(TOP), sides=7, layer=1)
        )
        parts.append(ellipsoid(hand, _point(0.04, 0.03, 0.045), _patch(SKIN), sides=6, layer=1))
    torso = [
        hip - _point(0, 0.06, 0),
        hip,
        (hip + chest) / 2,
        chest,
        neck - _point(0, 0.01, 0),
        neck,
    ]
    width = np.array([0.07, 0.094, 0.088, 0.106, 0.082, 0.035]) * s
    parts.append(_limb(torso, width.tolist(), TOP, flatten=0.75, layer=1))
    if backpack:
        place = chest - _point(0, -0.02, 0.13)
        parts.append(ellipsoid(place, _point(0.15, 0.22, 0.1), _patch(BAG), layer=1))
    return merge([*parts, *(part._replace(layer=part.layer + 1) for part in _head(neck, 1.0))])


def _knee_offset(reach: Floats, length: float) -> Floats:
    """Knee beside the middle of a leg of two equal parts that reaches from hip to foot."""
    distance = float(np.linalg.norm(reach))
    out = np.sqrt(max(length**2 - (distance / 2) ** 2, 0.0004))
    forward = _point(0, -reach[2], reach[1]) / max(distance, 1e-6)
    return np.asarray(forward * (-out if forward[2] < 0 else out), np.float32)
