"""The pictures of an evaluation: precision-recall curves and the worst frames."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from squeezedet_ros.config import SelectionConfig
from squeezedet_ros.data.frames import LabelledFrame
from squeezedet_ros.evaluation.average_precision import evaluate_detections, kitti_min_overlap
from squeezedet_ros.evaluation.curves import save_curves
from squeezedet_ros.evaluation.evaluator import EvaluationConfig, LabelledDetections, published
from squeezedet_ros.evaluation.gallery import rank_frames, save_gallery
from squeezedet_ros.evaluation.report import graded_classes

CURVES = 'precision_recall.png'
GALLERY = 'worst_frames.png'


def save_pictures(
    directory: Path,
    frames: Sequence[LabelledFrame],
    labelled: LabelledDetections,
    classes: Sequence[str],
    config: EvaluationConfig,
    selection: SelectionConfig,
) -> None:
    """
    Write the curves and the gallery of a data set that was scored.

    :param selection: its thresholds say which detections the gallery sees.
    :raises ConfigError: when it names a class that is not among them.
    :raises DatasetError: when an image cannot be read.
    :raises MissingPackageError: when matplotlib is not installed.
    """
    truths, detections = labelled
    single = config.min_overlap
    save_curves(
        directory / CURVES,
        {
            'kitti': evaluate_detections(truths, detections, classes),
            'single': evaluate_detections(truths, detections, classes, single),
        },
        {
            'kitti': {name: kitti_min_overlap(name) for name in classes},
            'single': dict.fromkeys(classes, single),
        },
        graded_classes(truths, classes),
    )
    shown = published(detections, selection, classes)
    worst = rank_frames(truths, shown, classes, single)[: config.gallery_frames]
    save_gallery(directory / GALLERY, frames, truths, shown, classes, worst)
