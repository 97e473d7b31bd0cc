"""Textures of vehicles: paint, windows, lights, plates, doors, grilles and wheels."""

from dataclasses import dataclass

import cv2
import numpy as np
from squeezedet_ros.data.synthetic.brush import (
    BITS,
    CHROME,
    Colour,
    fill,
    GLASS,
    LAMP,
    ORANGE,
    Picture,
    PLASTIC,
    SEAM,
    stroke,
    TAIL,
    TAIL_LIT,
)
from squeezedet_ros.data.synthetic.camera import Floats
from squeezedet_ros.data.synthetic.car_shape import atlas_layout, AtlasLayout, CarShape
from squeezedet_ros.data.synthetic.car_side import paint_side, SideView
from squeezedet_ros.data.synthetic.raster import make_texture, Texture

# BGR display values
PAINTS: tuple[tuple[tuple[int, int, int], float], ...] = (
    ((168, 168, 165), 0.17), ((112, 112, 112), 0.11), ((66, 64, 62), 0.11), ((30, 30, 31), 0.2),
    ((222, 224, 225), 0.16), ((92, 52, 26), 0.08), ((140, 92, 55), 0.04), ((32, 24, 140), 0.05),
    ((22, 18, 84), 0.02), ((52, 70, 36), 0.02), ((120, 150, 165), 0.02), ((30, 160, 205), 0.01),
    ((40, 90, 190), 0.01),
)  # fmt: skip


def draw_paint(rng: np.random.Generator, style: str) -> Colour:
    """Draw a vehicle colour as often as it is seen on streets; vans are mostly white."""
    if style in ('van', 'truck') and rng.random() < 0.55:
        return (215, 216, 218, 150)
    weights = np.array([weight for _, weight in PAINTS])
    base = np.array(PAINTS[int(rng.choice(len(PAINTS), p=weights / weights.sum()))][0])
    b, g, r = np.clip(base * rng.uniform(0.85, 1.12) + rng.normal(0, 4, 3), 10, 235).astype(int)
    return (int(b), int(g), int(r), 215)


@dataclass(frozen=True, slots=True)
class _Ribbon:
    """Draws on the ribbon by place along the profile (0 to 12) and across (-1 to 1)."""

    picture: Picture
    rows: Floats
    places: Floats
    width: int

    def at(self, place: float, across: float) -> tuple[float, float]:
        row = float(np.interp(place, self.places, self.rows))
        return (across + 1) / 2 * (self.width - 1), row

    def patch(self, colour: Colour, *corners: tuple[float, float]) -> None:
        fill(self.picture, np.array([self.at(*corner) for corner in corners]), colour)

    def line(self, colour: Colour, width: int, *corners: tuple[float, float]) -> None:
        stroke(self.picture, np.array([self.at(*corner) for corner in corners]), colour, width)

    def pair(self, colour: Colour, *corners: tuple[float, float]) -> None:
        self.patch(colour, *corners)
        self.patch(colour, *((place, -across) for place, across in corners))


def _plate(
    rng: np.random.Generator, ribbon: _Ribbon, low: float, high: float, yellow: bool, front: bool
) -> None:
    half = 0.29
    colour: Colour = (60, 190, 220, 60) if yellow else (215, 218, 218, 60)
    x0, row_low = ribbon.at(low, -half)
    x1, row_high = ribbon.at(high, half)
    top, bottom = sorted((row_low, row_high))
    fill(ribbon.picture, np.array([(x0, top), (x1, top), (x1, bottom), (x0, bottom)]), colour)
    letters = ''.join(rng.choice(list('ABCEHKLMPSTX'), 2)) + ' ' + str(rng.integers(100, 9999))
    size = (bottom - top) / 30
    text = (int(x0 + 3), int(bottom - 0.25 * (bottom - top)))
    face = cv2.FONT_HERSHEY_SIMPLEX
    cv2.putText(ribbon.picture, letters, text, face, size, (30, 25, 25, 40), 1, cv2.LINE_AA)
    # On the ribbon the rear lies upside down and the front is seen from inside.
    window = ribbon.picture[int(top) : int(bottom) + 1, int(x0) : int(x1) + 1]
    window[:] = window[:, ::-1].copy() if front else window[::-1].copy()


def _rear(rng: np.random.Generator, shape: CarShape, ribbon: _Ribbon, lit: bool) -> None:
    boxy = shape.style in ('van', 'truck')
    ribbon.patch(PLASTIC, (0, -1), (0, 1), (0.7, 1), (0.7, -1))
    if rng.random() < 0.4:
        ribbon.patch(PLASTIC, (0, -1), (0, 1), (1.6, 1), (1.6, -1))
    ribbon.line(SEAM, 2, (2.02, -0.97), (2.02, 0.97))
    glow = TAIL_LIT if lit else TAIL
    if shape.style == 'truck':
        ribbon.line(SEAM, 2, (2.2, 0), (5, 0))
        ribbon.line(PLASTIC, 3, (2.3, -0.96), (5, -0.96))
        ribbon.line(PLASTIC, 3, (2.3, 0.96), (5, 0.96))
        ribbon.patch((30, 30, 140, 60), (1.2, -1), (1.2, 1), (1.8, 1), (1.8, -1))
    outer, inner = 0.99, rng.uniform(0.55, 0.8)
    low = rng.uniform(2.05, 2.3)
    high = rng.uniform(2.75, 3.0) if shape.style == 'sedan' else rng.uniform(2.8, 3.5)
    if boxy:
        inner, low, high = 0.84, 1.6 if shape.style == 'truck' else 2.1, 2.9
        high = 2.0 if shape.style == 'truck' else high
    middle = (low + high) / 2
    ribbon.pair((12, 10, 60, 210), (low, inner), (low, outer), (high, outer), (high, inner + 0.03))
    ribbon.pair(
        glow,
        (low + 0.06, inner + 0.03),
        (low + 0.06, outer),
        (middle, outer),
        (middle, inner + 0.04),
    )
    ribbon.pair(
        TAIL,
        (middle, inner + 0.04),
        (middle, outer),
        (high - 0.05, outer),
        (high - 0.05, inner + 0.06),
    )
    strip = rng.uniform(0.3, 0.7) * (high - low) + low
    second = LAMP if rng.random() < 0.5 else ORANGE
    ribbon.pair(
        second,
        (strip, inner + 0.06),
        (strip, 0.93),
        (strip + 0.12, 0.93),
        (strip + 0.12, inner + 0.06),
    )
    if shape.style != 'truck':
        _rear_window(rng, shape, ribbon, lit)
    plate_low = 2.25 if rng.random() < 0.7 and not boxy else 1.1
    rows = ribbon.at(plate_low, 0)[1]
    up = 0.13 * float(ribbon.width) / shape.width
    plate_high = float(np.interp(rows + up, ribbon.rows, ribbon.places))
    _plate(rng, ribbon, plate_low, plate_high, yellow=rng.random() < 0.3, front=False)


def _rear_window(rng: np.random.Generator, shape: CarShape, ribbon: _Ribbon, lit: bool) -> None:
    low, high = (4.05, 4.9) if shape.style == 'sedan' else (4.1, 4.85)
    frame: Colour = (16, 16, 16, 160)
    ribbon.patch(frame, (low, -0.9), (low, 0.9), (high, 0.84), (high, -0.84))
    ribbon.patch(
        GLASS, (low + 0.06, -0.86), (low + 0.06, 0.86), (high - 0.05, 0.8), (high - 0.05, -0.8)
    )
    if rng.random() < 0.7:  # seen through to the windscreen, with headrests before it
        level = int(rng.uniform(45, 95))
        through: Colour = (level, level, level - 4, 255)
        ribbon.patch(
            through,
            (low + 0.4, -0.74),
            (low + 0.4, 0.74),
            (high - 0.14, 0.68),
            (high - 0.14, -0.68),
        )
        for across in (-0.45, 0.45):
            ribbon.patch(
                GLASS, (low + 0.2, across - 0.18), (low + 0.2, across + 0.18),
                (high - 0.3, across + 0.13), (high - 0.3, across - 0.13),
            )  # fmt: skip
    lamp = TAIL_LIT if lit else TAIL
    ribbon.patch(
        lamp, (high - 0.03, -0.14), (high - 0.03, 0.14), (high + 0.04, 0.14), (high + 0.04, -0.14)
    )
    if shape.style != 'sedan':
        ribbon.line(SEAM, 1, (2.02, -0.9), (3.4, -0.93), (5, -0.9))
        ribbon.line(SEAM, 1, (2.02, 0.9), (3.4, 0.93), (5, 0.9))
        ribbon.line(SEAM, 2, (low + 0.05, 0.0), (low + 0.2, 0.35))
    if shape.style == 'van':
        ribbon.line(SEAM, 3, (1, 0), (5, 0))
    ribbon.line(CHROME, 2, (3.35, -0.06), (3.35, 0.06))
    ribbon.line(SEAM, 1, (3.2, -0.5), (3.2, 0.5))


def _front(rng: np.random.Generator, shape: CarShape, ribbon: _Ribbon, lit: bool) -> None:
    boxy = shape.style in ('van', 'truck')
    ribbon.line(SEAM, 1, (8.1, -0.82), (9.1, -0.72), (9.35, 0), (9.1, 0.72), (8.1, 0.82))
    half = rng.uniform(0.25, 0.62)
    ribbon.patch(
        (18, 18, 18, 60), (9.5, -half), (9.5, half), (10.05, half * 0.85), (10.05, -half * 0.85)
    )
    for place in np.arange(9.55, 10, 0.14):
        ribbon.line((75, 75, 75, 160), 1, (place, -half * 0.95), (place, half * 0.95))
    if rng.random() < 0.6:
        ribbon.line(CHROME, 2, (9.48, -half), (9.48, half))
    ribbon.line(CHROME, 4, (9.72, -0.045), (9.72, 0.045))
    inner = rng.uniform(0.5, 0.66)
    low = rng.uniform(9.95, 10.2)
    lamp: Colour = (255, 255, 250, 120) if lit else LAMP
    ribbon.pair(
        (45, 45, 46, 255), (9.15, 0.97), (9.5, inner), (low, inner + 0.02), (low - 0.1, 1.0)
    )
    ribbon.pair(
        lamp, (9.4, 0.92), (9.58, inner + 0.05), (low - 0.08, inner + 0.07), (low - 0.15, 0.93)
    )
    ribbon.pair((90, 90, 92, 255), (9.6, 0.84), (9.65, 0.78), (9.85, 0.78), (9.85, 0.84))
    ribbon.pair(ORANGE, (9.3, 0.95), (9.42, 0.92), (9.9, 0.93), (9.9, 0.98))
    ribbon.line(SEAM, 1, (10.25, -0.98), (10.25, 0.98))
    wide = rng.uniform(0.45, 0.8)
    ribbon.patch(
        (16, 16, 16, 30), (10.95, -wide), (10.95, wide), (11.5, wide * 0.9), (11.5, -wide * 0.9)
    )
    if rng.random() < 0.6:
        ribbon.pair((20, 20, 20, 60), (11.0, 0.72), (11.0, 0.9), (11.4, 0.88), (11.4, 0.72))
        ribbon.pair(LAMP, (11.1, 0.77), (11.1, 0.85), (11.3, 0.85), (11.3, 0.77))
    ribbon.patch(PLASTIC, (11.65, -1), (11.65, 1), (12, 1), (12, -1))
    _plate(rng, ribbon, 10.45, 10.45 + (0.3 if boxy else 0.38), yellow=False, front=True)
    _windscreen(rng, shape, ribbon)


def _windscreen(rng: np.random.Generator, shape: CarShape, ribbon: _Ribbon) -> None:
    high, low = (7.1, 7.93) if shape.style != 'truck' else (7.42, 7.95)
    ribbon.patch(
        (16, 16, 16, 140), (high - 0.03, -0.86), (high - 0.03, 0.86), (low, 0.93), (low, -0.93)
    )
    ribbon.patch(GLASS, (high, -0.82), (high, 0.82), (low - 0.04, 0.89), (low - 0.04, -0.89))
    level = int(rng.uniform(38, 75))
    ribbon.patch(
        (level, level, level, 255),
        (high + 0.12, -0.7),
        (high + 0.12, 0.7),
        (low - 0.38, 0.78),
        (low - 0.38, -0.78),
    )
    for across in (-0.42, 0.42):
        ribbon.patch(
            GLASS, (low - 0.2, across - 0.25), (high + 0.34, across - 0.15),
            (high + 0.34, across + 0.15), (low - 0.2, across + 0.25),
        )  # fmt: skip
    ribbon.patch(
        SEAM, (high + 0.05, -0.1), (high + 0.05, 0.1), (high + 0.17, 0.09), (high + 0.17, -0.09)
    )
    ribbon.patch(PLASTIC, (low, -0.92), (low, 0.92), (low + 0.12, 0.9), (low + 0.12, -0.9))
    ribbon.line((8, 8, 8, 40), 2, (low - 0.02, -0.6), (low - 0.12, 0.1))
    ribbon.line((8, 8, 8, 40), 2, (low - 0.02, 0.1), (low - 0.12, 0.75))


def _wheel(rng: np.random.Generator, layout: AtlasLayout, picture: Picture, style: str) -> None:
    size = layout.wheel_size
    x, y = layout.wheel
    centre = np.array([x + size / 2, y + size / 2])
    radius = size / 2

    def disc(share: float, colour: Colour) -> None:
        middle = (int(centre[0] * 16), int(centre[1] * 16))
        cv2.circle(picture, middle, int(radius * share * 16), colour, -1, cv2.LINE_AA, BITS)

    cv2.rectangle(picture, (x, y), (x + size, y + size), (26, 26, 26, 15), -1)
    share = 0.55 if style == 'truck' else rng.uniform(0.64, 0.74)
    level = int(rng.uniform(110, 185))
    metal: Colour = (level, level, level, 140)
    cap = int(level * 0.7)
    disc(share, metal)
    disc(share - 0.05, (28, 28, 28, 30))
    spokes = int(rng.choice([5, 5, 6, 7, 8, 10]))
    if rng.random() < 0.25:
        disc(share - 0.07, (cap, cap, cap, 100))
    half = rng.uniform(0.25, 0.5) * np.pi / spokes
    for turn in np.arange(spokes) * 2 * np.pi / spokes:
        near, far = 0.1 * radius, (share - 0.02) * radius
        corners = [
            (near, turn - 3 * half),
            (far, turn - half),
            (far, turn + half),
            (near, turn + 3 * half),
        ]
        spoke = np.array([centre + r * np.array([np.cos(a), np.sin(a)]) for r, a in corners])
        fill(picture, spoke, metal)
    disc(0.14, (cap, cap, cap, 60))


def paint_vehicle(rng: np.random.Generator, shape: CarShape, *, lit: bool) -> Texture:
    """
    Paint the texture of a vehicle.

    :param lit: whether its lights are on (dusk, braking).
    """
    layout = atlas_layout(shape)
    picture = np.empty((*layout.size, 4), np.uint8)
    colour = draw_paint(rng, shape.style)
    picture[:] = colour
    line, places = shape.smooth_profile()
    arc = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    rows = (arc * layout.scale).astype(np.float32)
    ribbon = _Ribbon(picture, rows, places, layout.ribbon_width)
    paint_side(rng, SideView(picture, shape, layout), lit=lit)
    _rear(rng, shape, ribbon, lit or rng.random() < 0.2)
    _front(rng, shape, ribbon, lit)
    _wheel(rng, layout, picture, shape.style)
    x, y = layout.dark
    picture[y : y + 36, x : x + 36] = (20, 20, 20, 10)
    x, y = layout.paint
    picture[y : y + 36, x : x + 36] = colour if rng.random() < 0.7 else PLASTIC
    return make_texture(picture, layout.scale)
