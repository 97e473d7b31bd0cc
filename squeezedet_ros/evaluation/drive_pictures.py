"""The frames of a drive that its page shows, and their pictures."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from squeezedet_ros.config import SelectionConfig
from squeezedet_ros.evaluation.drive_gaps import frame_times
from squeezedet_ros.evaluation.drive_page_data import seen_with_truth
from squeezedet_ros.evaluation.drive_record import DriveRecord
from squeezedet_ros.evaluation.evaluator import published
from squeezedet_ros.evaluation.gallery import rank_frames
from squeezedet_ros.visualization import Image

Images = Callable[[Collection[int]], Iterator[tuple[int, Image]]]

_WIDEST, _JPEG_QUALITY = 960, 80
# Neighbours in a drive look alike, and have the same errors.
_APART_SECONDS = 1.0


class Choice(NamedTuple):
    """
    A frame to be shown.

    :param frame: its place in the record.
    :param reason: in words.
    """

    frame: int
    reason: str


class Picture(NamedTuple):
    """
    A frame with what was seen in it.

    :param jpeg: the image in base64.
    :param size: (height, width) of the frame itself, in whose pixels the boxes are.
    :param boxes: of all detections, ``x0, y0, x1, y1``.
    :param truth: boxes and names of what is truly there, None where nothing says.
    """

    choice: Choice
    jpeg: str
    size: tuple[int, int]
    boxes: list[list[float]]
    truth: list[list[Any]] | None


def choose_worst(
    record: DriveRecord, selection: SelectionConfig, min_overlap: float, count: int
) -> list[Choice]:
    """
    Return the frames with most missed objects and false alarms, at first a second apart.

    Frames without truth or that were not looked at are passed over, and so are those without
    an error.
    """
    rows = [
        row
        for row, frame in enumerate(record.frames)
        if frame.truth is not None and frame.detections is not None
    ]
    truths, detections = seen_with_truth(record)
    shown = published(detections, selection, record.classes)
    ranked = [
        Choice(
            rows[item.frame],
            f'{item.missed} missed ({item.badly_placed} badly placed), {item.false_alarms} false',
        )
        for item in rank_frames(truths, shown, record.classes, min_overlap)
        if item.missed + item.false_alarms
    ]
    return spread_out(ranked, frame_times(record), count)


def spread_out(ranked: Sequence[Choice], times: NDArray[np.float64], count: int) -> list[Choice]:
    """Return the first so many that are a second apart, filled up with the first of the rest."""
    chosen: list[Choice] = []
    for choice in ranked:
        distances = [abs(times[choice.frame] - times[other.frame]) for other in chosen]
        if len(chosen) < count and min(distances, default=_APART_SECONDS) >= _APART_SECONDS:
            chosen.append(choice)
    rest = [choice for choice in ranked if choice not in chosen]
    kept = {*chosen, *rest[: count - len(chosen)]}
    return [choice for choice in ranked if choice in kept]


def make_pictures(record: DriveRecord, choices: Sequence[Choice], images: Images) -> list[Picture]:
    """
    Return pictures of frames, in the order of the choices; of those that have an image.

    :param images: gives the images of some stamps, (h, w, 3) uint8 blue, green, red.
    """
    wanted = {record.frames[choice.frame].stamp_ns for choice in choices}
    encoded = {stamp: (_jpeg(image), image.shape[:2]) for stamp, image in images(wanted)}
    return [
        _picture(record, choice, *encoded[record.frames[choice.frame].stamp_ns])
        for choice in choices
        if record.frames[choice.frame].stamp_ns in encoded
    ]


def _picture(record: DriveRecord, choice: Choice, jpeg: str, size: tuple[int, int]) -> Picture:
    frame = record.frames[choice.frame]
    found, truth = frame.detections, frame.truth
    return Picture(
        choice,
        jpeg,
        size,
        [] if found is None else _rounded(found.boxes),
        None
        if truth is None
        else [[*box, name] for box, name in zip(_rounded(truth.boxes), truth.names, strict=True)],
    )


def _rounded(boxes: NDArray[np.float32]) -> list[list[float]]:
    rows: list[list[float]] = boxes.astype(np.float64).round(1).tolist()
    return rows


def _jpeg(image: Image) -> str:
    """Return an image no wider than a page can show."""
    scale = min(1.0, _WIDEST / image.shape[1])
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    _, content = cv2.imencode('.jpg', small, (cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY))
    return b64encode(content.tobytes()).decode()
