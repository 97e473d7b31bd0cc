"""The pictures of a comparison: differences with their intervals, and frames side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from squeezedet_ros.checkpoint import write_atomically
from squeezedet_ros.data.ground_truth import GroundTruth
from squeezedet_ros.evaluation.comparison_report import ap_rows, frame_title
from squeezedet_ros.evaluation.curves import COLOURS, require_matplotlib
from squeezedet_ros.evaluation.gallery import CELL_WIDTH, draw_frame, LEGEND
from squeezedet_ros.evaluation.pairing import Paired
from squeezedet_ros.visualization import contact_sheet, Image, legend, SHEET_GAP

DIFFERENCES = 'differences.png'
CHANGED = 'changed_frames.png'
_ROW_INCHES = 0.28


def save_differences(path: Path, report: dict[str, Any]) -> None:
    """
    Write a PNG with a line for each average precision: how it changed and its interval.

    :param report: of :func:`.comparison.compare`, with at least one average precision.
    :raises MissingPackageError: when matplotlib is not installed.
    """
    require_matplotlib()
    from matplotlib.figure import Figure

    settings = report['settings']
    rows = ap_rows(report)
    figure = Figure(figsize=(9, 1.6 + _ROW_INCHES * len(rows)), dpi=120, layout='constrained')
    panel = figure.subplots()
    panel.axvspan(-settings['tolerance'], settings['tolerance'], color='0.92', zorder=0)
    panel.axvline(0, color='0.4', linewidth=0.8)
    for place, row in enumerate(rows):
        _draw_change(panel, place, row.change, COLOURS.get(row.difficulty, '#000000'))
    labels = [f'{row.name}, {row.difficulty}, overlap {row.overlap:g}' for row in rows]
    panel.set_yticks(range(len(rows)), labels)
    panel.set_ylim(len(rows) - 0.5, -0.5)
    panel.set_xlabel(f'{settings["points"].upper()} of B less that of A; grey: tolerated')
    title = f'A: {report["a"]}\nB: {report["b"]}'
    panel.set_title(title, loc='left', fontsize='small')
    panel.grid(axis='x', alpha=0.3)
    content = BytesIO()
    figure.savefig(content, format='png')
    write_atomically(path, content.getvalue())


def _draw_change(
    panel: Any,  # noqa: ANN401
    place: int,
    change: dict[str, Any],
    colour: str,
) -> None:
    if change['low'] is not None:
        panel.plot([change['low'], change['high']], [place, place], color=colour, linewidth=2)
    panel.plot(change['difference'], place, 'o', color=colour)
    panel.annotate(
        f'{change["a"]:.3f} -> {change["b"]:.3f}',
        (1.01, place),
        xycoords=('axes fraction', 'data'),
        va='center',
        fontsize='small',
        annotation_clip=False,
    )


def save_changed_frames(
    path: Path,
    paired: Paired,
    changed: Sequence[dict[str, Any]],
    rows: Sequence[int],
    images: Mapping[int, Image],
) -> None:
    """
    Write a PNG with a row for each frame that changed: what A published beside what B did.

    :param changed: the frames, as ``changed_frames`` of the report has them.
    :param rows: their places among the shared frames.
    :param images: by such a place, at least one of them: (height, width, 3) uint8 blue, green,
        red; a frame without one is left out.
    """
    pictures, captions = [], []
    for row, change in zip(rows, changed, strict=True):
        if row not in images:
            continue
        truth = paired.truths[row] or GroundTruth.empty()
        for letter, side in (('A', paired.a), ('B', paired.b)):
            found = side.published[row]
            pictures.append(draw_frame(images[row], truth, found, paired.classes))
            captions.append(f'{letter} {frame_title(change)}: {_caption(change, letter)}')
    width = 2 * CELL_WIDTH + 3 * SHEET_GAP
    sheet = contact_sheet(pictures, captions, columns=2, width=width)
    _, content = cv2.imencode('.png', np.vstack([legend(LEGEND, width), sheet]))
    write_atomically(path, content.tobytes())


def _caption(change: dict[str, Any], letter: str) -> str:
    errors = change[letter.lower()]
    alone = f'{change[f"only_{letter.lower()}"]} only here'
    if errors is None:
        return alone
    return f'{errors["missed"]} missed, {errors["false_alarms"]} false, {alone}'
