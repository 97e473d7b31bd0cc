"""Textures of vehicles' sides: windows, doors, wheel arches and the lamps around the corners."""

from dataclasses import dataclass

import numpy as np
from squeezedet_ros.data.synthetic.brush import (
    CHROME,
    Colour,
    fill,
    GLASS,
    LAMP,
    Picture,
    PLASTIC,
    SEAM,
    stroke,
    TAIL,
    TAIL_LIT,
)
from squeezedet_ros.data.synthetic.camera import Floats
from squeezedet_ros.data.synthetic.car_shape import AtlasLayout, CarShape, side_uv


def _side_window(shape: CarShape, start: float, end: float, margin: float) -> Floats:
    """Outline of the glass between two forward places, below the roof line by a margin."""
    line, places = shape.smooth_profile()
    upper = line[(places >= 4) & (places <= 8)]
    # The panel ends a bevel inside the profile.
    forward = np.linspace(start, end, 24)
    roof = np.interp(forward, upper[:, 0], upper[:, 1]) - margin
    lean = np.interp(forward, [start, start + 0.25], [0.0, 1.0])
    base = shape.belt + 0.035
    top = np.maximum(roof, base)
    top = base + (top - base) * np.maximum(lean, 0.55 if shape.style != 'sedan' else 0)
    outline = np.concatenate(
        [np.stack([forward, top], -1), np.stack([forward[::-1], np.full(24, base)], -1)]
    )
    return outline.astype(np.float32)


@dataclass(frozen=True, slots=True)
class SideView:
    """Draws on the side panel by forward and upward place in metres."""

    picture: Picture
    shape: CarShape
    layout: AtlasLayout

    def poly(self, colour: Colour, points: Floats) -> None:
        """Fill a polygon (N, 2)."""
        fill(self.picture, side_uv(self.shape, self.layout, points[:, 0], points[:, 1]), colour)

    def patch(self, colour: Colour, *corners: tuple[float, float]) -> None:
        """Fill a polygon of a few corners."""
        self.poly(colour, np.array(corners))

    def line(self, colour: Colour, width: int, *corners: tuple[float, float]) -> None:
        """Draw a line, its width in texture pixels."""
        points = np.array(corners)
        stroke(
            self.picture,
            side_uv(self.shape, self.layout, points[:, 0], points[:, 1]),
            colour,
            width,
        )

    def disc(self, colour: Colour, forward: float, up: float, radius: float) -> None:
        """Fill a circle."""
        turn = np.linspace(0, 2 * np.pi, 30)
        ring = [forward + radius * np.cos(turn), up + radius * np.sin(turn)]
        self.poly(colour, np.stack(ring, -1))


def paint_side(rng: np.random.Generator, view: SideView, *, lit: bool) -> None:
    """
    Paint wheel arches, lamps, windows and doors.

    :param lit: whether the rear lamps are on.
    """
    shape = view.shape
    rear, front = -shape.length / 2, shape.length / 2
    axle_rear, axle_front = shape.axles
    radius, belt = shape.wheel_radius, shape.belt
    sill = float(shape.profile[0, 1])
    view.patch(PLASTIC, (rear, 0), (rear, sill + 0.1), (front, sill + 0.1), (front, 0))
    view.line(
        (255, 255, 255, 255) if rng.random() < 0.05 else SEAM,
        1,
        (axle_rear, belt * 0.62),
        (axle_front, belt * 0.6),
    )
    for axle in shape.axles:
        if shape.style == 'suv' or rng.random() < 0.1:
            view.disc(PLASTIC, axle, radius, radius * 1.28)
        view.disc((9, 9, 9, 0), axle, radius, radius * 1.15)
    _side_lamps(view, lit)
    screen = float(shape.profile[8, 0]) - 0.12
    cab = screen - 1.15 * (1 if shape.style != 'van' else 0.9)
    if shape.style == 'truck':
        box = cab - 0.45
        view.patch(
            (22, 22, 22, 30),
            (box, 0),
            (box, shape.height),
            (box + 0.2, shape.height),
            (box + 0.2, 0),
        )
        view.patch((20, 20, 20, 10), (rear, 0), (rear, sill + 0.05), (box, sill + 0.05), (box, 0))
        start = box + 0.5
    elif shape.style == 'van' and rng.random() < 0.75:
        start = cab
    else:
        start = max(float(shape.profile[4, 0]) + 0.13, rear + 0.28)
    _glazing(rng, view, start, screen)
    _doors(view, start if shape.style in ('van', 'truck') else cab, screen)


def _side_lamps(view: SideView, lit: bool) -> None:
    shape = view.shape
    rear, front = -shape.length / 2, shape.length / 2
    axle_rear, axle_front = shape.axles
    radius = shape.wheel_radius
    # lamps reach around the corners
    lamp_low, lamp_high = float(shape.profile[2, 1]) + 0.06, float(shape.profile[3, 1]) - 0.05
    view.patch(
        TAIL_LIT if lit else TAIL,
        (rear, lamp_low),
        (rear, lamp_high),
        (rear + 0.2, lamp_high),
        (rear + 0.26, lamp_low),
    )
    head_high, head_low = float(shape.profile[9, 1]) - 0.03, float(shape.profile[10, 1]) + 0.02
    view.patch(
        LAMP,
        (front, head_low),
        (front, head_high),
        (front - 0.42, head_high + 0.03),
        (front - 0.2, head_low),
    )
    view.line(SEAM, 1, (rear, lamp_low - 0.06), (axle_rear - radius * 1.1, lamp_low - 0.1))
    view.line(SEAM, 1, (front, head_low - 0.06), (axle_front + radius * 1.1, head_low - 0.1))


def _doors(view: SideView, middle: float, screen: float) -> None:
    shape, belt, radius = view.shape, view.shape.belt, view.shape.wheel_radius
    axle_rear, axle_front = shape.axles
    sill = float(shape.profile[0, 1])
    doors = [screen - 0.1, middle]
    if shape.style not in ('van', 'truck'):
        doors.append(max(middle - 0.95, axle_rear + 0.2))
    for number, forward in enumerate(doors):
        bottom = sill + 0.12 if number < 2 else radius * 2.1
        view.line(SEAM, 1, (forward, belt + 0.02), (forward - 0.02, belt * 0.6), (forward, bottom))
        if number:
            view.patch(
                PLASTIC,
                (forward + 0.05, belt - 0.13),
                (forward + 0.22, belt - 0.13),
                (forward + 0.22, belt - 0.09),
                (forward + 0.05, belt - 0.09),
            )
    view.line(
        SEAM, 1, (axle_rear + radius * 1.2, sill + 0.13), (axle_front - radius * 1.2, sill + 0.13)
    )


def _glazing(rng: np.random.Generator, view: SideView, start: float, screen: float) -> None:
    shape = view.shape
    chrome = rng.random() < 0.25
    outline = _side_window(shape, start, screen + 0.05, 0.095)
    grown = outline + np.sign(outline - outline.mean(0)) * 0.022
    view.poly(CHROME if chrome else (14, 14, 14, 150), grown)
    view.poly(GLASS, outline)
    level = int(rng.uniform(40, 70))
    inner = outline.mean(0) + (outline - outline.mean(0)) * np.array([0.9, 0.55], np.float32)
    view.poly((level, level, level, 255), inner + np.array([0, 0.03]))
    base, top = shape.belt, shape.height
    for forward in np.arange(screen - 0.95, start + 0.2, -0.95):  # seats behind the glass
        seat = np.array(
            [(0.1, 0.0), (0.02, 0.26), (0.08, 0.4), (-0.16, 0.38), (-0.2, 0.26), (-0.3, 0)]
        )
        view.poly(GLASS, seat + np.array([forward, base]))
    pillars = [screen - 1.12, screen - 2.05, screen - 2.75]
    for number, forward in enumerate(pillars):
        if forward > start + 0.18:
            pillar = np.array([(-0.04, -0.02), (-0.045, 1), (0.035, 1), (0.04, -0.02)])
            pillar = pillar * np.array([1, top - base]) + np.array([forward, base])
            view.poly((15, 15, 15, 170) if number == 0 else SEAM, pillar)
    # put the roof's own colour back above the glass
    line, places = shape.smooth_profile()
    upper = line[(places >= 4.5) & (places <= 8)]
    roof = np.concatenate([upper - np.array([0, 0.09]), upper[::-1] + np.array([0, 0.2])])
    body = view.picture[2, 2]
    view.poly((int(body[0]), int(body[1]), int(body[2]), int(body[3])), roof)
