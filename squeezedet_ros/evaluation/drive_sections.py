"""The parts of a drive's page that its script fills: thresholds, charts, pictures."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from squeezedet_ros.evaluation.average_precision import SAMPLE_POINTS
from squeezedet_ros.evaluation.drive_gaps import find_gaps, gap_factor_of
from squeezedet_ros.evaluation.drive_pictures import Picture
from squeezedet_ros.evaluation.drive_record import DriveRecord
from squeezedet_ros.evaluation.drive_tables import time_tables
from squeezedet_ros.evaluation.html_parts import note, section

_CHART = '<div class="chart" id="{}" role="img" aria-label="{}"></div>'


def thresholds(record: DriveRecord, overlap: float | None) -> str:
    """Return the sliders of the classes and the table of what is counted at them."""
    names: tuple[str, ...]
    if overlap is None:
        names, text = ('seen', 'in frames'), 'There is no truth, so what was seen is counted.'
    else:
        names = ('truth', 'right', 'wrong', 'missed', 'precision', 'recall', 'badly placed')
        text = (
            f"Matched by KITTI's rules at an overlap above {overlap:g}, objects at least "
            '25 pixels high; a badly placed object has a detection that overlaps it too little.'
        )
    dropped = any(frame.detections is None and frame.truth is not None for frame in record.frames)
    choice = (
        '<p><input type="checkbox" id="dropped"> <label for="dropped">what is in frames that '
        'nobody looked at is missed</label></p>'
        if dropped and overlap is not None
        else ''
    )
    least = min(
        (float(frame.detections.scores.min()) for frame in record.frames if frame.detections),
        default=0.0,
    )
    heading = ''.join(f'<th scope="col">{name}</th>' for name in ('class', *names))
    return section(
        'thresholds',
        'At a threshold',
        note(
            f'{text} Detections were recorded down to {least:.3f}. The address of the page holds '
            'what is chosen here.'
        ),
        '<fieldset><legend>Classes and their own thresholds</legend><div id="classes"></div>'
        f'{choice}<button type="button" id="reset">As the node had it</button></fieldset>',
        '<div class="scroll" role="region" aria-label="Counts at the thresholds">'
        f'<table><thead><tr>{heading}</tr></thead><tbody id="counts"></tbody></table></div>',
    )


def curves(record: DriveRecord, data: dict[str, Any]) -> str:
    """Return the places of two charts for each class that has truth; none without."""
    if 'curves' not in data:
        return ''
    panels = [
        f'<div><h3>{escape(name)}</h3>'
        + _CHART.format(f'curve-{label}', f'precision over recall of {escape(name)}')
        + _CHART.format(f'sweep-{label}', f'precision and recall of {escape(name)} by threshold')
        + '</div>'
        for label, name in enumerate(record.classes)
        if data['curves'][label]
    ]
    text = (
        'Above, precision over recall by difficulty and overlap, and as a dot where the chosen '
        'thresholds are; below, precision and recall when all classes have the same threshold. '
        f"Of fewer than {SAMPLE_POINTS} objects, KITTI's curve ends before the recall they reach."
    )
    return section(
        'curves',
        'Precision and recall',
        note(text),
        f'<div class="panels">{"".join(panels)}</div>',
    )


def timeline(record: DriveRecord, report: dict[str, Any]) -> str:
    """Return the places of the charts over time, and the tables below them."""
    outcomes = list(dict.fromkeys(gap.outcome for gap in find_gaps(record, gap_factor_of(report))))
    key = ''.join(
        f'<li><span class="swatch" data-outcome="{escape(name)}"></span>{escape(name)}</li>'
        for name in outcomes
    )
    last = len(record.frames) - 1
    offline = ''
    if record.settings.get('mode') == 'offline':
        offline = note("Without a node: a frame's share of the batch that it was looked at with.")
    return section(
        'time',
        'Over time',
        note(
            'Closer and wider are about the frame; a drag over a chart shows that part of it, a '
            'double click all of it.'
        ),
        '<div class="frame"><label for="frame">Frame</label>'
        f'<input type="range" id="frame" min="0" max="{last}" value="0" step="1">'
        '<button type="button" data-zoom="0.5">Closer</button>'
        '<button type="button" data-zoom="2">Wider</button>'
        '<output for="frame" id="frame-text"></output></div>',
        f'<ul class="key" aria-label="Gaps">{key}</ul>' if key else '',
        f'<h3>Latency</h3>{offline}'
        + _CHART.format('latency', 'milliseconds of each frame by stage')
        if any(frame.milliseconds for frame in record.frames)
        else '',
        '<h3>Detections</h3>' + _CHART.format('seen', 'detections of each frame by class'),
        '<h3>Confidence</h3>' + _CHART.format('scores', 'mean probability of each frame by class'),
        time_tables(record, report),
    )


_KEY = (
    ('right', 'detection, right'),
    ('wrong', 'detection, false'),
    ('missed', 'true object, missed'),
    ('found', 'true object, found'),
    ('neutral', 'counts neither way'),
)


def gallery(record: DriveRecord, pictures: Sequence[Picture], overlap: float | None) -> str:
    """Return pictures, each with a place for its boxes; none without an image."""
    if not pictures:
        return ''
    title = 'Frames for a look' if overlap is None else 'The worst frames'
    key = ''.join(
        f'<li><span class="box {kind}"></span>{text}</li>'
        for kind, text in (_KEY if overlap is not None else ())
    )
    figures = ''.join(_figure(record, number, item) for number, item in enumerate(pictures))
    return section(
        'gallery',
        title,
        f'<ul class="key" aria-label="Boxes">{key}</ul>' if key else '',
        f'<div class="gallery">{figures}</div>',
    )


def _figure(record: DriveRecord, number: int, picture: Picture) -> str:
    frame, reason = picture.choice
    stamp = record.frames[frame].stamp_ns
    height, width = picture.size
    name = f'frame {frame + 1}'
    return (
        f'<figure data-picture="{number}"><div class="scroll" role="region" '
        f'aria-label="picture of {name}"><div class="shot">'
        f'<img alt="{name}: {escape(reason)}" width="{width}" height="{height}" '
        f'src="data:image/jpeg;base64,{picture.jpeg}"></div></div><figcaption>'
        f'<b>{name}</b>, stamp {stamp // 10**9}.{stamp % 10**9:09}, chosen for: {escape(reason)}. '
        f'Now: <span class="now"></span>. <button type="button" data-enlarge '
        f'aria-pressed="false" hidden>Enlarge</button></figcaption></figure>'
    )
