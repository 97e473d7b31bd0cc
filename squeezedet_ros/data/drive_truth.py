"""
What is truly in the images of a bag, from wherever it is stated.

A source tells truth by the stamp of the image, or, where its files have no names that are stamps,
by the image's place on its topic: the first label file is of the first image.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from squeezedet_ros.data.bag import Bag
from squeezedet_ros.data.bag_names import truth_topic
from squeezedet_ros.data.coco import read_truths
from squeezedet_ros.data.detection_bag import ClassIds, read_label_info
from squeezedet_ros.data.ground_truth import GroundTruth
from squeezedet_ros.data.interfaces import DETECTION_2D_ARRAY
from squeezedet_ros.data.kitti import read_labels, read_tracking_labels
from squeezedet_ros.data.sources import natural_order
from squeezedet_ros.data.truth_message import NANOSECONDS, stamp_of, truth_from_message
from squeezedet_ros.errors import DatasetError

Key = Literal['stamp', 'order']
_IMAGE_ENDINGS = ('/image_raw/compressed', '/image_raw')
# A stamp below a second is one that nobody set.
_STAMP_DIGITS = 10


class DriveTruth(NamedTuple):
    """
    What a source states.

    :param source: topic or path, as it was found.
    :param key: what ``truths`` go by.
    :param truths: by stamp in nanoseconds, or by place from 0.
    :param every: whether it names every image, also one without an object.
    :param faults: what of it cannot be read, in words.
    """

    source: str
    key: Key
    truths: dict[int, GroundTruth]
    every: bool = True
    faults: tuple[str, ...] = ()


class TruthMatch(NamedTuple):
    """
    Which truth belongs to which image.

    :param truths: one for each image, None where there is none.
    :param near: images that have it from another stamp, within the tolerance.
    :param farthest_ns: how far the farthest of those is away.
    :param unused: truths that belong to no image.
    """

    truths: list[GroundTruth | None]
    near: int
    farthest_ns: int
    unused: int


def find_truth(bag: Bag, topic: str, wanted: str | None) -> DriveTruth | None:
    """
    Read what is truly in the images of a topic.

    :param wanted: a topic with Detection2DArray, a folder of KITTI label files, a label file of
        KITTI's tracking benchmark or a COCO JSON; None for ``<camera>/ground_truth`` if it is
        there.
    :returns: None when nothing is wanted and nothing there.
    :raises DatasetError: when what is wanted is not there or not as it should be.
    """
    name = (truth_topic(camera_of(topic)) if wanted is None else wanted).lstrip('/')
    known = bag.topics.get(name)
    if known is not None and (wanted is not None or known.type == DETECTION_2D_ARRAY):
        return _topic(bag, name)
    if wanted is None:
        return None
    try:
        path = Path(wanted).expanduser()
    except RuntimeError as error:
        raise DatasetError(f'no truth {wanted}: {error}') from error
    if path.is_dir():
        return _label_folder(path)
    if path.is_file():
        return _coco(path) if path.suffix == '.json' else _tracking(path)
    try:
        bag.known_topic(wanted)
    except DatasetError as error:
        raise DatasetError(f'no truth {wanted}: no such file or folder, and {error}') from error
    return None


def check_count(truth: DriveTruth, images: int) -> None:
    """
    Make sure that truth which goes by order is of as many images as there are.

    :raises DatasetError: when it is not, so that nothing would say which one is missing.
    """
    if truth.key == 'stamp':
        return
    told = len(truth.truths)
    if told > images or (truth.every and told < images):
        raise DatasetError(
            f'{truth.source} has labels of {told} images, the topic has {images}; expected as '
            'many, or files named by the stamp of their image in nanoseconds'
        )


def match_truth(truth: DriveTruth, stamps: Sequence[int], tolerance_s: float) -> TruthMatch:
    """
    Give each image its truth; each truth belongs to one image at most.

    :param stamps: of the images in nanoseconds, in the order of the topic.
    :param tolerance_s: seconds that the stamps of a pair may differ; of all pairs within it those
        that differ least are made first.
    """
    keys = stamps if truth.key == 'stamp' else range(len(stamps))
    left = dict(truth.truths)
    truths = [left.pop(key, None) for key in keys]
    tolerance_ns = round(tolerance_s * NANOSECONDS)
    differences = []
    if truth.key == 'stamp' and tolerance_ns:
        open_rows = [row for row, found in enumerate(truths) if found is None]
        for difference, row, stamp in sorted(_neighbours(stamps, open_rows, sorted(left))):
            if difference <= tolerance_ns and truths[row] is None and stamp in left:
                truths[row] = left.pop(stamp)
                differences.append(difference)
    return TruthMatch(truths, len(differences), max(differences, default=0), len(left))


def _neighbours(
    stamps: Sequence[int], rows: list[int], others: list[int]
) -> Iterator[tuple[int, int, int]]:
    """Yield difference, row and other stamp: the one before and the one after each row's own."""
    for row in rows:
        place = bisect_left(others, stamps[row])
        for stamp in others[max(0, place - 1) : place + 1]:
            yield abs(stamp - stamps[row]), row, stamp


def camera_of(topic: str) -> str:
    """Return the camera of an image topic: what its other topics are named by."""
    for ending in _IMAGE_ENDINGS:
        if topic.endswith(ending):
            return topic.removesuffix(ending)
    return topic.rpartition('/')[0]


def _topic(bag: Bag, name: str) -> DriveTruth:
    """Read what can be read; a damaged message is left out alone."""
    kind = bag.topics[name].type
    if kind != DETECTION_2D_ARRAY:
        raise DatasetError(f'/{name} holds {kind}, expected {DETECTION_2D_ARRAY} as truth')
    truths: dict[int, GroundTruth] = {}
    faults = []
    class_ids = ClassIds(read_label_info(bag, name.rpartition('/')[0])[0])

    def name_of(class_id: str) -> str:
        return class_ids.names[class_ids.label(class_id)]

    try:
        for message in bag.messages([name]):
            try:
                decoded = bag.decode(message)
                stamp, truth = stamp_of(decoded), truth_from_message(decoded, name_of)
            except DatasetError as error:
                faults.append(f'truth at {message.recorded_ns} ns cannot be read: {error}')
                continue
            if stamp in truths:
                faults.append(f'a second truth of stamp {stamp} is left out')
            truths.setdefault(stamp, truth)
    except DatasetError as error:
        faults.append(f'truth on /{name} ends early: {error}')
    return DriveTruth(f'/{name}', 'stamp', truths, faults=tuple(faults))


def _label_folder(path: Path) -> DriveTruth:
    files = sorted(path.glob('*.txt'), key=natural_order)
    if not files:
        raise DatasetError(f'{path} holds no label file, expected one *.txt for each image')
    return _by_name(path, [file.stem for file in files], [read_labels(file) for file in files])


def _coco(path: Path) -> DriveTruth:
    named = read_truths(path)
    return _by_name(path, [Path(name).name for name, _ in named], [truth for _, truth in named])


def _tracking(path: Path) -> DriveTruth:
    told = read_tracking_labels(path)
    count = max(told, default=-1) + 1
    truths = {frame: told.get(frame, GroundTruth.empty()) for frame in range(count)}
    return DriveTruth(str(path), 'order', truths, every=False)


def _by_name(path: Path, names: list[str], truths: list[GroundTruth]) -> DriveTruth:
    if all(map(_is_stamp, names)):
        keys: Sequence[int] = [int(name) for name in names]
        if len(set(keys)) < len(keys):
            raise DatasetError(f'{path} has several images of one stamp, expected one of each')
        return DriveTruth(str(path), 'stamp', dict(zip(keys, truths, strict=True)))
    return DriveTruth(str(path), 'order', dict(enumerate(truths)))


def _is_stamp(name: str) -> bool:
    return name.isdecimal() and len(name) >= _STAMP_DIGITS and not name.startswith('0')
