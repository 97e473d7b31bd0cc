"""
Pinhole camera over a flat street.

World axes: x right, y up, z along the street, metres; the street's surface is y = 0. Camera axes:
x right, y down, z forward. ``bend`` curves the whole world sideways by ``bend * z ** 2`` with the
distance z along the street, so a straight street description also gives curved streets.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
NEAR = 0.6
FAR = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera:
    """Pose and lens of one frame; angles in radians, pitch positive looks down."""

    size: tuple[int, int]
    focal: float
    x: float
    height: float
    z: float
    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    bend: float = 0.0

    @property
    def centre(self) -> tuple[float, float]:
        """Principal point (x, y) in pixels."""
        return (self.size[1] - 1) / 2, (self.size[0] - 1) * 0.47

    @property
    def rotation(self) -> Floats:
        """Matrix (3, 3) from world directions to camera directions."""
        cos_yaw, sin_yaw = np.cos(self.yaw), np.sin(self.yaw)
        cos_pitch, sin_pitch = np.cos(self.pitch), np.sin(self.pitch)
        cos_roll, sin_roll = np.cos(self.roll), np.sin(self.roll)
        yaw = np.array([[cos_yaw, 0, -sin_yaw], [0, 1, 0], [sin_yaw, 0, cos_yaw]])
        down = np.diag([1.0, -1.0, 1.0])
        pitch = np.array([[1, 0, 0], [0, cos_pitch, -sin_pitch], [0, sin_pitch, cos_pitch]])
        roll = np.array([[cos_roll, -sin_roll, 0], [sin_roll, cos_roll, 0], [0, 0, 1]])
        matrix: Floats = (roll @ pitch @ down @ yaw).astype(np.float32)
        return matrix

    def to_camera(self, points: Floats) -> Floats:
        """
        Give world points in camera axes.

        :param points: (N, 3) metres, world.
        :return: (N, 3) metres, camera.
        """
        relative = points - np.array([self.x, self.height, self.z], np.float32)
        relative[:, 0] += self.bend * relative[:, 2] ** 2
        moved: Floats = relative @ self.rotation.T
        return moved

    def project(self, points: Floats) -> Floats:
        """
        Project world points; points nearer than NEAR are projected as if at NEAR.

        :param points: (N, 3) metres, world.
        :return: (N, 3): pixel x, pixel y, depth in metres.
        """
        camera_points = self.to_camera(points)
        depth = np.maximum(camera_points[:, 2], NEAR)
        centre = np.array(self.centre, np.float32)
        pixels = camera_points[:, :2] * (self.focal / depth)[:, None] + centre
        return np.column_stack([pixels, camera_points[:, 2]]).astype(np.float32)

    def rays(self, xs: Floats, ys: Floats) -> Floats:
        """
        Give world directions through pixels, of length one along the camera's axis.

        :param xs: pixel columns, any shape.
        :param ys: pixel rows, the same shape.
        :return: (..., 3).
        """
        centre = self.centre
        local = np.stack(
            [(xs - centre[0]) / self.focal, (ys - centre[1]) / self.focal, np.ones_like(xs)], -1
        )
        turned: Floats = local.astype(np.float32) @ self.rotation
        return turned

    def horizon_row(self) -> float:
        """Row of the horizon at the middle column."""
        return float(self.centre[1] - self.focal * np.tan(self.pitch))
