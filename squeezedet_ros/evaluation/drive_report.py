"""What a drive's record is worth, as an object of JSON and as lines of text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from squeezedet_ros.config import SelectionConfig
from squeezedet_ros.evaluation.drive_picks import pick_frames
from squeezedet_ros.evaluation.drive_record import DriveRecord
from squeezedet_ros.evaluation.drive_statistics import (
    describe_drive,
    DriveConfig,
    find_flicker,
    show_frames,
)
from squeezedet_ros.evaluation.evaluator import EvaluationConfig, published
from squeezedet_ros.evaluation.report import format_report, make_report
from squeezedet_ros.named_values import read_thresholds
from squeezedet_ros.tracking import KEPT_FOR_S


def report_drive(
    record: DriveRecord,
    selection: SelectionConfig,
    evaluation: EvaluationConfig,
    drive: DriveConfig,
) -> dict[str, Any]:
    """
    Score a record where it has truth, and tell what it shows without.

    :param selection: its thresholds say what would be published.
    :returns: ``drive`` and ``settings``, and of a record with truth all that
        :func:`~.report.make_report` returns for the frames that were looked at and have truth.
    :raises ConfigError: when the selection names a class that the record does not have.
    """
    looked_at = [frame.detections for frame in record.frames if frame.detections is not None]
    shown = show_frames(record.frames, published(looked_at, selection, record.classes))
    scored = [(item.frame.truth, item.frame.detections) for item in shown]
    truths = [truth for truth, _ in scored if truth is not None]
    found = [found for truth, found in scored if truth is not None and found is not None]
    report: dict[str, Any] = {}
    if truths:
        overlap = evaluation.min_overlap
        report |= make_report(truths, found, record.classes, overlap, selection)
    events = list(find_flicker(shown))
    told = describe_drive(record.frames, shown, events, record.classes, drive)
    picks = pick_frames(
        shown,
        events,
        record.classes,
        threshold=selection.plot_prob_thresh,
        min_overlap=evaluation.min_overlap,
        most=evaluation.gallery_frames,
    )
    report['drive'] = {
        'name': record.name,
        'topic': record.topic,
        'scored': len(truths),
        'plot_prob_thresh': selection.plot_prob_thresh,
        'class_thresh': read_thresholds('class_thresh', selection.class_thresh),
        **told,
        'picked': [
            {
                'frame': pick.place,
                'stamp_ns': record.frames[pick.place].stamp_ns,
                'reason': pick.reason,
            }
            for pick in picks
        ],
        'warnings': [*record.settings.get('warnings', ()), *_stamp_warnings(told['stamps'])],
    }
    report['settings'] = record.settings
    return report


def _stamp_warnings(stamps: dict[str, Any]) -> Iterator[str]:
    if stamps['backwards']:
        yield f'{stamps["backwards"]} stamps are earlier than the one before'
    if stamps['repeated']:
        yield f'{stamps["repeated"]} images have the stamp of another one'
    if stamps['rate_hz'] is not None and stamps['rate_hz'] * KEPT_FOR_S < 1:
        yield (
            f'frames are more than {KEPT_FOR_S:g} s apart, and no object is followed so long: how '
            'often one vanished is not known'
        )


def format_drive_report(report: dict[str, Any]) -> str:
    """Return the report of :func:`report_drive` as lines of text."""
    parts = (_frame_lines, _time_lines, _class_lines, _pick_lines, _warning_lines)
    lines = [line for part in parts for line in part(report)]
    scores = [format_report(report), ''] if 'kitti' in report else []
    return '\n'.join([*scores, *lines])


def _frame_lines(report: dict[str, Any]) -> Iterator[str]:
    drive = report['drive']
    stamps, outcomes = drive['stamps'], drive['outcomes']
    named = ', '.join(f'{count} {outcome}' for outcome, count in outcomes.items())
    yield f'/{drive["topic"]}: {drive["frames"]} frames ({named}), {drive["scored"]} with truth'
    rate = stamps['rate_hz']
    gaps = [gap['seconds'] for gap in stamps['gaps']]
    longest = f', {len(gaps)} gaps, the longest {max(gaps):.2f} s' if gaps else ', no gap'
    yield f'{stamps["seconds"]:.1f} s' + (f' at {rate:.2f} Hz{longest}' if rate else '')


def _time_lines(report: dict[str, Any]) -> Iterator[str]:
    drive = report['drive']
    columns = ('mean', 'p50', 'p95', 'p99', 'max')
    speed = report['settings'].get('processing')
    if speed is not None:
        yield (
            f'{speed["frames_per_second"]:.1f} frames a second, {speed["batch_size"]} looked at '
            'together; milliseconds are the share of one'
        )
    yield ''
    yield f'{"milliseconds":<14}' + ''.join(f'{name:>10}' for name in columns)
    for stage, row in drive['milliseconds'].items():
        yield f'{stage:<14}' + ''.join(f'{row[name]:10.2f}' for name in columns)


def _class_lines(report: dict[str, Any]) -> Iterator[str]:
    drive = report['drive']
    columns = ('seen', 'a frame', 'in frames', 'score p10', 'p50', 'p90', 'gone 1', 'gone 2')
    yield ''
    least = ''.join(f', {name} {value:g}' for name, value in drive['class_thresh'].items())
    yield (
        f'score >= {drive["plot_prob_thresh"]:g}{least}; gone: not seen for so many frames, then '
        'again'
    )
    yield f'{"":<14}' + ''.join(f'{name:>10}' for name in columns)
    for name, row in drive['detections'].items():
        scores = ''.join(_cell(value) for value in row['score'].values())
        gone = ''.join(f'{count:10}' for count in row['vanished'].values())
        counts = f'{row["count"]:10}{_cell(row["per_frame"])}{row["frames"]:10}'
        yield f'{name:<14}{counts}{scores}{gone}'


def _pick_lines(report: dict[str, Any]) -> Iterator[str]:
    drive = report['drive']
    if drive['picked']:
        yield ''
        yield 'worth a look'
    for pick in drive['picked']:
        yield f'{pick["stamp_ns"]:>20} ns  {pick["reason"]}'


def _warning_lines(report: dict[str, Any]) -> Iterator[str]:
    drive = report['drive']
    for number, warning in enumerate(drive['warnings']):
        yield from [] if number else ['']
        yield f'warning: {warning}'


def _cell(value: float | None) -> str:
    return f'{"-":>10}' if value is None else f'{value:10.3f}'
