"""What can be compared: an evaluation's JSON, the record of a drive, a bag of detections."""

from __future__ import annotations

from dataclasses import replace
import json
from pathlib import Path
from typing import Any, NamedTuple

from squeezedet_ros.data.class_names import check_aliases, with_class_names
from squeezedet_ros.errors import DatasetError
from squeezedet_ros.evaluation.drive_record import (
    DriveRecord,
    FrameRecord,
    load_record,
    record_path,
)

POINTS = ('ap11', 'ap40')
_BAG_SUFFIXES = ('.mcap', '.db3')
_RECORD_SUFFIX = '.jsonl'


class Evaluated(NamedTuple):
    """
    One side of a comparison; at least one of its two parts is there.

    :param path: where it was read from.
    :param report: an object of JSON with average precision, as
        :func:`squeezedet_ros.evaluation.report.make_report` returns it.
    :param record: what was seen in each frame.
    """

    path: Path
    report: dict[str, Any] | None
    record: DriveRecord | None


def load_evaluated(path: Path, topic: str | None = None) -> Evaluated:
    """
    Read one side of a comparison.

    A folder, ``.mcap`` or ``.db3`` is a bag of detections, ``.jsonl`` a record, anything else the
    JSON of an evaluation, beside which a record may lie.

    :param topic: of a bag's detections; None for the only one there is.
    :raises DatasetError: when it cannot be read or is of another shape.
    """
    if path.is_dir() or is_bag(path):
        return Evaluated(path, None, _read_bag(path, topic))
    if path.suffix == _RECORD_SUFFIX:
        return Evaluated(path, None, load_record(path))
    report = _read_report(path)
    beside = record_path(path)
    record = load_record(beside) if beside.exists() else None
    has_scores = isinstance(report.get('kitti'), dict)
    if has_scores:
        _check_tables(path, report)
    elif record is None:
        raise DatasetError(
            f'{path}: expected the JSON of an evaluation with average precision under '
            f'"kitti", or {beside.name} beside it, got keys {_listing(report)}'
        )
    return Evaluated(path, report if has_scores else None, record)


def is_bag(path: Path) -> bool:
    """Return whether a path looks like a rosbag2: its folder, or one of its files."""
    if path.is_dir():
        inside = {item.suffix for item in path.iterdir()}
        return (path / 'metadata.yaml').exists() or not inside.isdisjoint(_BAG_SUFFIXES)
    return path.suffix in _BAG_SUFFIXES


def score_sections(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the tables of average precision of a report by their name: overlap by overlap."""
    return {key: value for key, value in report.items() if key.startswith('kitti')}


def _read_report(path: Path) -> dict[str, Any]:
    try:
        report = json.loads(path.read_text(encoding='utf-8'))
    except OSError as error:
        raise DatasetError(f'{path} cannot be read: {error.strerror}') from error
    except ValueError as error:
        raise DatasetError(
            f'{path}: expected the JSON that squeezedet evaluate --json writes, got {error}'
        ) from error
    if not isinstance(report, dict):
        raise DatasetError(
            f'{path}: expected an object of JSON, as squeezedet evaluate --json writes it, got '
            f'{type(report).__name__}'
        )
    return report


def _check_tables(path: Path, report: dict[str, Any]) -> None:
    for section, tables in score_sections(report).items():
        for points in POINTS:
            place = f'{section}.{points}'
            table = tables.get(points) if isinstance(tables, dict) else None
            if not isinstance(table, dict) or not all(map(_is_row, table.values())):
                raise DatasetError(
                    f'{path}: expected average precision by class and difficulty in {place}, '
                    f'numbers in [0, 1] or null, got {json.dumps(table)[:80]}'
                )
        overlaps = report.get('min_overlap')
        row = overlaps.get(section) if isinstance(overlaps, dict) else None
        if not _is_row(row):
            raise DatasetError(
                f'{path}: expected the overlap of each class in min_overlap.{section}, numbers in '
                f'[0, 1], got {json.dumps(row)[:80]}'
            )
    if not isinstance(report.get('images'), int):
        raise DatasetError(
            f'{path}: expected the number of images, got {json.dumps(report.get("images"))[:80]}'
        )


def _is_row(row: object) -> bool:
    return isinstance(row, dict) and all(
        value is None or (isinstance(value, int | float) and 0 <= value <= 1)
        for value in row.values()
    )


def _listing(report: dict[str, Any]) -> str:
    return ', '.join(list(report)[:8]) or 'none'


def _read_bag(path: Path, topic: str | None) -> DriveRecord:
    from squeezedet_ros.data.detection_bag import published_beside, read_detection_bag

    bag = read_detection_bag(path, topic)
    own = published_beside(path, bag)
    frames = [
        FrameRecord(stamp_ns=stamp_ns, size=None, outcome='detected', detections=found)
        for stamp_ns, found in bag.detections.items()
    ]
    return DriveRecord(
        name=str(path),
        topic=bag.topic,
        classes=bag.classes,
        frames=frames,
        # What is published passes, whatever else the bag says.
        plot_prob_thresh=0.0 if bag.is_published else bag.threshold or 0.0,
        class_thresh=own,
        settings={'bag': str(path), 'topic': bag.topic, 'warnings': list(bag.damage)},
    )


def with_bag_truth(
    record: DriveRecord, bag_path: Path, aliases: dict[str, str], topic: str | None = None
) -> DriveRecord:
    """
    Return a record with what a bag says is truly in its frames, by exact stamp.

    :param aliases: class by label in lower case, of labels that count as a class of another name.
    :param topic: of the truth; None for the only ``*/ground_truth`` there is.
    :raises ConfigError: when an alias names a class that the record does not have.
    :raises DatasetError: when the bag cannot be read, or truth and record share no stamp.
    """
    from squeezedet_ros.data.bag import BagReader

    check_aliases(aliases, record.classes)
    with BagReader(bag_path) as bag:
        known = sorted(name for name in bag.topics if name.endswith('ground_truth'))
        if topic is None and len(known) != 1:
            raise DatasetError(
                f'{bag_path} has {len(known)} topics of ground truth, expected one; choose with '
                f'--truth-topic from {", ".join(sorted(bag.topics))}'
            )
        truth = {
            stamp_ns: with_class_names(told, record.classes, aliases)
            for stamp_ns, told in bag.ground_truth(topic or known[0]).items()
        }
    frames = [replace(frame, truth=truth.get(frame.stamp_ns)) for frame in record.frames]
    if all(frame.truth is None for frame in frames):
        raise DatasetError(
            f'the truth in {bag_path} has none of the {len(frames)} stamps of {record.name}'
        )
    return replace(record, frames=frames)
