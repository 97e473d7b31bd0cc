"""
What a node said of a bag that was played into it, as frames of a drive's record.

A bag's stamps are old, so the node is given the bag's time (``/clock``), and all times here are on
the clock of the stamps too: an image is there at its stamp, or, where bag and stamps went by one
clock, when the bag received it; from then on time passes as it did between the player's sending
and the node's publishing, at the rate of the playing. At half the pace latencies count half, as
on a machine twice as fast.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeVar

from squeezedet_ros.data.bag import Bag
from squeezedet_ros.data.playback import Sending
from squeezedet_ros.data.recording import FrameStatus, Publication, Recording
from squeezedet_ros.data.truth_message import NANOSECONDS, stamp_of
from squeezedet_ros.errors import DatasetError, ImageDecodeError
from squeezedet_ros.evaluation.drive_record import FrameRecord
from squeezedet_ros.image_codec import decode_message

Answer = TypeVar('Answer', FrameStatus, Publication)

LOST = 'lost'
# Of the node's clock, which is the bag's and ticks coarsely; `published_ns` is exact.
_NO_STAGE = 'age'
_LONGEST_WAY_NS = NANOSECONDS


class PlayedImage(NamedTuple):
    """
    An image of a bag.

    :param stamp_ns: of its header; of its recording where the message cannot be read.
    :param recorded_ns: when the bag received it.
    :param size: (height, width) in pixels, None where it cannot be decoded.
    """

    stamp_ns: int
    recorded_ns: int
    size: tuple[int, int] | None


class NodeFrames(NamedTuple):
    """
    What became of the images of a bag.

    :param frames: one for each image, in the order of the bag.
    :param strangers: frames the node told of whose stamps are of no image, or told of once more.
    """

    frames: list[FrameRecord]
    strangers: int


def read_played(bag: Bag, topic: str) -> Iterator[PlayedImage]:
    """
    Return the images of a topic one by one, also those that cannot be decoded.

    :raises DatasetError: when the bag is damaged.
    """
    for message in bag.messages([topic]):
        stamp_ns, size = message.recorded_ns, None
        try:
            decoded = bag.decode(message)
            stamp_ns = stamp_of(decoded)
            height, width = decode_message(decoded).shape[:2]
            size = height, width
        except (DatasetError, ImageDecodeError):
            pass
        yield PlayedImage(stamp_ns, message.recorded_ns, size)


def clock_offset(played: Sequence[PlayedImage]) -> int:
    """
    Return by how many nanoseconds the bag's clock is ahead of the stamps'.

    It is none where they may be one clock: no image came before its stamp, and some came within a
    second. Otherwise it is the shortest way of an image into the bag, which then counts nothing.
    """
    shortest = min((image.recorded_ns - image.stamp_ns for image in played), default=0)
    return 0 if 0 <= shortest < _LONGEST_WAY_NS else shortest


def join_frames(
    played: Sequence[PlayedImage],
    sendings: Sequence[Sending],
    recording: Recording,
    rate: float,
    *,
    live: bool,
) -> NodeFrames:
    """
    Give each image of a bag what the node said of it.

    An image that was sent, but of which no status came, or no detections though it was looked at,
    is ``lost``. Images of the same stamp have their answers in the order of these.

    :param sendings: one for each image that was sent, in the order of the bag.
    :param rate: at which it was played.
    :param live: whether time passed while the node worked. In a replay the bag waits, so that
        nothing is ever late: ``published_ns`` is None.
    """
    statuses = _by_stamp(recording.statuses)
    publications = _by_stamp(recording.publications)
    offset = clock_offset(played)
    frames = []
    for place, image in enumerate(played):
        status = _first(statuses[image.stamp_ns])
        looked_at = status is not None and status.outcome == 'detected'
        answer = _first(publications[image.stamp_ns]) if looked_at else None
        published_ns = None
        if live and answer is not None and place < len(sendings):
            taken_ns = answer.published_ns - sendings[place].sent_ns
            published_ns = image.recorded_ns - offset + round(rate * taken_ns)
        frames.append(_make_frame(image, status, answer, published_ns))
    return NodeFrames(frames, sum(map(len, statuses.values())))


def _by_stamp(answers: Sequence[Answer]) -> defaultdict[int, deque[Answer]]:
    queues: defaultdict[int, deque[Answer]] = defaultdict(deque)
    for answer in answers:
        queues[answer.stamp_ns].append(answer)
    return queues


def _first(queue: deque[Answer]) -> Answer | None:
    return queue.popleft() if queue else None


def _make_frame(
    image: PlayedImage,
    status: FrameStatus | None,
    answer: Publication | None,
    published_ns: int | None,
) -> FrameRecord:
    outcome = LOST if status is None else status.outcome
    stages = {} if status is None else status.milliseconds
    return FrameRecord(
        stamp_ns=image.stamp_ns,
        size=image.size,
        outcome=LOST if outcome == 'detected' and answer is None else outcome,
        detections=None if answer is None else answer.detections,
        milliseconds={stage: value for stage, value in stages.items() if stage != _NO_STAGE},
        published_ns=published_ns,
    )
