"""Paint one frame from far to near and measure its objects."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from squeezedet_ros.data.ground_truth import DONT_CARE, GroundTruth
from squeezedet_ros.data.synthetic.background import paint_ground, paint_sky, sunlit_share
from squeezedet_ros.data.synthetic.camera import Camera, Floats
from squeezedet_ros.data.synthetic.mesh import Mesh, place
from squeezedet_ros.data.synthetic.raster import composite, Drawing, Layer, render_mesh
from squeezedet_ros.data.synthetic.scene import Scene
from squeezedet_ros.data.synthetic.scenery import render_sprite, render_wall
from squeezedet_ros.data.synthetic.shadows import cast, soften
from squeezedet_ros.data.synthetic.traffic import Actor

FARTHEST = 160.0
FARTHEST_VEHICLE, FARTHEST_PERSON = 100.0, 65.0
SMALLEST = 12
MOST_HIDDEN = 0.7
COARSE_HEIGHT, COARSE_BELOW = 1.5, 45
PARTLY, LARGELY = 0.1, 0.45


class Extent(NamedTuple):
    """A drawn object: its name, its own unhidden mask and place, and the share that is outside."""

    name: str
    mask: NDArray[np.bool_]
    left: int
    top: int
    outside: float

    def box_xyxy(self) -> tuple[int, int, int, int]:
        """First and last pixel columns and rows of the mask, inclusive."""
        rows, columns = np.flatnonzero(self.mask.any(1)), np.flatnonzero(self.mask.any(0))
        x, y = self.left, self.top
        return x + int(columns[0]), y + int(rows[0]), x + int(columns[-1]), y + int(rows[-1])


class _Placed(NamedTuple):
    actor: Actor
    mesh: Mesh
    distance: float
    sunlit: float


def _place_actors(scene: Scene, camera: Camera, time: float) -> list[_Placed]:
    placed = []
    for actor in scene.actors:
        spot = actor.place_at(time)
        ahead = float(spot[2] - camera.z)
        farthest = FARTHEST_PERSON if actor.shape is None else FARTHEST_VEHICLE
        if not -actor.reach < ahead < farthest:
            continue
        sideways = abs(spot[0] - camera.x + camera.bend * ahead**2) - actor.reach
        half_view = camera.size[1] / 2 / camera.focal + abs(camera.yaw) + 0.02
        if sideways > (ahead + actor.reach) * half_view:
            continue
        coarse = camera.focal * COARSE_HEIGHT < max(ahead, 1.0) * COARSE_BELOW
        mesh = place(actor.mesh_at(time, coarse=coarse), spot, actor.heading)
        share = sunlit_share(
            scene.light, scene.street, spot[0:1], spot[2:3], np.full(1, 1.5, np.float32)
        )
        placed.append(_Placed(actor, mesh, ahead, float(share[0])))
    return placed


def _extent(name: str, drawing: Drawing, camera: Camera) -> Extent | None:
    mask = drawing.layer.alpha >= 0.5
    if not mask.any():
        return None
    x0, y0, x1, y1 = drawing.whole_xyxy.tolist()
    height, width = camera.size
    inside_x = max(min(x1, width - 1) - max(x0, 0), 0)
    inside_y = max(min(y1, height - 1) - max(y0, 0), 0)
    whole = max((x1 - x0) * (y1 - y0), 1e-6)
    outside = float(np.clip(1 - inside_x * inside_y / whole, 0, 1))
    return Extent(name, mask, drawing.layer.left, drawing.layer.top, outside)


def paint(scene: Scene, camera: Camera, time: float) -> tuple[Floats, list[Extent], list[int]]:
    """
    Paint a frame.

    :return: picture (H, W, 3) display BGR, the objects from far to near, and how many pixels of
        each are not hidden by nearer things.
    """
    light, street = scene.light, scene.street
    placed = _place_actors(scene, camera, time)
    picture = paint_sky(camera, light, street)
    shadow, contact = np.zeros(camera.size, np.float32), np.zeros(camera.size, np.float32)
    for item in sorted(placed, key=lambda item: -item.distance):
        cast(shadow, contact, camera, light, item.mesh, item.actor.shape is None)
    paint_ground(picture, camera, light, street, soften(shadow), soften(contact))
    owners = np.zeros(camera.size, np.int32)
    extents: list[Extent] = []

    def draw_actor(item: _Placed) -> Layer | None:
        drawing = render_mesh(item.mesh, item.actor.texture(), camera, light, item.sunlit)
        extent = _extent(item.actor.name, drawing, camera) if drawing else None
        if drawing is None or extent is None:
            return None
        extents.append(extent)
        return drawing.layer

    for _, draw, is_object in _paint_order(scene, camera, placed, draw_actor):
        layer = draw()
        if layer is None:
            continue
        composite(picture, layer)
        rows, columns = layer.alpha.shape
        window = owners[layer.top : layer.top + rows, layer.left : layer.left + columns]
        window[layer.alpha >= 0.5] = len(extents) if is_object else 0
    visible = np.bincount(owners.ravel(), minlength=len(extents) + 1)[1:]
    return picture, extents, visible.tolist()


_Step = tuple[float, Callable[[], Layer | None], bool]


def _paint_order(
    scene: Scene,
    camera: Camera,
    placed: list[_Placed],
    draw_actor: Callable[[_Placed], Layer | None],
) -> list[_Step]:
    """
    Give everything beside the ground from far to near.

    A wall counts as far as its farthest point: whatever stands between it and the road is painted
    after it, and what stands behind it in a side street is painted before it.
    """
    light, street = scene.light, scene.street
    steps: list[_Step] = [(item.distance, partial(draw_actor, item), True) for item in placed]
    for wall in scene.walls:
        last = float(wall.corners[:, 2].max()) - camera.z
        if last > 0 and float(wall.corners[:, 2].min()) - camera.z < FARTHEST + 60:
            steps.append((last + 0.01, partial(render_wall, wall, camera, light, 1.0), False))
    for prop in scene.props:
        x, z = prop.place[0:1], prop.place[2:3]
        ahead = float(z[0]) - camera.z
        if 1 < ahead < FARTHEST:
            lit = float(sunlit_share(light, street, x, z + 3, np.full(1, 3, np.float32))[0])
            draw = partial(render_sprite, prop.sprite, prop.place, camera, light, lit)
            steps.append((ahead, draw, False))
    return sorted(steps, key=lambda step: -step[0])


def measure(extents: list[Extent], visible: list[int]) -> GroundTruth:
    """
    Make the ground truth of a frame.

    Wholly hidden objects are left out; objects that are mostly hidden or tiny become DontCare.
    """
    boxes, names, truncated, occluded = [], [], [], []
    for extent, seen in zip(extents, visible, strict=True):
        if not seen:
            continue
        hidden = 1 - seen / int(extent.mask.sum())
        box = extent.box_xyxy()
        small = box[3] - box[1] + 1 < SMALLEST or box[2] - box[0] + 1 < 4
        names.append(DONT_CARE if small or hidden > MOST_HIDDEN else extent.name)
        boxes.append(box)
        truncated.append(extent.outside)
        occluded.append(
            0 if hidden < PARTLY else 1 if hidden < LARGELY else 2 if hidden <= MOST_HIDDEN else 3
        )
    return GroundTruth(
        np.array(boxes, np.float32).reshape(-1, 4),
        tuple(names),
        np.array(truncated, np.float32),
        np.array(occluded, np.int64),
    )


def compose(scene: Scene, camera: Camera, time: float) -> tuple[Floats, GroundTruth]:
    """Paint a frame and measure what is in it."""
    picture, extents, visible = paint(scene, camera, time)
    return picture, measure(extents, visible)
