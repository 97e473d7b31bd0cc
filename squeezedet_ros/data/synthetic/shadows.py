"""Shadows of objects on the street."""

import cv2
import numpy as np
from squeezedet_ros.data.synthetic.camera import Camera, Floats, NEAR
from squeezedet_ros.data.synthetic.light import Light
from squeezedet_ros.data.synthetic.mesh import Mesh


def _fill_hull(mask: Floats, camera: Camera, ground_points: Floats, strength: float) -> None:
    pixels = camera.project(ground_points)
    pixels = pixels[pixels[:, 2] > NEAR]
    if len(pixels) < 3:
        return
    hull = cv2.convexHull(np.clip(pixels[:, :2], -8000, 8000).astype(np.float32))
    fixed = np.rint(hull * 16).astype(np.int32)
    cv2.fillConvexPoly(mask, fixed, strength, 8, 4)


def cast(
    shadow: Floats, contact: Floats, camera: Camera, light: Light, mesh: Mesh, person: bool
) -> None:
    """
    Add the shadow of a mesh that stands in the world, in place.

    :param shadow: (H, W), share of the sun taken away.
    :param contact: (H, W), share of the sky taken away.
    """
    points = mesh.points[:: 3 if len(mesh.points) > 600 else 1]
    sun = light.sun_direction
    reach = points[:, 1:2] / max(float(sun[1]), 0.15)
    fallen = points - reach * sun
    fallen[:, 1] = 0
    if sun[1] > 0.15:
        _fill_hull(shadow, camera, fallen, 0.9)
    low = points[points[:, 1] < (0.25 if person else 0.9)] * np.array([1, 0, 1], np.float32)
    if len(low) < 3:
        return
    middle = low.mean(0)
    for grow, strength in ((1.22, 0.35), (1.08, 0.65), (0.98, 0.95)):
        _fill_hull(
            contact, camera, middle + (low - middle) * grow, strength * (0.7 if person else 1)
        )


def soften(mask: Floats) -> Floats:
    """Blur a shadow mask a little."""
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), 1.2), np.float32)
