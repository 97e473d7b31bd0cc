"""
Mean average precision by COCO's rules, as pycocotools computes it.

Every labelled object of the classes counts, whatever its height, truncation and occlusion. A
DontCare region is a crowd (``iscrowd``) of every class, and so is an object of a neighbouring
class (a van for cars, somebody sitting for pedestrians): a crowd need not be found and forgives
any number of detections that lie inside it by the share that is asked for. COCO's evaluator takes
its own ``ignore`` from ``iscrowd``, so that it knows no other way to be neutral. Other classes
are background.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from importlib.util import find_spec
from io import StringIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from squeezedet_ros.data.ground_truth import DONT_CARE, GroundTruth
from squeezedet_ros.detections import Detections
from squeezedet_ros.evaluation.kitti_matching import NEIGHBOURS

_Annotations = Iterator[dict[str, Any]]

# Places in COCOeval.stats.
_STATS = {'map': 0, 'map50': 1, 'map75': 2, 'map_small': 3, 'map_medium': 4, 'map_large': 5}
# Places of the thresholds 0.5, 0.55, ..., 0.95 in COCOeval.eval['precision'].
_BY_CLASS = {'map': slice(None), 'map50': slice(0, 1), 'map75': slice(5, 6)}
_ALL_AREAS, _MOST_DETECTIONS = 0, -1


def coco_available() -> bool:
    """Return whether pycocotools is installed."""
    return find_spec('pycocotools') is not None


def evaluate_coco(
    truths: Sequence[GroundTruth], detections: Sequence[Detections], classes: Sequence[str]
) -> dict[str, Any]:
    """
    Return COCO's scores as an object of JSON: in [0, 1], null where there is no truth.

    ``map`` is the mean over overlaps 0.5, 0.55, ..., 0.95, ``map50`` and ``map75`` are at one
    overlap, ``map_small``, ``map_medium`` and ``map_large`` for objects below, between and above
    areas of 32 x 32 and 96 x 96 pixels; all are means over the classes that have truth.

    :param truths: one for each image.
    :param detections: one for each image, in the same order, down to a low score; COCO looks at
        the best 100 of a class in an image.
    :param classes: names that the labels of the detections index; the truth's names are compared
        without regard to case. Detections with other labels are not looked at.
    :raises ModuleNotFoundError: when pycocotools is not installed.
    :raises ValueError: when there are not as many detections as truths.
    """
    from pycocotools.cocoeval import COCOeval

    pairs = list(zip(truths, detections, strict=True))
    # pycocotools tells of its progress on standard output, and cannot be asked not to.
    with redirect_stdout(StringIO()):
        truth = _dataset([_truth_annotations(item, classes) for item, _ in pairs], classes)
        found = _dataset([_found_annotations(item, classes) for _, item in pairs], classes)
        evaluation = COCOeval(truth, found, 'bbox')
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    scores: dict[str, Any] = {
        name: _known(evaluation.stats[place]) for name, place in _STATS.items()
    }
    precision = evaluation.eval['precision'][..., _ALL_AREAS, _MOST_DETECTIONS]
    scores['classes'] = {
        name: {key: _mean(precision[rows, :, label]) for key, rows in _BY_CLASS.items()}
        for label, name in enumerate(classes)
    }
    return scores


def _known(value: float) -> float | None:
    # pycocotools has -1 where there is no truth.
    return float(value) if value > -1 else None


def _mean(precision: NDArray[np.float64]) -> float | None:
    known = precision[precision > -1]
    return float(known.mean()) if len(known) else None


def _dataset(images: Sequence[_Annotations], classes: Sequence[str]) -> Any:  # noqa: ANN401
    """Return a pycocotools COCO with the annotations of each image; loadRes takes no empty set."""
    from pycocotools.coco import COCO

    rows = [{'image_id': image, **item} for image, items in enumerate(images) for item in items]
    # From 1 on: a match with number 0 would be none to COCOeval.
    annotations = [{'id': number, **row} for number, row in enumerate(rows, 1)]
    coco = COCO()
    coco.dataset = {
        'images': [{'id': image} for image in range(len(images))],
        'categories': [{'id': label, 'name': name} for label, name in enumerate(classes)],
        'annotations': annotations,
    }
    coco.createIndex()
    return coco


def _truth_annotations(truth: GroundTruth, classes: Sequence[str]) -> Iterator[dict[str, Any]]:
    for label, name in enumerate(classes):
        neutral = (NEIGHBOURS.get(name.lower()), DONT_CARE.lower())
        for box, found in zip(truth.boxes, truth.names, strict=True):
            if found.lower() in (name.lower(), *neutral):
                crowd = found.lower() != name.lower()
                yield {'category_id': label, 'iscrowd': int(crowd), **_geometry(box)}


def _found_annotations(found: Detections, classes: Sequence[str]) -> Iterator[dict[str, Any]]:
    for box, score, label in zip(found.boxes, found.scores, found.labels, strict=True):
        if label < len(classes):
            yield {'category_id': int(label), 'score': float(score), **_geometry(box)}


def _geometry(box_xyxy: NDArray[np.float32]) -> dict[str, Any]:
    left, top, right, bottom = box_xyxy.astype(np.float64).tolist()
    # Our boxes name the last pixel inside, as KITTI's labels do; COCO's end behind it.
    width, height = right - left + 1, bottom - top + 1
    return {'bbox': [left, top, width, height], 'area': width * height}
