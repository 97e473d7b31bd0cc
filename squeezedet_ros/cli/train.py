"""``squeezedet train``: fit a model to labelled images."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
import sys
from typing import get_args

from squeezedet_ros.checkpoint import load_checkpoint, resolve_weights, save_checkpoint
from squeezedet_ros.cli.options import add_config, read_config
from squeezedet_ros.config import Architecture, EngineConfig, ModelConfig, SelectionConfig
from squeezedet_ros.data.class_names import class_of, with_class_names
from squeezedet_ros.data.frames import has_split, LabelledFrame, list_frames, read_image
from squeezedet_ros.data.ground_truth import GroundTruth
from squeezedet_ros.data.scan import Scan, scan_frames
from squeezedet_ros.detections import Detections
from squeezedet_ros.detector import Detector
from squeezedet_ros.engines.engine import thread_count
from squeezedet_ros.engines.torch_engine import resolve_device
from squeezedet_ros.errors import ConfigError, DatasetError, MissingPackageError
from squeezedet_ros.evaluation.average_precision import evaluate_detections
from squeezedet_ros.evaluation.evaluator import (
    detect_frames,
    evaluation_selection,
    EvaluationConfig,
)
from squeezedet_ros.network import SqueezeDet
from squeezedet_ros.training.anchor_clustering import read_anchor_set
from squeezedet_ros.training.distributed import (
    join_processes,
    leave_processes,
    own_device,
    started_processes,
)
from squeezedet_ros.training.journal import Evaluation
from squeezedet_ros.training.loading_rate import LoadingRate, measure_loading
from squeezedet_ros.training.recipe import TrainingConfig
from squeezedet_ros.training.start import initial_network, load_imagenet_features, with_classes
from squeezedet_ros.training.summary import write_summary
from squeezedet_ros.training.trainer import Evaluate, Trainer
from squeezedet_ros.training.widening import widen
from squeezedet_ros.visualization import contact_sheet, draw_detections, draw_truth, Image
import torch

_PICTURED = 8
_VALIDATION, _NO_SPLIT = 'val', 'none'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        '--data', type=Path, nargs='+', required=True, help="folders in KITTI's or COCO's layout"
    )
    parser.add_argument('--split', default='train', help='split to train on, in every folder')
    parser.add_argument(
        '--validation-split',
        help=f'split to evaluate on, none for none; {_VALIDATION} where a folder has it unless '
        'given',
    )
    parser.add_argument('--out', type=Path, required=True, help='folder of the training')
    parser.add_argument('--features', type=Path, help='.npz of ImageNet SqueezeNet features')
    parser.add_argument('--weights', help='checkpoint to start from; PATH#sha256=DIGEST checks it')
    parser.add_argument(
        '--architecture',
        choices=get_args(Architecture),
        help=f'network; that of --weights or {ModelConfig().architecture} unless given; '
        'squeezedet_plus can begin with weights of squeezedet',
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
    device = resolve_device(own_device(EngineConfig(device=arguments.device).device))
    if device.type == 'cpu':
        torch.set_num_threads(max(1, thread_count(0) // started_processes()))
    processes = join_processes(device)
    network, brought = _initial_network(arguments, training)
    if not isinstance(arguments.frozen, list):
        # What is drawn at random is nothing to keep.
        kept = tuple(name for name in training.frozen if name in brought)
        training = replace(training, frozen=kept)
    scan = _scan_training(arguments, training.strict)
    if processes.leads:
        _print_damaged(scan)
    _check_labels(scan, network.config.classes, training.alias_map(), processes.leads)
    frames = scan.frames
    if arguments.measure_loading:
        return _print_rates(measure_loading(network, frames, training, device), training)
    # The leading process alone evaluates.
    validation = _validation_frames(arguments, training.strict) if processes.leads else []
    aliases = training.alias_map()
    evaluate = _evaluator(validation, aliases, arguments.device) if validation else None
    trainer = Trainer(network, frames, training, arguments.out, evaluate, device, processes)
    if processes.leads:
        print(
            f'{len(frames)} images to train on, {len(validation)} to evaluate on, '
            f'steps {trainer.step} to {trainer.steps}, {processes.size} x {device}'
        )
    final = _fit(trainer)
    leave_processes(processes)
    if processes.leads:
        _report(final, arguments.out, len(frames) / training.batch_size)
    return 0


def _report(network: SqueezeDet, out: Path, steps_per_epoch: float) -> None:
    path = out / 'final.safetensors'
    save_checkpoint(network, path)
    print(f'weights of the last step: {path}')
    try:
        print(f'how it went: {write_summary(out, steps_per_epoch)}')
    except MissingPackageError as error:
        print(error)


def _initial_network(
    arguments: argparse.Namespace, training: TrainingConfig
) -> tuple[SqueezeDet, set[str]]:
    """Return where the training begins, and which layers are no longer as they were drawn."""
    if arguments.weights:
        if arguments.anchors:
            raise ConfigError('--anchors is for a new network; that of --weights has its shapes')
        if arguments.features:
            raise ConfigError('--features is for a new network; that of --weights has its own')
        network = load_checkpoint(resolve_weights(arguments.weights))
        network = _for_architecture(network, arguments.architecture, training)
        return _for_classes(network, arguments.classes), {'conv1', *network.fires}
    anchors = read_anchor_set(arguments.anchors) if arguments.anchors else None
    architecture = arguments.architecture or ModelConfig().architecture
    network = initial_network(architecture, training, arguments.classes or (), anchors)
    names = []
    if arguments.features:
        names = load_imagenet_features(network, arguments.features)
        print(f'{len(names)} arrays of ImageNet features from {arguments.features}')
    return network, {name.partition('.')[0] for name in names}


def _for_architecture(
    network: SqueezeDet, architecture: Architecture | None, training: TrainingConfig
) -> SqueezeDet:
    if architecture in (None, network.config.architecture):
        return network
    print(f'{architecture} begins with what {network.config.architecture} computes up to fire8')
    return widen(network, architecture, training)


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


def _scan_training(arguments: argparse.Namespace, strict: bool) -> Scan:
    listed = [
        frame for directory in arguments.data for frame in list_frames(directory, arguments.split)
    ]
    return scan_frames(listed, strict=strict)


def _check_labels(
    scan: Scan, classes: Sequence[str], aliases: dict[str, str], leads: bool
) -> None:
    """Say which label is trained as what; there has to be one at least."""
    trained: dict[int, list[str]] = {index: [] for index in range(-1, len(classes))}
    for name, count in scan.labels.most_common():
        trained[class_of(name, classes, aliases)].append(f'{name} {count}')
    if not any(trained[index] for index in range(len(classes))):
        raise DatasetError(
            f'no label is of a class ({", ".join(classes)}); labels present: '
            f'{", ".join(trained[-1]) or "none"}; see --classes and --aliases'
        )
    if leads:
        for index, name in enumerate(classes):
            print(f'{name}: {", ".join(trained[index]) or "no label"}')
        ignored = ', '.join(trained[-1]) or 'no label'
        print(f'ignored: {ignored}; images without labels: {scan.empty}')


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
    wanted, split = arguments.validation_split, arguments.validation_split or _VALIDATION
    if wanted == _NO_SPLIT:
        return []
    listed = [
        frame
        for directory in arguments.data
        if has_split(directory, split)
        for frame in list_frames(directory, split)
    ]
    if wanted and not listed:
        raise DatasetError(
            f'no folder of --data has the split {split!r} to evaluate on; {_NO_SPLIT} trains '
            'without an evaluation'
        )
    # An evaluation reads all of it and cannot take another image in place of a damaged one.
    scan = scan_frames(listed, strict=strict, read=read_image)
    _print_damaged(scan)
    return scan.frames


def _evaluator(frames: list[LabelledFrame], aliases: dict[str, str], device: str) -> Evaluate:
    config = EvaluationConfig()
    selection = evaluation_selection(SelectionConfig(), config)

    def evaluate(network: SqueezeDet) -> Evaluation:
        detector = Detector(
            network,
            selection,
            EngineConfig(
                engine='torch',
                device=device,
                precision='float32',
                # The engine would take all cores, of which this process may have its share.
                num_threads=torch.get_num_threads(),
            ),
        )
        truths, detections = detect_frames(detector, frames, config.batch_size, SelectionConfig())
        classes = network.config.classes
        named = [with_class_names(truth, classes, aliases) for truth in truths]
        table = evaluate_detections(named, detections, classes, config.min_overlap).ap11
        scores = {name: table[name]['all'] for name in classes}
        known = [score for score in scores.values() if score is not None]
        ap = {name: None if score is None else round(score, 4) for name, score in scores.items()}
        picture = _picture(frames, truths, detections, classes)
        return Evaluation(sum(known) / len(known) if known else None, ap, picture)

    return evaluate


def _picture(
    frames: Sequence[LabelledFrame],
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
