"""The one result type: what was seen in one image, in columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False, slots=True)
class Detections:
    """
    Detections of one image, by descending score.

    :param boxes: (N, 4) float32, ``x0, y0, x1, y1`` in pixels of the source image, in the
        convention of KITTI's labels.
    :param scores: (N,) float32 in [0, 1], the class probability times the confidence.
    :param labels: (N,) int64, index into the model's classes.
    :param ids: (N,) int64, of the object over the images of a camera, 0 for one not known yet;
        None where nobody tracks.
    :raises ValueError: when the columns do not fit together.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    labels: NDArray[np.int64]
    ids: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        count = len(self.scores)
        if (
            self.boxes.shape != (count, 4)
            or self.scores.shape != (count,)
            or self.labels.shape != (count,)
            or (self.ids is not None and self.ids.shape != (count,))
        ):
            ids = None if self.ids is None else self.ids.shape
            raise ValueError(
                'expected boxes (N, 4), scores (N,), labels (N,), ids (N,) or None, got '
                f'{self.boxes.shape}, {self.scores.shape}, {self.labels.shape}, {ids}'
            )

    def __len__(self) -> int:
        return len(self.scores)

    def summary(self) -> str:
        """Return how many objects these are, in words."""
        return f'{len(self)} object' if len(self) == 1 else f'{len(self)} objects'

    @classmethod
    def empty(cls) -> Detections:
        """Return the detections of an image in which nothing was seen."""
        return cls(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))

    def select(self, which: NDArray[np.bool_] | NDArray[np.int64]) -> Detections:
        """Return the rows of a boolean mask or of indices, all columns alike."""
        ids = None if self.ids is None else self.ids[which]
        return Detections(self.boxes[which], self.scores[which], self.labels[which], ids)
