"""
Gives what is the same object in the images of one camera the same id.

The rules are those of SORT (arXiv 1602.00763): boxes move at constant velocity, a Kalman filter
follows each, and predictions and detections of a class are paired so that their IOU together is
largest. As in ByteTrack (arXiv 2110.06864) the noise grows with the height of the box, a track is
confirmed by its second detection and outlives a second without one. Unlike either, time is that
of the stamps and not a count of frames, so that frames may be dropped or come unevenly.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from squeezedet_ros.assignment import assign
from squeezedet_ros.detections import Detections

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

LEAST_IOU = 0.3
"""A detection that overlaps a prediction less is another object (SORT's IOU_min)."""
CONFIRMED_BY = 2
"""Detections in a row that make a track one with an id."""
KEPT_FOR_S = 1.0
"""Seconds without a detection after which a track with an id ends."""
USUAL_STEP_S = 0.1
"""Time between two images while no stamps have told it."""

# In heights of the box; those of ByteTrack, there for steps of 1/30 s, in seconds.
_BOX_DEVIATION = 1 / 20
_RATE_DEVIATION = 2.0
_RATE_DRIFT = 1.0


class Tracker:
    """
    The tracks of one camera.

    Ids count up from 1 and are never given twice. A stamp that goes back further than tracks
    live, as when a recording starts again, ends all of them.
    """

    def __init__(self) -> None:
        self._given = 0
        self._stamp_ns = 0
        self._step_s = USUAL_STEP_S
        self._clear()

    def _clear(self) -> None:
        # One row for each track: box (cx, cy, width, height) in pixels and its rate a second.
        self._boxes = np.zeros((0, 4))
        self._rates = np.zeros((0, 4))
        # Variance of the box, covariance of both, variance of the rate; alike for all four.
        self._spread = np.zeros((0, 3))
        self._labels = np.zeros(0, np.int64)
        self._ids = np.zeros(0, np.int64)
        self._hits = np.zeros(0, np.int64)
        self._unseen_s = np.zeros(0)

    def update(self, detections: Detections, stamp_ns: int) -> Detections:
        """
        Follow the tracks into the next image.

        :param stamp_ns: of the image, nanoseconds; 0 where it has none. One that is not later
            than the last counts as one usual step later.
        :returns: the detections with their ids, 0 where a detection is not confirmed yet.
        """
        self._advance(stamp_ns)
        seen = _to_cxcywh(detections.boxes)
        overlaps = _iou(self._boxes, seen)
        overlaps[(overlaps < LEAST_IOU) | (self._labels[:, None] != detections.labels)] = 0
        tracks, rows = assign(overlaps)
        self._correct(tracks, seen[rows])
        ids = np.zeros(len(detections), np.int64)
        self._confirm(tracks[np.argsort(rows)])
        ids[rows] = self._ids[tracks]
        self._end(tracks)
        new = np.setdiff1d(np.arange(len(detections)), rows)
        self._begin(seen[new], detections.labels[new])
        return replace(detections, ids=ids)

    def _advance(self, stamp_ns: int) -> None:
        """Let the time since the last image pass for all tracks."""
        elapsed_s = (stamp_ns - self._stamp_ns) / 1e9
        if stamp_ns and self._stamp_ns:
            if elapsed_s < -KEPT_FOR_S:
                self._clear()
            elif elapsed_s > KEPT_FOR_S:
                # A gap in which all tracks end tells nothing of the usual step.
                self._unseen_s += elapsed_s
            elif elapsed_s > 0:
                self._step_s = elapsed_s
        self._stamp_ns = stamp_ns
        self._keep(self._unseen_s <= KEPT_FOR_S)
        self._predict(self._step_s)

    def _predict(self, step_s: float) -> None:
        """Move all tracks on under white noise acceleration."""
        self._unseen_s += step_s
        self._boxes += self._rates * step_s
        np.maximum(self._boxes[:, 2:], 1.0, out=self._boxes[:, 2:])
        box, both, rate = self._spread.T
        drift = (_RATE_DRIFT * self._boxes[:, 3]) ** 2
        self._spread = np.stack(
            [
                box + 2 * both * step_s + rate * step_s**2 + drift * step_s**3 / 3,
                both + rate * step_s + drift * step_s**2 / 2,
                rate + drift * step_s,
            ],
            1,
        )

    def _correct(self, tracks: Indices, seen: Floats) -> None:
        """Move tracks towards the boxes (cx, cy, width, height) in which they were seen."""
        box, both, rate = self._spread[tracks].T
        noise = (_BOX_DEVIATION * seen[:, 3]) ** 2
        gain, rate_gain = box / (box + noise), both / (box + noise)
        surprise = seen - self._boxes[tracks]
        self._boxes[tracks] += gain[:, None] * surprise
        self._rates[tracks] += rate_gain[:, None] * surprise
        self._spread[tracks] = np.stack(
            [(1 - gain) * box, (1 - gain) * both, rate - rate_gain * both], 1
        )
        self._hits[tracks] += 1
        self._unseen_s[tracks] = 0

    def _confirm(self, tracks: Indices) -> None:
        """Give ids to those of the tracks that are due, in this order."""
        due = tracks[(self._ids[tracks] == 0) & (self._hits[tracks] >= CONFIRMED_BY)]
        self._ids[due] = self._given + 1 + np.arange(len(due))
        self._given += len(due)

    def _end(self, seen: Indices) -> None:
        """Forget tracks that were never confirmed and not seen now."""
        kept = self._ids > 0
        kept[seen] = True
        self._keep(kept)

    def _keep(self, kept: NDArray[np.bool_]) -> None:
        self._boxes, self._rates = self._boxes[kept], self._rates[kept]
        self._spread, self._labels = self._spread[kept], self._labels[kept]
        self._ids, self._hits = self._ids[kept], self._hits[kept]
        self._unseen_s = self._unseen_s[kept]

    def _begin(self, seen: Floats, labels: Indices) -> None:
        """Start a track for each box (cx, cy, width, height), at rest until told otherwise."""
        count, height = len(seen), seen[:, 3]
        spread = [(_BOX_DEVIATION * height) ** 2, 0 * height, (_RATE_DEVIATION * height) ** 2]
        self._boxes = np.vstack([self._boxes, seen])
        self._rates = np.vstack([self._rates, np.zeros((count, 4))])
        self._spread = np.vstack([self._spread, np.stack(spread, 1)])
        self._labels = np.append(self._labels, labels)
        self._ids = np.append(self._ids, np.zeros(count, np.int64))
        self._hits = np.append(self._hits, np.ones(count, np.int64))
        self._unseen_s = np.append(self._unseen_s, np.zeros(count))


def _to_cxcywh(boxes_xyxy: NDArray[np.float32]) -> Floats:
    """Return centre and size of boxes whose last pixel is inside, so that none is empty."""
    low, last = np.split(boxes_xyxy.astype(float), 2, 1)
    size = last - low + 1
    return np.hstack([low + size / 2, size])


def _iou(first: Floats, second: Floats) -> Floats:
    """
    Return the IOU of every pair.

    :param first: (R, 4) cx, cy, width, height.
    :param second: (C, 4) likewise.
    :returns: (R, C).
    """
    one, other = first[:, None], second[None]
    low = np.maximum(one[..., :2] - one[..., 2:] / 2, other[..., :2] - other[..., 2:] / 2)
    high = np.minimum(one[..., :2] + one[..., 2:] / 2, other[..., :2] + other[..., 2:] / 2)
    shared = np.clip(high - low, 0, None).prod(-1)
    whole = one[..., 2:].prod(-1) + other[..., 2:].prod(-1) - shared
    overlaps: Floats = shared / whole
    return overlaps
