"""Records of drives, by hand and by the generator of the evaluation's tests."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from kitti_scenes import CLASSES, random_set
import numpy as np
from squeezedet_ros.config import SelectionConfig
from squeezedet_ros.detections import Detections
from squeezedet_ros.evaluation.drive_record import DriveRecord, FrameRecord
from squeezedet_ros.evaluation.report import make_report

SIZE = (400, 900)
PERIOD_NS = 100_000_000
START_NS = 1_700_000_000_000_000_000


def frame(number: int, found: Detections | None = None, **changes) -> FrameRecord:
    """Return the frame of that number of a camera at 10 Hz; without detections it was dropped."""
    outcome = 'superseded' if found is None else 'detected'
    facts = {'stamp_ns': START_NS + number * PERIOD_NS, 'size': SIZE, 'outcome': outcome}
    return FrameRecord(**{**facts, 'detections': found, **changes})


def drive(*frames: FrameRecord, name: str = 'drive', **settings) -> DriveRecord:
    """Return a record of some frames."""
    return DriveRecord(
        name=name,
        topic='camera/image_raw',
        classes=CLASSES,
        frames=frames,
        plot_prob_thresh=0.4,
        settings=settings,
    )


def random_drive(seed: int, frames: int) -> DriveRecord:
    """Return a drive with every kind of case: ties, small boxes, regions to ignore, drops."""
    pairs = zip(*random_set(seed, frames, 20, 1), strict=True)
    return drive(
        *(
            frame(
                number,
                None if number % 7 == 3 else found,
                truth=None if number % 11 == 5 else truth,
                milliseconds={'network': 20.0 + number % 5},
            )
            for number, (truth, found) in enumerate(pairs)
        )
    )


def scored(record: DriveRecord) -> dict:
    """Return the report of a record's frames with truth that were looked at."""
    pairs = [(item.truth, item.detections) for item in record.frames]
    pairs = [pair for pair in pairs if pair[0] is not None and pair[1] is not None]
    return make_report(*zip(*pairs, strict=True), CLASSES, 0.5, SelectionConfig())


def grey(stamps: Collection[int]) -> Iterator[tuple[int, np.ndarray]]:
    """Give an image for each stamp."""
    for stamp in stamps:
        yield stamp, np.full((*SIZE, 3), 90, np.uint8)
