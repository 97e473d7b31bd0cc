"""
Detections as KITTI's result files: ``NAME.txt`` for each image, a line for each detection.

A line holds type, truncation, occlusion, alpha, four box edges in pixels, seven 3D numbers and
the score. KITTI's own evaluator reads these files, so it can score ours, and we can score those
of others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from squeezedet_ros.data.frames import LabelledFrame
from squeezedet_ros.detections import Detections
from squeezedet_ros.errors import ConfigError, DatasetError

_WORDS = 16


def format_results(detections: Detections, classes: Sequence[str]) -> str:
    """
    Return the text of a KITTI result file, to be scored by KITTI's own evaluator.

    One line for each detection: type, then KITTI's values for unknown but for the box and, as the
    last number, the score.
    """
    lines = []
    rows = zip(detections.boxes, detections.scores, detections.labels, strict=True)
    for box, score, label in rows:
        edges = ' '.join(f'{edge:.2f}' for edge in box)
        name = classes[label].capitalize()
        lines.append(f'{name} -1 -1 -10 {edges} -1 -1 -1 -1000 -1000 -1000 -10 {score:.9g}\n')
    return ''.join(lines)


def save_results(
    directory: Path,
    frames: Sequence[LabelledFrame],
    detections: Sequence[Detections],
    classes: Sequence[str],
) -> None:
    """
    Write one KITTI result file for each frame, empty where nothing was seen.

    :raises ConfigError: when a class has a space in its name, which a line has between its words.
    :raises DatasetError: when two frames have one name.
    """
    spaced = [name for name in classes if len(name.split()) != 1]
    if spaced:
        raise ConfigError(f'KITTI has no name with a space for a class, got {spaced[0]!r}')
    (name, count), *_ = Counter(frame.name for frame in frames).most_common(1) or [('', 0)]
    if count > 1:
        raise DatasetError(f'{count} frames would have the result file {name}.txt')
    for frame, found in zip(frames, detections, strict=True):
        path = _result_path(directory, frame)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(format_results(found, classes))


def load_results(
    directory: Path, frames: Sequence[LabelledFrame], classes: Sequence[str]
) -> list[Detections]:
    """
    Read the result files of some frames, as :func:`read_results` does.

    :raises DatasetError: when a frame has no file, or a line is not as KITTI has it.
    """
    missing = [frame for frame in frames if not _result_path(directory, frame).is_file()]
    if missing:
        raise DatasetError(
            f'no result file {_result_path(directory, missing[0])}: expected one for each of '
            f'{len(frames)} frames, {len(missing)} are missing'
        )
    return [read_results(_result_path(directory, frame), classes) for frame in frames]


def read_results(path: Path, classes: Sequence[str]) -> Detections:
    """
    Read a KITTI result file; an empty one is an image in which nothing was seen.

    The detections stay in the order of the file, in which KITTI's evaluator looks at them: where
    overlaps are equal, average precision depends on it. Scores may be of any size.

    :param classes: names that the labels index, compared without regard to case; any other type
        is labelled ``len(classes)``, since KITTI's rules look at small detections of every type.
    :raises DatasetError: naming the line that is not as KITTI has it.
    """
    known = {name.lower(): label for label, name in enumerate(classes)}
    labels, numbers = [], []
    for number, line in enumerate(path.read_text('utf-8-sig', 'replace').splitlines(), 1):
        words = line.split()
        if not words:
            continue
        try:
            if len(words) != _WORDS:
                raise ValueError(f'it has {len(words) - 1} numbers')
            numbers.append([float(word) for word in words[1:]])
            if not np.isfinite(numbers[-1]).all():
                raise ValueError('a number is not finite')
        except ValueError as error:
            raise DatasetError(
                f'{path}:{number}: expected a type and {_WORDS - 1} numbers, the score last, '
                f'got {line!r} ({error})'
            ) from error
        labels.append(known.get(words[0].lower(), len(classes)))
    columns = np.array(numbers, np.float32).reshape(-1, _WORDS - 1)
    return Detections(columns[:, 3:7], columns[:, -1], np.array(labels, np.int64))


def _result_path(directory: Path, frame: LabelledFrame) -> Path:
    return directory / f'{frame.name}.txt'
