"""
What is wrong with detections, by the reference's error analysis.

The rules are those of BichenWuUCB/squeezeDet@e7c0860:src/dataset/kitti.py, analyze_detections.
Of an image with ``n`` true objects only the ``n`` most probable detections are judged, each by the
object it overlaps most; images without an object are passed over. Van, Person_sitting and
DontCare are not known to it: a detection there is one of background. ``G`` true objects, ``D``
detections; boxes are xyxy in pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from squeezedet_ros.data.ground_truth import GroundTruth
from squeezedet_ros.detections import Detections
from squeezedet_ros.evaluation.kitti_matching import intersection_over_union

BACKGROUND_OVERLAP = 0.1
CORRECT_OVERLAP = 0.5


class ErrorCounts(NamedTuple):
    """
    What the judged detections are, and what was missed.

    :param objects: true objects.
    :param detections: those that were judged, the sum of the next five.
    :param correct: of the object's class and on it, with an overlap of 0.5 or more; the first.
    :param localisation: of the object's class, but with an overlap above 0.1 and below 0.5.
    :param classification: of another class than the object, with an overlap above 0.1.
    :param background: with no overlap above 0.1.
    :param repeated: as correct, but on an object that a more probable detection is on already.
    :param missed: objects without a correct detection.
    """

    objects: int = 0
    detections: int = 0
    correct: int = 0
    localisation: int = 0
    classification: int = 0
    background: int = 0
    repeated: int = 0
    missed: int = 0


def analyse_errors(
    truths: Sequence[GroundTruth], detections: Sequence[Detections], classes: Sequence[str]
) -> ErrorCounts:
    """
    Count the errors of a data set.

    :param truths: one for each image.
    :param detections: one for each image, in the same order; their own order does not matter.
    :param classes: names that the labels of the detections index; the truth's names are compared
        without regard to case. Detections with other labels are not looked at.
    :raises ValueError: when there are not as many detections as truths.
    """
    images = [
        _analyse_image(truth, found, classes)
        for truth, found in zip(truths, detections, strict=True)
    ]
    return ErrorCounts(*(sum(column) for column in zip(*images, strict=True)))


def _analyse_image(truth: GroundTruth, found: Detections, classes: Sequence[str]) -> ErrorCounts:
    labels = label_objects(truth, classes)
    boxes, labels = truth.boxes[labels >= 0], labels[labels >= 0]
    if not len(labels):
        return ErrorCounts()
    found = found.select(found.labels < len(classes))
    found = found.select(np.argsort(-found.scores, kind='stable')[: len(labels)])
    overlaps = intersection_over_union(_with_last_pixel(found.boxes), _with_last_pixel(boxes))
    nearest, overlap = overlaps.argmax(1), overlaps.max(1)
    same = labels[nearest] == found.labels
    background = overlap <= BACKGROUND_OVERLAP
    on_object = same & (overlap >= CORRECT_OVERLAP)
    correct = len(np.unique(nearest[on_object]))
    return ErrorCounts(
        objects=len(labels),
        detections=len(found),
        correct=correct,
        localisation=int((same & ~background & ~on_object).sum()),
        classification=int((~same & ~background).sum()),
        background=int(background.sum()),
        repeated=int(on_object.sum()) - correct,
        missed=len(labels) - correct,
    )


def label_objects(truth: GroundTruth, classes: Sequence[str]) -> NDArray[np.int64]:
    """Return (N,) the class of each labelled object as an index, -1 for none of the classes."""
    known = {name.lower(): label for label, name in enumerate(classes)}
    return np.array([known.get(name.lower(), -1) for name in truth.names], np.int64)


def _with_last_pixel(boxes: NDArray[np.float32]) -> NDArray[np.float64]:
    """Move the right and the bottom edge out by the pixel that the reference counts as inside."""
    return np.add(boxes, (0, 0, 1, 1), dtype=np.float64)
