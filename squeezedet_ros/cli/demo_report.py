"""What a drive through the node comes to: numbers, a file of detections, pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
import json
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from squeezedet_ros.checkpoint import write_atomically
from squeezedet_ros.cli.drive_through_node import DriveError
from squeezedet_ros.data.bag import BagImage
from squeezedet_ros.data.ground_truth import GroundTruth
from squeezedet_ros.data.recording import FrameStatus, Recording
from squeezedet_ros.data.truth_message import NANOSECONDS
from squeezedet_ros.detections import Detections
from squeezedet_ros.evaluation.average_precision import evaluate_detections
from squeezedet_ros.evaluation.kitti_matching import ALL
from squeezedet_ros.visualization import contact_sheet, draw_detections

MIN_OVERLAP = 0.5
_SHEET_IMAGES = 12
_SHEET_COLUMNS = 2
_SHEET_WIDTH = 2500
_FALLBACK_FPS = 10.0
_LEAST_FPS, _MOST_FPS = 1.0, 120.0
# From the image's stamp: of a bag, that is the time since it was recorded.
_NO_STAGE = 'age'


class Latency(NamedTuple):
    """Milliseconds of one stage over all frames that were looked at."""

    median: float
    p99: float


class Summary(NamedTuple):
    """
    The numbers of a drive.

    :param frames_in: images played.
    :param outcomes: frames by what became of them, as the node says.
    :param arrays: messages with detections that arrived.
    :param seen: detections that are drawn.
    :param rate: frames a second, None for fewer than two.
    :param memory_mib: of the node after its first and its last frame.
    :param average_precision: by class, 11-point, all objects, IoU 0.5; empty without truth.
    """

    frames_in: int
    outcomes: dict[str, int]
    arrays: int
    seen: int
    rate: float | None
    latencies_ms: dict[str, Latency]
    memory_mib: tuple[float | None, float | None]
    average_precision: dict[str, float | None]

    def complaint(self) -> str:
        """Return in one line why the drive did not succeed, nothing if it did."""
        looked_at = self.outcomes.get('detected', 0)
        if looked_at < self.frames_in:
            counts = ', '.join(f'{count} {name}' for name, count in self.outcomes.items())
            return (
                f'{self.frames_in} frames in, {looked_at} looked at ({counts or "none received"})'
            )
        if self.arrays < looked_at:
            return f'{looked_at} frames looked at, detections of {self.arrays} arrived'
        if not self.seen:
            return f'nothing was detected in {self.frames_in} frames'
        return ''


def summarize(
    frames_in: int,
    recording: Recording,
    truths: Mapping[int, GroundTruth],
    memory_mib: tuple[float | None, float | None],
    draw_above: float,
) -> Summary:
    """
    Return the numbers of a drive.

    :param truths: by the stamp of the image in nanoseconds.
    :param draw_above: least score of a detection that is drawn.
    """
    found = recording.detections
    return Summary(
        frames_in,
        dict(Counter(status.outcome for status in recording.statuses)),
        recording.arrays,
        sum(int((item.scores >= draw_above).sum()) for item in found.values()),
        _rate(recording.statuses),
        _latencies(recording.statuses),
        memory_mib,
        _average_precision(recording, truths),
    )


def _rate(statuses: Sequence[FrameStatus]) -> float | None:
    times = [status.received for status in statuses]
    if len(times) < 2 or times[-1] <= times[0]:
        return None
    return (len(times) - 1) / (times[-1] - times[0])


def _latencies(statuses: Iterable[FrameStatus]) -> dict[str, Latency]:
    columns: dict[str, list[float]] = {}
    for status in statuses:
        if status.outcome == 'detected':
            for stage, value in status.milliseconds.items():
                if stage != _NO_STAGE:
                    columns.setdefault(stage, []).append(value)
    return {
        stage: Latency(float(np.median(values)), float(np.percentile(values, 99)))
        for stage, values in columns.items()
    }


def _average_precision(
    recording: Recording, truths: Mapping[int, GroundTruth]
) -> dict[str, float | None]:
    if not truths:
        return {}
    # A frame that was lost has no detections, and its objects are missed.
    found = [recording.detections.get(stamp, Detections.empty()) for stamp in truths]
    result = evaluate_detections(
        list(truths.values()), found, recording.classes, min_overlap=MIN_OVERLAP
    )
    return {name: row[ALL.name] for name, row in result.ap11.items()}


def format_table(summary: Summary) -> str:
    """Return the numbers as lines of text."""
    outcomes = ', '.join(f'{count} {name}' for name, count in sorted(summary.outcomes.items()))
    rows = [
        ('frames in', str(summary.frames_in)),
        ('frames out', f'{summary.arrays} with detections published'),
        ('outcomes', outcomes or 'none'),
        ('detections', str(summary.seen)),
    ]
    if summary.rate is not None:
        rows.append(('rate', f'{summary.rate:.1f} frames/s'))
    rows += [
        (f'latency {stage}', f'{latency.median:8.1f} ms median {latency.p99:8.1f} ms p99')
        for stage, latency in summary.latencies_ms.items()
    ]
    rows += [
        (f'AP {name}', 'no object' if value is None else f'{value:.3f}')
        for name, value in summary.average_precision.items()
    ]
    first, last = summary.memory_mib
    if first is not None and last is not None:
        rows.append(('node memory', f'{first:.0f} MiB at start, {last:.0f} MiB at end'))
    width = max(len(name) for name, _ in rows) + 2
    return '\n'.join(f'{name:<{width}}{value}' for name, value in rows)


def write_detections(
    path: Path, recording: Recording, summary: Summary, thresholds: tuple[float, float]
) -> None:
    """
    Write what was seen in each frame, and the numbers.

    :param thresholds: least score of a detection that was published, and of one that is drawn.
    """
    frames = [
        {
            'stamp': stamp_ns,
            'boxes': [[round(edge, 2) for edge in box] for box in item.boxes.tolist()],
            'scores': [round(score, 4) for score in item.scores.tolist()],
            'classes': [recording.classes[label] for label in item.labels.tolist()],
        }
        for stamp_ns, item in recording.detections.items()
    ]
    numbers = summary._asdict()
    numbers['latencies_ms'] = {
        stage: latency._asdict() for stage, latency in summary.latencies_ms.items()
    }
    document = {
        'classes': recording.classes,
        'least_score': thresholds[0],
        'drawn_above': thresholds[1],
        'summary': numbers,
        'frames': frames,
    }
    write_atomically(path, json.dumps(document, indent=1).encode())


def write_pictures(
    folder: Path,
    images: Iterable[BagImage],
    frames: int,
    recording: Recording,
    draw_above: float,
) -> None:
    """
    Draw what was seen as ``overlay.png``, some frames on a sheet, and ``overlay.mp4``.

    :param frames: how many images there are.
    :raises DriveError: when there is no image, or the video cannot be written.
    """
    chosen = set(np.linspace(0, frames - 1, min(frames, _SHEET_IMAGES)).round().astype(int))
    cells, captions = [], []
    with _Video(folder / 'overlay.mp4', _frame_rate(recording)) as video:
        for index, (stamp_ns, image) in enumerate(images):
            found = recording.detections.get(stamp_ns)
            if found is None:
                drawn, caption = image, f'frame {index}: not looked at'
            else:
                found = found.select(found.scores >= draw_above)
                drawn = draw_detections(image, found, recording.classes)
                caption = f'frame {index}: {len(found)} detections'
            video.write(drawn)
            if index in chosen:
                cells.append(drawn)
                captions.append(caption)
    if not cells:
        raise DriveError('not one image of the drive can be decoded')
    sheet = contact_sheet(cells, captions, columns=_SHEET_COLUMNS, width=_SHEET_WIDTH)
    if not cv2.imwrite(str(folder / 'overlay.png'), sheet):
        raise DriveError(f'cannot write {folder / "overlay.png"}')


def _frame_rate(recording: Recording) -> float:
    steps = [after - before for before, after in pairwise(sorted(recording.detections))]
    step = float(np.median(steps)) if steps else 0.0
    if step <= 0:
        return _FALLBACK_FPS
    # MPEG-4 counts time in at most 1/65535 s, so odd rates have to be near a round one.
    return min(max(round(NANOSECONDS / step, 2), _LEAST_FPS), _MOST_FPS)


class _Video:
    """An MPEG-4 file, checked at the end; images of another size than the first are scaled."""

    def __init__(self, path: Path, fps: float) -> None:
        self._path = path
        self._fps = fps
        self._size: tuple[int, int] | None = None
        self._writer = cv2.VideoWriter()
        self._written = 0

    def __enter__(self) -> _Video:
        return self

    def write(self, image: NDArray[np.uint8]) -> None:
        if self._size is None:
            self._size = image.shape[1], image.shape[0]
            code = cv2.VideoWriter.fourcc(*'mp4v')
            self._writer.open(str(self._path), code, self._fps, self._size)
        if (image.shape[1], image.shape[0]) == self._size:
            self._writer.write(image)
        else:
            self._writer.write(cv2.resize(image, self._size))
        self._written += 1

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._writer.release()
        if kind is not None:
            return
        capture = cv2.VideoCapture(str(self._path))
        readable = 0
        while capture.grab():
            readable += 1
        capture.release()
        if readable != self._written:
            raise DriveError(f'{self._path}: wrote {self._written} frames, {readable} can be read')
