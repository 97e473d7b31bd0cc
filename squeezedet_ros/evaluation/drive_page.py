"""
One page that shows a drive, whole in itself: no network, no other file.

Its charts are drawn by uPlot (https://github.com/leeoniya/uPlot, MIT), which lies beside the
page's own code in ``page/`` with its licence.
"""

from __future__ import annotations

from html import escape
from importlib.resources import files
import json
from pathlib import Path
from string import Template
from typing import Any

from squeezedet_ros.checkpoint import write_atomically
from squeezedet_ros.config import SelectionConfig
from squeezedet_ros.evaluation.drive_gaps import gap_factor_of
from squeezedet_ros.evaluation.drive_page_data import page_data
from squeezedet_ros.evaluation.drive_pictures import (
    Choice,
    choose_worst,
    Images,
    make_pictures,
)
from squeezedet_ros.evaluation.drive_record import DriveRecord
from squeezedet_ros.evaluation.drive_sections import curves, gallery, thresholds, timeline
from squeezedet_ros.evaluation.drive_tables import (
    average_precision,
    settings_table,
    summary,
    sweep_table,
    through_node,
)
from squeezedet_ros.evaluation.evaluator import EvaluationConfig

PAGE = 'drive.html'
_STYLES = ('uPlot.min.css', 'drive.css')
_SCRIPTS = ('matching.js', 'controls.js', 'charts.js', 'gallery.js', 'start.js')


def write_drive_page(
    directory: Path, record: DriveRecord, report: dict[str, Any], images: Images
) -> Path:
    """
    Write ``drive.html`` into a folder and return its path.

    Counts, charts and boxes follow the thresholds that are chosen on the page; they are computed
    there, from the detections of the record, by the same matching.

    :param record: with at least one frame.
    :param report: of the same drive, of ``make_report`` where there is truth, and ``drive`` for
        what can be told without; what it lacks is left out.
    :param images: gives the images of some stamps, (h, w, 3) uint8 blue, green, red.
    :raises ConfigError: when the record's settings name a class that it does not have.
    :raises DatasetError: when the images cannot be read.
    """
    selection = _selection(record, report)
    overlap = report['counts']['min_overlap'] if 'counts' in report else None
    pictures = make_pictures(record, _choose(record, report, selection, overlap), images)
    data = page_data(record, selection, overlap, gap_factor_of(report))
    data['pictures'] = [
        {
            'frame': item.choice.frame,
            'size': item.size,
            'boxes': item.boxes,
            'truth': item.truth if overlap is not None else None,
        }
        for item in pictures
    ]
    sections = {
        'summary': ('Summary', summary(record, report)),
        'node': ('Through the node', through_node(report)),
        'thresholds': ('At a threshold', thresholds(record, overlap)),
        'curves': ('Curves', curves(record, data)),
        'time': ('Over time', timeline(record, report)),
        'gallery': ('Frames', gallery(record, pictures, overlap)),
        'ap': ('Average precision', average_precision(report)),
        'sweep': ('Other settings', sweep_table(report)),
        'settings': ('Settings', settings_table(record)),
    }
    path = directory / PAGE
    directory.mkdir(parents=True, exist_ok=True)
    write_atomically(path, _render(record, sections, data).encode())
    return path


def _selection(record: DriveRecord, report: dict[str, Any]) -> SelectionConfig:
    """Return what the node would publish; the report's thresholds are what it counts by."""
    given = record.settings.get('selection', {})
    own = given.get('class_thresh', ())
    if 'counts' in report:
        own = [f'{name}={value!r}' for name, value in report['counts']['class_thresh'].items()]
    return SelectionConfig(
        plot_prob_thresh=record.plot_prob_thresh,
        class_thresh=tuple(own),
        class_filter=tuple(given.get('class_filter', ())),
    )


def _choose(
    record: DriveRecord,
    report: dict[str, Any],
    selection: SelectionConfig,
    overlap: float | None,
) -> list[Choice]:
    if overlap is not None:
        count = record.settings.get('evaluation', {}).get('gallery_frames')
        most = EvaluationConfig().gallery_frames if count is None else count
        return choose_worst(record, selection, overlap, most)
    picked = report.get('drive', {}).get('picked', ())
    return [Choice(pick['frame'], pick['reason']) for pick in picked]


def _render(
    record: DriveRecord, sections: dict[str, tuple[str, str]], data: dict[str, Any]
) -> str:
    shown = {name: part for name, part in sections.items() if part[1]}
    links = (f'<a href="#{name}">{escape(title)}</a>' for name, (title, _) in shown.items())
    # A text in the data cannot end the script that it stands in.
    embedded = json.dumps(data, allow_nan=False, separators=(',', ':')).replace('<', '\\u003c')
    licence = f'/*!\nuPlot\n{_read("uPlot.LICENSE")}*/\n'
    return Template(_read('drive.html')).substitute(
        title=escape(f'Drive {record.name}'),
        style='\n'.join(map(_read, _STYLES)),
        navigation=''.join(links),
        sections='\n'.join(content for _, content in shown.values()),
        data=embedded,
        script=licence + '\n'.join(map(_read, ('uPlot.iife.min.js', *_SCRIPTS))),
    )


def _read(name: str) -> str:
    return (files('squeezedet_ros.evaluation') / 'page' / name).read_text(encoding='utf-8')
