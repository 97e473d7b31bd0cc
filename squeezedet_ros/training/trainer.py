"""The training loop: steps, log, checkpoints, evaluation, resumption."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
import json
import math
from pathlib import Path
from time import perf_counter
from typing import NoReturn

from squeezedet_ros.anchors import make_anchors
from squeezedet_ros.boxes import cxcywh_to_xyxy
from squeezedet_ros.checkpoint import save_checkpoint
from squeezedet_ros.data.frames import LabelledFrame
from squeezedet_ros.errors import ConfigError, TrainingError
from squeezedet_ros.network import RawPrediction, SqueezeDet
from squeezedet_ros.preprocessing import normalize
from squeezedet_ros.training.dataset import Batch, make_loader, TrainingSet
from squeezedet_ros.training.digest import digest_of_labels, digest_of_weights
from squeezedet_ros.training.distributed import ALONE, Processes
from squeezedet_ros.training.journal import Evaluation, Journal
from squeezedet_ros.training.loss import (
    batch_totals,
    LossTerms,
    modern_loss,
    paper_loss,
    weight_decay,
)
from squeezedet_ros.training.optimization import (
    AveragedWeights,
    clip_gradients,
    learning_rate,
    make_optimizer,
)
from squeezedet_ros.training.recipe import TrainingConfig
from squeezedet_ros.training.state import restore_state, save_state
from squeezedet_ros.training.targets import AnchorTargets
from squeezedet_ros.visualization import contact_sheet, draw_truth, Image
import torch
from torch.nn.parallel import DistributedDataParallel
from tqdm import tqdm

Evaluate = Callable[[SqueezeDet], Evaluation]
_PICTURED = 8
# Settings that do not change what is learnt, and so may change when a training goes on.
_FREE = ('strict', 'workers', 'save_every', 'evaluate_every')


class Trainer:
    """
    Fits a network and keeps everything about it in one folder.

    What :class:`Journal` writes stands there, ``state.safetensors`` with what a resumed run
    needs, and ``last.safetensors`` and ``best.safetensors``, the averaged weights, ready for
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
        processes: Processes = ALONE,
    ) -> None:
        """
        Prepare a training, resuming the one in ``out`` if there is one.

        :param processes: that train together, each with its part of every batch.
        :raises CheckpointError: when ``out`` holds a training with other settings.
        :raises DatasetError: when a label cannot be read.
        :raises ConfigError: when a layer to freeze is not one of the network, or the recipe does
            not go with the model's fit.
        """
        if training.recipe == 'paper' and network.config.fit != 'stretch':
            raise ConfigError(
                f'recipe paper stretches images: the model needs fit stretch, got '
                f'{network.config.fit}'
            )
        self._device = device or torch.device('cpu')
        self._training = training
        self._out = out
        self._evaluate = evaluate
        self._processes = processes
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
        settings = {key: value for key, value in asdict(training).items() if key not in _FREE}
        self._settings = json.dumps(
            {
                'training': settings,
                'model': asdict(network.config),
                'frames': len(frames),
                'labels': digest_of_labels(frames),
                'first weights': digest_of_weights(network),
            }
        )
        self._mean = torch.tensor(network.config.pixel_mean, device=self._device)
        self.step = 0
        if self._state_path.is_file():
            self.step = restore_state(
                self._state_path, self._network, self._average, self._optimizer, self._settings
            )
        self._journal = Journal(out, self.step) if processes.leads else None

    @property
    def _state_path(self) -> Path:
        return self._out / 'state.safetensors'

    def fit(self) -> SqueezeDet:
        """
        Run the steps that are left; return the network with its averaged weights.

        :raises TrainingError: when the loss is no longer finite.
        """
        training = self._training
        if self._journal:
            self._journal.open()
        batches = make_loader(self._data, training, self.step, self.steps, self._processes)
        with tqdm(
            total=self.steps, initial=self.step, unit='step', disable=not self._processes.leads
        ) as progress:
            self._run(batches, progress)
        if self._journal:
            self._journal.close()
        return self._averaged()

    def _run(self, batches: Iterable[Batch], progress: tqdm[NoReturn]) -> None:
        training = self._training
        network = self._shared_network()
        per_epoch = len(self._frames) / training.batch_size
        every = max(1, round(training.evaluate_every * per_epoch))
        saved = ready = perf_counter()
        for batch in batches:
            waited = perf_counter() - ready
            if self._journal and self.step == 0:
                self._journal.picture('batch', self._picture(batch), 0)
            loss = self._train_step(network, batch, waited)
            self.step += 1
            progress.update()
            progress.set_postfix(loss=f'{loss:.3f}')
            finished = self.step == self.steps
            if self._journal and (finished or self.step % every == 0):
                self._validate(self._journal)
            if finished or perf_counter() - saved > training.save_every:
                self._save()
                saved = perf_counter()
            ready = perf_counter()

    def _shared_network(self) -> torch.nn.Module:
        if self._processes.size == 1:
            return self._network
        on_gpu = self._device.type == 'cuda'
        return DistributedDataParallel(self._network, [self._device] if on_gpu else None)

    def _train_step(self, network: torch.nn.Module, batch: Batch, waited: float) -> float:
        start = perf_counter()
        # Dropout is seeded by the step, so that a resumed run draws what the unbroken run drew.
        torch.manual_seed(
            (self._training.seed * 1_000_003 + self.step) * self._processes.size
            + self._processes.rank
        )
        rate = learning_rate(self.step, self.steps, self._training)
        for group in self._optimizer.param_groups:
            group['lr'] = rate
        self._network.train()
        terms = self._loss(network, batch)
        # Gradients are averaged over the processes, but their losses add up.
        loss = terms.total() * self._processes.size
        if self._training.recipe == 'paper':
            loss = loss + weight_decay(self._network, self._training.weight_decay)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        clip_gradients(self._network, self._training)
        self._optimizer.step()
        self._average.update(self._network, self.step)
        parts = self._processes.total(torch.stack(terms).detach()).tolist()
        named = dict(zip(LossTerms._fields, parts, strict=True))
        if not math.isfinite(sum(parts)):
            raise TrainingError(
                f'step {self.step}: expected a finite loss, got {named}; see learning_rate'
            )
        if self._journal:
            times = {'seconds': perf_counter() - start, 'waited': waited}
            rounded = {key: round(value, 5) for key, value in (times | named).items()}
            self._journal.step(self.step, {'lr': rate, **rounded})
        return float(sum(parts))

    def _loss(self, network: torch.nn.Module, batch: Batch) -> LossTerms:
        config, weights = self._network.config, self._training.loss_weights()
        images = batch.images.to(self._device, non_blocking=True)
        size = images.shape[1], images.shape[2]
        mixed = self._training.precision == 'bfloat16'
        with torch.autocast(self._device.type, torch.bfloat16, enabled=mixed):
            raw = network(normalize(images, self._mean, torch.float32))
        raw = RawPrediction(*(part.float() for part in raw))
        targets = AnchorTargets(*(part.to(self._device) for part in batch.targets))
        totals = batch_totals(targets, self._processes)
        anchors = make_anchors(config, size).to(self._device)
        if self._training.recipe == 'paper':
            return paper_loss(raw, targets, anchors, size, config.exp_thresh, weights, totals)
        return modern_loss(raw, targets, anchors, config.exp_thresh, weights, totals)

    def _averaged(self) -> SqueezeDet:
        network = SqueezeDet(self._network.config)
        paper = self._training.recipe == 'paper'
        network.load_state_dict(self._network.state_dict() if paper else self._average.values)
        return network.eval()

    def _validate(self, journal: Journal) -> None:
        network = self._averaged()
        save_checkpoint(network, self._out / 'last.safetensors')
        if self._evaluate is None:
            return
        evaluation = self._evaluate(network)
        if evaluation.score is None:
            tqdm.write(f'step {self.step}: no object of the validation counts, none is the best')
        else:
            if evaluation.score > journal.best:
                save_checkpoint(network, self._out / 'best.safetensors')
            tqdm.write(
                f'step {self.step}: validation {evaluation.score:.4f} {json.dumps(evaluation.ap)}'
            )
        journal.evaluation(self.step, evaluation)

    def _save(self) -> None:
        if self._processes.leads:
            save_state(
                self._state_path,
                self.step,
                self._network,
                self._average,
                self._optimizer,
                self._settings,
            )

    def _picture(self, batch: Batch) -> Image:
        """Return the first images of a batch with the objects that are to be learnt."""
        targets, classes = batch.targets, self._network.config.classes
        pictures = []
        for row, image in enumerate(batch.images[:_PICTURED]):
            best = targets.share[row] == 1
            boxes = cxcywh_to_xyxy(targets.boxes[row, best]).numpy()
            names = [classes[label] for label in targets.labels[row, best]]
            pictures.append(draw_truth(image.numpy(), boxes, names))
        captions = [f'window {row}' for row in range(len(pictures))]
        return contact_sheet(pictures, captions, columns=4)


def _freeze(network: SqueezeDet, layers: Sequence[str]) -> None:
    modules = {'conv1': network.conv1, **dict(network.fires.items())}
    for name in layers:
        if name not in modules:
            raise ConfigError(f'frozen must name layers among {", ".join(modules)}, got {name!r}')
        modules[name].requires_grad_(False)
