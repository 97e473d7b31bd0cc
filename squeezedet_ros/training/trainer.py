"""The training loop: steps, log, checkpoints, evaluation, resumption."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
import json
from pathlib import Path
from time import perf_counter
from typing import Any

from squeezedet_ros.anchors import make_anchors
from squeezedet_ros.checkpoint import save_checkpoint, write_atomically
from squeezedet_ros.data.frames import LabelledFrame
from squeezedet_ros.errors import ConfigError
from squeezedet_ros.network import RawPrediction, SqueezeDet
from squeezedet_ros.preprocessing import normalize
from squeezedet_ros.training.dataset import Batch, TrainingSet, WeightedBatches
from squeezedet_ros.training.loss import LossTerms, modern_loss, paper_loss, weight_decay
from squeezedet_ros.training.optimization import (
    AveragedWeights,
    clip_gradients,
    learning_rate,
    make_optimizer,
)
from squeezedet_ros.training.recipe import TrainingConfig
from squeezedet_ros.training.state import restore_state, save_state
from squeezedet_ros.training.targets import AnchorTargets
import torch
from torch.utils.data import DataLoader
from tqdm import tqdm

# Returns the mean average precision of a network, and what else should stand in the log.
Evaluate = Callable[[SqueezeDet], tuple[float, dict[str, Any]]]
_SAVE_SECONDS = 120.0


class Trainer:
    """
    Fits a network and keeps everything about it in one folder.

    ``log.jsonl`` has a line for each step and evaluation, ``state.safetensors`` what a resumed
    run needs, ``last.safetensors`` and ``best.safetensors`` the averaged weights, ready for
    the detector.
    """

    def __init__(
        self,
        network: SqueezeDet,
        frames: Sequence[LabelledFrame],
        training: TrainingConfig,
        out: Path,
        evaluate: Evaluate | None = None,
        device: torch.device | None = None,
    ) -> None:
        """
        Prepare a training, resuming the one in ``out`` if there is one.

        :raises CheckpointError: when ``out`` holds a training with other settings.
        :raises ConfigError: when a layer to freeze is not one of the network.
        """
        self._device = device or torch.device('cpu')
        self._training = training
        self._out = out
        self._evaluate = evaluate
        self._data = TrainingSet(frames, network.config, training)
        self._frames = frames
        self.steps = max(1, round(training.epochs * len(frames) / training.batch_size))
        self._network = network.to(self._device)
        self._network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        _freeze(self._network, training.frozen)
        if training.recipe == 'modern':
            self._network.dropout.p = training.dropout
        self._optimizer = make_optimizer(self._network, training)
        self._average = AveragedWeights(self._network, training.ema_decay)
        self._settings = json.dumps(
            {'training': asdict(training), 'model': asdict(network.config), 'frames': len(frames)}
        )
        self._mean = torch.tensor(network.config.pixel_mean, device=self._device)
        self.step = 0
        if self._state_path.is_file():
            self.step = restore_state(
                self._state_path, self._network, self._average, self._optimizer, self._settings
            )
        self._best = self._best_logged()

    @property
    def _state_path(self) -> Path:
        return self._out / 'state.safetensors'

    def fit(self) -> SqueezeDet:
        """Run the steps that are left; return the network with its averaged weights."""
        self._out.mkdir(parents=True, exist_ok=True)
        batches = DataLoader(
            self._data,
            batch_sampler=WeightedBatches(self._frames, self._training, self.step, self.steps),
            collate_fn=self._data.collate,
            num_workers=self._training.workers,
            prefetch_factor=4 if self._training.workers else None,
        )
        every = max(
            1,
            round(self._training.evaluate_every * len(self._frames) / self._training.batch_size),
        )
        saved = perf_counter()
        with tqdm(total=self.steps, initial=self.step, unit='step') as progress:
            for batch in batches:
                terms = self._train_step(batch)
                self.step += 1
                progress.update()
                progress.set_postfix(loss=f'{float(terms.total().detach()):.3f}')
                finished = self.step == self.steps
                if finished or self.step % every == 0:
                    self._validate()
                if finished or perf_counter() - saved > _SAVE_SECONDS:
                    self._save()
                    saved = perf_counter()
        return self._averaged()

    def _train_step(self, batch: Batch) -> LossTerms:
        start = perf_counter()
        # Dropout is seeded by the step, so that a resumed run draws what the unbroken run drew.
        torch.manual_seed(self._training.seed * 1_000_003 + self.step)
        rate = learning_rate(self.step, self.steps, self._training)
        for group in self._optimizer.param_groups:
            group['lr'] = rate
        self._network.train()
        terms = self._loss(batch)
        loss = terms.total()
        if self._training.recipe == 'paper':
            loss = loss + weight_decay(self._network, self._training.weight_decay)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        clip_gradients(self._network, self._training)
        self._optimizer.step()
        self._average.update(self._network, self.step)
        parts = {name: round(float(value.detach()), 5) for name, value in terms._asdict().items()}
        seconds = round(perf_counter() - start, 3)
        self._log({'step': self.step, 'lr': rate, 'seconds': seconds, **parts})
        return terms

    def _loss(self, batch: Batch) -> LossTerms:
        config, weights = self._network.config, self._training.loss_weights()
        images = batch.images.to(self._device, non_blocking=True)
        size = images.shape[1], images.shape[2]
        mixed = self._training.precision == 'bfloat16'
        with torch.autocast(self._device.type, torch.bfloat16, enabled=mixed):
            raw = self._network(normalize(images, self._mean, torch.float32))
        raw = RawPrediction(*(part.float() for part in raw))
        targets = AnchorTargets(*(part.to(self._device) for part in batch.targets))
        anchors = make_anchors(config, size).to(self._device)
        if self._training.recipe == 'paper':
            return paper_loss(raw, targets, anchors, size, config.exp_thresh, weights)
        return modern_loss(raw, targets, anchors, config.exp_thresh, weights)

    def _averaged(self) -> SqueezeDet:
        network = SqueezeDet(self._network.config)
        paper = self._training.recipe == 'paper'
        network.load_state_dict(self._network.state_dict() if paper else self._average.values)
        return network.eval()

    def _validate(self) -> None:
        network = self._averaged()
        save_checkpoint(network, self._out / 'last.safetensors')
        if self._evaluate is None:
            return
        score, report = self._evaluate(network)
        self._log({'step': self.step, 'score': score, **report})
        tqdm.write(f'step {self.step}: validation {score:.4f} {json.dumps(report)}')
        if score > self._best:
            self._best = score
            save_checkpoint(network, self._out / 'best.safetensors')

    def _save(self) -> None:
        save_state(
            self._state_path,
            self.step,
            self._network,
            self._average,
            self._optimizer,
            self._settings,
        )

    def _log(self, entry: dict[str, Any]) -> None:
        with (self._out / 'log.jsonl').open('a') as log:
            log.write(json.dumps(entry) + '\n')

    def _best_logged(self) -> float:
        """Drop log lines beyond the resumed step, and return the best score that is left."""
        path = self._out / 'log.jsonl'
        if not path.is_file():
            return float('-inf')
        # A line without its end was cut off by the stop.
        lines = [
            line for line in path.read_text().splitlines(keepends=True) if line.endswith('\n')
        ]
        entries = [json.loads(line) for line in lines]
        # Steps count from 0, evaluations after them, so a step equal to ours is still to come.
        entries = [entry for entry in entries if entry['step'] < self.step + ('score' in entry)]
        write_atomically(path, ''.join(json.dumps(entry) + '\n' for entry in entries).encode())
        return max(
            (entry['score'] for entry in entries if 'score' in entry), default=float('-inf')
        )


def _freeze(network: SqueezeDet, layers: Sequence[str]) -> None:
    modules = {'conv1': network.conv1, **dict(network.fires.items())}
    for name in layers:
        if name not in modules:
            raise ConfigError(f'frozen must name layers among {", ".join(modules)}, got {name!r}')
        modules[name].requires_grad_(False)
