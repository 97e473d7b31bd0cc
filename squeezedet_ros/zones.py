"""Parts of a camera's image in which detections count, or do not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from squeezedet_ros.config import ZoneConfig
from squeezedet_ros.detections import Detections
from squeezedet_ros.named_values import check_known, Polygon, read_polygons


class Zones:
    """
    The polygons of one camera.

    :param include: where there are any, a detection has to be in one of them.
    :param exclude: a detection may be in none of them.
    """

    def __init__(self, include: Iterable[Polygon] = (), exclude: Iterable[Polygon] = ()) -> None:
        self.include = [np.array(polygon) for polygon in include]
        self.exclude = [np.array(polygon) for polygon in exclude]

    def __bool__(self) -> bool:
        return bool(self.include or self.exclude)

    def apply(self, detections: Detections, size: tuple[int, int]) -> Detections:
        """
        Return the detections that stand where they count; order is kept.

        :param size: (height, width) of the image in pixels.
        """
        if not self or not len(detections):
            return detections
        points = standing_points(detections.boxes, size)
        keep = np.ones(len(points), np.bool_)
        if self.include:
            keep = np.any([inside(points, polygon) for polygon in self.include], axis=0)
        for polygon in self.exclude:
            keep &= ~inside(points, polygon)
        return detections.select(keep)


def make_zones(config: ZoneConfig, cameras: Sequence[str]) -> dict[str, Zones]:
    """
    Return the zones of each camera.

    :raises ConfigError: when a polygon is for a camera that is not among them.
    """
    include = read_polygons('include_zones', config.include_zones)
    exclude = read_polygons('exclude_zones', config.exclude_zones)
    check_known('include_zones', include, cameras, 'cameras')
    check_known('exclude_zones', exclude, cameras, 'cameras')
    return {name: Zones(include.get(name, ()), exclude.get(name, ())) for name in cameras}


def standing_points(boxes: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float64]:
    """
    Return (N, 2) the middle of each box's lower edge, in shares of the image's width and height.

    Boxes name pixels, whose middle is half a pixel on: no box that is clipped to the image stands
    on its border, so that a polygon along the border holds all of them.

    :param boxes: (N, 4) xyxy in pixels of the image.
    """
    height, width = size
    middle = (boxes[:, 0].astype(np.float64) + boxes[:, 2]) / 2
    return np.stack([(middle + 0.5) / width, (boxes[:, 3] + 0.5) / height], -1)


def inside(points: NDArray[np.float64], polygon: NDArray[np.float64]) -> NDArray[np.bool_]:
    """
    Return (N,) which points a polygon holds, by the edges that a ray to the left crosses.

    An odd number of crossings is inside. A point on an edge may be taken for either.

    :param points: (N, 2) x, y.
    :param polygon: (K, 2) corners in order; the last is joined to the first.
    """
    x, y = points[:, :1], points[:, 1:]
    (x0, y0), (x1, y1) = polygon.T, np.roll(polygon, -1, 0).T
    crosses = (y0 > y) != (y1 > y)
    # No ray crosses a level edge, whatever it is divided by.
    rise = np.where(y1 == y0, 1.0, y1 - y0)
    left = x0 + (y - y0) * (x1 - x0) / rise < x
    return np.asarray((crosses & left).sum(1) % 2 == 1, np.bool_)
