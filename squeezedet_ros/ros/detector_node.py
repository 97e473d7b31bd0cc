"""The lifecycle node ``detector``: camera images in, ``vision_msgs/Detection2DArray`` out."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import wraps
import os
import signal
import socket
import sys
from threading import Event, Thread
import time
from typing import cast, NoReturn

from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.srv import ChangeState
import rclpy
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from squeezedet_ros.config import LiveConfig
from squeezedet_ros.contract import DETECT, DIAGNOSTICS, ENABLE, NODE
from squeezedet_ros.errors import one_line, SqueezeDetError
from squeezedet_ros.memory import keep_freed_memory, release_freed_memory
from squeezedet_ros.ros import messages
from squeezedet_ros.ros.main_thread import MainThread
from squeezedet_ros.ros.parameters import NodeParameters
from squeezedet_ros.ros.pipeline import Pipeline
from squeezedet_ros.ros.startup import RosStartError, start_ros
from squeezedet_ros.ros.worker import Submit
from std_srvs.srv import SetBool, Trigger

_DIAGNOSTICS_PERIOD_S = 1.0
_LAST_BATCH_PATIENCE_S = 1.0
_END_PATIENCE_S = 1.8
# Some 700 frames of 1242 x 375: in replay mode they wait in memory, and the machine's is finite.
_MUCH_WAITING_MB = 1000.0

Transition = Callable[['DetectorNode', LifecycleState], TransitionCallbackReturn]


def _told(transition: Transition) -> Transition:
    """Tell what a transition raises: rclpy turns it into an error without a word."""

    @wraps(transition)
    def told(node: DetectorNode, state: LifecycleState) -> TransitionCallbackReturn:
        def tell(_kind: object, error: BaseException | None, _trace: object) -> None:
            if error is not None:
                name = transition.__name__.removeprefix('on_')
                node.refuse(f'error in {name}: {one_line(error)}')

        with ExitStack() as stack:
            stack.push(tell)
            return transition(node, state)

    return told


class DetectorNode(LifecycleNode):
    """
    Loads a detector at configure, looks at frames while active.

    The work is done by :class:`Pipeline`; here is only when it exists and runs.
    """

    def __init__(self, submit: Submit) -> None:
        """
        Declare parameters and services.

        :param submit: has work done in another thread.
        """
        super().__init__(NODE)
        self._submit = submit
        self._pipeline: Pipeline | None = None
        self._refusal = ''
        self._settings = NodeParameters(
            self, lambda: self._pipeline is not None, self._change_rules
        )
        for name, near in self._settings.unknown().items():
            meant = f', did you mean {near}?' if near else ''
            self.get_logger().warning(f'ignored: this node has no parameter {name}{meant}')
        self._diagnostics = self.create_publisher(DiagnosticArray, DIAGNOSTICS, 10)
        # Steady, so that it ticks without a simulated clock too.
        self.create_timer(
            _DIAGNOSTICS_PERIOD_S,
            self._publish_diagnostics,
            clock=Clock(clock_type=ClockType.STEADY_TIME),
        )
        self.create_service(SetBool, ENABLE, self._enable)
        # A group of its own: while an answer is awaited, its group runs nothing else.
        waiting = ReentrantCallbackGroup()
        self.create_service(Trigger, DETECT, self._detect, callback_group=waiting)
        self._survive_impossible_transitions()

    def _survive_impossible_transitions(self) -> None:
        """Answer a request like activate before configure; rclpy 7.1 ends the process on it."""
        (service,) = (item for item in self.services if item.srv_type is ChangeState)
        change = service.callback

        def answer(
            request: ChangeState.Request, response: ChangeState.Response
        ) -> ChangeState.Response:
            try:
                return change(request, response)
            except RuntimeError as error:
                self.get_logger().warning(str(error).partition(', at')[0])
                response.success = False
                return response

        service.callback = answer

    def start(self) -> bool:
        """Become active if parameter ``autostart`` says so; return whether all went as set."""
        if not self._settings.node.autostart:
            return True
        return all(
            transition() == TransitionCallbackReturn.SUCCESS
            for transition in (self.trigger_configure, self.trigger_activate)
        )

    def refuse(self, reason: str) -> None:
        """Log in one line why the node does not work, and say so in /diagnostics."""
        self._refusal = ' '.join(reason.split())
        self.get_logger().error(self._refusal)

    @_told
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the weights and warm up; refuse with one line that says why."""
        try:
            # A device that is there can still fail its first forward pass, with a RuntimeError.
            self._pipeline = Pipeline(self, self._settings, self._submit)
        except (SqueezeDetError, RuntimeError, MemoryError) as error:
            self.refuse(f'cannot configure: {error or type(error).__name__}')
        if self._pipeline is None:
            # Only now, when the error holds on to nothing any more.
            release_freed_memory()
            return TransitionCallbackReturn.FAILURE
        self._refusal = ''
        self._tell_engine(self._pipeline)
        return super().on_configure(state)

    def _tell_engine(self, pipeline: Pipeline) -> None:
        choice = pipeline.detector.choice
        self.get_logger().info(f'{pipeline.weights.name} on {pipeline.detector.describe()}')
        # Two statements: rclpy allows each place in the code one severity.
        if choice.fell_back:
            self.get_logger().warning(f'engine: {choice.why}')
        else:
            self.get_logger().info(f'engine: {choice.why}')
        if choice.parity is not None:
            self.get_logger().info(f'beside torch float32: {choice.parity.describe()}')

    @_told
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Begin to look at frames."""
        result = super().on_activate(state)
        if self._pipeline is not None:
            self._pipeline.start()
        return result

    @_told
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop after the batch at hand; the detector stays loaded."""
        if self._pipeline is not None:
            self._pipeline.stop()
        return super().on_deactivate(state)

    @_told
    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Give back all that configure took, memory included."""
        self.close()
        return super().on_cleanup(state)

    @_told
    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop and give everything back."""
        self.close()
        return super().on_shutdown(state)

    @_told
    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Go back to unconfigured."""
        self.close()
        return super().on_error(state)

    def close(self, patience: float | None = None) -> None:
        """
        Stop and give back all that configure took, in any state.

        :param patience: seconds to wait for the last batch, none for as long as it takes.
        """
        pipeline, self._pipeline = self._pipeline, None
        if pipeline is None:
            return
        pipeline.close(patience)
        del pipeline
        release_freed_memory()

    def _change_rules(self, config: LiveConfig) -> None:
        if self._pipeline is not None:
            self._pipeline.change(config)

    def _enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        """Pause or resume an active node without a lifecycle transition."""
        is_active = self._state_machine.current_state[1] == 'active'
        if self._pipeline is None or not is_active:
            response.message = 'the node is not active'
            return response
        if request.data:
            self._pipeline.start()
        else:
            self._pipeline.stop()
        response.success = True
        response.message = 'enabled' if request.data else 'disabled'
        return response

    async def _detect(
        self, _request: Trigger.Request, response: Trigger.Response
    ) -> Trigger.Response:
        """Look at the next frame of each camera, also while inactive or disabled."""
        if self._pipeline is None:
            response.message = 'the node is not configured'
            return response
        look = self._pipeline.look_once()
        if look is None:
            response.message = 'an earlier call is under way'
            return response
        response.success, response.message = cast(tuple[bool, str], await look.done)
        return response

    def _publish_diagnostics(self) -> None:
        name = self.get_fully_qualified_name()
        level, text = messages.OK, 'looking at frames'
        values: dict[str, object] = {'state': self._state_machine.current_state[1]}
        statuses = []
        if self._pipeline is not None:
            statuses = self._pipeline.statuses(name)
            values['engine'] = self._pipeline.detector.describe()
            choice = self._pipeline.detector.choice
            values['engine taken because'] = choice.why
            if choice.parity is not None:
                values['largest difference to torch float32'] = choice.parity.describe()
            values['weights'] = self._pipeline.weights
            values['mode'] = self._settings.node.mode
            values['MB of frames waiting'] = waiting = self._pipeline.waiting_mb
            if waiting > _MUCH_WAITING_MB:
                level = messages.WARN
                text = f'{waiting:.0f} MB of frames wait: play them slower, or a few in flight'
        now = self.get_clock().now()
        if self.get_parameter('use_sim_time').value and not now.nanoseconds:
            level, text = messages.WARN, 'use_sim_time is set, but nothing came on /clock yet'
        if self._pipeline is None or not self._pipeline.is_running:
            level = messages.ERROR if self._refusal else messages.WARN
            text = self._refusal or 'not looking at frames'
        statuses.insert(0, messages.status(level, name, text, name, values))
        header = messages.header_at(now.to_msg())
        self._diagnostics.publish(messages.status_array(header, statuses))

    def destroy_node(self) -> None:
        """
        Let go of all that ROS has of the node.

        rclpy keeps the state machine, and so the node, until Python ends in order: others would go
        on seeing it, and its shared memory would stay.
        """
        super().destroy_node()
        self._state_machine.destroy_when_not_in_use()


def _on_signal(stop: Callable[[], object]) -> None:
    """
    Call ``stop`` from a thread of its own on the first SIGINT or SIGTERM.

    Python runs signal handlers in the main thread, which may be in a forward pass; rclpy's own
    handlers end the context at once, under the frames that are still being looked at. Where the
    node is not through in time, at weights being loaded for instance, the process ends all the
    same: what asks a car's node to end follows up with a signal that cannot be caught.
    """
    receiver, sender = socket.socketpair()
    sender.setblocking(False)
    signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)

    def wait() -> None:
        with sender, receiver:
            receiver.recv(1)
            stop()
            time.sleep(_END_PATIENCE_S)
            sys.stderr.write('told to end, and did so in the middle of work\n')
            _end_now()

    Thread(target=wait, name='signals', daemon=True).start()


def _end_now() -> NoReturn:
    """
    End without tearing the interpreter down.

    That takes seconds on a busy machine, and is not safe under a thread in a forward pass.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def main(args: list[str] | None = None) -> int:
    """Run the node until it is told to stop; return 1 where it should start but cannot."""
    keep_freed_memory()
    try:
        start_ros(args)
    except RosStartError as error:
        sys.stderr.write(f'{NODE}: {error}\n')
        return 1
    stopped, work = Event(), MainThread()
    executor = SingleThreadedExecutor()
    # As a task, since only work ends the executor's wait.
    _on_signal(lambda: executor.create_task(stopped.set))
    node = DetectorNode(work.submit)
    executor.add_node(node)
    with ThreadPoolExecutor(1, 'executor') as threads:
        spinning = threads.submit(_spin, executor, node, stopped)
        spinning.add_done_callback(lambda _: work.stop())
        work.serve()
    return spinning.result()


def _spin(executor: SingleThreadedExecutor, node: DetectorNode, stopped: Event) -> int:
    """Do what is to be done for ROS, to the end of the process; return 1 where it cannot start."""
    try:
        if not node.start():
            return 1
        # Not spin_until_future_complete: it adds a callback to the future at every message.
        while rclpy.ok() and not stopped.is_set():
            executor.spin_once()
    finally:
        node.close(_LAST_BATCH_PATIENCE_S)
        executor.shutdown()
        node.destroy_node()
        rclpy.shutdown()
    _end_now()


if __name__ == '__main__':
    sys.exit(main())
