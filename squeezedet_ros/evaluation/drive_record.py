"""What was seen in a drive, frame by frame: what evaluating, comparing and showing one share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from squeezedet_ros.data.ground_truth import GroundTruth
from squeezedet_ros.detections import Detections


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class FrameRecord:
    """
    One frame of a drive.

    :param stamp_ns: of the image's header, in nanoseconds.
    :param size: (height, width) in pixels, None where it could not be decoded.
    :param outcome: one of the node's outcomes (``ros/scheduling.py``) or ``lost``, of which the
        node's answer did not arrive; offline ``detected`` or ``undecodable``.
    :param detections: all down to the evaluation's least probability, None where the frame was
        not looked at.
    :param truth: what is truly there, None where nothing says.
    :param milliseconds: what each stage took, by its name in ``frame_status``.
    :param published_ns: when its detections were published, on the clock of the stamps; None
        offline.
    """

    stamp_ns: int
    size: tuple[int, int] | None
    outcome: str
    detections: Detections | None
    truth: GroundTruth | None = None
    milliseconds: dict[str, float] = field(default_factory=dict)
    published_ns: int | None = None


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class DriveRecord:
    """
    A drive of one camera.

    :param name: what to call it.
    :param topic: of the images.
    :param classes: names by label.
    :param frames: in the order of the bag.
    :param plot_prob_thresh: least probability that the node would publish.
    :param settings: versions, weights, parameters, bag: an object of JSON.
    """

    name: str
    topic: str
    classes: Sequence[str]
    frames: Sequence[FrameRecord]
    plot_prob_thresh: float
    settings: dict[str, Any]
