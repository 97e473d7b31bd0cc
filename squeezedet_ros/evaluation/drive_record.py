"""
What was seen in a drive, frame by frame: what evaluating, comparing and showing one share.

On disk it is lines of JSON. The first has ``kind`` ``drive`` and the drive's own facts; every
other one is a frame. What a frame does not have, or has as the default says, is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from squeezedet_ros.data.ground_truth import GroundTruth
from squeezedet_ros.detections import Detections
from squeezedet_ros.errors import DatasetError

_VERSION = 1


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
    :param name: in its data set; empty where it has none, as in a bag.
    """

    stamp_ns: int
    size: tuple[int, int] | None
    outcome: str
    detections: Detections | None
    truth: GroundTruth | None = None
    milliseconds: dict[str, float] = field(default_factory=dict)
    published_ns: int | None = None
    name: str = ''


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
    :param class_thresh: that of classes which have one of their own, by name.
    """

    name: str
    topic: str
    classes: Sequence[str]
    frames: Sequence[FrameRecord]
    plot_prob_thresh: float
    settings: dict[str, Any]
    class_thresh: dict[str, float] = field(default_factory=dict)


def record_path(report: Path) -> Path:
    """Return where the record of a drive lies whose report is that JSON file."""
    return report.with_name(report.name.removesuffix('.json') + '.record.jsonl')


def save_record(path: Path, record: DriveRecord) -> None:
    """Write a record; a reader sees the old file or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + '.partial')
    with partial.open('w', encoding='utf-8') as file:
        for line in _lines(record):
            file.write(json.dumps(line, allow_nan=False, separators=(',', ':')) + '\n')
    partial.replace(path)


def load_record(path: Path) -> DriveRecord:
    """
    Read back what :func:`save_record` wrote: every number as it was.

    :raises DatasetError: when the file is not there, or a line is not as it should be.
    """
    try:
        with path.open(encoding='utf-8') as file:
            return _read(path, file)
    except OSError as error:
        raise DatasetError(f'{path} cannot be read: {error.strerror}') from error


def _lines(record: DriveRecord) -> Iterator[dict[str, Any]]:
    yield {
        'kind': 'drive',
        'version': _VERSION,
        'name': record.name,
        'topic': record.topic,
        'classes': list(record.classes),
        'plot_prob_thresh': record.plot_prob_thresh,
        'frames': len(record.frames),
        'settings': record.settings,
        **({'class_thresh': record.class_thresh} if record.class_thresh else {}),
    }
    yield from map(_frame_to_json, record.frames)


def _frame_to_json(frame: FrameRecord) -> dict[str, Any]:
    line: dict[str, Any] = {'stamp_ns': frame.stamp_ns, 'outcome': frame.outcome}
    if frame.size is not None:
        line['size'] = list(frame.size)
    if frame.detections is not None:
        found = frame.detections
        line['detections'] = {
            'boxes': _numbers(found.boxes),
            'scores': _numbers(found.scores),
            'labels': found.labels.tolist(),
        }
        if found.ids is not None:
            line['detections']['ids'] = found.ids.tolist()
    if frame.truth is not None:
        line['truth'] = {
            'boxes': _numbers(frame.truth.boxes),
            'names': list(frame.truth.names),
            'truncated': _numbers(frame.truth.truncated),
            'occluded': frame.truth.occluded.tolist(),
        }
    if frame.milliseconds:
        line['milliseconds'] = {key: round(value, 3) for key, value in frame.milliseconds.items()}
    if frame.published_ns is not None:
        line['published_ns'] = frame.published_ns
    if frame.name:
        line['name'] = frame.name
    return line


def _numbers(values: NDArray[np.float32]) -> Any:  # noqa: ANN401
    """Return lists of the shortest numbers that float32 reads as the same."""
    return values.astype('U').astype(np.float64).tolist()


def _read(path: Path, lines: Iterator[str]) -> DriveRecord:
    frames: list[FrameRecord] = []
    head: dict[str, Any] | None = None
    try:
        for line in lines:
            if head is None:
                head = _checked_head(json.loads(line))
            else:
                frames.append(_frame_from_json(json.loads(line)))
        if head is None or len(frames) != head['frames']:
            announced = head and head['frames']
            raise ValueError(f'{len(frames)} frames, announced were {announced}')
        return DriveRecord(
            name=head['name'],
            topic=head['topic'],
            classes=tuple(head['classes']),
            frames=frames,
            plot_prob_thresh=head['plot_prob_thresh'],
            settings=head['settings'],
            class_thresh=head.get('class_thresh', {}),
        )
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError) as error:
        number = 1 if head is None else 2 + len(frames)
        raise DatasetError(
            f"{path}:{number}: expected a drive's record of version {_VERSION}, "
            f'got {type(error).__name__}: {error}'
        ) from error


def _checked_head(head: dict[str, Any]) -> dict[str, Any]:
    if head['kind'] != 'drive' or head['version'] != _VERSION:
        raise ValueError(f'kind {head["kind"]!r}, version {head["version"]!r}')
    _check('classes', head['classes'], list)
    for name in head['classes']:
        _check('a class', name, str)
    for key, kind in (('name', str), ('topic', str), ('settings', dict)):
        _check(key, head[key], kind)
    _check('plot_prob_thresh', head['plot_prob_thresh'], (int, float))
    _check('class_thresh', head.get('class_thresh', {}), dict)
    for name, value in head.get('class_thresh', {}).items():
        _check(f'threshold of {name}', value, (int, float))
    return head


def _check(what: str, value: object, kind: type | tuple[type, ...]) -> None:
    if not isinstance(value, kind) or value is True or value != value:
        raise TypeError(f'{what} is {value!r}')


def _frame_from_json(line: dict[str, Any]) -> FrameRecord:
    size, found, truth = (line.get(key) for key in ('size', 'detections', 'truth'))
    _check('stamp_ns', line['stamp_ns'], int)
    _check('name', line.get('name', ''), str)
    return FrameRecord(
        stamp_ns=line['stamp_ns'],
        size=None if size is None else (size[0], size[1]),
        outcome=line['outcome'],
        detections=None if found is None else _detections_from_json(found),
        truth=None if truth is None else _truth_from_json(truth),
        milliseconds=line.get('milliseconds', {}),
        published_ns=line.get('published_ns'),
        name=line.get('name', ''),
    )


def _detections_from_json(columns: dict[str, Any]) -> Detections:
    labels = np.array(columns['labels'], np.int64)
    if (labels < 0).any():
        raise ValueError(f'label {labels.min()}')
    return Detections(
        _finite(columns['boxes']).reshape(-1, 4),
        _finite(columns['scores']),
        labels,
        np.array(columns['ids'], np.int64) if 'ids' in columns else None,
    )


def _truth_from_json(columns: dict[str, Any]) -> GroundTruth:
    for name in columns['names']:
        _check('a name', name, str)
    return GroundTruth(
        _finite(columns['boxes']).reshape(-1, 4),
        tuple(columns['names']),
        _finite(columns['truncated']),
        np.array(columns['occluded'], np.int64),
    )


def _finite(numbers: Any) -> NDArray[np.float32]:  # noqa: ANN401
    with np.errstate(over='ignore'):
        found = np.array(numbers, np.float32)
    if not np.isfinite(found).all():
        raise ValueError('a number that is not finite')
    return found
