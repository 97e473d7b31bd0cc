"""The rate at which the node takes images over DDS, found by trials."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

from squeezedet_ros.cli.drive_through_node import CAMERA, prepare_environment
from squeezedet_ros.cli.processes import signals_as_interrupt
from squeezedet_ros.cli.soak import Soak, SoakConfig
from squeezedet_ros.cli.soak_report import MINUTE_S, SoakBooks, Tally
from squeezedet_ros.config import EngineConfig
from squeezedet_ros.settings import check_settings, setting

LEAST_RATE, MOST_RATE = next(
    item.metadata['bounds'] for item in fields(SoakConfig) if item.name == 'rate'
)
_TOLERANCE = 0.03
_ABOVE = 1.5
# What else a machine does can spoil one.
_ATTEMPTS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRateConfig:
    """How the rate of the node is searched."""

    node: bool = setting(
        False, 'find the rate of one camera at which the node loses less than most_lost, over DDS'
    )
    trial_seconds: float = setting(
        30.0, 'with node: seconds of each trial, with a node of its own', bounds=(6.0, 3600.0)
    )
    most_lost: float = setting(
        0.01, 'with node: share of the images sent that may get no detections', bounds=(0.0, 1.0)
    )

    def __post_init__(self) -> None:
        check_settings(self)


class Trial(NamedTuple):
    """A rate of images a second that was tried, and what came of it."""

    rate: float
    tally: Tally


def bisect_rate(
    attempt: Callable[[float], Tally], most: float, most_lost: float
) -> tuple[float, list[Trial]]:
    """
    Return the highest rate that is carried, to 3 % of ``most``, and all trials.

    A rate at which too much is lost is tried once more.

    :param attempt: sends images at a rate.
    :param most: a rate that is too high.
    :param most_lost: share that may be lost.
    :returns: 0 where none is carried.
    """
    low, high, trials = 0.0, most, []
    while high - low > _TOLERANCE * most and (rate := (low + high) / 2) >= LEAST_RATE:
        for _ in range(_ATTEMPTS):
            trials.append(Trial(rate, attempt(rate)))
            if trials[-1].tally.lost < most_lost or not trials[-1].tally.lost:
                low = rate
                break
        else:
            high = rate
    return low, trials


def search_node_rate(
    weights: Path,
    engine: EngineConfig,
    image_size: tuple[int, int],
    frames_per_second: float,
    config: NodeRateConfig,
    folder: Path,
) -> dict[str, Any]:
    """
    Load a node with one camera at several rates, as ros2_benchmark does.

    :param frames_per_second: of the detector alone; half as much again is the highest rate.
    :param folder: for what the processes print.
    :returns: an object of JSON: the rate, and each trial.
    :raises SqueezeDetError: where there is no ROS 2, or a process fails.
    """
    height, width = image_size
    parameters = {name: value for name, value in asdict(engine).items() if value != ()}
    parameters |= {'weights': str(weights.resolve()), 'cameras': [CAMERA]}
    prepare_environment()

    def attempt(rate: float) -> Tally:
        books = SoakBooks([CAMERA])
        load = SoakConfig(
            minutes=config.trial_seconds / MINUTE_S,
            cameras=1,
            rate=rate,
            size=f'{width}x{height}',
        )
        Soak(folder, load, books).run([CAMERA], parameters)
        tally = books.tally()
        print(f'node: {trial_line(Trial(rate, tally))}', flush=True)
        return tally

    with signals_as_interrupt():
        most = min(_ABOVE * frames_per_second, MOST_RATE)
        rate, trials = bisect_rate(attempt, most, config.most_lost)
    return {
        'rate': rate,
        'most_lost': config.most_lost,
        'trials': [
            {'rate': trial.rate, **trial.tally._asdict(), 'lost': trial.tally.lost}
            for trial in trials
        ],
    }


def trial_line(trial: Trial) -> str:
    """Return a trial in words."""
    tally = trial.tally
    return (
        f'{trial.rate:.2f} images/s, {tally.detected} of {tally.sent} detected, '
        f'{100 * tally.lost:.1f} % lost, {tally.rate:.2f} detected a second'
    )
