"""A picture of the frames in which a detector is most wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from squeezedet_ros.checkpoint import write_atomically
from squeezedet_ros.data.frames import LabelledFrame, read_image
from squeezedet_ros.data.ground_truth import GroundTruth
from squeezedet_ros.detections import Detections
from squeezedet_ros.evaluation.average_precision import count_matches
from squeezedet_ros.evaluation.error_analysis import BACKGROUND_OVERLAP, label_objects
from squeezedet_ros.evaluation.kitti_matching import ALL, make_scenes
from squeezedet_ros.visualization import (
    cell_scale,
    contact_sheet,
    draw_detections,
    draw_truth,
    Image,
    legend,
    PALETTE,
    SHEET_GAP,
)

TRUTH_COLOUR = PALETTE[3]
DETECTION_COLOUR = PALETTE[5]
NEUTRAL_COLOUR = (170, 170, 170)
LEGEND = (
    ('true object', TRUTH_COLOUR),
    ('detection', DETECTION_COLOUR),
    ('counts neither way, or of another class', NEUTRAL_COLOUR),
)
_COLUMNS = 3
CELL_WIDTH = 800


class FrameErrors(NamedTuple):
    """
    What is wrong in one frame, all classes together, at KITTI's difficulty ``all``.

    :param frame: its place in the data set.
    :param missed: objects without a detection on them, badly placed ones included.
    :param false_alarms: detections on no object, badly placed ones included.
    :param badly_placed: objects that a detection of their class overlaps too little.
    """

    frame: int
    missed: int
    false_alarms: int
    badly_placed: int


def rank_frames(
    truths: Sequence[GroundTruth],
    detections: Sequence[Detections],
    classes: Sequence[str],
    min_overlap: float,
) -> list[FrameErrors]:
    """
    Return all frames, that with the most missed objects and false alarms first.

    :param truths: one for each image.
    :param detections: one for each image, in the same order; all of them count.
    :param min_overlap: intersection over union that a match must exceed.
    :raises ValueError: when there are not as many detections as truths.
    """
    found = [
        _frame_errors(frame, *pair, classes, min_overlap)
        for frame, pair in enumerate(zip(truths, detections, strict=True))
    ]
    return sorted(found, key=lambda item: -(item.missed + item.false_alarms))


def _frame_errors(
    frame: int, truth: GroundTruth, found: Detections, classes: Sequence[str], min_overlap: float
) -> FrameErrors:
    counts = count_matches([truth], [found], classes, min_overlap, -np.inf).values()
    return FrameErrors(
        frame,
        sum(row.false_negatives for row in counts),
        sum(row.false_positives for row in counts),
        sum(_badly_placed(truth, found, classes, min_overlap)),
    )


def _badly_placed(
    truth: GroundTruth, found: Detections, classes: Sequence[str], min_overlap: float
) -> Iterator[int]:
    for label, name in enumerate(classes):
        (scene,) = make_scenes([truth], [found], label, name)
        counted = scene.own & (scene.heights > ALL.min_height)
        best = scene.overlaps[:, scene.labelled].max(1, initial=0)
        yield int((counted & (best > BACKGROUND_OVERLAP) & (best <= min_overlap)).sum())


def save_gallery(
    path: Path,
    frames: Sequence[LabelledFrame],
    truths: Sequence[GroundTruth],
    detections: Sequence[Detections],
    classes: Sequence[str],
    worst: Sequence[FrameErrors],
) -> None:
    """
    Write a PNG with some frames, what is truly there and what was seen in two colours.

    :param detections: those to draw.
    :param worst: the frames, at least one, as :func:`rank_frames` has them.
    :raises DatasetError: when an image cannot be read.
    """
    pictures = [
        draw_frame(read_image(frames[row].image_path), truths[row], detections[row], classes)
        for row in (item.frame for item in worst)
    ]
    captions = [
        f'{frames[item.frame].name}: {item.missed} missed ({item.badly_placed} badly placed), '
        f'{item.false_alarms} false'
        for item in worst
    ]
    columns = min(_COLUMNS, len(pictures))
    width = columns * CELL_WIDTH + (columns + 1) * SHEET_GAP
    sheet = contact_sheet(pictures, captions, columns=columns, width=width)
    _, content = cv2.imencode('.png', np.vstack([legend(LEGEND, sheet.shape[1]), sheet]))
    write_atomically(path, content.tobytes())


def draw_frame(
    image: Image, truth: GroundTruth, found: Detections, classes: Sequence[str]
) -> Image:
    """Draw at the size of the sheet, so that lines and letters stay sharp."""
    scale = cell_scale(image, CELL_WIDTH)
    height, width = (max(1, round(side * scale)) for side in image.shape[:2])
    canvas = cv2.resize(image, (width, height)).astype(np.uint8, copy=False)
    tall = truth.boxes[:, 3] - truth.boxes[:, 1] > ALL.min_height
    counted = tall & (label_objects(truth, classes) >= 0)
    for rows, colour in ((~counted, NEUTRAL_COLOUR), (counted, TRUTH_COLOUR)):
        names = [truth.names[row] for row in np.flatnonzero(rows)]
        canvas = draw_truth(canvas, truth.boxes[rows] * scale, names, colour)
    own = found.select(found.labels < len(classes))
    scaled = Detections(own.boxes * np.float32(scale), own.scores, own.labels)
    return draw_detections(canvas, scaled, classes, DETECTION_COLOUR)
