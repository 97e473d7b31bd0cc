"""Things beside the road that are not objects to detect: houses, trees, hedges, posts, signs."""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from squeezedet_ros.data.synthetic.camera import Camera, Floats
from squeezedet_ros.data.synthetic.light import haze, irradiance, Light
from squeezedet_ros.data.synthetic.raster import Layer

Picture = NDArray[np.uint8]
SCALE = 20.0
NEAREST = 1.2
WALLS = np.array(
    [
        (150, 175, 190), (185, 195, 200), (120, 150, 175), (70, 95, 140), (60, 75, 115),
        (140, 140, 138), (165, 185, 205), (95, 110, 125), (110, 130, 165), (200, 205, 208),
    ],
    np.float32,
)  # fmt: skip


class Wall(NamedTuple):
    """A flat textured piece, BGR or BGRA; corners (4, 3) go around from the first bottom one."""

    corners: Floats
    normal: Floats
    texture: Picture


class Sprite(NamedTuple):
    """A flat picture that always faces the camera, BGRA, and its height in metres."""

    picture: Picture
    height: float


def facade(rng: np.random.Generator, length: float, height: float, shop: bool) -> Picture:
    """Paint the front of a house, SCALE pixels a metre."""
    width, rows = max(int(length * SCALE), 8), max(int(height * SCALE), 8)
    base = WALLS[rng.integers(len(WALLS))] * rng.uniform(0.55, 1.05)
    grain = rng.normal(0, 1, (rows, width)).astype(np.float32)
    stains = cv2.resize(
        rng.normal(0, 1, (6, 10)).astype(np.float32), (width, rows), interpolation=cv2.INTER_CUBIC
    )
    picture = base * (1 + 0.04 * grain + 0.05 * stains)[..., None]
    if rng.random() < 0.4:
        picture[:: int(SCALE * 0.15)] *= 0.86
    wall: Picture = np.clip(picture, 0, 255).astype(np.uint8)
    floor = rng.uniform(2.8, 3.4)
    window = np.array([rng.uniform(0.9, 1.7), rng.uniform(1.2, 1.9)])
    pitch = window[0] + rng.uniform(0.7, 1.8)
    frame = (225, 228, 230) if rng.random() < 0.7 else (50, 55, 60)
    trim = tuple(float(v) for v in np.clip(base * rng.choice([0.75, 1.2]), 0, 255))
    columns = max(int((length - 0.6) / pitch), 1)
    start = (length - columns * pitch) / 2
    for level in range(int(height / floor)):
        bottom = rows - (level * floor + 0.9) * SCALE
        if level == 0 and shop:
            _shop(rng, wall, floor)
            continue
        for column in range(columns):
            left = (start + column * pitch + (pitch - window[0]) / 2) * SCALE
            door = level == 0 and rng.random() < 0.2
            _window(rng, wall, (left, bottom), window, frame, trim, door)
        if rng.random() < 0.5:
            line = int(rows - level * floor * SCALE)
            cv2.rectangle(wall, (0, line - 3), (width, line), trim, -1)
    cv2.rectangle(wall, (0, 0), (width, int(SCALE * 0.3)), trim, -1)
    return wall


def _window(
    rng: np.random.Generator,
    wall: Picture,
    corner: tuple[float, float],
    size: NDArray[np.float64],
    frame: tuple[int, ...],
    trim: tuple[float, ...],
    door: bool,
) -> None:
    x0, x1 = int(corner[0]), int(corner[0] + size[0] * SCALE)
    y1, y0 = int(corner[1]), int(corner[1] - size[1] * SCALE)
    if door:
        y1 = wall.shape[0]
        colour = tuple(float(v) for v in rng.uniform(25, 90) + rng.uniform(-18, 18, 3))
        cv2.rectangle(wall, (x0, y0), (x1, y1), colour, -1)
        cv2.rectangle(wall, (x0 + 3, y0 + 3), (x1 - 3, y0 + 14), (50, 45, 40), -1)
        return
    cv2.rectangle(wall, (x0 - 3, y0 - 3), (x1 + 3, y1 + 2), trim, -1)
    cv2.rectangle(wall, (x0, y0), (x1, y1), frame, -1)
    dark, light = rng.uniform(25, 60), rng.uniform(60, 150)
    for left, right in ((x0 + 2, (x0 + x1) // 2 - 1), ((x0 + x1) // 2 + 1, x1 - 2)):
        if right <= left or y1 - y0 < 6:
            continue
        ramp = np.linspace(light, dark, y1 - y0 - 4)[:, None, None]
        pane = wall[max(y0 + 2, 0) : max(y1 - 2, 0), left:right]
        pane[:] = (
            (ramp[-pane.shape[0] :] * np.array([1.06, 1, 0.95])).astype(np.uint8)
            if pane.size
            else pane
        )
        if rng.random() < 0.35:
            pane[:, : max(pane.shape[1] // 3, 1)] = (190, 192, 195)
    cv2.rectangle(wall, (x0 - 4, y1 + 2), (x1 + 4, y1 + 5), (180, 182, 185), -1)


def _shop(rng: np.random.Generator, wall: Picture, floor: float) -> None:
    rows, width = wall.shape[:2]
    top = int(rows - floor * SCALE)
    sign = tuple(float(v) for v in np.clip(rng.uniform(30, 190) + rng.normal(0, 14, 3), 10, 230))
    cv2.rectangle(wall, (0, top + 4), (width, rows), (60, 60, 62), -1)
    x = 6
    while x < width - 20:
        pane = int(rng.uniform(1.2, 3.0) * SCALE)
        shade = rng.uniform(25, 90)
        cv2.rectangle(wall, (x, top + 20), (x + pane, rows - 10), (shade * 1.05, shade, shade), -1)
        goods = np.clip(rng.uniform(35, 120) + rng.normal(0, 18, 3), 10, 200)
        cv2.rectangle(
            wall, (x + 8, rows - 34), (x + pane - 8, rows - 14), tuple(float(g) for g in goods), -1
        )
        x += pane + 5
    cv2.rectangle(wall, (0, top), (width, top + 16), sign, -1)
    for x in range(int(width * 0.2), int(width * 0.8), 9):
        cv2.line(wall, (x, top + 4), (x + 4, top + 12), (235, 235, 235), 2)


def gable_texture(rng: np.random.Generator, wall: Picture, rise: float) -> Picture:
    """Paint the triangle of a house's side under its roof, in the colour of its wall."""
    rows, width = max(int(rise * SCALE), 4), wall.shape[1]
    picture = np.zeros((rows, width, 4), np.uint8)
    base = wall[-8:, -3:].reshape(-1, 3).mean(0)
    grain = 1 + 0.05 * rng.standard_normal((rows, width, 1))
    picture[..., :3] = np.clip(base * grain, 0, 255).astype(np.uint8)
    outside = np.abs(np.linspace(-1, 1, width))[None] > np.linspace(0, 1, rows)[:, None]
    picture[..., 3] = np.where(outside, 0, 255)
    return picture


def roof_texture(rng: np.random.Generator, length: float, height: float) -> Picture:
    """Paint tiles."""
    base = np.array(
        [(60, 70, 130), (70, 70, 75), (50, 60, 95), (85, 85, 90)][rng.integers(4)], np.float32
    )
    rows, width = max(int(height * SCALE), 8), max(int(length * SCALE), 8)
    picture = base * (1 + 0.12 * rng.normal(0, 1, (rows, width)))[..., None]
    picture[::6] *= 0.7
    return np.asarray(np.clip(picture, 0, 255), np.uint8)


def hedge_texture(rng: np.random.Generator, length: float, height: float) -> Picture:
    """Paint leaves, darker below."""
    rows, width = max(int(height * SCALE), 8), max(int(length * SCALE), 8)
    base = np.array([38, 78, 62], np.float32) * rng.uniform(0.6, 1.1)
    leaves = (
        cv2.GaussianBlur(rng.normal(0, 1, (rows, width)).astype(np.float32), (0, 0), 1.0) * 2.2
    )
    clumps = cv2.GaussianBlur(rng.normal(0, 1, (rows, width)).astype(np.float32), (0, 0), 6) * 7
    falling = np.linspace(1.15, 0.55, rows)[:, None]
    picture = base * np.clip((1 + 0.35 * leaves + 0.3 * clumps) * falling, 0.1, 2.2)[..., None]
    return np.asarray(np.clip(picture, 0, 255), np.uint8)


def tree_sprite(rng: np.random.Generator, light: Light, bare: bool) -> Sprite:
    """Paint a tree with leaves, or bare branches."""
    size = 288
    picture = np.zeros((size, size, 4), np.uint8)
    trunk = np.array([46, 52, 56]) * rng.uniform(0.4, 1.0)
    bark = (*(float(v) for v in trunk), 255.0)
    middle = size / 2
    tips: list[tuple[float, float]] = []
    stack = [(middle, size - 1.0, -np.pi / 2, size * 0.25, size * 0.03)]
    while stack:
        x, y, angle, length, thick = stack.pop()
        end = (x + length * np.cos(angle), y + length * np.sin(angle))
        if not (0.06 < end[0] / size < 0.94 and 0.04 < end[1] / size < 0.77):
            continue
        cv2.line(
            picture,
            (int(x * 8), int(y * 8)),
            (int(end[0] * 8), int(end[1] * 8)),
            bark,
            max(int(thick), 1),
            cv2.LINE_AA,
            3,
        )
        if length < size * 0.05:
            tips.append(end)
            continue
        tips.append(end)
        for _ in range(3 if bare else 2):
            turn = rng.normal(0, 0.5)
            stack.append(
                (
                    *end,
                    angle * 0.94 + turn - 0.06 * np.pi / 2,
                    length * rng.uniform(0.68, 0.82),
                    thick * 0.68,
                )
            )
    if not bare:
        _leaves(rng, light, picture, np.array(tips).reshape(-1, 2))
    return Sprite(picture, float(rng.uniform(6, 13)))


def _leaves(
    rng: np.random.Generator, light: Light, picture: Picture, tips: NDArray[np.float64]
) -> None:
    """Cover branches with leaves: dense around the tips, lit from the sun's side."""
    size = picture.shape[0]
    splats = np.zeros((size, size), np.float32)
    crown = rng.normal([0.5, 0.37], [0.15, 0.12], (160, 2)) * size
    tips = np.concatenate([tips, crown])
    places = np.clip(tips + rng.normal(0, size * 0.03, tips.shape), 4, size - 5).astype(np.intp)
    np.add.at(splats, (places[:, 1], places[:, 0]), 1.0)
    density = np.asarray(cv2.GaussianBlur(splats, (0, 0), size * 0.045), np.float32)
    filled = density[density > density.max() * 0.05]
    density /= max(float(np.percentile(filled, 70)), 1e-9)
    edge = np.minimum(np.arange(size), np.arange(size)[::-1]) / (size * 0.08)
    density *= (
        np.minimum(np.minimum(edge, 1)[None], 1)
        * np.clip(np.arange(size) / (size * 0.08), 0, 1)[:, None]
    )
    fine = cv2.GaussianBlur(rng.standard_normal((size, size), np.float32), (0, 0), 0.9) * 2.6
    clumps = cv2.GaussianBlur(rng.standard_normal((size, size), np.float32), (0, 0), 5.5) * 15
    field = np.clip(density, 0, 1.5) + 0.22 * fine + 0.2 * clumps
    alpha = np.clip((field - 0.36) * 5, 0, 1) * np.clip(density * 6 - 0.5, 0, 1)
    side = float(np.clip(light.sun_direction[0] * 1.5, -1, 1))
    relief = cv2.GaussianBlur(field, (0, 0), 3.0)
    slope = np.gradient(relief, axis=0) * 1.2 - side * np.gradient(relief, axis=1)
    level = np.clip(0.62 + 5.0 * slope + 0.2 * fine + 0.12 * clumps, 0.12, 1.7)
    tone = np.array([rng.uniform(0.7, 1.2), 1, rng.uniform(0.75, 1.35)])
    green = np.array([40, 84, 68]) * rng.uniform(0.65, 1.1) * tone
    leaves = np.clip(green * level[..., None], 0, 255)
    picture[..., :3] = (picture[..., :3] + (leaves - picture[..., :3]) * alpha[..., None]).astype(
        np.uint8
    )
    picture[..., 3] = np.maximum(picture[..., 3], (alpha * 255).astype(np.uint8))


def lamp_sprite(rng: np.random.Generator) -> Sprite:
    """Paint a street lamp."""
    picture = np.zeros((320, 96, 4), np.uint8)
    grey = float(rng.uniform(50, 130))
    steel = (grey, grey, grey, 255.0)
    cv2.rectangle(picture, (13, 20), (16, 319), steel, -1)
    cv2.line(picture, (15, 21), (70, 9), steel, 3, cv2.LINE_AA)
    cv2.rectangle(picture, (62, 5), (92, 12), (200, 205, 205, 255), -1)
    flipped = picture if rng.random() < 0.5 else picture[:, ::-1]
    return Sprite(np.ascontiguousarray(flipped), float(rng.uniform(6, 9)))


def sign_sprite(rng: np.random.Generator) -> Sprite:
    """Paint a traffic sign or a traffic light on a post."""
    picture = np.zeros((260, 80, 4), np.uint8)
    cv2.rectangle(picture, (38, 30), (42, 259), (120, 122, 122, 255), -1)
    kind = rng.integers(5)
    red, white, blue = (40, 30, 190, 255), (225, 225, 225, 255), (160, 80, 20, 255)
    if kind == 0:
        cv2.circle(picture, (40, 38), 30, red, -1, cv2.LINE_AA)
        cv2.circle(picture, (40, 38), 22, white, -1, cv2.LINE_AA)
        cv2.putText(
            picture,
            '30',
            (24, 46),
            cv2.FONT_HERSHEY_SIMPLEX,
            0.8,
            (20, 20, 20, 255),
            2,
            cv2.LINE_AA,
        )
    elif kind == 1:
        cv2.fillConvexPoly(picture, np.array([[40, 6], [74, 64], [6, 64]]), red, cv2.LINE_AA)
        cv2.fillConvexPoly(picture, np.array([[40, 20], [62, 57], [18, 57]]), white, cv2.LINE_AA)
    elif kind == 2:
        cv2.rectangle(picture, (10, 8), (70, 68), blue, -1)
        cv2.rectangle(picture, (32, 20), (48, 58), white, -1)
    elif kind == 3:
        cv2.fillConvexPoly(
            picture, np.array([[40, 4], [74, 38], [40, 72], [6, 38]]), white, cv2.LINE_AA
        )
        cv2.fillConvexPoly(
            picture,
            np.array([[40, 13], [65, 38], [40, 63], [15, 38]]),
            (30, 180, 235, 255),
            cv2.LINE_AA,
        )
    else:
        cv2.rectangle(picture, (24, 0), (56, 84), (22, 24, 22, 255), -1)
        lit = rng.integers(3)
        colours = [(40, 40, 240, 255), (30, 190, 250, 255), (120, 230, 60, 255)]
        for number, colour in enumerate(colours):
            dim = (20, 24, 30, 255) if number != lit else colour
            cv2.circle(picture, (40, 16 + 26 * number), 10, dim, -1, cv2.LINE_AA)
    return Sprite(picture, float(rng.uniform(2.6, 3.4)))


def render_wall(wall: Wall, camera: Camera, light: Light, sunlit: float) -> Layer | None:
    """Draw a wall; the part nearer than NEAREST along the street is cut off."""
    corners, texture = wall.corners.copy(), wall.texture
    near = camera.z + NEAREST
    first, last = corners[0, 2], corners[1, 2]
    if max(first, last) <= near:
        return None
    if first < near < last:
        share = (near - first) / (last - first)
        corners[[0, 3]] += (corners[[1, 2]] - corners[[0, 3]]) * share
        texture = np.ascontiguousarray(
            texture[:, min(int(share * texture.shape[1]), texture.shape[1] - 2) :]
        )
    pixels = camera.project(corners)
    low, high = pixels[:, :2].min(0), pixels[:, :2].max(0)
    height, width = camera.size
    left, top = max(int(low[0]) - 1, 0), max(int(low[1]) - 1, 0)
    right, bottom = min(int(high[0]) + 2, width), min(int(high[1]) + 2, height)
    if right <= left or bottom <= top or (pixels[:, 2] < 0.3).any():
        return None
    # Shrink the texture first: warping alone would skip pixels of far walls.
    span = np.clip(np.ceil(high - low), 2, np.array(texture.shape[1::-1])).astype(int)
    if (span < np.array(texture.shape[1::-1]) * 0.7).any():
        texture = np.asarray(
            cv2.resize(texture, (int(span[0]), int(span[1])), interpolation=cv2.INTER_AREA),
            np.uint8,
        )
    rows, columns = texture.shape[:2]
    source = np.array([[0, rows], [columns, rows], [columns, 0], [0, 0]], np.float32) - 0.5
    target = (pixels[:, :2] - np.array([left, top])).astype(np.float32)
    matrix = cv2.getPerspectiveTransform(source, target)
    shape = (right - left, bottom - top)
    flat = cv2.warpPerspective(
        texture, matrix, shape, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    alpha = np.zeros(shape[::-1], np.uint8)
    fixed = np.rint(np.clip(target, -30000, 30000) * 16).astype(np.int32)
    cv2.fillConvexPoly(alpha, fixed, 255, cv2.LINE_AA, 4)
    lit = irradiance(light, wall.normal, sunlit, np.float32(0.8) * np.ones((), np.float32))
    cover = alpha.astype(np.float32) / 255
    if flat.shape[2] == 4:
        cover *= flat[..., 3].astype(np.float32) / 255
    display = np.asarray(flat[..., :3], np.float32) * (np.sqrt(lit) / 255).astype(np.float32)
    distance = float(max(pixels[:, 2].mean(), 1))
    return Layer(haze(light, display, distance), cover, left, top)


def render_sprite(
    sprite: Sprite, place: Floats, camera: Camera, light: Light, sunlit: float
) -> Layer | None:
    """Draw a sprite that stands at a place (3,) of the street."""
    foot = camera.project(place[None])[0]
    if foot[2] < NEAREST:
        return None
    scale = camera.focal * sprite.height / (foot[2] * sprite.picture.shape[0])
    rows, columns = sprite.picture.shape[:2]
    width, height = max(int(columns * scale), 1), max(int(rows * scale), 1)
    x, y = int(foot[0] - width / 2), int(foot[1] - height)
    left, top = max(x, 0), max(y, 0)
    right, bottom = min(x + width, camera.size[1]), min(y + height, camera.size[0])
    if right <= left or bottom <= top:
        return None
    if scale < 1:
        sized = cv2.resize(sprite.picture, (width, height), interpolation=cv2.INTER_AREA)
        sized = sized[top - y : bottom - y, left - x : right - x]
    else:
        matrix = np.array(
            [[1 / scale, 0, (left - x) / scale], [0, 1 / scale, (top - y) / scale]], np.float32
        )
        shape = (right - left, bottom - top)
        sized = cv2.warpAffine(
            sprite.picture, matrix, shape, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        )
    alpha = sized[..., 3].astype(np.float32) / 255
    facing = (
        np.array([0, 0.5, -0.85], np.float32)
        if light.sun_direction[2] < 0
        else np.array([0, 1.0, 0], np.float32)
    )
    lit = irradiance(light, facing, sunlit, np.float32(0.9) * np.ones((), np.float32))
    colour = sized[..., :3].astype(np.float32) / 255 / np.maximum(alpha, 0.05)[..., None]
    return Layer(
        haze(light, np.clip(colour, 0, 1) * np.sqrt(lit), float(foot[2])), alpha, left, top
    )
