"""The work of looking at frames."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, wait
from contextlib import ExitStack
from dataclasses import dataclass, field
from threading import Lock
from time import perf_counter
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from rclpy.lifecycle import LifecycleNode
from squeezedet_ros.config import LimitConfig, NodeConfig
from squeezedet_ros.detections import Detections
from squeezedet_ros.detector import Detector
from squeezedet_ros.errors import ImageDecodeError, one_line, PredictionError
from squeezedet_ros.image_codec import decode_message
from squeezedet_ros.ros import messages
from squeezedet_ros.ros.camera import Camera
from squeezedet_ros.ros.overlay import OverlayPainter, PIXEL_FAILURES, THROTTLE_S
from squeezedet_ros.ros.rate_limit import RateLimit
from squeezedet_ros.ros.rules import Rules
from squeezedet_ros.ros.scheduling import Frame, FrameAges, FrameQueue, Outcome
from vision_msgs.msg import Detection2D

# What pixels and a forward pass are known to raise; a lost device is a RuntimeError.
_FAILURES = (*PIXEL_FAILURES, PredictionError)
_STOPPED = 'the node stopped first'
# For the drawing at hand, however long the last batch took.
_LEAST_PATIENCE_S = 0.3
_DIED = 'the thread that looks at frames has died; its error is in the log'

T = TypeVar('T')


class Submit(Protocol):
    """Has something done in another thread, as :meth:`concurrent.futures.Executor.submit`."""

    def __call__(self, work: Callable[[], T], /) -> Future[T]:
        """Return what will hold the result."""
        ...


@dataclass(slots=True)
class _Look:
    """A frame on its way; ``stages_ms`` fills up as it goes."""

    frame: Frame
    image: NDArray[np.uint8]
    rules: Rules
    stages_ms: dict[str, float] = field(default_factory=dict)


class FrameWorker:
    """
    Takes waiting frames, looks at them in one batch and publishes what it saw.

    Whatever happens, each frame it was given gets one outcome: those it has in hand are noted, so
    that they can be accounted for where the thread cannot do so any more.
    """

    def __init__(
        self,
        node: LifecycleNode,
        detector: Detector,
        cameras: Mapping[str, Camera],
        config: NodeConfig,
        rules: Rules,
        submit: Submit,
    ) -> None:
        """
        Begin to work.

        :param node: for its clock and its log.
        :param rules: what to go by; may be replaced by others at any time.
        :param submit: has the work done in another thread.
        """
        self.rules = rules
        self._node = node
        self._detector = detector
        self._cameras = cameras
        self._is_live = config.mode == 'live'
        self._rates = {name: RateLimit() for name in cameras}
        self._ids = messages.class_ids(detector.model.classes, config.class_id_format)
        self._spare: list[Detection2D] = []
        self._painter = OverlayPainter(node, detector.model.classes)
        self._queue: FrameQueue[Frame] = FrameQueue(every=config.mode == 'replay')
        self._ages = {name: FrameAges() for name in cameras}
        self._looked_at: dict[str, int] = {}
        self._in_hand: dict[int, Frame] = {}
        self._telling = Lock()
        self._ended = submit(self._run)

    def check(self) -> None:
        """Raise RuntimeError when the work has ended though nobody stopped it."""
        if self._ended.done():
            raise RuntimeError(_DIED) from self._ended.exception()

    @property
    def waiting_mb(self) -> float:
        """Return the size of the frames that wait to be looked at, in millions of bytes."""
        return sum(len(frame.message.data) for frame in self._queue.waiting()) / 1e6

    def put(self, frame: Frame) -> None:
        """Have a frame looked at; never waits."""
        superseded = self._queue.put(frame.camera, frame)
        if superseded is not None:
            reason = _STOPPED if superseded is frame else 'a later frame came first'
            self._abandon([superseded], 'superseded', reason)

    def stop(self, patience: float | None = None) -> bool:
        """
        End the work after the batch it is at; return whether it has ended.

        :param patience: seconds to wait for that batch, none for as long as it takes. Then its
            frames are superseded too, and what is still found in them is dropped.
        """
        self._abandon(self._queue.close(), 'superseded', _STOPPED)
        start = perf_counter()
        wait([self._ended], patience)
        self._abandon(self._let_go(), 'superseded', _STOPPED)
        if patience is not None:
            patience = max(_LEAST_PATIENCE_S, patience - (perf_counter() - start))
        self._painter.stop(patience)
        if not self._ended.done():
            return False
        error = self._ended.exception()
        if error is not None:
            self._node.get_logger().error(f'looking at frames ended by {one_line(error)}')
        return True

    def _let_go(self) -> list[Frame]:
        """Return the frames without an outcome; they get it from who asked."""
        with self._telling:
            frames = list(self._in_hand.values())
            self._in_hand.clear()
            return frames

    def _abandon(self, frames: Sequence[Frame], outcome: Outcome, reason: str) -> None:
        # Each is counted, also where another one's outcome cannot be published.
        with ExitStack() as reports:
            for frame in reversed(frames):
                stages = {'wait': (perf_counter() - frame.arrival) * 1000}
                report = self._cameras[frame.camera].report
                reports.callback(report, frame, outcome, stages, reason)

    def _run(self) -> None:
        try:
            while frames := self._queue.take():
                self._in_hand = {id(frame): frame for frame in frames}
                rules = self.rules
                opened = [self._open(frame, rules) for frame in frames]
                looks = [look for look in opened if look is not None]
                if looks:
                    self._look_at(looks)
        finally:
            # Nothing is left, unless this is the way of an error that nobody foresaw.
            self._abandon([*self._let_go(), *self._queue.close()], 'failed', _DIED)

    def _end(
        self, frame: Frame, outcome: Outcome, stages_ms: Mapping[str, float], reason: str = ''
    ) -> None:
        """Account for a frame in hand, unless somebody else has."""
        with self._telling:
            if self._in_hand.pop(id(frame), None) is not None:
                self._cameras[frame.camera].report(frame, outcome, stages_ms, reason)

    def _open(self, frame: Frame, rules: Rules) -> _Look | None:
        """Decode a frame; report it instead where there is nothing to look at."""
        started = perf_counter()
        stages = {'wait': (started - frame.arrival) * 1000}
        camera = self._cameras[frame.camera]
        stamp = messages.stamp_nanoseconds(frame.message.header)
        if stamp and stamp == self._looked_at.get(frame.camera):
            self._repeat(frame, stages)
            return None
        if self._is_live and self._pass_over(frame, rules.limits, stages):
            return None
        try:
            image = decode_message(frame.message)
        except ImageDecodeError as error:
            self._node.get_logger().warning(
                f'{camera.input_topic}: frame not decodable: {error}',
                throttle_duration_sec=THROTTLE_S,
            )
            self._end(frame, 'undecodable', stages, str(error))
            return None
        except _FAILURES as error:
            self._fail(frame, stages, error)
            return None
        stages['decode'] = (perf_counter() - started) * 1000
        self._rates[frame.camera].looked_at(frame.arrival, rules.limits.max_fps)
        return _Look(frame, image, rules, stages)

    def _pass_over(
        self, frame: Frame, limits: LimitConfig, stages_ms: Mapping[str, float]
    ) -> bool:
        """Report a frame that is too old or comes too soon; return whether it is."""
        rate = self._rates[frame.camera]
        age = self._age(frame)
        if limits.max_age and age > limits.max_age:
            reason = f'{age:.3f} s old, max_age is {limits.max_age:g} s'
            self._end(frame, 'stale', stages_ms, reason)
            return True
        if rate.is_too_soon(frame.arrival, limits.max_fps):
            reason = (
                f'{rate.since_last(frame.arrival):.3f} s after the last frame looked at, '
                f'max_fps is {limits.max_fps:g}'
            )
            self._end(frame, 'superseded', stages_ms, reason)
            return True
        return False

    def _age(self, frame: Frame) -> float:
        """Return the seconds a frame is old."""
        stamp = messages.stamp_nanoseconds(frame.message.header)
        now: int = self._node.get_clock().now().nanoseconds
        at = perf_counter()
        return self._ages[frame.camera].age(stamp, now, at - frame.arrival, at)

    def _repeat(self, frame: Frame, stages_ms: Mapping[str, float]) -> None:
        """Leave out a frame that was seen already: no stamp is looked at twice in a row."""
        reason = 'its stamp is that of the frame looked at before'
        self._node.get_logger().warning(
            f'{self._cameras[frame.camera].input_topic}: frame not looked at: {reason}',
            throttle_duration_sec=THROTTLE_S,
        )
        self._end(frame, 'superseded', stages_ms, reason)

    def _look_at(self, looks: Sequence[_Look]) -> None:
        try:
            images, selector = [look.image for look in looks], looks[0].rules.selector
            results, seconds = self._detector.detect_timed(images, selector)
        except _FAILURES as error:
            if len(looks) == 1:
                self._fail(looks[0].frame, looks[0].stages_ms, error)
                return
            results = []
        if not results:
            # One by one, so that a frame spoils no other; out here, because the error held on to
            # the memory of the batch.
            for look in looks:
                self._look_at([look])
            return
        spent = {stage: value * 1000 for stage, value in seconds._asdict().items()}
        for look, detections in zip(looks, results, strict=True):
            look.stages_ms.update(spent)
            zones = look.rules.zones[look.frame.camera]
            self._publish(look, zones.apply(detections, look.image.shape[:2]))

    def _fail(self, frame: Frame, stages_ms: Mapping[str, float], error: Exception) -> None:
        camera = self._cameras[frame.camera]
        reason = one_line(error)
        self._node.get_logger().error(
            f'{camera.input_topic}: frame not looked at: {reason}',
            throttle_duration_sec=THROTTLE_S,
        )
        self._end(frame, 'failed', stages_ms, reason)

    def _publish(self, look: _Look, detections: Detections) -> None:
        camera = self._cameras[look.frame.camera]
        header = look.frame.message.header
        started = perf_counter()
        if camera.tracker is not None:
            stamp = messages.stamp_nanoseconds(header)
            detections = camera.tracker.update(detections, stamp)
            tracked = perf_counter()
            look.stages_ms['track'] = (tracked - started) * 1000
            started = tracked
        message = messages.detections_to_message(detections, header, self._ids, self._spare)
        with self._telling:
            if id(look.frame) not in self._in_hand:
                return
            camera.detections.publish(message)
            del self._in_hand[id(look.frame)]
            look.stages_ms['publish'] = (perf_counter() - started) * 1000
            camera.report(look.frame, 'detected', look.stages_ms, detections.summary())
        self._looked_at[look.frame.camera] = messages.stamp_nanoseconds(header)
        zones = look.rules.zones[look.frame.camera]
        self._painter.show(camera, header, look.image, detections, zones)
