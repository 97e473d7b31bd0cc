"""
Bodies of cars, vans and trucks.

A body is a ribbon over its side profile (rear bottom, over the roof, to front bottom), as wide as
the body is at each place, closed by two side panels; its edges are rounded.
"""

from dataclasses import dataclass

import numpy as np
from squeezedet_ros.data.synthetic.camera import Floats
from squeezedet_ros.data.synthetic.mesh import (
    build,
    ellipsoid,
    grid_faces,
    grid_normals,
    merge,
    Mesh,
    unit,
)

# Profiles as (distance from the rear end, height), both relative to length and height. The places:
# 0 rear bottom, 1 bumper edge, 2 bumper top, 3 boot edge, 4 rear window bottom, 5 rear window top,
# 6 roof, 7 windscreen top, 8 windscreen bottom, 9 bonnet front, 10 bumper top, 11 edge, 12 bottom.
PROFILES: dict[str, tuple[tuple[float, float], ...]] = {
    'sedan': (
        (0.012, 0.17), (0.0, 0.33), (0.006, 0.45), (0.022, 0.665), (0.128, 0.70), (0.272, 0.95),
        (0.43, 1.0), (0.575, 0.965), (0.735, 0.68), (0.925, 0.585), (0.988, 0.46), (1.0, 0.30),
        (0.985, 0.14),
    ),
    'hatchback': (
        (0.012, 0.17), (0.0, 0.34), (0.008, 0.47), (0.03, 0.655), (0.045, 0.69), (0.125, 0.945),
        (0.40, 1.0), (0.60, 0.96), (0.77, 0.675), (0.925, 0.57), (0.985, 0.45), (1.0, 0.30),
        (0.985, 0.14),
    ),
    'wagon': (
        (0.012, 0.17), (0.0, 0.34), (0.008, 0.46), (0.022, 0.64), (0.03, 0.68), (0.105, 0.95),
        (0.40, 1.0), (0.585, 0.965), (0.745, 0.68), (0.925, 0.58), (0.987, 0.46), (1.0, 0.30),
        (0.985, 0.14),
    ),
    'suv': (
        (0.015, 0.2), (0.0, 0.36), (0.006, 0.47), (0.02, 0.625), (0.026, 0.66), (0.085, 0.95),
        (0.38, 1.0), (0.585, 0.965), (0.735, 0.675), (0.94, 0.60), (0.99, 0.47), (1.0, 0.33),
        (0.98, 0.18),
    ),
    'minivan': (
        (0.012, 0.16), (0.0, 0.31), (0.006, 0.44), (0.02, 0.60), (0.028, 0.63), (0.08, 0.955),
        (0.36, 1.0), (0.64, 0.945), (0.83, 0.62), (0.945, 0.52), (0.988, 0.41), (1.0, 0.28),
        (0.985, 0.13),
    ),
    'van': (
        (0.008, 0.13), (0.0, 0.23), (0.004, 0.33), (0.01, 0.52), (0.012, 0.56), (0.03, 0.96),
        (0.36, 1.0), (0.72, 0.975), (0.885, 0.56), (0.965, 0.47), (0.99, 0.36), (1.0, 0.22),
        (0.985, 0.11),
    ),
    'truck': (
        (0.0, 0.25), (0.0, 0.30), (0.0, 0.35), (0.0, 0.5), (0.0, 0.60), (0.002, 1.0),
        (0.36, 1.0), (0.935, 0.97), (0.987, 0.55), (0.992, 0.40), (0.996, 0.27), (1.0, 0.18),
        (0.99, 0.11),
    ),
}  # fmt: skip
# length, width, height, wheel radius: means in metres
DIMENSIONS: dict[str, tuple[float, float, float, float]] = {
    'sedan': (4.6, 1.80, 1.44, 0.315),
    'hatchback': (4.05, 1.74, 1.48, 0.30),
    'wagon': (4.65, 1.80, 1.49, 0.315),
    'suv': (4.5, 1.86, 1.68, 0.35),
    'minivan': (4.45, 1.80, 1.68, 0.315),
    'van': (5.2, 1.95, 2.25, 0.34),
    'truck': (7.2, 2.4, 3.1, 0.46),
}
BEVEL = 0.075


@dataclass(frozen=True, slots=True, kw_only=True)
class CarShape:
    """Measures of one vehicle, metres; ``profile`` (13, 2) is (forward, up) from its middle."""

    style: str
    length: float
    width: float
    height: float
    belt: float
    roof_ratio: float
    wheel_radius: float
    profile: Floats

    @property
    def axles(self) -> tuple[float, float]:
        """Forward positions of the rear and front axle."""
        rear, front = {'truck': (0.24, 0.17), 'van': (0.21, 0.18)}.get(self.style, (0.185, 0.19))
        return -self.length * (0.5 - rear), self.length * (0.5 - front)

    def smooth_profile(self, rounds: int = 2) -> tuple[Floats, Floats]:
        """
        Give the profile with its corners rounded.

        :param rounds: how often each corner is cut.

        :return: (N, 2) metres, and (N,) places along the control points, 0 to 12.
        """
        line = np.column_stack([self.profile, np.arange(len(self.profile))]).astype(np.float32)
        for _ in range(rounds):
            near, far = 0.78 * line[:-1] + 0.22 * line[1:], 0.22 * line[:-1] + 0.78 * line[1:]
            inner = np.stack([near, far], 1).reshape(-1, 3)
            line = np.concatenate([line[:1], inner, line[-1:]])
        return line[:, :2], line[:, 2]

    def half_width(self, forward: Floats, up: Floats) -> Floats:
        """Half width of the body at places of its side view, metres."""
        above = np.clip((up - self.belt) / max(self.height - self.belt, 0.1), 0, 1)
        below = np.clip((self.belt * 0.75 - up) / self.belt, 0, 1)
        shape = (1 - (1 - self.roof_ratio) * above**1.1) * (1 - 0.12 * below**2)
        ends = np.clip(np.abs(forward) / (self.length / 2), 0, 1)
        taper = 0.02 if self.style == 'truck' else 0.11
        half: Floats = (self.width / 2 * shape * (1 - taper * ends**6)).astype(np.float32)
        return half


def draw_shape(rng: np.random.Generator, style: str) -> CarShape:
    """Draw a vehicle of a style; each differs a little from the mean."""
    length, width, height, wheel = DIMENSIONS[style]
    length *= rng.uniform(0.93, 1.07)
    width *= rng.uniform(0.97, 1.03)
    height *= rng.uniform(0.97, 1.04)
    profile = np.array(PROFILES[style])
    profile[3:10] += rng.normal(0, 0.008, (7, 2)) if style != 'truck' else 0
    profile[5:8, 1] = np.minimum(profile[5:8, 1], 1.0)
    belt = {'van': 0.54, 'truck': 0.52, 'minivan': 0.61}.get(style, 0.655) * height
    return CarShape(
        style=style,
        length=length,
        width=width,
        height=height,
        belt=belt,
        roof_ratio={'van': 0.88, 'truck': 0.99, 'suv': 0.8}.get(style, 0.75)
        + rng.uniform(-0.02, 0.02),
        wheel_radius=wheel * rng.uniform(0.96, 1.06),
        profile=((profile - [0.5, 0]) * [length, height]).astype(np.float32),
    )


@dataclass(frozen=True, slots=True)
class AtlasLayout:
    """Where the parts of a vehicle lie in its texture; pixels, origins as (column, row)."""

    scale: float
    ribbon_width: int
    ribbon_length: int
    side: tuple[int, int]
    side_size: tuple[int, int]
    wheel: tuple[int, int]
    wheel_size: int
    dark: tuple[int, int]
    paint: tuple[int, int]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the texture."""
        height = max(self.ribbon_length, self.side_size[0] + self.wheel_size + 24)
        return -(-height // 16) * 16, -(-(self.side[0] + self.side_size[1] + 4) // 16) * 16


def atlas_layout(shape: CarShape) -> AtlasLayout:
    """Lay out the texture of a vehicle."""
    scale = 68.0 if shape.style in ('van', 'truck') else 100.0
    line, _ = shape.smooth_profile()
    arc = float(np.linalg.norm(np.diff(line, axis=0), axis=1).sum())
    width = int(shape.width * scale)
    side = (width + 8, 4)
    side_size = (int((shape.height + 0.1) * scale), int((shape.length + 0.1) * scale))
    below = side_size[0] + 12
    return AtlasLayout(
        scale=scale,
        ribbon_width=width,
        ribbon_length=int(arc * scale) + 2,
        side=side,
        side_size=side_size,
        wheel=(side[0], below),
        wheel_size=96,
        dark=(side[0] + 112, below + 8),
        paint=(side[0] + 160, below + 8),
    )


def side_uv(shape: CarShape, layout: AtlasLayout, forward: Floats, up: Floats) -> Floats:
    """Give texture places of points of the side view; both sides share them."""
    u = layout.side[0] + (forward + shape.length / 2 + 0.05) * layout.scale
    v = layout.side[1] + (shape.height + 0.05 - up) * layout.scale
    return np.stack([u, v], -1).astype(np.float32)


def _ribbon(shape: CarShape, layout: AtlasLayout, coarse: bool) -> tuple[Floats, Floats]:
    """Give the ribbon's points (N, T, 3) and texture places (N, T, 2)."""
    line, _ = shape.smooth_profile(1 if coarse else 2)
    start = 1 - BEVEL / (shape.width / 2)
    edge = np.array([0.5, 1]) if coarse else np.array([0, 0.4, 0.75, 1])
    inner = np.concatenate([[0, 0.55] if coarse else [0, 0.4, 0.75], start + edge * (1 - start)])
    across = np.concatenate([-inner[:0:-1], inner]).astype(np.float32)
    tangent = np.gradient(line, axis=0)
    tangent /= np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-6)
    outward = np.column_stack([-tangent[:, 1], tangent[:, 0]])
    q = np.clip((np.abs(across) - start) / (1 - start), 0, 1)
    bevel = BEVEL * (1 - np.sqrt(1 - q**2))
    ends = np.clip(np.abs(line[:, 0]) / (shape.length / 2), 0, 1) ** 8
    bow = (0.035 + (0.01 if shape.style == 'truck' else 0.13) * ends) * (line[:, 1] > 0.1)
    inset = bevel[None] + bow[:, None] * across[None] ** 2
    places = line[:, None] - outward[:, None] * inset[..., None]
    side = across[None] * shape.half_width(line[:, 0], line[:, 1])[:, None]
    points = np.stack([side, places[..., 1], places[..., 0]], -1).astype(np.float32)
    arc = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    u = np.broadcast_to((across + 1) / 2 * (layout.ribbon_width - 1), side.shape)
    v = np.broadcast_to((arc * layout.scale)[:, None], side.shape)
    return points, np.stack([u, v], -1).astype(np.float32)


def _side(
    shape: CarShape, layout: AtlasLayout, border: Floats, sign: float, coarse: bool
) -> tuple[Floats, Floats]:
    sill = float(shape.profile[[0, 12], 1].min()) + 0.03
    low, high = float(shape.profile[0, 0]) + 0.05, float(shape.profile[12, 0]) - 0.05
    steps = [0, 0.3, 0.62, 1] if coarse else [0, 0.2, 0.45, 0.62, 0.8, 0.93, 1]
    share = np.array(steps, np.float32)[None]
    up = sill + (np.maximum(border[:, 1], sill) - sill)[:, None] * share
    base = np.clip(border[:, 2], low, high)
    forward = base[:, None] + (border[:, 2] - base)[:, None] * share
    across = np.minimum(shape.half_width(forward, up), shape.width / 2) * sign
    across[:, -1] = border[:, 0]
    points = np.stack([across, up, forward], -1).astype(np.float32)
    return points, side_uv(shape, layout, forward, up)


def _flat(points: Floats, normals: Floats, uv: Floats, layer: int) -> Mesh:
    rows, columns = points.shape[:2]
    return build(
        points.reshape(-1, 3),
        normals.reshape(-1, 3),
        uv.reshape(-1, 2),
        grid_faces(rows, columns),
        layer,
    )


def _body(shape: CarShape, layout: AtlasLayout, coarse: bool) -> list[Mesh]:
    centre = np.array([0, shape.height * 0.4, 0], np.float32)
    ribbon, ribbon_uv = _ribbon(shape, layout, coarse)
    ribbon_normals = grid_normals(ribbon, centre)
    parts = []
    for sign, column in ((-1.0, 0), (1.0, -1)):
        points, uv = _side(shape, layout, ribbon[:, column], sign, coarse)
        normals = grid_normals(points, centre * np.array([0, 0.6, 0], np.float32))
        outward = np.array([sign, 0, 0], np.float32)
        normals = unit(normals * (normals[..., :1] * sign > 0.3) + 0.25 * outward)
        shared = unit(normals[:, -1] + ribbon_normals[:, column])
        normals[:, -1] = shared
        ribbon_normals[:, column] = shared
        parts.append(_flat(points, normals, uv, 1))
    floor = ribbon[[0, -1]] * np.array([0.97, 1, 0.97], np.float32)
    floor[..., 1] = float(shape.profile[[0, 12], 1].min())
    floor_uv = np.full((*floor.shape[:2], 2), 16, np.float32) + np.array(layout.dark, np.float32)
    down = np.broadcast_to(np.array([0, -1, 0], np.float32), floor.shape)
    return [*parts, _flat(floor, down, floor_uv, 0), _flat(ribbon, ribbon_normals, ribbon_uv, 1)]


def _wheel(
    shape: CarShape, layout: AtlasLayout, sign: float, axle: float, coarse: bool
) -> list[Mesh]:
    radius, sides = shape.wheel_radius, 10 if coarse else 18
    outer = shape.width / 2 * 0.955
    inner = outer - (0.5 if shape.style == 'truck' else 0.2)
    angle = np.linspace(0, 2 * np.pi, sides + 1)
    circle = np.stack([0 * angle, np.sin(angle), np.cos(angle)], -1).astype(np.float32)
    hub = np.array([0, radius, axle], np.float32)
    across = np.array([1, 0, 0], np.float32)
    tread = np.stack([circle * radius + hub + across * sign * x for x in (inner, outer)])
    dark = np.full((2, sides + 1, 2), 16, np.float32) + np.array(layout.dark, np.float32)
    rings = np.array([0.0, 0.55, 0.93, 1.0], np.float32)
    bulge = np.array([0.0, 0.0, 0.015, 0.0], np.float32)
    disc = np.stack(
        [
            circle * radius * r + hub + across * sign * (outer + b)
            for r, b in zip(rings, bulge, strict=True)
        ]
    )
    flat = np.stack([0 * circle + across * sign + 0.5 * circle * max(r - 0.8, 0) for r in rings])
    place = np.array(layout.wheel, np.float32) + layout.wheel_size / 2
    disc_uv = place + circle[None, :, [2, 1]] * (-rings[:, None, None]) * (
        layout.wheel_size / 2 - 1
    )
    inside = np.stack([circle * radius * r + hub + across * sign * inner for r in (0.0, 1.0)])
    inward = np.broadcast_to(-across * sign, inside.shape)
    return [
        _flat(inside, inward, dark, 0),
        _flat(tread, np.stack([circle, circle]), dark, 0),
        _flat(disc, unit(flat), disc_uv.astype(np.float32), 2),
    ]


def _mirrors(shape: CarShape, layout: AtlasLayout) -> list[Mesh]:
    forward = float(shape.profile[8, 0]) - (0.35 if shape.style != 'truck' else 0.1)
    up = shape.belt + 0.07
    patch = np.array([[2, 2], [28, 28]], np.float32) + np.array(layout.paint, np.float32)
    parts = []
    for sign in (-1.0, 1.0):
        across = sign * (float(shape.half_width(np.float32(forward), np.float32(up))) + 0.09)
        parts.append(
            ellipsoid(
                np.array([across, up, forward], np.float32),
                np.array([0.105, 0.07, 0.06], np.float32) * (1.6 if shape.style == 'truck' else 1),
                patch,
                sides=6,
                layer=1,
            )
        )
    return parts


def vehicle_mesh(shape: CarShape, *, coarse: bool = False) -> Mesh:
    """
    Make the mesh of a vehicle, standing on y = 0, looking along +z, its middle at the origin.

    :param coarse: with few triangles, for a vehicle far away.
    """
    layout = atlas_layout(shape)
    parts = [
        part
        for axle in shape.axles
        for sign in (-1.0, 1.0)
        for part in _wheel(shape, layout, sign, axle, coarse)
    ]
    mesh = merge([*parts, *_body(shape, layout, coarse), *_mirrors(shape, layout)])
    occlusion = np.clip(0.3 + 0.7 * (mesh.points[:, 1] - 0.1) / 0.6, 0.25, 1)
    return mesh._replace(occlusion=occlusion.astype(np.float32))
