"""In which frames two detectors differ most."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from squeezedet_ros.evaluation.agreement import Match
from squeezedet_ros.evaluation.gallery import FrameErrors, rank_frames
from squeezedet_ros.evaluation.pairing import Paired


class FrameChange(NamedTuple):
    """
    What changed in one frame, of the detections that are published, all classes together.

    :param row: its place among the shared frames.
    :param a: what is wrong in A, None where the truth is not known.
    :param b: the same of B.
    :param only_a: detections of A without a partner in B.
    :param only_b: detections of B without a partner in A.
    :param score_change: sum over the pairs of how far their scores are apart.
    """

    row: int
    a: FrameErrors | None
    b: FrameErrors | None
    only_a: int
    only_b: int
    score_change: float

    @property
    def worse_by(self) -> int:
        """Return how many more errors B has, missed and false; 0 where nobody knows."""
        if self.a is None or self.b is None:
            return 0
        return _errors(self.b) - _errors(self.a)

    def to_json(self, paired: Paired) -> dict[str, Any]:
        """Return it as an object of JSON with the name or stamp of the frame."""
        frame = paired.frames[self.row]
        sides = {
            side: None
            if errors is None
            else {
                'missed': errors.missed,
                'false_alarms': errors.false_alarms,
                'badly_placed': errors.badly_placed,
            }
            for side, errors in (('a', self.a), ('b', self.b))
        }
        return {
            'stamp_ns': frame.stamp_ns,
            'name': frame.name,
            **sides,
            'worse_by': self.worse_by,
            'only_a': self.only_a,
            'only_b': self.only_b,
            'score_change': self.score_change,
        }


def _errors(errors: FrameErrors) -> int:
    return errors.missed + errors.false_alarms


def rank_changes(
    paired: Paired, matches: Sequence[Sequence[Match]], min_overlap: float
) -> list[FrameChange]:
    """
    Return the frames that changed at all, that with the greatest change of its errors first.

    Where these are as many, or the truth is not known, detections without a partner decide, then
    scores.

    :param matches: of what is published, for each frame one of each class.
    :param min_overlap: intersection over union that a match with the truth must exceed.
    """
    first, second = _wrong(paired, min_overlap)
    changes = [
        FrameChange(
            row,
            first.get(row),
            second.get(row),
            sum(match.a - len(match.overlaps) for match in frame),
            sum(match.b - len(match.overlaps) for match in frame),
            float(sum(np.abs(match.changes).sum() for match in frame)),
        )
        for row, frame in enumerate(matches)
    ]
    ordered = sorted(changes, key=_greatness, reverse=True)
    return [change for change in ordered if any(_greatness(change))]


def _greatness(change: FrameChange) -> tuple[int, int, float]:
    return abs(change.worse_by), change.only_a + change.only_b, change.score_change


def _wrong(paired: Paired, min_overlap: float) -> list[dict[int, FrameErrors]]:
    """Return the errors of each side in the frames with truth, by their rows."""
    rows = [row for row, truth in enumerate(paired.truths) if truth is not None]
    truths, *sides = paired.scored()
    return [
        {
            rows[errors.frame]: errors
            for errors in rank_frames(truths, side.published, paired.classes, min_overlap)
        }
        for side in sides
    ]
