"""Triangle meshes and the few shapes that cars, people and bicycles are made of."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from squeezedet_ros.data.synthetic.camera import Floats

Ints = NDArray[np.int32]


class Mesh(NamedTuple):
    """
    Triangles in object axes: x right, y up, z forward, metres.

    ``uv`` are pixel coordinates in the object's texture, ``layer`` is the paint order of a
    triangle inside the object (higher is later), ``occlusion`` in [0, 1] darkens the sky light.
    """

    points: Floats
    normals: Floats
    uv: Floats
    occlusion: Floats
    faces: Ints
    layer: Ints


def unit(vectors: Floats) -> Floats:
    """Scale vectors (..., 3) to length one."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    scaled: Floats = (vectors / np.maximum(length, 1e-9)).astype(np.float32)
    return scaled


def build(
    points: Floats,
    normals: Floats,
    uv: Floats,
    faces: Ints,
    layer: int = 0,
    occlusion: float = 1.0,
) -> Mesh:
    """Make a mesh, each triangle wound so that its geometric normal agrees with ``normals``."""
    corner = points[faces]
    flat = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    inward = np.einsum('fk,fk->f', flat, normals[faces].sum(1)) < 0
    faces = np.where(inward[:, None], faces[:, ::-1], faces).astype(np.int32)
    solid = np.linalg.norm(flat, axis=1) > 1e-9
    faces = faces[solid]
    return Mesh(
        points.astype(np.float32),
        normals.astype(np.float32),
        uv.astype(np.float32),
        np.full(len(points), occlusion, np.float32),
        faces,
        np.full(len(faces), layer, np.int32),
    )


def grid_faces(rows: int, columns: int) -> Ints:
    """Give the triangles of a (rows, columns) grid of points in row-major order."""
    index = np.arange(rows * columns, dtype=np.int32).reshape(rows, columns)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]
    both = np.stack([np.stack([a, b, c], -1), np.stack([a, c, d], -1)], 2)
    faces: Ints = both.reshape(-1, 3)
    return faces


def grid_normals(points: Floats, centre: Floats) -> Floats:
    """
    Give smooth normals of a grid of points.

    :param points: (R, C, 3).
    :param centre: (3,), a point inside; normals point away from it.
    :return: (R, C, 3) unit vectors.
    """
    normals = unit(np.cross(np.gradient(points, axis=0), np.gradient(points, axis=1)))
    away = np.einsum('rck,rck->rc', normals, points - centre) < 0
    return np.where(away[..., None], -normals, normals)


def merge(parts: Sequence[Mesh]) -> Mesh:
    """Join meshes into one."""
    starts = np.cumsum([0, *(len(part.points) for part in parts[:-1])])
    return Mesh(
        np.concatenate([part.points for part in parts]),
        np.concatenate([part.normals for part in parts]),
        np.concatenate([part.uv for part in parts]),
        np.concatenate([part.occlusion for part in parts]),
        np.concatenate([part.faces + start for part, start in zip(parts, starts, strict=True)]),
        np.concatenate([part.layer for part in parts]),
    )


def place(mesh: Mesh, position: Floats, heading: float) -> Mesh:
    """Turn a mesh about its upright axis (heading 0 looks along +z) and move it."""
    cos, sin = np.cos(heading), np.sin(heading)
    turn = np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]], np.float32)
    return mesh._replace(points=mesh.points @ turn.T + position, normals=mesh.normals @ turn.T)


def tube(
    path: Floats,
    radii: Floats,
    uv: Floats,
    *,
    sides: int = 8,
    flatten: float = 1.0,
    layer: int = 0,
) -> Mesh:
    """
    Make a closed round tube along a path.

    :param path: (N, 3) centres.
    :param radii: (N,) metres.
    :param uv: (2, 2) texture rectangle: first and last corner.
    :param flatten: depth (z) of the cross-section relative to its width.
    """
    along = unit(np.gradient(path, axis=0))
    main = unit((path[-1] - path[0])[None])[0]
    helper = np.array([0, 0, 1.0] if abs(main[2]) < 0.8 else [0, 1.0, 0], np.float32)
    side = unit(np.cross(along, helper))
    front = unit(np.cross(along, side))
    angle = np.linspace(0, 2 * np.pi, sides + 1)
    around = side[:, None] * np.cos(angle)[:, None] + front[:, None] * np.sin(angle)[:, None]
    ring = path[:, None] + around * radii[:, None, None] * np.array([1, 1, flatten])
    ends = np.zeros((1, sides + 1, 3))
    ring = np.concatenate([ends + path[0], ring, ends + path[-1]])
    normals = np.concatenate([ends - along[0], around, ends + along[-1]])
    count = len(path) + 2
    u = np.broadcast_to(np.linspace(uv[0, 0], uv[1, 0], sides + 1), (count, sides + 1))
    v = np.broadcast_to(np.linspace(uv[0, 1], uv[1, 1], count)[:, None], (count, sides + 1))
    flat_uv = np.stack([u, v], -1).reshape(-1, 2)
    return build(
        ring.reshape(-1, 3), normals.reshape(-1, 3), flat_uv, grid_faces(count, sides + 1), layer
    )


def ellipsoid(
    centre: Floats, radii: Floats, uv: Floats, *, sides: int = 10, layer: int = 0
) -> Mesh:
    """Make an ellipsoid; ``uv`` is a texture rectangle, top of the texture at the top."""
    theta = np.linspace(0, np.pi, sides // 2 + 2)[:, None]
    phi = np.linspace(0, 2 * np.pi, sides + 1)[None]
    ball = np.stack(
        [np.sin(theta) * np.sin(phi), np.cos(theta) + 0 * phi, np.sin(theta) * np.cos(phi)], -1
    )
    u = np.broadcast_to(np.linspace(uv[0, 0], uv[1, 0], sides + 1), ball.shape[:2])
    v = np.broadcast_to(np.linspace(uv[0, 1], uv[1, 1], len(theta))[:, None], ball.shape[:2])
    return build(
        (ball * radii + centre).reshape(-1, 3),
        unit(ball / radii).reshape(-1, 3),
        np.stack([u, v], -1).reshape(-1, 2),
        grid_faces(*ball.shape[:2]),
        layer,
    )
