"""``squeezedet train``: fit a model to labelled images."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any, get_args

from squeezedet_ros.checkpoint import load_checkpoint, save_checkpoint
from squeezedet_ros.cli.options import add_config, read_config
from squeezedet_ros.config import Architecture, EngineConfig, ModelConfig, SelectionConfig
from squeezedet_ros.data.frames import has_split, LabelledFrame, list_frames
from squeezedet_ros.detector import Detector
from squeezedet_ros.engines.torch_engine import resolve_device
from squeezedet_ros.evaluation.average_precision import evaluate_detections
from squeezedet_ros.evaluation.evaluator import (
    detect_frames,
    evaluation_selection,
    EvaluationConfig,
)
from squeezedet_ros.network import SqueezeDet
from squeezedet_ros.training.recipe import TrainingConfig
from squeezedet_ros.training.start import initial_network, load_imagenet_features
from squeezedet_ros.training.trainer import Evaluate, Trainer
import torch


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        '--data', type=Path, nargs='+', required=True, help="folders in KITTI's or COCO's layout"
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
    device = resolve_device(EngineConfig(device=arguments.device).device)
    if device.type == 'cpu':
        torch.set_num_threads(os.cpu_count() or 1)
    network = _initial_network(arguments, training)
    frames = [
        frame for directory in arguments.data for frame in list_frames(directory, arguments.split)
    ]
    validation = _validation_frames(arguments)
    evaluate = _evaluator(validation, arguments.device) if validation else None
    trainer = Trainer(network, frames, training, arguments.out, evaluate, device)
    print(
        f'{len(frames)} images to train on, {len(validation)} to evaluate on, '
        f'steps {trainer.step} to {trainer.steps}, {device}'
    )
    final = arguments.out / 'final.safetensors'
    save_checkpoint(trainer.fit(), final)
    print(f'averaged weights of the last step: {final}')
    return 0


def _initial_network(arguments: argparse.Namespace, training: TrainingConfig) -> SqueezeDet:
    if arguments.weights:
        return load_checkpoint(arguments.weights)
    network = initial_network(arguments.architecture, training)
    if arguments.features:
        names = load_imagenet_features(network, arguments.features)
        print(f'{len(names)} arrays of ImageNet features from {arguments.features}')
    return network


def _validation_frames(arguments: argparse.Namespace) -> list[LabelledFrame]:
    return [
        frame
        for directory in arguments.data
        if has_split(directory, arguments.validation_split)
        for frame in list_frames(directory, arguments.validation_split)
    ]


def _evaluator(frames: list[LabelledFrame], device: str) -> Evaluate:
    config = EvaluationConfig()
    selection = evaluation_selection(SelectionConfig(), config)

    def evaluate(network: SqueezeDet) -> tuple[float, dict[str, Any]]:
        detector = Detector(network, selection, EngineConfig(device=device, precision='float32'))
        truths, detections = detect_frames(detector, frames, config.batch_size)
        classes = network.config.classes
        table = evaluate_detections(truths, detections, classes, config.min_overlap).ap11
        scores = {name: table[name]['all'] for name in classes}
        known = [score for score in scores.values() if score is not None]
        report = {name: None if ap is None else round(ap, 4) for name, ap in scores.items()}
        return sum(known) / max(1, len(known)), {'ap': report}

    return evaluate
