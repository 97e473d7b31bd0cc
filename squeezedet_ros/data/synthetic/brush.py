"""Colours of vehicle parts and smooth-edged drawing on textures."""

import cv2
import numpy as np
from numpy.typing import NDArray
from squeezedet_ros.data.synthetic.camera import Floats

Picture = NDArray[np.uint8]
# BGR display values and gloss
Colour = tuple[int, int, int, int]
GLASS: Colour = (34, 31, 28, 255)
PLASTIC: Colour = (40, 40, 40, 40)
SEAM: Colour = (14, 14, 14, 60)
CHROME: Colour = (150, 150, 150, 255)
LAMP: Colour = (215, 212, 208, 235)
TAIL: Colour = (24, 18, 150, 210)
TAIL_LIT: Colour = (70, 60, 250, 120)
ORANGE: Colour = (20, 110, 225, 200)
BITS = 4


def _fixed(points: Floats) -> NDArray[np.int32]:
    return np.rint(np.asarray(points, np.float64) * (1 << BITS)).astype(np.int32)


def fill(picture: Picture, points: Floats, colour: Colour) -> None:
    """Fill a polygon (N, 2) of pixel places with smooth edges."""
    cv2.fillPoly(picture, [_fixed(points)], colour, cv2.LINE_AA, BITS)


def stroke(picture: Picture, points: Floats, colour: Colour, width: int = 1) -> None:
    """Draw a line through pixel places (N, 2)."""
    cv2.polylines(picture, [_fixed(points)], False, colour, width, cv2.LINE_AA, BITS)
