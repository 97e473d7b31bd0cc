"""Every engine that is present, over the same frames in turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter, process_time
from typing import Any, get_args

import numpy as np
from squeezedet_ros.checkpoint import load_checkpoint
from squeezedet_ros.config import EngineConfig, EngineName, Precision, SelectionConfig
from squeezedet_ros.detector import Detector
from squeezedet_ros.engines.torch_engine import resolve_device
from squeezedet_ros.errors import DeviceError, EngineError, MissingPackageError
from squeezedet_ros.preprocessing import Image
from tqdm import tqdm

_PRECISIONS: dict[str, tuple[Precision, ...]] = {
    'cpu': ('float32', 'bfloat16'),
    'cuda': ('float32', 'float16'),
}
_MEASURE = 'torch_eager float32'


def compare_engines(
    weights: Path, images: Sequence[Image], frames: int, config: EngineConfig
) -> dict[str, dict[str, Any]]:
    """
    Time each engine in each precision, one frame of each in turn, so that all meet one load.

    :param config: of the device and the threads.
    :returns: by engine and precision, an object of JSON: milliseconds of the forward pass and
        from image to boxes, processor time of a frame, shares of those of the plain network,
        start-up, parity; of one that is not to be had, only why.
    """
    precisions = _PRECISIONS[resolve_device(config.device).type]
    if config.calibration:
        precisions = (*precisions, 'int8')
    detectors: dict[str, Detector] = {}
    rows: dict[str, dict[str, Any]] = {}
    for name in get_args(EngineName)[1:]:
        for precision in precisions:
            row = rows[f'{name} {precision}'] = {}
            wanted = replace(
                config,
                engine=name,
                precision=precision,
                allow_fallback=False,
                compile_network=False,
            )
            start = perf_counter()
            try:
                detector = Detector(
                    load_checkpoint(weights), SelectionConfig(plot_prob_thresh=0.0), wanted
                )
            except (DeviceError, EngineError, MissingPackageError) as error:
                row['absent'] = str(error)
                continue
            detector.detect([images[0]])
            row['start_seconds'] = perf_counter() - start
            row['engine'] = detector.describe()
            parity = detector.choice.parity
            row['parity'] = None if parity is None else parity._asdict()
            detectors[f'{name} {precision}'] = detector
    for key, columns in _time(detectors, images, frames).items():
        rows[key] |= columns
    measure = rows[_MEASURE]
    for key in detectors:
        row = rows[key]
        row['share_of_time'] = row['network_ms']['least'] / measure['network_ms']['least']
        row['share_of_processor'] = row['processor_ms']['least'] / measure['processor_ms']['least']
    return rows


def _time(
    detectors: dict[str, Detector], images: Sequence[Image], frames: int
) -> dict[str, dict[str, Any]]:
    found: dict[str, list[tuple[float, float, float]]] = {key: [] for key in detectors}
    for number in tqdm(range(frames), unit='round', disable=None):
        for key, detector in detectors.items():
            wall, processor = perf_counter(), process_time()
            _, stages = detector.detect_timed([images[number % len(images)]])
            found[key].append((stages.network, perf_counter() - wall, process_time() - processor))
    names = ('network_ms', 'total_ms', 'processor_ms')
    return {
        key: {
            name: {'least': float(column.min()), 'median': float(np.median(column))}
            for name, column in zip(names, 1e3 * np.array(rows).T, strict=True)
        }
        for key, rows in found.items()
    }


def comparison_table(rows: dict[str, dict[str, Any]]) -> str:
    """Return what :func:`compare_engines` found as lines of text, the fastest first."""
    lines = [
        f'{"engine":<26}{"forward ms":>16}{"total ms":>16}{"processor ms":>16}{"of plain":>10}'
        f'{"start s":>9}',
        f'{"":<26}' + f'{"least median":>16}' * 3,
    ]
    present = {key: row for key, row in rows.items() if 'absent' not in row}
    for key, row in sorted(present.items(), key=lambda item: float(item[1]['share_of_time'])):
        pairs = (row[name] for name in ('network_ms', 'total_ms', 'processor_ms'))
        lines.append(
            f'{key:<26}'
            + ''.join(f'{pair["least"]:9.1f}{pair["median"]:7.1f}' for pair in pairs)
            + f'{row["share_of_time"]:10.2f}{row["start_seconds"]:9.1f}'
        )
    lines += [f'{key:<26}{row["absent"]}' for key, row in rows.items() if 'absent' in row]
    return '\n'.join(lines)
