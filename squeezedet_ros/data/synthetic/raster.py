"""
Put meshes on the picture.

A mesh is drawn into a buffer of triangle numbers at a multiple of the picture's resolution;
colours are then computed once per covered sample (perspective-correct texture, smooth normals) and
reduced to the picture's pixels with their coverage.
"""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from squeezedet_ros.data.synthetic.camera import Camera, Floats, NEAR
from squeezedet_ros.data.synthetic.light import haze, Light, shade
from squeezedet_ros.data.synthetic.mesh import Ints, Mesh, unit

SUBPIXEL_BITS = 4
MAX_SAMPLES = 110_000


class Texture(NamedTuple):
    """Pyramid of uint8 (H, W, 4) pictures: BGR surface colour and gloss; halved at each level."""

    levels: tuple[NDArray[np.uint8], ...]
    pixels_per_metre: float


class Layer(NamedTuple):
    """Something drawn: colour (h, w, 3) display BGR, coverage (h, w), its top-left pixel."""

    colour: Floats
    alpha: Floats
    left: int
    top: int


class Drawing(NamedTuple):
    """A layer and the extent its object has beyond the picture's edges, xyxy pixels."""

    layer: Layer
    whole_xyxy: Floats


def make_texture(picture: NDArray[np.uint8], pixels_per_metre: float) -> Texture:
    """Build the pyramid of a texture."""
    levels = [picture]
    while len(levels) < 5:
        height, width = levels[-1].shape[:2]
        half = cv2.resize(levels[-1], (width // 2, height // 2), interpolation=cv2.INTER_AREA)
        levels.append(np.asarray(half, np.uint8))
    return Texture(tuple(levels), pixels_per_metre)


def render_mesh(
    mesh: Mesh, texture: Texture, camera: Camera, light: Light, sunlit: float
) -> Drawing | None:
    """
    Draw a mesh that stands in the world.

    :param mesh: in world axes.
    :param sunlit: 1 in the sun, 0 in shadow.
    :return: None when no part of it is in the picture.
    """
    local = camera.to_camera(mesh.points)
    keep = (local[mesh.faces][..., 2] > NEAR).all(1)
    corner = local[mesh.faces]
    flat = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    # to_camera mirrors (y turns down), which turns every winding around.
    keep &= np.einsum('fk,fk->f', flat, corner.sum(1)) > 0
    faces, layers = mesh.faces[keep], mesh.layer[keep]
    if not len(faces):
        return None
    depth = np.maximum(local[:, 2], NEAR)
    pixels = local[:, :2] * (camera.focal / depth)[:, None] + np.array(camera.centre, np.float32)
    used = pixels[faces].reshape(-1, 2)
    low, high = used.min(0), used.max(0)
    height, width = camera.size
    left, top = max(int(low[0]) - 2, 0), max(int(low[1]) - 2, 0)
    right, bottom = min(int(high[0]) + 3, width), min(int(high[1]) + 3, height)
    if right - left < 1 or bottom - top < 1:
        return None
    distance = float(np.median(depth))
    area = (right - left) * (bottom - top)
    fine = int(np.clip(np.sqrt(MAX_SAMPLES / area), 1, 3 if area < 2500 else 2))
    samples = (pixels - np.array([left, top], np.float32) + 0.5) * fine - 0.5
    shape = ((bottom - top) * fine, (right - left) * fine)
    order = np.lexsort((-depth[faces].sum(1), layers))
    faces = faces[order]
    ids = _number_buffer(samples[faces], shape)
    if not ids.any():
        return None
    level = int(np.clip(np.log2(texture.pixels_per_metre * distance / camera.focal / fine), 0, 4))
    attributes = _attributes(mesh, samples, depth, faces, ids)
    colour = _shade_samples(
        attributes, texture, level, ids, camera, light, sunlit, (left, top), fine
    )
    alpha = (ids > 0).astype(np.float32)
    if fine > 1:
        small = (right - left, bottom - top)
        colour = np.asarray(cv2.resize(colour, small, interpolation=cv2.INTER_AREA), np.float32)
        alpha = np.asarray(cv2.resize(alpha, small, interpolation=cv2.INTER_AREA), np.float32)
        colour = colour / np.maximum(alpha, 1e-3)[..., None]
    layer = Layer(haze(light, colour, distance), alpha, left, top)
    return Drawing(layer, np.concatenate([low, high]).astype(np.float32))


def _number_buffer(triangles: Floats, shape: tuple[int, int]) -> Ints:
    ids = np.zeros(shape, np.int32)
    scale = 1 << SUBPIXEL_BITS
    limit = 30_000
    fixed = np.clip(np.rint(triangles * scale), -limit * scale, limit * scale).astype(np.int32)
    for number, triangle in enumerate(fixed, 1):
        cv2.fillConvexPoly(ids, triangle, number, 8, SUBPIXEL_BITS)
    return ids


def _attributes(mesh: Mesh, samples: Floats, depth: Floats, faces: Ints, ids: Ints) -> Floats:
    """Interpolate u, v, normal and occlusion at each covered sample: (P, 6)."""
    x, y = samples[faces][..., 0].astype(np.float64), samples[faces][..., 1].astype(np.float64)
    determinant = (x[:, 1] - x[:, 0]) * (y[:, 2] - y[:, 0]) - (x[:, 2] - x[:, 0]) * (
        y[:, 1] - y[:, 0]
    )
    determinant = np.where(np.abs(determinant) < 0.02, np.inf, determinant)
    following, last = [1, 2, 0], [2, 0, 1]
    weight_x = (y[:, following] - y[:, last]) / determinant[:, None]
    weight_y = (x[:, last] - x[:, following]) / determinant[:, None]
    constant = 1 / 3 - weight_x * x.mean(1)[:, None] - weight_y * y.mean(1)[:, None]
    values = (
        np.concatenate(
            [mesh.uv, mesh.normals, mesh.occlusion[:, None], np.ones((len(depth), 1))], 1
        )
        / depth[:, None]
    )
    values = values[faces]
    basis = np.stack([weight_x, weight_y, constant], 1)
    planes = (basis @ values).astype(np.float32)
    rows, columns = np.nonzero(ids)
    numbers = ids[rows, columns] - 1
    chosen = planes[numbers]
    across, down = columns.astype(np.float32)[:, None], rows.astype(np.float32)[:, None]
    found = chosen[:, 0] * across + chosen[:, 1] * down + chosen[:, 2]
    result: Floats = found[:, :-1] / np.maximum(found[:, -1:], 1e-4)
    return result


def _shade_samples(
    attributes: Floats,
    texture: Texture,
    level: int,
    ids: Ints,
    camera: Camera,
    light: Light,
    sunlit: float,
    origin: tuple[int, int],
    fine: int,
) -> Floats:
    rows, columns = np.nonzero(ids)
    scale = np.float32(0.5**level)
    uv = (attributes[:, :2].astype(np.float32) + 0.5) * scale - 0.5
    # remap takes pictures of places: lay the list of samples out in rows.
    side = 4096
    table = np.zeros((2, -(-len(uv) // side) * side), np.float32)
    table[:, : len(uv)] = uv.T
    u, v = table.reshape(2, -1, side)
    surface = cv2.remap(
        texture.levels[level], u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    surface = surface.reshape(-1, 4)[: len(uv)].astype(np.float32) / 255
    xs = ((columns + 0.5) / fine - 0.5 + origin[0]).astype(np.float32)
    ys = ((rows + 0.5) / fine - 0.5 + origin[1]).astype(np.float32)
    shaded = shade(
        light,
        surface[:, :3] ** 2,
        surface[:, 3],
        unit(attributes[:, 2:5]),
        unit(camera.rays(xs, ys)),
        np.clip(attributes[:, 5], 0, 1),
        sunlit,
    )
    colour = np.zeros((*ids.shape, 3), np.float32)
    colour[rows, columns] = shaded
    return colour


def composite(picture: Floats, layer: Layer) -> None:
    """Put a layer over the picture (H, W, 3), in place."""
    height, width = layer.alpha.shape
    window = picture[layer.top : layer.top + height, layer.left : layer.left + width]
    window += (layer.colour - window) * layer.alpha[..., None]
