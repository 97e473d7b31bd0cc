"""What playing a bag into the node came to, as an object of JSON and as lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from squeezedet_ros.config import SelectionConfig
from squeezedet_ros.evaluation.drive_record import DriveRecord
from squeezedet_ros.evaluation.kitti_matching import ALL
from squeezedet_ros.evaluation.streaming_ap import score_three_ways

WAYS = {'looked_at': 'looked at', 'all': 'all', 'streaming': 'streaming'}
_POINTS = 'ap11'


def report_node(
    record: DriveRecord, selection: SelectionConfig, min_overlap: float
) -> dict[str, Any]:
    """
    Return the account of a drive through the node, with its scores.

    :param record: with the account as ``node`` in its settings.
    :param selection: its thresholds say what is counted.
    :returns: that, and ``scores`` of :func:`~.streaming_ap.score_three_ways`, null without truth.
    :raises ConfigError: when the selection names a class that the record does not have.
    """
    scores = None
    if any(frame.truth is not None for frame in record.frames):
        scores = score_three_ways(record.frames, record.classes, min_overlap, selection)
    return {**record.settings['node'], 'scores': scores}


def format_node_report(told: Mapping[str, Any]) -> str:
    """Return the report of :func:`report_node` as lines of text."""
    scores = told['scores']
    return '\n'.join([*_account_lines(told), *(_score_lines(scores) if scores else ())])


def _account_lines(told: Mapping[str, Any]) -> Iterator[str]:
    pace = 'at most ' if told['mode'] == 'replay' else ''
    yield (
        f'through the node, {told["mode"]}, {pace}{told["rate"]:g} times the recorded pace: '
        f'{told["sent"]} images sent, {told["received"]} received, {told["lost"]} lost'
    )
    if told['mode'] == 'live' and told['rate'] != 1:
        yield f'ages are in the time of the bag, of which {told["rate"]:g} s pass in a second'
    if told['strangers']:
        yield f'warning: {told["strangers"]} frames told of by the node are of no image of the bag'
    memory = told['memory_mib']
    sizes = ', '.join(
        f'{_number(memory[key], ".0f")} MiB {words}'
        for key, words in (('first', 'after its first frame'), ('last', 'after its last'))
    )
    yield (
        f'the node took {_number(told["cpu_cores"], ".2f")} cores, {sizes}, '
        f'{_number(memory["peak"], ".0f")} MiB at most'
    )


def _score_lines(scores: Mapping[str, Any]) -> Iterator[str]:
    reports = {way: scores[way] for way in WAYS if scores[way] is not None}
    yield ''
    yield "AP11 of all objects at KITTI's overlap; precision and recall of what is published"
    yield f'{"frames":<14}' + ''.join(f'{WAYS[way]:>12}' for way in reports)
    yield f'{"":<14}' + ''.join(f'{report["images"]:12}' for report in reports.values())
    for name in scores['all']['counts']['classes']:
        values = [report['kitti'][_POINTS][name][ALL.name] for report in reports.values()]
        yield _line(f'AP {name}', values)
        for rate in ('precision', 'recall'):
            counts = [report['counts']['classes'][name] for report in reports.values()]
            yield _line(f'  {rate}', [row[rate] for row in counts])
    yield from _lag_lines(scores['streaming'])


def _lag_lines(streaming: Mapping[str, Any] | None) -> Iterator[str]:
    if streaming is None:
        yield 'no streaming: in a replay the bag waits for the node, so that nothing is ever late'
        return
    yield (
        f'streaming: what had been published was {_number(streaming["lag_ms"], ".0f")} ms older '
        f'than the truth on average; {streaming["unanswered"]} truths came before anything was'
    )


def _line(name: str, values: list[float | None]) -> str:
    return f'{name:<14}' + ''.join(f'{_number(value, ".3f"):>12}' for value in values)


def _number(value: float | None, how: str) -> str:
    return '-' if value is None else format(value, how)
