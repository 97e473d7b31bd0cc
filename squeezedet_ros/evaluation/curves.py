"""A picture of the precision-recall curves by which detections were scored."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from squeezedet_ros.checkpoint import write_atomically
from squeezedet_ros.errors import MissingPackageError
from squeezedet_ros.evaluation.average_precision import (
    KittiResult,
    PrecisionCurve,
    SAMPLE_POINTS,
)
from squeezedet_ros.evaluation.kitti_matching import ALL

# Okabe and Ito's colours, by difficulty; the overlaps are told apart by the line's style.
COLOURS = {'easy': '#009E73', 'moderate': '#0072B2', 'hard': '#D55E00', 'all': '#000000'}
_STYLES = ('-', '--')
_PANEL_INCHES = 4.5
_LEGEND_INCHES = 1.5


class _Line(NamedTuple):
    """One curve of a panel."""

    difficulty: str
    overlap: float
    style: str
    curve: PrecisionCurve


def require_matplotlib() -> None:
    """
    Check that the curves can be drawn.

    :raises MissingPackageError: when matplotlib is not installed.
    """
    if find_spec('matplotlib') is None:
        raise MissingPackageError('a picture of the curves', 'matplotlib')


def save_curves(
    path: Path,
    results: Mapping[str, KittiResult],
    overlaps: Mapping[str, Mapping[str, float]],
    graded: Collection[str],
) -> None:
    """
    Write a PNG with a panel for each class and a line for each overlap and difficulty.

    :param results: by name, at most two, all of the same classes.
    :param overlaps: by the same names and class: the overlap that a match must exceed. Results at
        an overlap that a class has already are not drawn a second time.
    :param graded: classes that have more difficulties than ``all``.
    :raises MissingPackageError: when matplotlib is not installed.
    """
    require_matplotlib()
    from matplotlib.figure import Figure

    classes = list(next(iter(results.values())).curves)
    size = (_PANEL_INCHES * len(classes), _PANEL_INCHES + _LEGEND_INCHES)
    figure = Figure(figsize=size, dpi=120, layout='constrained')
    panels = figure.subplots(1, len(classes), sharey=True, squeeze=False)[0]
    for panel, name in zip(panels, classes, strict=True):
        _draw_panel(panel, name, list(_lines(results, overlaps, name, name in graded)))
    panels[0].set_ylabel('precision')
    content = BytesIO()
    figure.savefig(content, format='png')
    write_atomically(path, content.getvalue())


def _lines(
    results: Mapping[str, KittiResult],
    overlaps: Mapping[str, Mapping[str, float]],
    name: str,
    is_graded: bool,
) -> Iterator[_Line]:
    drawn: set[float] = set()
    for style, (key, result) in zip(_STYLES, results.items(), strict=False):
        overlap = overlaps[key][name]
        if overlap in drawn:
            continue
        drawn.add(overlap)
        for difficulty, curve in result.curves[name].items():
            if curve.truth and (is_graded or difficulty == ALL.name):
                yield _Line(difficulty, overlap, style, curve)


def _draw_panel(panel: Any, name: str, lines: list[_Line]) -> None:  # noqa: ANN401
    """Draw one class; a curve falls to zero beyond the last recall that is reached."""
    recall = np.linspace(0, 1, SAMPLE_POINTS)
    for difficulty, overlap, style, curve in lines:
        scores = f'AP11 {curve.ap11:.3f}, AP40 {curve.ap40:.3f}'
        label = f'{difficulty}, overlap {overlap:g}: {scores}'
        panel.plot(recall, curve.precision, style, color=COLOURS[difficulty], label=label)
    panel.set(title=name, xlabel='recall', xlim=(0, 1.02), ylim=(0, 1.02))
    panel.grid(alpha=0.3)
    if lines:
        panel.legend(fontsize='small', loc='upper center', bbox_to_anchor=(0.5, -0.14))
    else:
        panel.text(0.5, 0.5, 'no object', ha='center', va='center')
