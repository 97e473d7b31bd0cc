"""The parts of a drive's page that stand still: what the record and the report say in numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from squeezedet_ros.evaluation.drive_gaps import find_gaps, frame_times, gap_factor_of
from squeezedet_ros.evaluation.drive_record import DriveRecord, FrameRecord
from squeezedet_ros.evaluation.html_parts import Cell, facts, flat, folded, note, section, table
from squeezedet_ros.evaluation.kitti_matching import ALL, DIFFICULTIES

_MOST_ROWS = 500
_PERCENTILES = (50, 95, 99)
_TIME_COLUMNS = ('mean', 'p50', 'p95', 'p99', 'max')


def summary(record: DriveRecord, report: dict[str, Any]) -> str:
    """Return what one wants to know first."""
    frames = record.frames
    looked_at = [frame for frame in frames if frame.detections is not None]
    seconds = float(frame_times(record).max(initial=0.0))
    sizes = Counter(frame.size for frame in frames if frame.size is not None)
    entries: dict[str, Cell] = {
        'frames': len(frames),
        'looked at': f'{len(looked_at)} ({_share(len(looked_at), len(frames))})',
        'duration': f'{seconds:.1f} s',
    }
    if seconds:
        entries['frames a second'] = f'{(len(frames) - 1) / seconds:.2f}'
    if sizes:
        entries['frame size'] = ', '.join(f'{width}x{height}' for height, width in sizes)
    entries |= _percentiles('latency', [total_ms(frame) for frame in looked_at])
    ages = [
        (frame.published_ns - frame.stamp_ns) / 1e6
        for frame in frames
        if frame.published_ns is not None
    ]
    entries |= _percentiles('age when published', ages)
    entries['frames with truth'] = sum(frame.truth is not None for frame in frames)
    dropped = Counter(frame.outcome for frame in frames if frame.detections is None)
    entries |= dict(dropped)
    warnings = [note(text, 'warning') for text in report.get('drive', {}).get('warnings', ())]
    return section('summary', 'Summary', facts(entries), *warnings)


def total_ms(frame: FrameRecord) -> float:
    """Return what a frame took in all stages; the node says so itself."""
    return frame.milliseconds.get('total', sum(frame.milliseconds.values()))


def _percentiles(name: str, values: list[float]) -> dict[str, Cell]:
    if not any(values):
        return {}
    parts = ' / '.join(f'{part:.1f}' for part in np.percentile(values, _PERCENTILES))
    return {f'{name} p50 / p95 / p99': f'{parts} ms'}


def _share(part: int, whole: int) -> str:
    return f'{100 * part / whole:.1f} %' if whole else '-'


def average_precision(report: dict[str, Any]) -> str:
    """Return the tables of average precision with the number of objects; none without truth."""
    if 'kitti' not in report:
        return ''
    counts = report['counts']['classes']
    difficulties = [difficulty.name for difficulty in DIFFICULTIES]
    tables = [
        table(
            f'{points.upper()}, {report["images"]} frames with truth',
            ('class', 'overlap', *difficulties, 'objects'),
            [
                (name, f'{overlaps[name]:.2f}', *row.values(), counts[name]['truth'])
                for key, overlaps in report['min_overlap'].items()
                for name, row in report[key][points].items()
            ],
        )
        for points in ('ap40', 'ap11')
    ]
    text = "Average precision by KITTI's rules; objects are those at least 25 pixels high."
    return section('ap', 'Average precision', note(text), *tables, _coco(report), _errors(report))


def _coco(report: dict[str, Any]) -> str:
    scores = report.get('coco')
    if not scores:
        return ''
    columns = [key for key, value in scores.items() if not isinstance(value, dict)]
    rows = [('all classes', scores), *scores['classes'].items()]
    lines = [(name, *(row.get(key) for key in columns)) for name, row in rows]
    return table('COCO mAP', ('class', *columns), lines)


def _errors(report: dict[str, Any]) -> str:
    errors = report['errors']
    caption = (
        f'Errors among the {errors["detections"]} most probable detections, as many in a frame '
        f'as it has objects ({errors["objects"]} in all)'
    )
    rows = [(kind, errors[kind], share) for kind, share in errors['shares'].items()]
    missed: tuple[Cell, ...] = ('missed', errors['missed'], None)
    return table(caption, ('kind', 'number', 'share'), [*rows, missed])


def through_node(report: dict[str, Any]) -> str:
    """Return what playing the bag into the node came to, scored in its ways; none offline."""
    told = report.get('through_node')
    if told is None:
        return ''
    memory = ' / '.join(_rounded(told['memory_mib'][key]) for key in ('first', 'last', 'peak'))
    entries: dict[str, Cell] = {
        'mode': told['mode'],
        'rate': f'{told["rate"]:g}',
        **{key: told[key] for key in ('sent', 'received', 'lost')},
        'CPU cores': _rounded(told['cpu_cores'], 2),
        'memory first / last / peak': f'{memory} MiB',
    }
    ways = {way: scores for way, scores in (told['scores'] or {}).items() if scores is not None}
    return section('node', 'Through the node', facts(entries), *_way_tables(ways))


def _rounded(value: float | None, digits: int = 0) -> str:
    return '-' if value is None else f'{value:.{digits}f}'


def _way_tables(ways: dict[str, Any]) -> Iterator[str]:
    if not ways:
        return
    names = [way.replace('_', ' ') for way in ways]
    text = (
        'Looked at: only frames that the node looked at. All: what is in other frames is missed. '
        'Streaming: at the time of each truth the newest detections published by then count.'
    )
    rows: list[tuple[Cell, ...]] = [('frames', *(report['images'] for report in ways.values()))]
    for name in next(iter(ways.values()))['counts']['classes']:
        for points in ('ap11', 'ap40'):
            scores = (report['kitti'][points][name][ALL.name] for report in ways.values())
            rows.append((f'{name}, {points.upper()}', *scores))
        for rate in ('precision', 'recall'):
            counts = (report['counts']['classes'][name][rate] for report in ways.values())
            rows.append((f'{name}, {rate}', *counts))
    yield note(text)
    yield table(f'At difficulty {ALL.name}', ('score', *names), rows)
    if 'streaming' in ways:
        lag, early = _rounded(ways['streaming']['lag_ms']), ways['streaming']['unanswered']
        yield note(
            f'What had been published was {lag} ms older than the truth on average; {early} '
            'truths came before anything was.'
        )


def sweep_table(report: dict[str, Any]) -> str:
    """Return what other settings of the selection would give; none without a sweep."""
    sweep = report.get('sweep')
    if sweep is None:
        return ''
    rates = ('precision', 'recall')
    classes = list(sweep['rows'][0].get('classes', ()))
    scored = ['all', *classes] if classes else []
    columns = ['top_n', 'plot_prob_thresh', 'select ms', 'a frame']
    columns += [f'{name} {rate}' for name in scored for rate in rates]
    rows = [
        (
            row['top_n'],
            f'{row["plot_prob_thresh"]:g}',
            row['select_ms'],
            row['detections_per_frame'],
            *(
                {'all': row['all'], **row['classes']}[name][rate]
                for name in scored
                for rate in rates
            ),
        )
        for row in sweep['rows']
    ]
    caption = (
        f'{sweep["frames"]} frames, {sweep["with_truth"]} with truth, overlap '
        f'{sweep["min_overlap"]:g}; the network took {sweep["network_ms"]:.1f} ms'
    )
    return section('sweep', 'Other settings', table(caption, columns, rows))


def time_tables(record: DriveRecord, report: dict[str, Any]) -> str:
    """Return the tables below the timeline: stages, what was seen of each class, gaps."""
    drive = report.get('drive', {})
    parts = []
    stages = [item for item in drive.get('milliseconds', {}).items() if item[1]]
    if stages:
        rows = [(name, *(row[key] for key in _TIME_COLUMNS)) for name, row in stages]
        parts.append(table('Milliseconds by stage', ('stage', *_TIME_COLUMNS), rows))
    if 'detections' in drive:
        parts.append(_class_table(drive))
    columns: tuple[str, ...] = ('outcome', 'from (s)', 'to (s)', 'frames')
    gaps = list(_gap_rows(record, gap_factor_of(report)))
    parts.append(_folded_table('gaps', columns, gaps, len(gaps)))
    events = [
        (event['frame'] + 1, event['class'], event['frames']) for event in drive.get('flicker', ())
    ]
    columns = ('frame', 'class', 'frames without it')
    vanished = sum(sum(row['vanished'].values()) for row in drive.get('detections', {}).values())
    name = 'objects that vanished for a frame or two'
    parts.append(_folded_table(name, columns, events, vanished))
    return '\n'.join(filter(None, parts))


def _class_table(drive: dict[str, Any]) -> str:
    columns = ('class', 'seen', 'a frame', 'in frames', 'score p10', 'p50', 'p90')
    gone = sorted({frames for row in drive['detections'].values() for frames in row['vanished']})
    rows = [
        (
            name,
            *(row[key] for key in ('count', 'per_frame', 'frames')),
            *row['score'].values(),
            *(row['vanished'].get(frames) for frames in gone),
        )
        for name, row in drive['detections'].items()
    ]
    caption = (
        'What would be published; gone: how often an object was not seen for so many frames '
        'between two in which it was'
    )
    return table(caption, (*columns, *(f'gone {frames}' for frames in gone)), rows)


def _folded_table(
    name: str, columns: Sequence[str], rows: Sequence[Sequence[Cell]], count: int
) -> str:
    """Return a table of the first of ``count`` rows."""
    if not rows:
        return ''
    title = f'{count} {name}'
    return folded(title, table(f'The first {_MOST_ROWS} at most', columns, rows[:_MOST_ROWS]))


def _gap_rows(record: DriveRecord, gap_factor: float) -> Iterator[tuple[Cell, ...]]:
    for gap in find_gaps(record, gap_factor):
        yield gap.outcome, max(gap.start, 0.0), gap.end, gap.frames


def settings_table(record: DriveRecord) -> str:
    """Return under which settings, and with which versions, the drive was looked at."""
    rows = list(flat({'topic': record.topic, **record.settings}))
    shown = table('Of the evaluation', ('setting', 'value'), rows).replace(
        '<table>', '<table class="left">'
    )
    return section('settings', 'Settings and versions', shown)
