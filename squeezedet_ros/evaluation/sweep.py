"""What ``top_n`` and ``plot_prob_thresh`` are worth on a drive, in numbers and a picture."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from squeezedet_ros.checkpoint import write_atomically
from squeezedet_ros.config import SelectionConfig
from squeezedet_ros.data.ground_truth import GroundTruth
from squeezedet_ros.detections import Detections
from squeezedet_ros.detector import Detector
from squeezedet_ros.errors import ConfigError, DatasetError
from squeezedet_ros.evaluation.average_precision import count_matches, MatchCounts
from squeezedet_ros.evaluation.drive_record import DriveRecord, FrameRecord
from squeezedet_ros.evaluation.gallery import CELL_WIDTH, draw_frame, LEGEND
from squeezedet_ros.evaluation.report import with_rates
from squeezedet_ros.settings import check_settings, setting
from squeezedet_ros.visualization import contact_sheet, Image, legend, SHEET_GAP
from tqdm import tqdm

SWEEP_PICTURE = 'sweep.png'
Images = Callable[[Collection[int]], Iterator[tuple[int, Image]]]
# The thresholds that the picture sets side by side, where they are swept.
_SHOWN_THRESHOLDS = (0.1, 0.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepConfig:
    """What a sweep tries."""

    sweep_top_n: tuple[int, ...] = setting((16, 64, 200), 'values of top_n that a sweep tries')
    sweep_thresh: tuple[float, ...] = setting(
        (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7), 'values of plot_prob_thresh that a sweep tries'
    )
    sweep_frames: int = setting(
        200, 'frames at most that a sweep looks at, spread evenly', bounds=(1, 100_000)
    )
    sweep_pictures: int = setting(4, 'frames in the picture of a sweep', bounds=(1, 100))

    def __post_init__(self) -> None:
        check_settings(self)
        if not (self.sweep_top_n and self.sweep_thresh):
            raise ConfigError('sweep_top_n and sweep_thresh must have a value each')
        self.selections(SelectionConfig())

    def selections(self, selection: SelectionConfig) -> list[SelectionConfig]:
        """
        Return every setting that is tried.

        :param selection: all but what is swept; thresholds of single classes do not count here.
        :raises ConfigError: for a value outside its bounds.
        """
        return [
            replace(selection, top_n=top_n, plot_prob_thresh=threshold, class_thresh=())
            for top_n, threshold in product(self.sweep_top_n, self.sweep_thresh)
        ]


class Sweep(NamedTuple):
    """
    What was seen at each setting; lists by setting hold one entry for each frame.

    :param frames: those that were looked at.
    :param detections: by setting.
    :param select_ms: what decoding, top N, threshold and suppression took, by setting.
    :param network_ms: what the forward pass took; it is the same for all settings.
    """

    selections: list[SelectionConfig]
    frames: list[FrameRecord]
    detections: list[list[Detections]]
    select_ms: list[list[float]]
    network_ms: list[float]


def run_sweep(
    detector: Detector,
    record: DriveRecord,
    selection: SelectionConfig,
    config: SweepConfig,
    images: Images,
) -> Sweep:
    """
    Look at frames of a drive one by one, and select at every setting, with a progress bar.

    :param selection: all but what is swept; thresholds of single classes do not count here.
    :param images: gives the images of some stamps, (h, w, 3) uint8 blue, green, red.
    :raises DatasetError: when no frame was looked at, or the images cannot be read.
    """
    selections = config.selections(selection)
    frames = _spread(record.frames, config.sweep_frames)
    if not frames:
        raise DatasetError(f'a sweep needs frames that were looked at, {record.name} has none')
    sweep = Sweep(selections, [], [[] for _ in selections], [[] for _ in selections], [])
    found_images = tqdm(
        images(frames), total=len(frames), unit='frame', desc='sweep', disable=None
    )
    for stamp_ns, image in found_images:
        results = detector.detect_each([image], selections)
        sweep.frames.append(frames[stamp_ns])
        sweep.network_ms.append(1e3 * results[0][1].network)
        for row, ((found,), seconds) in enumerate(results):
            sweep.detections[row].append(found)
            sweep.select_ms[row].append(1e3 * seconds.select)
    return sweep


def _spread(frames: Sequence[FrameRecord], most: int) -> dict[int, FrameRecord]:
    """Return frames by stamp, evenly spread over those that were looked at."""
    seen: dict[int, FrameRecord] = {}
    for frame in frames:
        if frame.detections is not None:
            seen.setdefault(frame.stamp_ns, frame)
    stamps = list(seen)
    places = np.unique(np.linspace(0, len(stamps) - 1, min(most, len(stamps))).round().astype(int))
    return {stamps[place]: seen[stamps[place]] for place in places}


def report_sweep(sweep: Sweep, classes: Sequence[str], min_overlap: float) -> dict[str, Any]:
    """
    Return the sweep as an object of JSON: a row for each setting, with the median time to select.

    Where frames have truth, a row has counts, precision and recall of these frames, by class and
    all together, at KITTI's difficulty ``all``.
    """
    told = [place for place, frame in enumerate(sweep.frames) if frame.truth is not None]
    truths = [truth for frame in sweep.frames if (truth := frame.truth) is not None]
    rows = []
    for selection, found, times in zip(
        sweep.selections, sweep.detections, sweep.select_ms, strict=True
    ):
        row: dict[str, Any] = {
            'top_n': selection.top_n,
            'plot_prob_thresh': selection.plot_prob_thresh,
            'select_ms': float(np.median(times)),
            'detections_per_frame': float(np.mean([len(item) for item in found])),
        }
        if truths:
            judged = [found[place] for place in told]
            counts = count_matches(truths, judged, classes, min_overlap, -np.inf)
            total = MatchCounts(*(sum(column) for column in zip(*counts.values(), strict=True)))
            row['all'] = with_rates(total)
            row['classes'] = {name: with_rates(own) for name, own in counts.items()}
        rows.append(row)
    return {
        'frames': len(sweep.frames),
        'with_truth': len(truths),
        'min_overlap': min_overlap,
        'network_ms': float(np.median(sweep.network_ms)),
        'rows': rows,
    }


def format_sweep(report: dict[str, Any]) -> str:
    """Return the report of :func:`report_sweep` as lines of text."""
    lines = [
        f'sweep over {report["frames"]} frames, {report["with_truth"]} with truth '
        f'(overlap {report["min_overlap"]:g}); network {report["network_ms"]:.1f} ms',
        f'{"top_n":>6}{"score >=":>10}{"select ms":>11}{"a frame":>9}'
        + f'{"precision":>11}{"recall":>8}'
        + ''.join(f'{name + " p/r":>17}' for name in report['rows'][0].get('classes', ())),
    ]
    for row in report['rows']:
        line = (
            f'{row["top_n"]:6}{row["plot_prob_thresh"]:10g}{row["select_ms"]:11.2f}'
            f'{row["detections_per_frame"]:9.2f}'
        )
        if 'all' in row:
            line += f'{_rate(row["all"]["precision"]):>11}{_rate(row["all"]["recall"]):>8}'
        for own in row.get('classes', {}).values():
            cell = f'{_rate(own["precision"])}/{_rate(own["recall"])}'
            line += f'{cell:>17}'
        lines.append(line)
    return '\n'.join(lines)


def _rate(value: float | None) -> str:
    return '-' if value is None else f'{value:.3f}'


def save_sweep(
    path: Path, sweep: Sweep, classes: Sequence[str], images: Images, most: int
) -> None:
    """
    Write a PNG: a row for each of some frames, and the settings side by side.

    The frames are those in which the settings differ most; the settings the least and the greatest
    ``top_n``, each at the thresholds 0.1 and 0.5 where these were swept, else at the outermost.

    :raises DatasetError: when the images cannot be read.
    """
    columns = _shown_settings(sweep.selections)
    counts = np.array([[len(found) for found in sweep.detections[column]] for column in columns])
    order = np.argsort(-np.ptp(counts, 0), kind='stable')[:most]
    places = {sweep.frames[place].stamp_ns: int(place) for place in order}
    pictures, captions = [], []
    for stamp_ns, image in images(places):
        place = places[stamp_ns]
        truth = sweep.frames[place].truth or GroundTruth.empty()
        for column in columns:
            selection, found = sweep.selections[column], sweep.detections[column][place]
            pictures.append(draw_frame(image, truth, found, classes))
            captions.append(
                f'top_n {selection.top_n}, score >= {selection.plot_prob_thresh:g}: '
                f'{len(found)} detections ({stamp_ns} ns)'
            )
    width = len(columns) * CELL_WIDTH + (len(columns) + 1) * SHEET_GAP
    sheet = contact_sheet(pictures, captions, columns=len(columns), width=width)
    _, content = cv2.imencode('.png', np.vstack([legend(LEGEND, width), sheet]))
    write_atomically(path, content.tobytes())


def _shown_settings(selections: Sequence[SelectionConfig]) -> list[int]:
    numbers = {selection.top_n for selection in selections}
    swept = {selection.plot_prob_thresh for selection in selections}
    shown = set(_SHOWN_THRESHOLDS) if swept.issuperset(_SHOWN_THRESHOLDS) else swept
    return [
        place
        for place, selection in enumerate(selections)
        if selection.top_n in (min(numbers), max(numbers))
        and selection.plot_prob_thresh in (min(shown), max(shown))
    ]
