"""Pictures for people: boxes on an image, and many images on one sheet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
import math

import cv2
import numpy as np
from numpy.typing import NDArray
from squeezedet_ros.detections import Detections
from squeezedet_ros.zones import Zones

Image = NDArray[np.uint8]
Colour = tuple[int, int, int]

# Okabe and Ito's colours, told apart by colour-blind eyes too; blue, green, red.
PALETTE: tuple[Colour, ...] = (
    (0, 159, 230),
    (233, 180, 86),
    (115, 158, 0),
    (66, 228, 240),
    (167, 121, 204),
    (0, 94, 213),
    (178, 114, 0),
)
TRUTH_COLOUR: Colour = (255, 255, 255)
INCLUDE_COLOUR, EXCLUDE_COLOUR = PALETTE[3], PALETTE[5]
_BLACK: Colour = (0, 0, 0)
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_SHEET_BACKGROUND = 24
SHEET_GAP = 6
_LEGEND_HEIGHT = 32


def draw_detections(
    image: Image, detections: Detections, classes: Sequence[str], colour: Colour | None = None
) -> Image:
    """
    Return a copy of an image with each detection's box, id if it has one, class and score on it.

    :param image: (height, width, 3) uint8 blue, green, red.
    :param classes: names by label.
    :param colour: of all boxes; None for that of each class in the palette.
    """
    canvas: Image = image.copy()
    # The best last, so that its caption is not covered.
    for row in reversed(range(len(detections))):
        box, label = detections.boxes[row], detections.labels[row]
        own = colour or PALETTE[label % len(PALETTE)]
        _rectangle(canvas, box, own, _thickness(canvas))
        known = detections.ids is not None and detections.ids[row]
        name = f'#{known} {classes[label]}' if known else classes[label]
        _tag(canvas, f'{name} {detections.scores[row]:.2f}', box, own)
    return canvas


def draw_truth(
    image: Image,
    boxes_xyxy: NDArray[np.float32],
    names: Iterable[str],
    colour: Colour = TRUTH_COLOUR,
) -> Image:
    """
    Return a copy of an image with what is truly there in thin lines, named below each box.

    :param image: (height, width, 3) uint8 blue, green, red.
    :param boxes_xyxy: (N, 4) in pixels of the image.
    """
    canvas: Image = image.copy()
    scale = _font_scale(canvas) * 0.8
    for box, name in zip(boxes_xyxy, names, strict=True):
        _rectangle(canvas, box, colour, 1)
        (_, height), _ = cv2.getTextSize(name, _FONT, scale, 1)
        corner = round(float(box[0])), round(float(box[3])) + height + 2
        cv2.putText(canvas, name, corner, _FONT, scale, colour, 1, cv2.LINE_AA)
    return canvas


def draw_zones(image: Image, zones: Zones) -> Image:
    """
    Return a copy of an image with the outline of each zone, named at its first corner.

    :param image: (height, width, 3) uint8 blue, green, red.
    """
    canvas: Image = image.copy()
    last = np.array([image.shape[1] - 1, image.shape[0] - 1])
    for polygons, name, colour in (
        (zones.include, 'include', INCLUDE_COLOUR),
        (zones.exclude, 'exclude', EXCLUDE_COLOUR),
    ):
        for polygon in polygons:
            corners = np.round(polygon * last).astype(np.int32)
            cv2.polylines(canvas, [corners], True, colour, _thickness(canvas))
            _tag(canvas, name, corners[0], colour)
    return canvas


def contact_sheet(
    images: Sequence[Image], captions: Sequence[str], *, columns: int = 2, width: int = 1920
) -> Image:
    """
    Return one picture with all images on it, row by row, each above its caption.

    :param images: at least one, (height, width, 3) uint8 blue, green, red; sizes may differ.
    :param captions: one for each image.
    :param width: of the sheet, in pixels.
    :raises ValueError: when there is no image, or captions and images differ in number.
    """
    if not images or len(captions) != len(images) or columns < 1:
        raise ValueError(
            'expected at least one image, a caption each and a column, '
            f'got {len(images)}, {len(captions)} and {columns}'
        )
    columns = min(columns, len(images))
    cell = (width - SHEET_GAP * (columns + 1)) // columns
    cells = [_cell(*pair, cell) for pair in zip(images, captions, strict=True)]
    rows = [cells[start : start + columns] for start in range(0, len(cells), columns)]
    heights = [max(len(picture) for picture in row) for row in rows]
    sheet = np.full(
        (sum(heights) + SHEET_GAP * (len(rows) + 1), width, 3), _SHEET_BACKGROUND, np.uint8
    )
    top = SHEET_GAP
    for row, height in zip(rows, heights, strict=True):
        for column, picture in enumerate(row):
            left = SHEET_GAP + column * (cell + SHEET_GAP)
            bottom, right = top + len(picture), left + cell
            sheet[top:bottom, left:right] = picture
        top += height + SHEET_GAP
    return sheet


def cell_scale(image: Image, width: int) -> float:
    """Return how much an image grows in a cell of that width, which is twice as high at most."""
    return float(min(width / image.shape[1], 2 * width / image.shape[0]))


def legend(entries: Iterable[tuple[str, Colour]], width: int) -> Image:
    """
    Return a strip that names colours, in the style of :func:`contact_sheet`.

    :param entries: what is told and its colour, from left to right.
    :param width: of the strip, in pixels.
    """
    strip = np.full((_LEGEND_HEIGHT, width, 3), _SHEET_BACKGROUND, np.uint8)
    left, middle = SHEET_GAP, _LEGEND_HEIGHT // 2
    for text, colour in entries:
        cv2.rectangle(strip, (left, middle - 7), (left + 24, middle + 7), colour, cv2.FILLED)
        corner = left + 32, middle + 6
        cv2.putText(strip, text, corner, _FONT, 0.6, TRUTH_COLOUR, 1, cv2.LINE_AA)
        (length, _), _ = cv2.getTextSize(text, _FONT, 0.6, 1)
        left += 32 + length + 4 * SHEET_GAP
    return strip


def _cell(image: Image, caption: str, width: int) -> Image:
    scale = cell_scale(image, width)
    rows, columns = (max(1, round(side * scale)) for side in image.shape[:2])
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    picture = np.full((rows, width, 3), _SHEET_BACKGROUND, np.uint8)
    picture[:, :columns] = cv2.resize(image, (columns, rows), interpolation=way)
    strip = np.full((24, width, 3), _SHEET_BACKGROUND, np.uint8)
    cv2.putText(strip, caption, (4, 17), _FONT, 0.5, TRUTH_COLOUR, 1, cv2.LINE_AA)
    return np.vstack([picture, strip]).astype(np.uint8, copy=False)


def _thickness(image: Image) -> int:
    return max(1, round(math.sqrt(image.shape[0] * image.shape[1]) / 450))


def _font_scale(image: Image) -> float:
    return max(0.35, math.sqrt(image.shape[0] * image.shape[1]) / 1300)


def _rectangle(image: Image, box: NDArray[np.float32], colour: Colour, thickness: int) -> None:
    x0, y0, x1, y1 = (round(float(edge)) for edge in box)
    cv2.rectangle(image, (x0, y0), (x1, y1), colour, thickness)


def _tag(
    image: Image, text: str, corner: NDArray[np.float32] | NDArray[np.int32], colour: Colour
) -> None:
    """Write text on a plate above a corner (x, y, ...) or, at the top edge, below it."""
    scale = _font_scale(image)
    (width, height), baseline = cv2.getTextSize(text, _FONT, scale, 1)
    plate = height + baseline + 2
    left = max(0, min(round(float(corner[0])), image.shape[1] - width))
    top = round(float(corner[1])) - plate
    top = top if top >= 0 else round(float(corner[1]))
    cv2.rectangle(image, (left, top), (left + width, top + plate), colour, cv2.FILLED)
    cv2.putText(image, text, (left, top + height + 1), _FONT, scale, _BLACK, 1, cv2.LINE_AA)
