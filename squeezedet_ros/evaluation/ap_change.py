"""How average precision changed from one evaluation to another, and how sure that is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from squeezedet_ros.data.ground_truth import GroundTruth
from squeezedet_ros.errors import ConfigError
from squeezedet_ros.evaluation.average_precision import (
    DEFAULT_MIN_OVERLAP,
    kitti_min_overlap,
    PrecisionCurve,
)
from squeezedet_ros.evaluation.bootstrap import CurveByFrame, draw_weights, split_curve
from squeezedet_ros.evaluation.comparison_input import POINTS, score_sections
from squeezedet_ros.evaluation.kitti_matching import ALL, DIFFICULTIES, make_scenes
from squeezedet_ros.evaluation.pairing import Scoring, Side
from squeezedet_ros.evaluation.report import graded_classes
from squeezedet_ros.settings import check_settings, setting
from tqdm import tqdm

Points = Literal['ap11', 'ap40']


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonConfig:
    """How two evaluations are compared, and what is a regression."""

    tolerance: float = setting(
        0.01,
        'fall of an average precision beyond which the exit status is 1',
        bounds=(0.0, 1.0),
    )
    only_certain: bool = setting(False, 'let only those falls count whose interval excludes 0')
    points: Points = setting(
        'ap40',
        'average precision that counts and is printed: ap40 (40 recalls, KITTI since 2019) or '
        'ap11; the JSON has both',
        choices=Points,
    )
    resamples: int = setting(
        1000,
        'sets drawn anew from the frames, both sides alike, for the intervals; 0 for none',
        bounds=(0, 100_000),
    )
    confidence: float = setting(0.95, 'share of the draws inside an interval', bounds=(0.5, 0.999))
    block_frames: int = setting(
        1,
        'frames in a row that are drawn together; those of a drive resemble their neighbours, '
        'and 1 makes its intervals too narrow',
        bounds=(1, 100_000),
    )
    seed: int = setting(0, 'of the draws', bounds=(0, 1_000_000))
    min_overlap: float = setting(
        DEFAULT_MIN_OVERLAP,
        'intersection over union of a match: in the second table, of two detections that agree, '
        'and for the errors of a frame',
        bounds=(0.0, 1.0),
    )
    scoring: Scoring = setting(
        'looked_at',
        'frames that count: looked_at (by both), all (what was dropped is missed) or streaming '
        '(what had been published at the time of a frame; both through the node)',
        choices=Scoring,
    )
    min_agreement: float = setting(
        0.0,
        'share of the published detections with a partner below which the exit status is 1',
        bounds=(0.0, 1.0),
    )
    changed_frames: int = setting(
        12, 'frames that changed most, listed and drawn', bounds=(0, 1000)
    )

    def __post_init__(self) -> None:
        check_settings(self)
        if self.only_certain and not self.resamples:
            raise ConfigError('only_certain needs intervals, got resamples 0')


class ApKey(NamedTuple):
    """Which average precision: table of the report, points, class, difficulty."""

    section: str
    points: str
    name: str
    difficulty: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ApChange:
    """
    One average precision of both sides.

    :param low: least difference (B less A) of the interval, None without one.
    :param high: greatest difference.
    :param resamples: draws with truth, of which the interval is made.
    """

    a: float
    b: float
    low: float | None = None
    high: float | None = None
    resamples: int = 0

    @property
    def difference(self) -> float:
        """Return B less A."""
        return self.b - self.a

    def falls(self, config: ComparisonConfig) -> bool:
        """Return whether this is a regression."""
        # A fall from 0.7 to 0.69 is one by 0.01, which binary fractions miss by a little.
        too_far = self.difference < -config.tolerance - 1e-9
        certain = self.high is not None and self.high < 0
        return too_far and (certain or not config.only_certain)


# By table and class.
Overlaps = dict[str, dict[str, float]]
ApChanges = dict[ApKey, ApChange]
_Split = dict[ApKey, tuple[CurveByFrame, CurveByFrame]]


def compare_tables(a: dict[str, Any], b: dict[str, Any]) -> ApChanges:
    """Return what two reports have both, without intervals."""
    first, second = _table(a), _table(b)
    return {key: ApChange(a=value, b=second[key]) for key, value in first.items() if key in second}


def _table(report: dict[str, Any]) -> dict[ApKey, float]:
    return {
        ApKey(section, points, name, difficulty): value
        for section, tables in score_sections(report).items()
        for points in POINTS
        for name, row in tables[points].items()
        for difficulty, value in row.items()
        if value is not None
    }


def section_overlaps(classes: Sequence[str], min_overlap: float) -> Overlaps:
    """Return the overlap of each class by table, as :func:`.report.make_report` names them."""
    return {
        'kitti': {name: kitti_min_overlap(name) for name in classes},
        f'kitti_iou{100 * min_overlap:g}': dict.fromkeys(classes, min_overlap),
    }


def compare_detections(
    truths: Sequence[GroundTruth],
    a: Side,
    b: Side,
    classes: Sequence[str],
    config: ComparisonConfig,
) -> ApChanges:
    """
    Score both sides on the same frames, with intervals of the differences.

    The interval is that between percentiles of the differences in sets drawn from the frames
    (bootstrap), each drawn for both sides at once: what makes a set hard is hard for both.

    :param truths: one for each frame, at least one.
    """
    split = _split(truths, a, b, classes, config.min_overlap)
    once = np.ones(len(truths), np.int64)
    scores = {key: tuple(_score(part, once, key) for part in pair) for key, pair in split.items()}
    drawn = _draw(split, len(truths), config)
    changes = {}
    for place, (key, (first, second)) in enumerate(scores.items()):
        if first is not None and second is not None:
            changes[key] = _with_interval(first, second, drawn[:, place], config.confidence)
    return changes


def _split(
    truths: Sequence[GroundTruth],
    a: Side,
    b: Side,
    classes: Sequence[str],
    min_overlap: float,
) -> _Split:
    graded = graded_classes(truths, classes)
    overlaps = section_overlaps(classes, min_overlap)
    split: _Split = {}
    for label, name in enumerate(tqdm(classes, desc='matching', unit='class', disable=None)):
        scenes = [make_scenes(truths, side.detections, label, name) for side in (a, b)]
        for difficulty in DIFFICULTIES:
            if name not in graded and difficulty != ALL:
                continue
            pairs = {
                overlap: tuple(split_curve(side, difficulty, overlap) for side in scenes)
                for overlap in {row[name] for row in overlaps.values()}
            }
            for section, row in overlaps.items():
                first, second = pairs[row[name]]
                for points in POINTS:
                    split[ApKey(section, points, name, difficulty.name)] = first, second
    return split


def _draw(split: _Split, frames: int, config: ComparisonConfig) -> NDArray[np.float64]:
    """Return (resamples, keys) differences, NaN where a drawn set has no truth."""
    draws = draw_weights(frames, config.block_frames, config.seed, config.resamples)
    progress = tqdm(draws, total=config.resamples, desc='bootstrap', unit='draw', disable=None)
    rows = [list(_differences(split, weights)) for weights in progress]
    return np.array(rows, np.float64).reshape(-1, len(split))


def _differences(split: _Split, weights: NDArray[np.int64]) -> Iterator[float]:
    known: dict[int, PrecisionCurve] = {}
    for key, pair in split.items():
        for part in pair:
            if id(part) not in known:
                known[id(part)] = part.weighted(weights)
        first, second = (getattr(known[id(part)], key.points) for part in pair)
        yield np.nan if first is None or second is None else second - first


def _score(part: CurveByFrame, weights: NDArray[np.int64], key: ApKey) -> float | None:
    score: float | None = getattr(part.weighted(weights), key.points)
    return score


def _with_interval(
    a: float, b: float, differences: NDArray[np.float64], confidence: float
) -> ApChange:
    known = differences[~np.isnan(differences)]
    if not len(known):
        return ApChange(a=a, b=b)
    tail = (1 - confidence) / 2
    low, high = np.quantile(known, (tail, 1 - tail))
    return ApChange(a=a, b=b, low=float(low), high=float(high), resamples=len(known))
