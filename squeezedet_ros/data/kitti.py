"""
Data sets in KITTI's object layout.

``training/image_2/NAME.{png,jpg}``, ``training/label_2/NAME.txt``, ``ImageSets/SPLIT.txt``
with one name a line. A label line holds type, truncation, occlusion, alpha, four box edges in
pixels, and seven 3D numbers that are not read here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from squeezedet_ros.data.ground_truth import GroundTruth, LEAST_ABSURD
from squeezedet_ros.errors import DatasetError

IMAGE_SUFFIXES = ('.png', '.jpg', '.jpeg')


class KittiFrame(NamedTuple):
    """One image of a set and where its labels lie."""

    name: str
    image_path: Path
    label_path: Path
    announced_size: None = None

    def read_truth(self) -> GroundTruth:
        """Read the label file, as :func:`read_labels`."""
        return read_labels(self.label_path)


def split_listing(directory: Path, split: str) -> Path:
    """Return where the names of a split are listed."""
    return directory / 'ImageSets' / f'{split}.txt'


def list_frames(directory: Path, split: str) -> list[KittiFrame]:
    """
    Return the frames of a split, in its order.

    :raises DatasetError: when the split, an image or a label file is not there.
    """
    listing = split_listing(directory, split)
    if not listing.is_file():
        present = sorted(path.stem for path in listing.parent.glob('*.txt'))
        raise DatasetError(
            f'{directory} has no split {split!r}: expected {listing}; '
            f'splits present: {", ".join(present) or "none"}'
        )
    names = [name for line in _read_lines(listing) if (name := line.strip())]
    frames = [_frame(directory, name) for name in names]
    if not frames:
        raise DatasetError(f'{listing} names no image')
    return frames


def _frame(directory: Path, name: str) -> KittiFrame:
    # What is written of a frame has its name too.
    if Path(name).is_absolute() or '..' in Path(name).parts:
        raise DatasetError(f'expected names of images below {directory}, got {name!r}')
    label_path = directory / 'training' / 'label_2' / f'{name}.txt'
    if not label_path.is_file():
        raise DatasetError(f'no label file {label_path}')
    for suffix in IMAGE_SUFFIXES:
        image_path = directory / 'training' / 'image_2' / f'{name}{suffix}'
        if image_path.is_file():
            return KittiFrame(name, image_path, label_path)
    raise DatasetError(
        f'no image {name} with suffix {", ".join(IMAGE_SUFFIXES)} in {image_path.parent}'
    )


def read_labels(path: Path) -> GroundTruth:
    """
    Read a KITTI label file; an empty one is an image without objects.

    :raises DatasetError: naming the line that is not as KITTI has it.
    """
    return _parse_labels(path, enumerate(_read_lines(path), 1))


def read_tracking_labels(path: Path) -> dict[int, GroundTruth]:
    """
    Read a label file of KITTI's tracking benchmark: what is in each frame, by its number.

    A line begins with the frame and the track, the rest is as in :func:`read_labels`, but for
    truncation, of which only the level 0, 1 or 2 is told (devkit of the tracking benchmark). As
    nothing says how much level 1 and 2 leave of an object, it is taken for wholly truncated, which
    counts at no difficulty but ``all``.

    :raises DatasetError: naming the line that is not as KITTI has it.
    """
    rows: dict[int, list[tuple[int, str]]] = {}
    for number, line in enumerate(_read_lines(path), 1):
        words = line.split(maxsplit=2)
        if words and not (len(words) == 3 and words[0].isdecimal()):
            raise DatasetError(
                f'{path}:{number}: expected the numbers of a frame and of a track, and a label, '
                f'got {line!r}'
            )
        if words:
            rows.setdefault(int(words[0]), []).append((number, words[2]))
    truths = {frame: _parse_labels(path, lines) for frame, lines in rows.items()}
    return {
        frame: replace(truth, truncated=np.minimum(truth.truncated, 1))
        for frame, truth in sorted(truths.items())
    }


def _read_lines(path: Path) -> list[str]:
    try:
        # Some editors begin a file with a mark, which is no letter of its first word.
        return path.read_text(encoding='utf-8-sig').splitlines()
    except UnicodeDecodeError as error:
        raise DatasetError(f'{path}: expected text, got other bytes ({error})') from error
    except OSError as error:
        raise DatasetError(f'{path} cannot be read: {error.strerror}') from error


def _parse_labels(path: Path, lines: Iterable[tuple[int, str]]) -> GroundTruth:
    names, numbers = [], []
    for number, line in lines:
        words = line.split()
        if not words:
            continue
        try:
            truncated, occluded, _, *box = (float(word) for word in words[1:8])
            if len(box) != 4 or not all(
                abs(value) < LEAST_ABSURD for value in (truncated, occluded, *box)
            ):
                raise ValueError('a box needs four finite edges')
        except ValueError as error:
            raise DatasetError(
                f'{path}:{number}: expected a type and at least 7 numbers, got {line!r} ({error})'
            ) from error
        names.append(words[0])
        numbers.append((truncated, occluded, *box))
    columns = np.array(numbers, np.float32).reshape(-1, 6)
    return GroundTruth(columns[:, 2:], tuple(names), columns[:, 0], columns[:, 1].astype(np.int64))
