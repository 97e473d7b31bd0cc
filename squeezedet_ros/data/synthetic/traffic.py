"""Who is on the street: parked and moving vehicles, pedestrians and cyclists, and their motion."""

from dataclasses import dataclass, field

import numpy as np
from squeezedet_ros.data.synthetic.background import Street
from squeezedet_ros.data.synthetic.camera import Floats
from squeezedet_ros.data.synthetic.car_paint import paint_vehicle
from squeezedet_ros.data.synthetic.car_shape import CarShape, draw_shape, vehicle_mesh
from squeezedet_ros.data.synthetic.mesh import Mesh
from squeezedet_ros.data.synthetic.people import (
    cyclist_mesh,
    draw_person,
    pedestrian_mesh,
    Person,
    POSES,
)
from squeezedet_ros.data.synthetic.raster import Texture

AHEAD = 95.0
STYLES = ('sedan', 'hatchback', 'wagon', 'suv', 'minivan', 'van', 'truck')
STYLE_WEIGHTS = (0.2, 0.31, 0.16, 0.13, 0.1, 0.075, 0.025)
NAMES = {'van': 'Van', 'truck': 'Truck'}


@dataclass(slots=True, kw_only=True)
class Actor:
    """
    Something to detect, on a straight way at constant speed.

    ``place`` is (x, z) at time 0, ``heading`` 0 looks along +z, ``cadence`` is radians of the
    walking or pedalling cycle a second. Its looks follow from ``seed`` and are made when it is
    first drawn: most of a street is never seen.
    """

    name: str
    place: tuple[float, float]
    heading: float
    speed: float
    reach: float
    seed: int
    shape: CarShape | None = None
    lamps_on: bool = False
    cadence: float = 0.0
    phase: float = 0.0
    person: Person | None = None
    paint: Texture | None = None
    meshes: dict[int, Mesh] = field(default_factory=dict)

    def place_at(self, time: float) -> Floats:
        """Where it stands at a time: (x, 0, z)."""
        way = self.speed * time
        x = self.place[0] + way * np.sin(self.heading)
        return np.array([x, 0, self.place[1] + way * np.cos(self.heading)], np.float32)

    def texture(self) -> Texture:
        """Give its texture."""
        if self.shape is None:
            return self._person().texture
        if self.paint is None:
            self.paint = paint_vehicle(
                np.random.default_rng(self.seed), self.shape, lit=self.lamps_on
            )
        return self.paint

    def mesh_at(self, time: float, *, coarse: bool) -> Mesh:
        """
        Give its mesh in its own axes.

        People take one of POSES poses of their cycle.

        :param coarse: with few triangles, where there is such a mesh.
        """
        pose = int(coarse)
        if self.shape is None:
            pose = int((self.phase + self.cadence * time) / (2 * np.pi) * POSES) % POSES
        if pose not in self.meshes:
            if self.shape is not None:
                self.meshes[pose] = vehicle_mesh(self.shape, coarse=coarse)
            elif self.name == 'Cyclist':
                self.meshes[pose] = cyclist_mesh(self._person(), pose)
            else:
                self.meshes[pose] = pedestrian_mesh(self._person(), pose)
        return self.meshes[pose]

    def _person(self) -> Person:
        if self.person is None:
            self.person = draw_person(np.random.default_rng(self.seed))
        return self.person


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """How full the street is and how the ego car drives on it; metres, seconds."""

    length: float
    duration: float
    ego_x: float
    ego_speed: float
    lane: float
    left: float
    right_hand: bool
    density: float
    people: float
    lamps_on: bool


def _vehicle(
    rng: np.random.Generator, place: tuple[float, float], heading: float, speed: float, lamps: bool
) -> Actor:
    style = STYLES[int(rng.choice(len(STYLES), p=np.array(STYLE_WEIGHTS) / sum(STYLE_WEIGHTS)))]
    shape = draw_shape(rng, style)
    return Actor(
        name=NAMES.get(style, 'Car'),
        place=place,
        heading=heading,
        speed=speed,
        reach=shape.length / 2,
        seed=int(rng.integers(2**62)),
        shape=shape,
        lamps_on=lamps and speed > 0,
    )


def _walker(
    rng: np.random.Generator,
    place: tuple[float, float],
    heading: float,
    speed: float,
    riding: bool,
) -> Actor:
    return Actor(
        name='Cyclist' if riding else 'Pedestrian',
        place=place,
        heading=heading,
        speed=speed,
        reach=0.9 if riding else 0.4,
        seed=int(rng.integers(2**62)),
        cadence=2.2 * speed if riding else 4.2 * speed,
        phase=float(rng.uniform(0, 2 * np.pi)),
    )


def _parked(rng: np.random.Generator, street: Street, traffic: Traffic) -> list[Actor]:
    actors: list[Actor] = []
    for sign, bay in ((-1.0, street.parking[0]), (1.0, street.parking[1])):
        if not bay:
            continue
        filled = rng.uniform(0.35, 0.95)
        with_traffic = (sign > 0) == traffic.right_hand
        z = rng.uniform(-8, 4)
        while z < traffic.length + AHEAD:
            free = all(z < low - 6 or z > high + 6 for low, high in street.crossings)
            gap = rng.uniform(0.6, 1.6)
            if free and rng.random() < filled:
                heading = (0.0 if with_traffic or rng.random() < 0.25 else np.pi) + rng.normal(
                    0, 0.02
                )
                x = sign * (street.half_road - 1.05 + rng.normal(0, 0.06))
                car = _vehicle(rng, (x, z), float(heading), 0.0, False)
                if actors and actors[-1].place[0] * sign > 0:
                    z = max(z, actors[-1].place[1] + actors[-1].reach + car.reach + gap)
                    car.place = (x, z)
                actors.append(car)
            z += rng.uniform(4.8, 6.5)
    return actors


def _moving(rng: np.random.Generator, street: Street, traffic: Traffic) -> list[Actor]:
    actors: list[Actor] = []
    for number in range(street.lanes):
        x = traffic.left + traffic.lane * (number + 0.5)
        own = abs(x - traffic.ego_x) < 0.5
        same = (number >= street.lanes // 2) == traffic.right_hand
        gap = 26.0 / traffic.density
        if same:
            speed = traffic.ego_speed * float(
                rng.uniform(0.97, 1.05) if own else rng.uniform(0.8, 1.2)
            )
            z = float(rng.uniform(8, 30)) if own else float(rng.uniform(4, 30))
            lost = max(traffic.ego_speed - speed, 0) * traffic.duration
            z += lost if own else 0
            end = AHEAD + (0 if own else max(lost, 0))
        else:
            speed = float(rng.uniform(6, 12))
            z, end = float(rng.uniform(8, 35)), traffic.length + speed * traffic.duration + AHEAD
        while z < end:
            wobble = float(rng.normal(0, 0.15))
            car = _vehicle(
                rng, (x + wobble, z), 0.0 if same else float(np.pi), speed, traffic.lamps_on
            )
            actors.append(car)
            z += 2 * car.reach + 4 + float(rng.exponential(gap))
    for low, high in street.crossings:
        if rng.random() < 0.8:
            sign = float(rng.choice([-1, 1]))
            middle = (low + high) / 2 - sign * 1.6
            away = street.half_road + float(rng.uniform(2.6, 9))
            facing_in = rng.random() < 0.6
            heading = -sign * np.pi / 2 if facing_in else sign * np.pi / 2
            actors.append(
                _vehicle(rng, (sign * away, middle), float(heading), 0.0, traffic.lamps_on)
            )
    return actors


def _crossing_traffic(rng: np.random.Generator, street: Street, traffic: Traffic) -> list[Actor]:
    """People and now and then a car that cross well ahead of the ego car."""
    actors: list[Actor] = []
    for low, high in street.crossings:
        arrival = low / traffic.ego_speed
        if rng.random() < 0.45:
            sign = float(rng.choice([-1, 1]))
            speed = float(rng.uniform(5, 8))
            # passes the middle five seconds before the ego car arrives
            start = -sign * speed * (arrival - 5.0)
            z = (low + high) / 2 + sign * -1.2
            actors.append(
                _vehicle(rng, (start, z), sign * float(np.pi / 2), speed, traffic.lamps_on)
            )
        for _ in range(int(rng.poisson(1.2 * traffic.people))):
            sign = float(rng.choice([-1, 1]))
            speed = float(rng.uniform(1.0, 1.7))
            start = -sign * speed * (arrival - float(rng.uniform(4.0, 7.5)))
            z = low - 4.0 + float(rng.uniform(0, 2.5))
            actors.append(_walker(rng, (start, z), sign * float(np.pi / 2), speed, False))
    return actors


def _people(rng: np.random.Generator, street: Street, traffic: Traffic) -> list[Actor]:
    actors: list[Actor] = []
    reach = traffic.length + AHEAD
    for sign in (-1.0, 1.0):
        for _ in range(int(rng.poisson(reach / 20 * traffic.people))):
            z = float(rng.uniform(4, reach))
            across = (
                street.half_road + street.verge + float(rng.uniform(0.4, street.pavement - 0.2))
            )
            heading = float(rng.choice([0, np.pi]) + rng.normal(0, 0.12))
            speed = float(rng.uniform(0.8, 1.6)) if rng.random() < 0.85 else 0.0
            heading = heading if speed else float(rng.uniform(-np.pi, np.pi))
            actors.append(_walker(rng, (sign * across, z), heading, speed, False))
        for _ in range(int(rng.poisson(reach / 40 * traffic.people))):
            with_traffic = (sign > 0) == traffic.right_hand
            bay = street.parking[1] if sign > 0 else street.parking[0]
            x = sign * (street.half_road - bay - float(rng.uniform(0.35, 0.8)))
            if rng.random() < 0.25:
                x = sign * (street.half_road + street.verge + 0.7)
            heading = 0.0 if with_traffic else float(np.pi)
            heading += float(rng.normal(0, 0.03))
            actors.append(
                _walker(
                    rng,
                    (x, float(rng.uniform(6, reach))),
                    heading,
                    float(rng.uniform(3.2, 6)),
                    True,
                )
            )
    return actors


def populate(rng: np.random.Generator, street: Street, traffic: Traffic) -> list[Actor]:
    """Draw everyone who is on the street during the drive."""
    return [
        *_parked(rng, street, traffic),
        *_moving(rng, street, traffic),
        *_crossing_traffic(rng, street, traffic),
        *_people(rng, street, traffic),
    ]
