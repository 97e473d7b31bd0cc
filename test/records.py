"""Records of drives, made by hand for the tests of comparing."""

from __future__ import annotations

from collections.abc import Sequence

from kitti_scenes import CLASSES, found
from squeezedet_ros.data.ground_truth import GroundTruth
from squeezedet_ros.detections import Detections
from squeezedet_ros.evaluation.drive_record import DriveRecord, FrameRecord

SECOND = 1_000_000_000
BOX = (100, 100, 200, 150)
AWAY = (400, 100, 500, 150)


def frame(
    stamp_ns: int,
    detections: Detections | None,
    truth: GroundTruth | None = None,
    name: str = '',
) -> FrameRecord:
    outcome = 'superseded' if detections is None else 'detected'
    return FrameRecord(
        stamp_ns=stamp_ns,
        size=(375, 1242),
        outcome=outcome,
        detections=detections,
        truth=truth,
        name=name,
    )


def record(
    *frames: FrameRecord,
    name: str = 'drive',
    classes: Sequence[str] = CLASSES,
    plot_prob_thresh: float = 0.4,
    class_thresh: dict[str, float] | None = None,
) -> DriveRecord:
    return DriveRecord(
        name=name,
        topic='camera/image_raw',
        classes=tuple(classes),
        frames=frames,
        plot_prob_thresh=plot_prob_thresh,
        settings={},
        class_thresh=class_thresh or {},
    )


def car(score: float, box: Sequence[float] = BOX) -> Detections:
    return found((0, score, *box))


def drive_of(
    truths: Sequence[GroundTruth], detections: Sequence[Detections], **rest: object
) -> DriveRecord:
    pairs = zip(truths, detections, strict=True)
    return record(
        *(frame(SECOND * (1 + place), seen, truth) for place, (truth, seen) in enumerate(pairs)),
        **rest,
    )
