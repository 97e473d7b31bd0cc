"""
What KITTI's matching needs to know of a drive, so that it can be redone at any threshold.

All geometry is done here. What is left is greedy and short: each true object takes, in the order
of the labels, the first of its candidates that is published and free (``page/matching.js``; the
same as ``count_outcomes``). Detections are named by their place in their frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from squeezedet_ros.data.ground_truth import GroundTruth
from squeezedet_ros.detections import Detections
from squeezedet_ros.evaluation.error_analysis import BACKGROUND_OVERLAP
from squeezedet_ros.evaluation.kitti_matching import ALL, make_scenes, Mask, roles, Scene

# Bits of a detection: counts neither way, since it is too small or in a region to ignore.
SMALL, IGNORED = 1, 2


class FrameMatches(NamedTuple):
    """
    The candidates of one frame with truth, at difficulty ``all``.

    :param flags: (D,) SMALL and IGNORED of each detection.
    :param objects: for each class its true objects and its neighbour's, each a list: place in the
        frame's truth; 1 where it must be found, else 0; detections of the class on it, the nearest
        first; too small ones of any class on it; detections of the class that overlap it too
        little, but are not elsewhere.
    """

    flags: NDArray[np.uint8]
    objects: list[list[list[Any]]]


def find_matches(
    truth: GroundTruth, found: Detections, classes: Sequence[str], min_overlap: float
) -> FrameMatches:
    """
    Return the candidates of a frame.

    :param found: all that were recorded.
    :param classes: names that the labels of the detections index.
    :param min_overlap: intersection over union that a match must exceed.
    """
    scenes = [make_scenes([truth], [found], label, name)[0] for label, name in enumerate(classes)]
    # Neither depends on the class.
    small = roles(scenes[0], ALL).small
    ignored = scenes[0].covered > min_overlap
    return FrameMatches(
        (SMALL * small + IGNORED * ignored).astype(np.uint8),
        [_objects(scene, min_overlap) for scene in scenes],
    )


def _objects(scene: Scene, min_overlap: float) -> list[list[Any]]:
    counted, valid, small = roles(scene, ALL)
    objects: list[list[Any]] = []
    for row, overlaps in enumerate(scene.overlaps):
        on_it = overlaps > min_overlap
        nearest = np.argsort(-overlaps, kind='stable')
        beside = (overlaps > BACKGROUND_OVERLAP) & ~on_it
        objects.append(
            [
                int(scene.rows[row]),
                int(counted[row]),
                nearest[(on_it & valid)[nearest]].tolist(),
                _places(on_it & small),
                _places(beside & scene.labelled),
            ]
        )
    return objects


def _places(which: Mask) -> list[int]:
    places: list[int] = np.flatnonzero(which).tolist()
    return places
