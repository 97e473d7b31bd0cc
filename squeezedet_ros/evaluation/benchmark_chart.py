"""A picture of a benchmark, with the limits of the machine drawn in."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

from squeezedet_ros.checkpoint import write_atomically
from squeezedet_ros.evaluation.curves import require_matplotlib

# Okabe and Ito's colours.
_OWN, _PEER, _PRODUCT, _COPY = '#0072B2', '#E69F00', '#000000', '#D55E00'
_STAGES = {'preprocess': '#56B4E9', 'network': '#0072B2', 'select': '#009E73'}
_BYTES = {'float32': 4, 'bfloat16': 2, 'float16': 2, 'int8': 1}
_WIDTH_INCHES, _ROW_INCHES, _PANEL_INCHES = 9.0, 0.34, 1.3


class Limits(NamedTuple):
    """Least milliseconds of a forward pass; none where the machine's rate is not known."""

    product: float | None
    copy: float


def least_times(cost: Mapping[str, float], precision: str, machine: Mapping[str, float]) -> Limits:
    """
    Return what the operations and the traffic of a forward pass take at the machine's rates.

    :param cost: ``operations`` and ``values``.
    :param machine: ``gflops_<precision>`` and ``copy_gb_per_second``.
    """
    rate = machine.get(f'gflops_{precision}')
    product = None if rate is None else cost['operations'] / rate / 1e6
    return Limits(
        product, cost['values'] * _BYTES[precision] / machine['copy_gb_per_second'] / 1e6
    )


def save_chart(path: Path, report: Mapping[str, Any]) -> None:
    """
    Write a PNG of what :func:`~squeezedet_ros.evaluation.benchmark.run_benchmark` found.

    It has a panel for the stages, and one each for engines and batches where they were timed.

    :raises MissingPackageError: when matplotlib is not installed.
    """
    require_matplotlib()
    from matplotlib.figure import Figure

    engines = {key: row for key, row in report.get('engines', {}).items() if 'absent' not in row}
    draw = [(_draw_stages, _PANEL_INCHES)]
    if engines:
        draw.insert(0, (_draw_engines, _PANEL_INCHES + _ROW_INCHES * len(engines)))
    if 'batches' in report:
        draw.append((_draw_batches, 2 * _PANEL_INCHES))
    heights = [height for _, height in draw]
    figure = Figure(figsize=(_WIDTH_INCHES, sum(heights)), dpi=120, layout='constrained')
    panels = figure.subplots(len(draw), 1, squeeze=False, height_ratios=heights)[:, 0]
    for panel, (function, _) in zip(panels, draw, strict=True):
        function(panel, report)
    content = BytesIO()
    figure.savefig(content, format='png')
    write_atomically(path, content.getvalue())


def _draw_engines(panel: Any, report: Mapping[str, Any]) -> None:  # noqa: ANN401
    rows = {key: row for key, row in report['engines'].items() if 'absent' not in row}
    order = sorted(rows, key=lambda key: -rows[key]['total_ms']['least'])
    for place, key in enumerate(order):
        row = rows[key]
        forward, total = row['network_ms'], row['total_ms']
        colour = _PEER if row.get('peer') else _OWN
        panel.barh(place, total['least'], color=colour, alpha=0.4)
        panel.barh(place, forward['least'], color=colour)
        panel.plot(total['median'], place, 'o', color='white', markeredgecolor='black', ms=5)
        limits = least_times(row.get('cost', report['cost']), row['precision'], report['machine'])
        _mark_limits(panel, place, limits)
        panel.text(
            max(total['least'], total['median']),
            place,
            f'   {forward["least"]:.1f} / {total["least"]:.1f}',
            va='center',
            fontsize='small',
        )
    panel.set_yticks(range(len(order)), order)
    height, width = report['input_size']
    panel.set_title(f'Engines in turn, input {height}x{width}: least forward / bytes to boxes, ms')
    _finish(panel, is_compared=any(row.get('peer') for row in rows.values()))


def _mark_limits(panel: Any, place: int, limits: Limits) -> None:  # noqa: ANN401
    # In the upper and the lower half, as the two may be equal.
    for value, colour, above in ((limits.product, _PRODUCT, 0.4), (limits.copy, _COPY, -0.4)):
        if value is not None:
            panel.plot([value] * 2, [place, place + above], color=colour, linewidth=2.5)


def _finish(panel: Any, *, is_compared: bool) -> None:  # noqa: ANN401
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    entries = [
        Patch(color=_OWN, label='forward pass'),
        Patch(color=_OWN, alpha=0.4, label='to boxes'),
        Line2D([], [], marker='o', color='white', markeredgecolor='black', label='median'),
        Line2D([], [], color=_PRODUCT, lw=2, label='its operations as a matrix product'),
        Line2D([], [], color=_COPY, lw=2, label='its traffic as a copy'),
    ]
    if is_compared:
        entries.insert(2, Patch(color=_PEER, label='ultralytics, eager'))
    panel.legend(
        handles=entries, fontsize='small', ncols=3, loc='upper center', bbox_to_anchor=(0.5, -0.1)
    )
    panel.set_xlim(0, panel.get_xlim()[1] * 1.12)
    panel.grid(axis='x', alpha=0.3)
    panel.set_axisbelow(True)


def _draw_stages(panel: Any, report: Mapping[str, Any]) -> None:  # noqa: ANN401
    left = 0.0
    for name, colour in _STAGES.items():
        value = report['milliseconds'][name]['median']
        panel.barh(0, value, left=left, color=colour, label=f'{name} {value:.2f} ms')
        left += value
    total = report['milliseconds']['total']
    panel.plot(
        total['p99'], 0, 'D', color='black', ms=5, label=f'p99 of all {total["p99"]:.2f} ms'
    )
    panel.set_yticks([])
    panel.set_ylim(-0.7, 0.7)
    panel.set_title(f'{report["engine"]}: median stages, ms')
    panel.legend(fontsize='small', ncols=4, loc='upper center', bbox_to_anchor=(0.5, -0.25))
    panel.set_xlim(0, None)


def _draw_batches(panel: Any, report: Mapping[str, Any]) -> None:  # noqa: ANN401
    rows = report['batches']
    sizes = list(range(len(rows)))
    for key, style, label in (
        ('forward_images_per_second', 'o-', 'forward pass'),
        ('images_per_second', 's--', 'to boxes'),
    ):
        panel.plot(sizes, [row[key] for row in rows.values()], style, color=_OWN, label=label)
    panel.set_xticks(sizes, list(rows))
    panel.set(title=f'{report["engine"]}: batches', xlabel='images in a batch', ylabel='images/s')
    panel.set_ylim(0, 1.1 * max(row['forward_images_per_second'] for row in rows.values()))
    panel.grid(alpha=0.3)
    panel.legend(fontsize='small')
