"""One page that tells how a training went."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from html import escape
from io import BytesIO
from pathlib import Path
from typing import Any, TYPE_CHECKING

import cv2
import numpy as np
from squeezedet_ros.checkpoint import write_atomically
from squeezedet_ros.data.frames import read_image
from squeezedet_ros.errors import CheckpointError, MissingPackageError
from squeezedet_ros.training.journal import LOG, read_log
from squeezedet_ros.training.loss import LossTerms

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; font-family: system-ui, sans-serif; }}
body {{ max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }}
img {{ width: 100%; height: auto; background: white; }}
td, th {{ padding: 0.2rem 0.6rem 0.2rem 0; text-align: right; }}
</style>
<h1>{title}</h1>
<p>{steps} steps, {epochs:.1f} epochs; a step took {seconds:.3f} s and waited {waited:.3f} s for
its images (medians).</p>
<table>{table}</table>
{pictures}
</html>
"""
_PICTURES = {
    'batch': 'The first batch: what the network is shown and should find.',
    'validation': 'Validation images after the last evaluation: truth in white, detections in '
    'colour.',
}
_WIDEST, _JPEG_QUALITY = 2000, 85


def write_summary(out: Path, steps_per_epoch: float) -> Path:
    """
    Write ``summary.html`` from the log and the pictures in a training's folder; return its path.

    It holds everything in itself: the loss's four parts and average precision over the epochs,
    the best and the last evaluation, and the pictures.

    :raises CheckpointError: when the log is damaged or tells of no step.
    :raises MissingPackageError: when matplotlib is not installed.
    """
    entries = list(read_log(out))
    steps = [entry for entry in entries if 'lr' in entry]
    evaluations = [entry for entry in entries if 'score' in entry]
    if not steps:
        raise CheckpointError(f'{out / LOG} tells of no step')
    curves = _curves(steps, evaluations, steps_per_epoch)
    parts = [_figure('Loss and average precision', 'png', curves)]
    for name, caption in _PICTURES.items():
        path = out / f'{name}.png'
        if path.is_file():
            parts.append(_figure(caption, 'jpeg', _for_a_page(path)))
    page = _PAGE.format(
        title=f'Training {escape(out.resolve().name)}',
        steps=len(steps),
        epochs=len(steps) / steps_per_epoch,
        seconds=_median(steps, 'seconds'),
        waited=_median(steps, 'waited'),
        table=_table(evaluations),
        pictures='\n'.join(parts),
    )
    path = out / 'summary.html'
    write_atomically(path, page.encode())
    return path


def _median(entries: Sequence[dict[str, Any]], key: str) -> float:
    return float(np.median([entry[key] for entry in entries]))


def _for_a_page(path: Path) -> bytes:
    """Return a picture as JPEG, no wider than a page can show: whole ones are megabytes."""
    image = read_image(path)
    scale = min(1.0, _WIDEST / image.shape[1])
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return cv2.imencode('.jpg', small, (cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY))[1].tobytes()


def _figure(caption: str, kind: str, content: bytes) -> str:
    data = b64encode(content).decode()
    text = escape(caption)
    return f'<h2>{text}</h2><img alt="{text}" src="data:image/{kind};base64,{data}">'


def _table(evaluations: Sequence[dict[str, Any]]) -> str:
    if not evaluations:
        return '<tr><td>There was no validation split.</td></tr>'
    best = max(evaluations, key=lambda entry: -1.0 if entry['score'] is None else entry['score'])
    names = list(best['ap'])
    heading = ''.join(f'<th>{escape(name)}</th>' for name in names)
    rows = [f'<tr><th></th><th>step</th><th>mean AP</th>{heading}</tr>']
    for title, entry in (('best', best), ('last', evaluations[-1])):
        values = [entry['score'], *(entry['ap'][name] for name in names)]
        cells = ''.join(f'<td>{"-" if value is None else f"{value:.3f}"}</td>' for value in values)
        rows.append(f'<tr><th>{title}</th><td>{entry["step"]}</td>{cells}</tr>')
    return ''.join(rows)


def _curves(
    steps: Sequence[dict[str, Any]], evaluations: Sequence[dict[str, Any]], steps_per_epoch: float
) -> bytes:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingPackageError('the summary of a training', 'matplotlib') from error
    figure = Figure(figsize=(12, 8), layout='constrained')
    upper, lower = figure.subplots(2, 1, sharex=True)
    _draw_losses(upper, steps, steps_per_epoch)
    _draw_precision(lower, evaluations, steps_per_epoch)
    content = BytesIO()
    figure.savefig(content, format='png', dpi=100)
    return content.getvalue()


def _draw_losses(axes: Axes, steps: Sequence[dict[str, Any]], steps_per_epoch: float) -> None:
    """Draw each part as means over runs of steps, at most 200 points."""
    runs = np.array_split(np.arange(len(steps)), min(200, len(steps)))
    epochs = [(run.mean() + 1) / steps_per_epoch for run in runs]
    for part in LossTerms._fields:
        values = np.array([entry[part] for entry in steps])
        axes.plot(epochs, [values[run].mean() for run in runs], label=part.replace('_', ' '))
    axes.set_ylabel('loss')
    axes.set_yscale('log')
    axes.legend()
    axes.grid(alpha=0.3)


def _draw_precision(
    axes: Axes, evaluations: Sequence[dict[str, Any]], steps_per_epoch: float
) -> None:
    epochs = [entry['step'] / steps_per_epoch for entry in evaluations]
    for name in evaluations[0]['ap'] if evaluations else ():
        values = [np.nan if (ap := entry['ap'][name]) is None else ap for entry in evaluations]
        axes.plot(epochs, values, marker='o', label=name)
    axes.set_ylabel('average precision, IOU 0.5')
    axes.set_xlabel('epoch')
    axes.set_ylim(0, 1)
    axes.grid(alpha=0.3)
    if evaluations:
        axes.legend()
