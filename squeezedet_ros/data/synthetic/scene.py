"""The world of a drive: one street with its houses, and everything that stands or moves on it."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from squeezedet_ros.data.synthetic.background import BIN, make_noises, Street
from squeezedet_ros.data.synthetic.camera import Floats
from squeezedet_ros.data.synthetic.light import Light, make_light
from squeezedet_ros.data.synthetic.scenery import (
    facade,
    gable_texture,
    hedge_texture,
    lamp_sprite,
    roof_texture,
    sign_sprite,
    Sprite,
    tree_sprite,
    Wall,
)
from squeezedet_ros.data.synthetic.traffic import Actor, populate, Traffic

BEHIND = 20.0
VIEW = 170.0


@dataclass(frozen=True, slots=True)
class Prop:
    """A sprite at a place."""

    sprite: Sprite
    place: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Everything there is, at all times; ``ego_speed`` in metres a second along the street."""

    light: Light
    street: Street
    walls: tuple[Wall, ...]
    props: tuple[Prop, ...]
    actors: tuple[Actor, ...]
    ego_x: float
    ego_speed: float


def _quad(x0: float, z0: float, x1: float, z1: float, low: float, high: float) -> Floats:
    return np.array([(x0, low, z0), (x1, low, z1), (x1, high, z1), (x0, high, z0)], np.float32)


def _house(
    rng: np.random.Generator, sign: float, wall: float, z0: float, z1: float, height: float
) -> list[Wall]:
    depth = rng.uniform(7, 12)
    front = facade(rng, z1 - z0, height, shop=bool(rng.random() < 0.35))
    x, back = sign * wall, sign * (wall + depth)
    inward = np.array([-sign, 0, 0], np.float32)
    gable_normal = np.array([0, 0, -1], np.float32)
    walls = []
    gable = facade(rng, depth, height, shop=False)
    walls.append(Wall(_quad(x, z0, back, z0, 0, height), gable_normal, gable))
    if rng.random() < 0.6:
        rise = rng.uniform(2, 4)
        ridge = sign * (wall + depth / 2)
        tiles = roof_texture(rng, z1 - z0, float(np.hypot(rise, depth / 2)))
        corners = np.array(
            [
                (x, height, z0),
                (x, height, z1),
                (ridge, height + rise, z1),
                (ridge, height + rise, z0),
            ],
            np.float32,
        )
        normal = np.array([-sign * rise, depth / 2, 0], np.float32)
        upper = _quad(x, z0, back, z0, height, height + rise)
        walls.append(Wall(upper, gable_normal, gable_texture(rng, gable, rise)))
        walls.append(Wall(corners, normal / np.linalg.norm(normal), tiles))
    walls.append(Wall(_quad(x, z0, x, z1, 0, height), inward, front))
    return walls


def _draw_street(rng: np.random.Generator, length: float, kind: str) -> Street:
    lanes = int(rng.choice([2, 2, 2, 3, 4])) if kind != 'narrow' else 2
    lane = rng.uniform(2.7, 3.6)
    likely = {'narrow': 0.85, 'city': 0.6, 'green': 0.25}[kind]
    parking = (2.1 * (rng.random() < likely), 2.1 * (rng.random() < likely))
    half = (lanes * lane + sum(parking)) / 2
    verge = float(rng.uniform(1.0, 3.0)) if kind == 'green' or rng.random() < 0.25 else 0.16
    pavement = float(rng.uniform(1.6, 3.5))
    setback = float(rng.uniform(0, 3)) if kind != 'green' else float(rng.uniform(2, 8))
    bins = int(length + BEHIND + VIEW)
    sites = np.arange(rng.uniform(30, 90), length + VIEW, rng.uniform(70, 130))
    crossings = tuple((float(z), float(z + rng.uniform(7, 11))) for z in sites)
    zebras = tuple(low - 5.0 for low, _ in crossings if rng.random() < 0.5)
    skyline = np.abs(cv2.GaussianBlur(rng.normal(0, 1, (1, 512)).astype(np.float32), (0, 0), 9)[0])
    asphalt = rng.uniform(0.06, 0.16) * np.array([1.02, 1.0, 0.98])
    paving = rng.uniform(0.16, 0.3) * np.array([0.94, 1.0, 1.04])
    grass = np.array([0.035, 0.085, 0.06]) * rng.uniform(0.7, 1.4)
    green = np.array([0.025, 0.06, 0.045]) if rng.random() < 0.8 else np.array([0.12, 0.12, 0.13])
    return Street(
        half_road=half,
        parking=parking,
        verge=verge,
        pavement=pavement,
        wall=half + verge + pavement + setback,
        lanes=lanes,
        dashed=bool(rng.random() < 0.75),
        edge_lines=bool(rng.random() < 0.5),
        crossings=crossings,
        zebras=zebras,
        asphalt=asphalt.astype(np.float32),
        paving=paving.astype(np.float32),
        grass=grass.astype(np.float32),
        wall_heights=np.zeros((2, bins), np.float32),
        wall_start=-BEHIND,
        horizon_heights=(0.02 + 0.35 * skyline * rng.uniform(0.5, 1.2)).astype(np.float32),
        horizon_colour=green.astype(np.float32),
        noises=make_noises(rng),
    )


def _build_sides(rng: np.random.Generator, street: Street, length: float, kind: str) -> list[Wall]:
    walls: list[Wall] = []
    density = {'narrow': 0.95, 'city': 0.85, 'green': 0.3}[kind]
    for side, sign in enumerate((-1.0, 1.0)):
        z = -BEHIND
        mean = rng.uniform(5.5, 15)
        while z < length + VIEW:
            end = z + rng.uniform(8, 22)
            gap = next((c for c in street.crossings if c[0] - 3 < end and c[1] + 3 > z), None)
            if gap and gap[0] - z < 8:
                z = gap[1] + 3
                continue
            end = min(end, gap[0] - 3) if gap else end
            first, last = int((z - street.wall_start) / BIN), int((end - street.wall_start) / BIN)
            if rng.random() < density:
                height = float(np.clip(rng.normal(mean, 2), 4, 22))
                walls += _house(rng, sign, street.wall, z, end, height)
                street.wall_heights[side, first:last] = height
            elif rng.random() < 0.8:
                height = float(rng.uniform(1.0, 4.5))
                corners = _quad(sign * street.wall, z, sign * street.wall, end, 0, height)
                normal = np.array([-sign * 0.8, 0.6, 0], np.float32)
                walls.append(Wall(corners, normal, hedge_texture(rng, end - z, height)))
                street.wall_heights[side, first:last] = height
            z = end + (0.0 if rng.random() < 0.6 else rng.uniform(1, 4))
    return walls


def _place_props(
    rng: np.random.Generator, street: Street, light: Light, length: float, kind: str
) -> list[Prop]:
    bare = bool(rng.random() < 0.3)
    trees = [tree_sprite(rng, light, bare) for _ in range(4)]
    spacing = {'narrow': 45.0, 'city': 26.0, 'green': 13.0}[kind] * rng.uniform(0.7, 1.5)
    props: list[Prop] = []

    def row(
        make: Callable[[], Sprite], offset: float, every: float, sides: tuple[float, ...]
    ) -> None:
        for sign in sides:
            z = rng.uniform(-5, every)
            while z < length + VIEW:
                free = all(z < low - 1 or z > high + 1 for low, high in street.crossings)
                if free:
                    x = sign * (street.half_road + offset + rng.uniform(0, 0.3))
                    props.append(Prop(make(), np.array([x, 0, z], np.float32)))
                z += every * rng.uniform(0.6, 1.4)

    edge = 0.5 if street.verge < 0.5 else street.verge / 2
    row(lambda: trees[rng.integers(4)], edge, spacing, (-1.0, 1.0))
    behind = street.wall - street.half_road + (10 if kind != 'green' else 2)
    row(lambda: trees[rng.integers(4)], behind, 12.0 if kind == 'green' else 40.0, (-1.0, 1.0))
    lamps = [lamp_sprite(rng) for _ in range(2)]
    row(lambda: lamps[rng.integers(2)], 0.4, 32.0, (-1.0, 1.0))
    signs = [sign_sprite(rng) for _ in range(4)]
    row(lambda: signs[rng.integers(4)], 0.45, 38.0, (-1.0, 1.0))
    return props


def draw_scene(rng: np.random.Generator, duration: float, *, varied: bool) -> Scene:
    """
    Draw a world.

    :param duration: seconds of driving it must hold for.
    :param varied: whether rare things (a standing ego car, dense traffic, any lane) may occur.
    """
    light = make_light(rng)
    kind = str(rng.choice(['narrow', 'city', 'green'], p=[0.3, 0.4, 0.3]))
    speed = float(rng.uniform(6, 11))
    length = speed * duration
    street = _draw_street(rng, length, kind)
    walls = _build_sides(rng, street, length, kind)
    props = _place_props(rng, street, light, length, kind)
    right_hand = not varied or rng.random() < 0.75
    inner = (street.half_road * 2 - sum(street.parking)) / street.lanes
    left = -street.half_road + street.parking[0]
    number = street.lanes // 2 + int(rng.integers(max(street.lanes - street.lanes // 2, 1)))
    number = number if right_hand else street.lanes - 1 - number
    ego_x = left + inner * (number + 0.5)
    traffic = Traffic(
        length=length,
        duration=duration,
        ego_x=ego_x,
        ego_speed=speed,
        lane=inner,
        left=left,
        right_hand=bool(right_hand),
        density=float(rng.uniform(0.5, 1.6)),
        people=float(rng.uniform(0.4, 1.8)),
        lamps_on=bool(light.darkness > 0 or rng.random() < 0.15),
    )
    actors = populate(rng, street, traffic)
    return Scene(
        light=light,
        street=street,
        walls=tuple(walls),
        props=tuple(props),
        actors=tuple(actors),
        ego_x=ego_x,
        ego_speed=speed,
    )
