"""``squeezedet train``: fit a model to labelled images."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
import os
from pathlib import Path
import sys
from typing import Any, get_args

from squeezedet_ros.checkpoint import load_checkpoint, save_checkpoint
from squeezedet_ros.cli.options import add_config, read_config
from squeezedet_ros.config import Architecture, EngineConfig, ModelConfig, SelectionConfig
from squeezedet_ros.data.class_names import class_of, with_class_names
from squeezedet_ros.data.frames import has_split, LabelledFrame, list_frames
from squeezedet_ros.data.scan import Scan, scan_frames
from squeezedet_ros.detector import Detector
from squeezedet_ros.engines.torch_engine import resolve_device
from squeezedet_ros.errors import ConfigError, DatasetError
from squeezedet_ros.evaluation.average_precision import evaluate_detections
from squeezedet_ros.evaluation.evaluator import (
    detect_frames,
    evaluation_selection,
    EvaluationConfig,
)
from squeezedet_ros.network import SqueezeDet
from squeezedet_ros.training.anchor_clustering import read_anchor_set
from squeezedet_ros.training.loading_rate import LoadingRate, measure_loading
from squeezedet_ros.training.recipe import TrainingConfig
from squeezedet_ros.training.start import initial_network, load_imagenet_features, with_classes
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
    parser.add_argument(
        '--classes',
        nargs='+',
        help='class names; those of --weights or the reference unless given',
    )
    parser.add_argument(
        '--anchors', type=Path, metavar='FILE', help='what squeezedet anchors --json wrote'
    )
    parser.add_argument(
        '--measure-loading',
        action='store_true',
        help='print images a second of the loader and of the training steps, and stop',
    )
    parser.add_argument('--device', default='auto', help='auto, cpu or cuda:N, for the training')
    add_config(parser, TrainingConfig)


def run(arguments: argparse.Namespace) -> int:
    """
    Train, and say where the weights lie.

    :raises CheckpointError: when weights or a training to go on with cannot be used.
    :raises ConfigError: for a setting outside its bounds.
    :raises DatasetError: when the data cannot be read, or holds no object of any class.
    :raises DeviceError: when the device is not to be had.
    """
    training = read_config(arguments, TrainingConfig)
    device = resolve_device(EngineConfig(device=arguments.device).device)
    if device.type == 'cpu':
        torch.set_num_threads(os.cpu_count() or 1)
    network = _initial_network(arguments, training)
    frames = _training_frames(arguments, network.config.classes, training)
    if arguments.measure_loading:
        return _print_rates(measure_loading(network, frames, training, device), training)
    validation = _validation_frames(arguments, training.strict)
    aliases = training.alias_map()
    evaluate = _evaluator(validation, aliases, arguments.device) if validation else None
    trainer = Trainer(network, frames, training, arguments.out, evaluate, device)
    print(
        f'{len(frames)} images to train on, {len(validation)} to evaluate on, '
        f'steps {trainer.step} to {trainer.steps}, {device}'
    )
    final = arguments.out / 'final.safetensors'
    save_checkpoint(_fit(trainer), final)
    print(f'averaged weights of the last step: {final}')
    return 0


def _initial_network(arguments: argparse.Namespace, training: TrainingConfig) -> SqueezeDet:
    if arguments.weights:
        if arguments.anchors:
            raise ConfigError('--anchors is for a new network; that of --weights has its shapes')
        return _for_classes(load_checkpoint(arguments.weights), arguments.classes)
    anchors = read_anchor_set(arguments.anchors) if arguments.anchors else None
    network = initial_network(arguments.architecture, training, arguments.classes or (), anchors)
    if arguments.features:
        names = load_imagenet_features(network, arguments.features)
        print(f'{len(names)} arrays of ImageNet features from {arguments.features}')
    return network


def _for_classes(network: SqueezeDet, classes: list[str] | None) -> SqueezeDet:
    old = network.config.classes
    if classes is None or tuple(classes) == old:
        return network
    kept = [name for name in classes if name in old]
    new = [name for name in classes if name not in old]
    print(
        f'classes {", ".join(classes)} instead of {", ".join(old)}: all of the network is kept '
        f'but its class channels; of these, kept: {", ".join(kept) or "none"}, '
        f'untrained: {", ".join(new) or "none"}'
    )
    return with_classes(network, classes)


def _training_frames(
    arguments: argparse.Namespace, classes: Sequence[str], training: TrainingConfig
) -> list[LabelledFrame]:
    listed = [
        frame for directory in arguments.data for frame in list_frames(directory, arguments.split)
    ]
    scan = scan_frames(listed, strict=training.strict)
    _print_damaged(scan)
    aliases = training.alias_map()
    trained: dict[int, list[str]] = {index: [] for index in range(-1, len(classes))}
    for name, count in scan.labels.most_common():
        trained[class_of(name, classes, aliases)].append(f'{name} {count}')
    if not any(trained[index] for index in range(len(classes))):
        raise DatasetError(
            f'no label is of a class ({", ".join(classes)}); labels present: '
            f'{", ".join(trained[-1]) or "none"}; see --classes and --aliases'
        )
    for index, name in enumerate(classes):
        print(f'{name}: {", ".join(trained[index]) or "no label"}')
    print(f'ignored: {", ".join(trained[-1]) or "no label"}; images without labels: {scan.empty}')
    return scan.frames


def _print_damaged(scan: Scan) -> None:
    for message in scan.damaged:
        print(f'left out: {message}', file=sys.stderr)
    if scan.damaged:
        total = len(scan.damaged) + len(scan.frames)
        print(f'{len(scan.damaged)} of {total} frames left out', file=sys.stderr)


def _print_rates(rate: LoadingRate, training: TrainingConfig) -> int:
    print(f'loading   {rate.loading:8.1f} images a second, {training.workers} workers')
    print(f'training  {rate.training:8.1f} images a second, loading not counted')
    print(f'ratio     {rate.ratio:8.1f}')
    return 0


def _fit(trainer: Trainer) -> SqueezeDet:
    try:
        return trainer.fit()
    except DatasetError as error:
        # A worker process sends its whole traceback as the message; the error is the last line.
        last = str(error).rstrip().splitlines()[-1]
        raise DatasetError(
            last.removeprefix(f'{DatasetError.__module__}.DatasetError: ')
        ) from error


def _validation_frames(arguments: argparse.Namespace, strict: bool) -> list[LabelledFrame]:
    listed = [
        frame
        for directory in arguments.data
        if has_split(directory, arguments.validation_split)
        for frame in list_frames(directory, arguments.validation_split)
    ]
    # An evaluation reads all of it and cannot take another image in place of a damaged one.
    scan = scan_frames(listed, strict=strict, images=True)
    _print_damaged(scan)
    return scan.frames


def _evaluator(frames: list[LabelledFrame], aliases: dict[str, str], device: str) -> Evaluate:
    config = EvaluationConfig()
    selection = evaluation_selection(SelectionConfig(), config)

    def evaluate(network: SqueezeDet) -> tuple[float, dict[str, Any]]:
        detector = Detector(network, selection, EngineConfig(device=device, precision='float32'))
        truths, detections = detect_frames(detector, frames, config.batch_size)
        classes = network.config.classes
        named = [with_class_names(truth, classes, aliases) for truth in truths]
        table = evaluate_detections(named, detections, classes, config.min_overlap).ap11
        scores = {name: table[name]['all'] for name in classes}
        known = [score for score in scores.values() if score is not None]
        report = {name: None if ap is None else round(ap, 4) for name, ap in scores.items()}
        return sum(known) / max(1, len(known)), {'ap': report}

    return evaluate
