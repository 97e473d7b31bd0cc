"""Run a detector over a labelled data set and keep all that scoring needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from squeezedet_ros.config import SelectionConfig
from squeezedet_ros.data.frames import LabelledFrame, read_image, read_image_size
from squeezedet_ros.data.ground_truth import GroundTruth
from squeezedet_ros.detections import Detections
from squeezedet_ros.detector import Detector, StageSeconds
from squeezedet_ros.evaluation.average_precision import DEFAULT_MIN_OVERLAP
from squeezedet_ros.evaluation.drive_record import DriveRecord, FrameRecord
from squeezedet_ros.named_values import read_thresholds
from squeezedet_ros.postprocessing import drop_improbable, make_selector
from squeezedet_ros.preprocessing import Image
from squeezedet_ros.settings import check_settings, setting
from tqdm import tqdm


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationConfig:
    """How a data set is scored."""

    prob_thresh: float = setting(
        0.005, 'least probability of a detection that average precision sees', bounds=(0.0, 1.0)
    )
    min_overlap: float = setting(
        DEFAULT_MIN_OVERLAP,
        "intersection over union of a match in the second report; the first has KITTI's own",
        bounds=(0.0, 1.0),
    )
    gallery_frames: int = setting(
        12, 'frames in the gallery of the worst, a picture of the report', bounds=(1, 100)
    )
    batch_size: int = setting(8, 'images looked at together', bounds=(1, 1024))

    def __post_init__(self) -> None:
        check_settings(self)


class LabelledDetections(NamedTuple):
    """What is truly there and what was seen, one of each for each image."""

    truths: list[GroundTruth]
    detections: list[Detections]


def evaluation_selection(selection: SelectionConfig, config: EvaluationConfig) -> SelectionConfig:
    """
    Return the selection to evaluate with: all as given but for thresholds low enough.

    The curve needs detections far below what would be published (the reference's PROB_THRESH).
    """
    lowest = config.prob_thresh
    own = read_thresholds('class_thresh', selection.class_thresh).items()
    return replace(
        selection,
        plot_prob_thresh=min(lowest, selection.plot_prob_thresh),
        class_thresh=tuple(f'{name}={min(lowest, value)!r}' for name, value in own),
    )


def published(
    detections: Sequence[Detections], selection: SelectionConfig, classes: Sequence[str]
) -> list[Detections]:
    """
    Return of an evaluation's detections those that a selection would publish.

    :param classes: names by label; a label beyond them goes by ``plot_prob_thresh``.
    :raises ConfigError: when the selection names a class that is not among them.
    """
    own = make_selector(selection, classes).thresholds
    thresholds = np.append(own, np.float32(selection.plot_prob_thresh))
    return [drop_improbable(found, thresholds) for found in detections]


def detect_as_published(
    detector: Detector, images: Sequence[Image], selection: SelectionConfig
) -> tuple[list[Detections], StageSeconds]:
    """
    Return an evaluation's detections of some images, among them all that would be published.

    Where classes have thresholds of their own, what is below them takes no place of the top N that
    is published, but it does of the evaluation's: then both are selected, and joined.

    :param detector: with the selection of :func:`evaluation_selection`.
    :param selection: what would be published.
    """
    if not any(selection.class_thresh):
        return detector.detect_timed(images)
    (wide, seconds), (shown, _) = detector.detect_each(images, [detector.selection, selection])
    thresholds = make_selector(selection, detector.model.classes).thresholds
    return [_joined(*pair, thresholds) for pair in zip(wide, shown, strict=True)], seconds


def _joined(wide: Detections, shown: Detections, thresholds: NDArray[np.float32]) -> Detections:
    below = wide.select(wide.scores < thresholds[wide.labels])
    both = Detections(
        np.concatenate([shown.boxes, below.boxes]),
        np.concatenate([shown.scores, below.scores]),
        np.concatenate([shown.labels, below.labels]),
    )
    return both.select(np.argsort(-both.scores, kind='stable'))


def detect_frames(
    detector: Detector,
    frames: Sequence[LabelledFrame],
    batch_size: int,
    selection: SelectionConfig,
) -> LabelledDetections:
    """
    Detect in every frame, with a progress bar where a person is watching.

    :param detector: with the selection of :func:`evaluation_selection`.
    :param selection: what would be published.
    :raises DatasetError: when an image or a label file cannot be read.
    """
    truths = [frame.read_truth() for frame in frames]
    detections: list[Detections] = []
    with tqdm(total=len(frames), unit='image', disable=None) as progress:
        for start in range(0, len(frames), batch_size):
            images = [read_image(frame.image_path) for frame in frames[start:][:batch_size]]
            detections += detect_as_published(detector, images, selection)[0]
            progress.update(len(images))
    return LabelledDetections(truths, detections)


def make_record(
    frames: Sequence[LabelledFrame],
    labelled: LabelledDetections,
    classes: Sequence[str],
    selection: SelectionConfig,
    settings: dict[str, Any],
) -> DriveRecord:
    """
    Return what was seen in a data set in the form of a drive: a stamp is the place in the set.

    :param labelled: of the same frames; the truth with the names by which it is scored.
    :param selection: its thresholds say what would be published.
    :param settings: of the evaluation, an object of JSON with ``data`` and ``split``.
    :raises DatasetError: when the size of an image cannot be read.
    """
    rows = zip(frames, *labelled, strict=True)
    return DriveRecord(
        name=f'{settings["data"]} {settings["split"]}',
        topic='',
        classes=classes,
        frames=[
            FrameRecord(
                stamp_ns=place,
                size=read_image_size(frame.image_path),
                outcome='detected',
                detections=found,
                truth=truth,
                name=frame.name,
            )
            for place, (frame, truth, found) in enumerate(rows)
        ],
        plot_prob_thresh=selection.plot_prob_thresh,
        settings=settings,
        class_thresh=read_thresholds('class_thresh', selection.class_thresh),
    )
