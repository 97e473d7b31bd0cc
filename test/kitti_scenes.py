"""Truth and detections for the evaluation's tests, by hand and by a generator of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from squeezedet_ros.data.ground_truth import GroundTruth
from squeezedet_ros.detections import Detections

CLASSES = ('car', 'pedestrian', 'cyclist')
_NAMES = ('Car',) * 8 + ('Pedestrian',) * 5 + ('Cyclist',) * 4 + ('Van', 'Person_sitting', 'Truck')


def truth(*rows: tuple) -> GroundTruth:
    """Return truth of rows (name, x0, y0, x1, y1[, truncated, occluded])."""
    full = [(*row, 0.0, 0)[:7] if len(row) == 5 else row for row in rows]
    return GroundTruth(
        np.array([row[1:5] for row in full], np.float32).reshape(-1, 4),
        tuple(row[0] for row in full),
        np.array([row[5] for row in full], np.float32),
        np.array([row[6] for row in full], np.int64),
    )


def found(*rows: tuple) -> Detections:
    """Return detections of rows (label, score, x0, y0, x1, y1)."""
    rows = sorted(rows, key=lambda row: -row[1])
    return Detections(
        np.array([row[2:] for row in rows], np.float32).reshape(-1, 4),
        np.array([row[1] for row in rows], np.float32),
        np.array([row[0] for row in rows], np.int64),
    )


def numbers(seed: int) -> Iterator[int]:
    """Yield the same 31-bit numbers on every machine and with every numpy."""
    state = seed
    while True:
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        yield state >> 33


def random_set(
    seed: int, images: int, score_steps: int, dont_care: int
) -> tuple[list[GroundTruth], list[Detections]]:
    """
    Return a set with every kind of case.

    :param score_steps: scores are multiples of its inverse, so few steps mean many ties.
    :param dont_care: DontCare regions in each image.
    """
    stream = numbers(seed)

    def draw(low: int, high: int) -> int:
        return low + next(stream) % (high - low)

    truths, detections = [], []
    for _ in range(images):
        rows, seen = [], []
        for name in [_NAMES[draw(0, len(_NAMES))] for _ in range(draw(0, 8))]:
            x, y, height = draw(0, 600), draw(0, 250), draw(18, 150)
            box = (x, y, x + draw(height // 2, 2 * height), y + height)
            rows.append((name, *box, draw(0, 12) / 20, draw(0, 4)))
            seen += [_near(box, name, draw, score_steps) for _ in range(draw(0, 3))]
        for _ in range(dont_care):
            x, y = draw(0, 500), draw(0, 200)
            rows.append(('DontCare', x, y, x + draw(50, 250), y + draw(50, 150), -1, -1))
        for _ in range(draw(0, 4)):
            x, y, height = draw(0, 600), draw(0, 250), draw(10, 90)
            score = draw(0, score_steps) / score_steps
            seen.append((draw(0, 3), score, x, y, x + height, y + height))
        truths.append(truth(*rows))
        detections.append(found(*seen))
    return truths, detections


def random_boxes(seed: int, images: int) -> tuple[list[GroundTruth], list[Detections]]:
    """
    Return a set in which truth and detections know nothing of each other.

    All boxes lie on a coarse grid and there are four scores only: scores and overlaps tie, boxes
    coincide, and heights are at KITTI's limits of 25 and 40 pixels exactly.
    """
    stream = numbers(seed)

    def draw(low: int, high: int) -> int:
        return low + next(stream) % (high - low)

    def box() -> tuple[int, int, int, int]:
        x, y = 20 * draw(0, 2), 5 * draw(0, 2)
        return x, y, x + 20 * draw(2, 4), y + (24, 25, 30, 40, 45)[draw(0, 5)]

    truths, detections = [], []
    for _ in range(images):
        names = [(*_NAMES, 'DontCare')[draw(0, len(_NAMES) + 1)] for _ in range(draw(0, 6))]
        truths.append(truth(*((name, *box(), draw(0, 12) / 20, draw(0, 4)) for name in names)))
        rows = [(draw(0, 3), draw(1, 5) / 4, *box()) for _ in range(draw(0, 9))]
        detections.append(found(*rows))
    return truths, detections


def backwards(
    truths: list[GroundTruth], detections: list[Detections]
) -> tuple[list[GroundTruth], list[Detections]]:
    """Return the set with the least probable detections first, as a file of others may have it."""
    return truths, [item.select(np.arange(len(item))[::-1]) for item in detections]


def with_decimals(
    truths: list[GroundTruth], detections: list[Detections]
) -> tuple[list[GroundTruth], list[Detections]]:
    """Return the set larger by 1.37 and with its edges sorted, so that they have two decimals."""

    def enlarge(boxes: np.ndarray) -> np.ndarray:
        corners = np.sort(boxes.reshape(-1, 2, 2).astype(np.float64) * 1.37, 1)
        return corners.reshape(-1, 4).round(2).astype(np.float32)

    return (
        [GroundTruth(enlarge(t.boxes), t.names, t.truncated, t.occluded) for t in truths],
        [Detections(enlarge(d.boxes), d.scores, d.labels) for d in detections],
    )


def _near(box: Sequence[int], name: str, draw, score_steps: int) -> tuple:
    spread = max(1, (box[3] - box[1]) // 10)
    shifted = [edge + draw(-spread, spread + 1) for edge in box]
    label = {'Pedestrian': 1, 'Person_sitting': 1, 'Cyclist': 2}.get(name, 0)
    if draw(0, 10) == 0:
        label = draw(0, 3)
    return (label, draw(0, score_steps) / score_steps, *shifted)
