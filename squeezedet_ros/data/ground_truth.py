"""What is truly in an image, as a label file or the renderer states it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DONT_CARE = 'DontCare'
UNKNOWN = -1
# No number of a label comes near it; one that large is damage.
LEAST_ABSURD = 1e9


@dataclass(frozen=True, eq=False, slots=True)
class GroundTruth:
    """
    Labelled objects and regions of one image, in columns.

    :param boxes: (N, 4) float32, ``x0, y0, x1, y1`` in pixels of the source image, as in
        KITTI's labels: ``x1, y1`` is the last pixel inside, so a box of one pixel has
        ``x1 = x0``.
    :param names: N names as labelled: Car, Van, Truck, Pedestrian, Cyclist, ..., DontCare for
        a region to ignore.
    :param truncated: (N,) float32, fraction outside the image in [0, 1], -1 where unknown.
    :param occluded: (N,) int64, 0 visible, 1 partly, 2 largely occluded, 3 unknown to the
        labeller, -1 not stated.
    :raises ValueError: when the columns do not fit together.
    """

    boxes: NDArray[np.float32]
    names: tuple[str, ...]
    truncated: NDArray[np.float32]
    occluded: NDArray[np.int64]

    def __post_init__(self) -> None:
        count = len(self.names)
        if (
            self.boxes.shape != (count, 4)
            or self.truncated.shape != (count,)
            or self.occluded.shape != (count,)
        ):
            raise ValueError(
                f'expected {count} rows, got boxes {self.boxes.shape}, '
                f'truncated {self.truncated.shape}, occluded {self.occluded.shape}'
            )

    def __len__(self) -> int:
        return len(self.names)

    @classmethod
    def empty(cls) -> GroundTruth:
        """Return the truth of an image without objects."""
        nothing = np.zeros(0, np.float32)
        return cls(np.zeros((0, 4), np.float32), (), nothing, np.zeros(0, np.int64))
