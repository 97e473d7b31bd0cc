"""How far two detectors say the same of the same frames, whatever is true."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from squeezedet_ros.assignment import assign
from squeezedet_ros.detections import Detections
from squeezedet_ros.evaluation.kitti_matching import intersection_over_union


class Match(NamedTuple):
    """
    One class in one frame.

    :param a: number of detections of A.
    :param b: of B.
    :param overlaps: (P,) intersection over union of each pair.
    :param changes: (P,) score of B less that of A.
    """

    a: int
    b: int
    overlaps: NDArray[np.float64]
    changes: NDArray[np.float64]

    @property
    def unmatched(self) -> int:
        """Return how many detections of both have no partner."""
        return self.a + self.b - 2 * len(self.overlaps)


def match_frame(a: Detections, b: Detections, classes: int, min_overlap: float) -> list[Match]:
    """
    Pair the detections of each class so that their overlaps together are largest.

    :param classes: number of labels that count.
    :param min_overlap: least intersection over union of a pair; above 0.
    """
    return [_match(a, b, label, min_overlap) for label in range(classes)]


def _match(a: Detections, b: Detections, label: int, min_overlap: float) -> Match:
    first, second = (found.select(found.labels == label) for found in (a, b))
    overlaps = intersection_over_union(
        first.boxes.astype(np.float64), second.boxes.astype(np.float64)
    )
    rows, columns = assign(np.where(overlaps >= min_overlap, overlaps, 0))
    changes = second.scores[columns].astype(np.float64) - first.scores[rows]
    return Match(len(first), len(second), overlaps[rows, columns], changes)


def summarise(matches: Sequence[Sequence[Match]], classes: Sequence[str]) -> dict[str, Any]:
    """
    Return the agreement of all frames as an object of JSON, by class and over all.

    ``agreement`` is the share of all detections that have a partner; ``score_change`` (B less A)
    and ``overlap`` are of the pairs.

    :param matches: for each frame one of each class.
    """
    by_class = {name: [frame[label] for frame in matches] for label, name in enumerate(classes)}
    everything = [match for frame in matches for match in frame]
    return {
        'classes': {name: _summary(column) for name, column in by_class.items()},
        'all': _summary(everything),
    }


def _summary(matches: Sequence[Match]) -> dict[str, Any]:
    overlaps = np.concatenate([np.zeros(0), *(match.overlaps for match in matches)])
    changes = np.concatenate([np.zeros(0), *(match.changes for match in matches)])
    a, b, pairs = sum(m.a for m in matches), sum(m.b for m in matches), len(overlaps)
    return {
        'a': a,
        'b': b,
        'matched': pairs,
        'only_a': a - pairs,
        'only_b': b - pairs,
        'agreement': 2 * pairs / (a + b) if a + b else None,
        'overlap': float(overlaps.mean()) if pairs else None,
        'score_change': {
            'mean': float(changes.mean()) if pairs else None,
            'mean_absolute': float(np.abs(changes).mean()) if pairs else None,
            'greatest': float(np.abs(changes).max()) if pairs else None,
        },
    }
