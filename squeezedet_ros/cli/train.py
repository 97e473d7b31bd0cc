"""``squeezedet train``: fit a model to labelled images."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
import os
from pathlib import Path
from typing import get_args

from squeezedet_ros.checkpoint import load_checkpoint, save_checkpoint
from squeezedet_ros.cli.options import add_config, read_config
from squeezedet_ros.config import Architecture, EngineConfig, ModelConfig, SelectionConfig
from squeezedet_ros.data.ground_truth import GroundTruth
from squeezedet_ros.data.kitti import KittiFrame, list_frames, read_image
from squeezedet_ros.detections import Detections
from squeezedet_ros.detector import Detector
from squeezedet_ros.engines.memory import keep_freed_memory
from squeezedet_ros.engines.torch_engine import resolve_device
from squeezedet_ros.errors import MissingPackageError
from squeezedet_ros.evaluation.average_precision import evaluate_detections
from squeezedet_ros.evaluation.evaluator import (
    detect_frames,
    evaluation_selection,
    EvaluationConfig,
)
from squeezedet_ros.network import SqueezeDet
from squeezedet_ros.training.distributed import (
    join_processes,
    leave_processes,
    own_device,
    started_processes,
)
from squeezedet_ros.training.journal import Evaluation, Image
from squeezedet_ros.training.recipe import TrainingConfig
from squeezedet_ros.training.start import initial_network, load_imagenet_features
from squeezedet_ros.training.summary import write_summary
from squeezedet_ros.training.trainer import Evaluate, Trainer
from squeezedet_ros.visualization import contact_sheet, draw_detections, draw_truth
import torch

_PICTURED = 8


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        '--data', type=Path, nargs='+', required=True, help='folders in KITTI layout'
    )
    parser.add_argument('--split', default='train', help='split to train on, in every folder')
    parser.add_argument(
        '--validation-split', default='val', help='split to evaluate on, where a folder has it'
    )
    parser.add_argument('--out', type=Path, required=True, help='folder of the training')
    parser.add_argument('--features', type=Path, help='.npz of ImageNet SqueezeNet features')
    parser.add_argument('--weights', type=Path, help='checkpoint to start from')
    parser.add_argument(
        '--architecture',
        choices=get_args(Architecture),
        default=ModelConfig().architecture,
        help='network, where --weights does not say',
    )
    parser.add_argument('--device', default='auto', help='auto, cpu or cuda:N, for the training')
    add_config(parser, TrainingConfig)


def run(arguments: argparse.Namespace) -> int:
    """Train, and say where the weights lie."""
    training = read_config(arguments, TrainingConfig)
    device = resolve_device(own_device(EngineConfig(device=arguments.device).device))
    if device.type == 'cpu':
        torch.set_num_threads(max(1, (os.cpu_count() or 1) // started_processes()))
        keep_freed_memory()
    processes = join_processes(device)
    network = _initial_network(arguments, training)
    frames = [
        frame for directory in arguments.data for frame in list_frames(directory, arguments.split)
    ]
    validation = _validation_frames(arguments)
    evaluate = _evaluator(validation, arguments.device) if validation else None
    trainer = Trainer(network, frames, training, arguments.out, evaluate, device, processes)
    if processes.leads:
        print(
            f'{len(frames)} images to train on, {len(validation)} to evaluate on, '
            f'steps {trainer.step} to {trainer.steps}, {processes.size} x {device}'
        )
    final = trainer.fit()
    leave_processes(processes)
    if processes.leads:
        _report(final, arguments.out, len(frames) / training.batch_size)
    return 0


def _report(network: SqueezeDet, out: Path, steps_per_epoch: float) -> None:
    path = out / 'final.safetensors'
    save_checkpoint(network, path)
    print(f'averaged weights of the last step: {path}')
    try:
        print(f'how it went: {write_summary(out, steps_per_epoch)}')
    except MissingPackageError as error:
        print(error)


def _initial_network(arguments: argparse.Namespace, training: TrainingConfig) -> SqueezeDet:
    if arguments.weights:
        return load_checkpoint(arguments.weights)
    network = initial_network(arguments.architecture, training)
    if arguments.features:
        names = load_imagenet_features(network, arguments.features)
        print(f'{len(names)} arrays of ImageNet features from {arguments.features}')
    return network


def _validation_frames(arguments: argparse.Namespace) -> list[KittiFrame]:
    name = f'{arguments.validation_split}.txt'
    return [
        frame
        for directory in arguments.data
        if (directory / 'ImageSets' / name).is_file()
        for frame in list_frames(directory, arguments.validation_split)
    ]


def _evaluator(frames: list[KittiFrame], device: str) -> Evaluate:
    config = EvaluationConfig()
    selection = evaluation_selection(SelectionConfig(), config)

    def evaluate(network: SqueezeDet) -> Evaluation:
        detector = Detector(network, selection, EngineConfig(device=device, precision='float32'))
        truths, detections = detect_frames(detector, frames, config.batch_size)
        classes = network.config.classes
        table = evaluate_detections(truths, detections, classes, config.min_overlap).ap11
        scores = {name: table[name]['all'] for name in classes}
        known = [score for score in scores.values() if score is not None]
        ap = {name: None if score is None else round(score, 4) for name, score in scores.items()}
        picture = _picture(frames, truths, detections, classes)
        return Evaluation(sum(known) / max(1, len(known)), ap, picture)

    return evaluate


def _picture(
    frames: Sequence[KittiFrame],
    truths: Sequence[GroundTruth],
    detections: Sequence[Detections],
    classes: Sequence[str],
) -> Image:
    """Return a sheet of some frames, evenly spread, with truth and what would be published."""
    rows = range(0, len(frames), -(-len(frames) // _PICTURED))
    threshold = SelectionConfig().plot_prob_thresh
    pictures = []
    for row in rows:
        truth, found = truths[row], detections[row]
        image = draw_truth(read_image(frames[row].image_path), truth.boxes, truth.names)
        pictures.append(draw_detections(image, found.select(found.scores >= threshold), classes))
    return contact_sheet(pictures, [frames[row].name for row in rows])
