"""Every engine that is present, and detectors of others, over the same frames in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from time import perf_counter, process_time
from typing import Any, get_args

import numpy as np
from squeezedet_ros.checkpoint import load_checkpoint
from squeezedet_ros.config import EngineConfig, EngineName, Precision, SelectionConfig
from squeezedet_ros.detector import Detector
from squeezedet_ros.engines.torch_engine import resolve_device
from squeezedet_ros.errors import DeviceError, EngineError, MissingPackageError
from squeezedet_ros.evaluation.peers import load_peers
from squeezedet_ros.preprocessing import Image
from tqdm import tqdm

_PRECISIONS: dict[str, tuple[Precision, ...]] = {
    'cpu': ('float32', 'bfloat16'),
    'cuda': ('float32', 'float16'),
}
_MEASURE = 'torch_eager float32'
_PEERS = 'ultralytics'
_SHARED = ('network', 'total', 'processor')

# Takes an image to boxes and returns the seconds of its forward pass.
_Look = Callable[[Image], float]
Rows = dict[str, dict[str, Any]]


def compare_engines(
    weights: Path,
    images: Sequence[Image],
    frames: int,
    config: EngineConfig,
    peer_size: tuple[int, int] | None,
) -> Rows:
    """
    Time each engine in each precision, one frame of each in turn, so that all meet one load.

    :param config: of the device and the threads.
    :param peer_size: (height, width) at which YOLO models of ultralytics are timed too.
    :returns: by engine and precision, or by the name of a peer, an object of JSON: milliseconds
        of the forward pass and from image to boxes, processor time of a frame, shares of those of
        the plain network and of each peer, start-up, parity; of one that is not to be had, only
        why.
    """
    rows: Rows = {}
    looks = dict(_engines(weights, images[0], config, rows))
    names = []
    if peer_size:
        peers = _peers(images[0], peer_size, config, rows)
        looks |= peers
        names = list(peers)
    for key, columns in _time(looks, images, frames).items():
        rows[key] |= columns
    for row in (rows[key] for key in looks):
        row['share_of_time'] = _share(row, rows[_MEASURE], 'network_ms')
        row['share_of_processor'] = _share(row, rows[_MEASURE], 'processor_ms')
        row['shares_of_peers'] = {
            name: {key: _share(row, rows[name], f'{key}_ms') for key in _SHARED} for name in names
        }
    return rows


def _share(row: Mapping[str, Any], other: Mapping[str, Any], name: str) -> float:
    return float(row[name]['least'] / other[name]['least'])


def _engines(
    weights: Path, image: Image, config: EngineConfig, rows: Rows
) -> Iterator[tuple[str, _Look]]:
    """Give each engine that starts, and begin a row for each there is."""
    precisions = _PRECISIONS[resolve_device(config.device).type]
    if config.calibration:
        precisions = (*precisions, 'int8')
    for name, precision in product(get_args(EngineName)[1:], precisions):
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
            network = load_checkpoint(weights)
            detector = Detector(network, SelectionConfig(), wanted)
        except (DeviceError, EngineError, MissingPackageError) as error:
            row['absent'] = str(error)
            continue
        detector.detect([image])
        parity = detector.choice.parity
        row['start_seconds'] = perf_counter() - start
        row['engine'] = detector.describe()
        row['precision'] = precision
        row['parity'] = None if parity is None else parity._asdict()
        yield f'{name} {precision}', _look_of(detector)


def _look_of(detector: Detector) -> _Look:
    return lambda image: detector.detect_timed([image])[1].network


def _peers(
    image: Image, size: tuple[int, int], config: EngineConfig, rows: Rows
) -> dict[str, _Look]:
    looks: dict[str, _Look] = {}
    start = perf_counter()
    try:
        for peer in load_peers(image, size, config):
            looks[peer.name] = peer.look
            rows[peer.name] = {
                'peer': True,
                'start_seconds': perf_counter() - start,
                'engine': peer.describe(),
                'precision': 'float32',
                'input_size': list(peer.size),
                'cost': peer.cost._asdict(),
            }
            start = perf_counter()
    except MissingPackageError as error:
        rows[_PEERS] = {'absent': str(error)}
    return looks


def _time(looks: Mapping[str, _Look], images: Sequence[Image], frames: int) -> Rows:
    found: dict[str, list[tuple[float, float, float]]] = {key: [] for key in looks}
    for number in tqdm(range(frames), unit='round', disable=None):
        for key, look in looks.items():
            wall, processor = perf_counter(), process_time()
            network = look(images[number % len(images)])
            found[key].append((network, perf_counter() - wall, process_time() - processor))
    names = ('network_ms', 'total_ms', 'processor_ms')
    return {
        key: {
            name: {'least': float(column.min()), 'median': float(np.median(column))}
            for name, column in zip(names, 1e3 * np.array(rows).T, strict=True)
        }
        for key, rows in found.items()
    }


def comparison_table(rows: Rows) -> str:
    """Return what :func:`compare_engines` found as lines of text, the fastest first."""
    present = {key: row for key, row in rows.items() if 'absent' not in row}
    peers = [key for key, row in present.items() if row.get('peer')]
    lines = [
        f'{"engine":<30}{"forward ms":>16}{"total ms":>16}{"processor ms":>16}{"of plain":>10}'
        f'{"start s":>9}' + ''.join(f'{"of " + name:>26}' for name in peers),
        f'{"":<30}'
        + f'{"least median":>16}' * 3
        + ' ' * 19
        + f'{"forward total processor":>26}' * len(peers),
    ]
    for key, row in sorted(present.items(), key=lambda item: float(item[1]['share_of_time'])):
        pairs = (row[name] for name in ('network_ms', 'total_ms', 'processor_ms'))
        shares = row['shares_of_peers'].values()
        lines.append(
            f'{key:<30}'
            + ''.join(f'{pair["least"]:9.1f}{pair["median"]:7.1f}' for pair in pairs)
            + f'{row["share_of_time"]:10.2f}{row["start_seconds"]:9.1f}'
            + ''.join(
                f'{share["network"]:10.2f}{share["total"]:6.2f}{share["processor"]:10.2f}'
                for share in shares
            )
        )
    for name in peers:
        height, width = rows[name]['input_size']
        gflop = rows[name]['cost']['operations'] / 1e9
        lines.append(f'{name}: {rows[name]["engine"]}; {gflop:.2f} GFLOP at {height}x{width}')
    lines += [f'{key:<30}{row["absent"]}' for key, row in rows.items() if 'absent' in row]
    return '\n'.join(lines)
