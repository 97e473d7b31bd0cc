"""Write frames with their ground truth in COCO's layout."""

from __future__ import annotations

from collections.abc import Iterable
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from squeezedet_ros.data.coco import annotation_paths
from squeezedet_ros.data.ground_truth import DONT_CARE, GroundTruth
from squeezedet_ros.data.kitti_writer import LabelledImage
from squeezedet_ros.errors import DatasetError


def write_coco(directory: Path, split: str, frames: Iterable[LabelledImage]) -> int:
    """
    Write ``SPLIT/000000.png``, ... and ``annotations/instances_SPLIT.json``.

    Categories are numbered in the order of their first object; a DontCare region is a crowd.

    :param directory: made if missing; it may hold other splits.
    :return: number of frames written.
    :raises DatasetError: when the split is there already, or an image cannot be written.
    """
    target = annotation_paths(directory, split)[0]
    if target.exists():
        raise DatasetError(f'{target} exists already, not overwriting')
    for folder in (directory / split, target.parent):
        folder.mkdir(parents=True, exist_ok=True)
    categories: dict[str, int] = {}
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, frame in enumerate(frames):
        path = directory / split / f'{number:06d}.png'
        if not cv2.imwrite(str(path), frame.image):
            raise DatasetError(f'{path}: the image could not be written')
        height, width = frame.image.shape[:2]
        images.append({'id': number, 'file_name': path.name, 'height': height, 'width': width})
        for entry in _annotations(frame.truth, categories):
            annotations.append({'id': len(annotations) + 1, 'image_id': number, **entry})
    content = {
        'images': images,
        'annotations': annotations,
        'categories': [{'id': number, 'name': name} for name, number in categories.items()],
    }
    target.write_text(json.dumps(content), encoding='utf-8')
    return len(images)


def _annotations(truth: GroundTruth, categories: dict[str, int]) -> list[dict[str, Any]]:
    sizes = truth.boxes[:, 2:] - truth.boxes[:, :2] + 1
    rows = np.concatenate([truth.boxes[:, :2], sizes], 1).astype(float).tolist()
    return [
        {
            'category_id': categories.setdefault(name, len(categories) + 1),
            'bbox': row,
            'area': row[2] * row[3],
            'iscrowd': int(name == DONT_CARE),
        }
        for name, row in zip(truth.names, rows, strict=True)
    ]
