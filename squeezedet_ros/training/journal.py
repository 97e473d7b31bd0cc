"""The record of a training: its log, TensorBoard's events, and pictures."""

from __future__ import annotations

from collections.abc import Iterator
import json
import math
from pathlib import Path
from typing import Any, NamedTuple, TYPE_CHECKING

import cv2
from squeezedet_ros.checkpoint import write_atomically
from squeezedet_ros.errors import CheckpointError
from squeezedet_ros.visualization import Image

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

LOG = 'log.jsonl'


class Evaluation(NamedTuple):
    """
    What a network is worth.

    :param score: mean average precision, by which the best network is chosen; None without truth.
    :param ap: average precision by class, None without truth.
    :param picture: (height, width, 3) uint8 blue, green, red: detections for people to look at.
    """

    score: float | None
    ap: dict[str, float | None]
    picture: Image | None = None


class Journal:
    """
    Writes down what happens in a training, in its folder.

    ``log.jsonl`` has a line for each step and each evaluation, ``tensorboard`` the same as
    events where TensorBoard is installed, ``batch.png`` and ``validation.png`` the latest
    pictures.

    :param best: greatest score so far.
    """

    def __init__(self, out: Path, step: int) -> None:
        """Open the record of a training that goes on at ``step``; what is beyond is dropped."""
        self._out = out
        self._board: SummaryWriter | None = None
        self._first = step
        entries = []
        if (out / LOG).is_file():
            entries = list(_kept(read_log(out), step))
            content = ''.join(json.dumps(entry) + '\n' for entry in entries)
            write_atomically(out / LOG, content.encode())
        self.best = -math.inf
        for entry in entries:
            self._note(entry.get('score'))

    def open(self) -> None:
        """Make the folder and, where it is installed, begin with TensorBoard."""
        self._out.mkdir(parents=True, exist_ok=True)
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            return
        self._board = SummaryWriter(str(self._out / 'tensorboard'), purge_step=self._first)

    def step(self, step: int, values: dict[str, float]) -> None:
        """Write down a training step, counted from 0."""
        self._append({'step': step, **values})
        self._scalars('training', values, step)

    def evaluation(self, step: int, evaluation: Evaluation) -> None:
        """Write down an evaluation after ``step`` steps."""
        self._note(evaluation.score)
        self._append({'step': step, 'score': evaluation.score, 'ap': evaluation.ap})
        values = {'score': evaluation.score, **evaluation.ap}
        known = {name: value for name, value in values.items() if value is not None}
        self._scalars('validation', known, step)
        if evaluation.picture is not None:
            self.picture('validation', evaluation.picture, step)

    def picture(self, name: str, image: Image, step: int) -> None:
        """Keep an image, (height, width, 3) uint8 blue, green, red, in place of the last."""
        write_atomically(self._out / f'{name}.png', cv2.imencode('.png', image)[1].tobytes())
        if self._board is not None:
            rgb = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
            self._board.add_image(name, rgb, step, dataformats='HWC')

    def close(self) -> None:
        """Write out what TensorBoard still holds."""
        if self._board is not None:
            self._board.close()

    def _note(self, score: float | None) -> None:
        self.best = self.best if score is None else max(self.best, score)

    def _append(self, entry: dict[str, Any]) -> None:
        with (self._out / LOG).open('a') as log:
            log.write(json.dumps(entry) + '\n')

    def _scalars(self, group: str, values: dict[str, float], step: int) -> None:
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(f'{group}/{name}', value, step)


def read_log(out: Path) -> Iterator[dict[str, Any]]:
    """
    Return the entries of a training's log; a line without its end was cut off by a stop.

    :raises CheckpointError: naming a line that is none of a log.
    """
    for number, line in enumerate((out / LOG).read_text().splitlines(keepends=True), 1):
        if line.endswith('\n'):
            try:
                entry = json.loads(line)
            except ValueError as error:
                raise CheckpointError(f'{out / LOG}:{number}: expected JSON: {error}') from error
            if not (isinstance(entry, dict) and isinstance(entry.get('step'), int)):
                raise CheckpointError(
                    f'{out / LOG}:{number}: expected an object with a step, got {line!r}'
                )
            yield entry


def _kept(entries: Iterator[dict[str, Any]], step: int) -> Iterator[dict[str, Any]]:
    """Return the entries before a step: a step counts from 0, an evaluation the steps so far."""
    return (entry for entry in entries if entry['step'] < step + ('score' in entry))
