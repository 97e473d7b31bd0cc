"""How the time of an image changes with the number that go through together."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import Any

import numpy as np
from squeezedet_ros.detector import Detector
from squeezedet_ros.preprocessing import Image
from tqdm import tqdm


def time_batches(
    detector: Detector, images: Sequence[Image], sizes: Sequence[int], rounds: int
) -> dict[str, dict[str, float]]:
    """
    Time batches of each size in turn, after one of each that does not count.

    :param sizes: images in a batch; all images are of one size.
    :returns: by size, an object of JSON: milliseconds of the forward pass for an image, least and
        median, and images a second by the median, in the forward pass and from images to boxes.
    """
    batches = {size: [images[row % len(images)] for row in range(size)] for size in sizes}
    found: dict[int, list[tuple[float, float]]] = {size: [] for size in sizes}
    for batch in batches.values():
        detector.detect(batch)
    for _ in tqdm(range(rounds), unit='round', disable=None):
        for size, batch in batches.items():
            start = perf_counter()
            _, stages = detector.detect_timed(batch)
            found[size].append((stages.network, perf_counter() - start))
    return {str(size): _row(size, np.array(rows)) for size, rows in found.items()}


def _row(size: int, seconds: Any) -> dict[str, float]:  # noqa: ANN401
    forward, total = np.median(seconds, axis=0).tolist()
    return {
        'forward_ms_least': 1e3 * float(seconds[:, 0].min()) / size,
        'forward_ms_median': 1e3 * forward / size,
        'forward_images_per_second': size / forward,
        'images_per_second': size / total,
    }


def batch_table(rows: dict[str, dict[str, float]]) -> str:
    """Return what :func:`time_batches` found as lines of text."""
    lines = [
        f'{"batch":<8}{"forward ms an image":>22}{"images/s":>12}{"to boxes":>12}',
        f'{"":<8}{"least median":>22}',
    ]
    lines += [
        f'{size:<8}{row["forward_ms_least"]:14.2f}{row["forward_ms_median"]:8.2f}'
        f'{row["forward_images_per_second"]:12.1f}{row["images_per_second"]:12.1f}'
        for size, row in rows.items()
    ]
    return '\n'.join(lines)
