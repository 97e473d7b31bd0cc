"""``squeezedet evaluate``: score a checkpoint, or result files, on a labelled set."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from squeezedet_ros.checkpoint import resolve_weights
from squeezedet_ros.cli.info import (
    add_json_option,
    add_weights_option,
    describe_checkpoint,
    write_json,
)
from squeezedet_ros.cli.options import add_config, read_aliases, read_config
from squeezedet_ros.config import EngineConfig, ModelConfig, SelectionConfig
from squeezedet_ros.data.class_names import check_aliases, with_class_names
from squeezedet_ros.data.frames import LabelledFrame, list_frames
from squeezedet_ros.data.kitti_results import load_results, save_results
from squeezedet_ros.detector import Detector
from squeezedet_ros.errors import ConfigError
from squeezedet_ros.evaluation.curves import require_matplotlib
from squeezedet_ros.evaluation.drive_record import record_path, save_record
from squeezedet_ros.evaluation.evaluator import (
    detect_frames,
    evaluation_selection,
    EvaluationConfig,
    LabelledDetections,
    make_record,
)
from squeezedet_ros.evaluation.pictures import save_pictures
from squeezedet_ros.evaluation.report import format_report, make_report


class _Evaluated(NamedTuple):
    """
    What is scored.

    :param settings: how it came about, an object of JSON.
    """

    labelled: LabelledDetections
    classes: Sequence[str]
    settings: dict[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        '--data', type=Path, required=True, help="folder in KITTI's or COCO's layout"
    )
    parser.add_argument('--split', default='val', help='which split of it')
    parser.add_argument(
        '--aliases',
        nargs='+',
        default=[],
        help='labels scored as a class, LABEL=CLASS',
    )
    add_weights_option(parser)
    parser.add_argument(
        '--results',
        type=Path,
        metavar='DIR',
        help='score the KITTI result files in this folder, NAME.txt for each image; '
        'no detector runs',
    )
    add_json_option(parser)
    parser.add_argument(
        '--save-record',
        action='store_true',
        help='write beside the --json FILE what was seen in each image; `squeezedet compare` '
        'needs it for intervals',
    )
    parser.add_argument(
        '--report',
        type=Path,
        metavar='DIR',
        help='write pictures here: precision_recall.png and worst_frames.png',
    )
    parser.add_argument(
        '--save-predictions', type=Path, metavar='DIR', help='write KITTI result files here'
    )
    for config in (EvaluationConfig, SelectionConfig, EngineConfig):
        add_config(parser, config)


def run(arguments: argparse.Namespace) -> int:
    """
    Score a checkpoint or result files and print the table.

    :raises CheckpointError: when the weights cannot be used.
    :raises ConfigError: for a setting outside its bounds, or options that exclude each other.
    :raises DatasetError: when the data or the result files cannot be read.
    :raises DeviceError: when the device or precision is not to be had.
    :raises MissingPackageError: when pictures are asked for and matplotlib is not installed.
    """
    config = read_config(arguments, EvaluationConfig)
    selection = read_config(arguments, SelectionConfig)
    if arguments.save_record and not arguments.json:
        raise ConfigError('--save-record writes beside --json FILE, which was not given')
    if arguments.report:
        require_matplotlib()
    frames = list_frames(arguments.data, arguments.split)
    if arguments.results:
        labelled, classes, settings = _read(arguments, frames)
    else:
        labelled, classes, settings = _detect(arguments, frames, config, selection)
    aliases = read_aliases(arguments)
    named = [with_class_names(truth, classes, aliases) for truth in labelled.truths]
    labelled = labelled._replace(truths=named)
    report = make_report(*labelled, classes, config.min_overlap, selection)
    source = {
        'data': str(arguments.data),
        'split': arguments.split,
        'aliases': list(arguments.aliases),
    }
    report['settings'] = {**source, **settings}
    print(format_report(report))
    if arguments.json:
        write_json(arguments.json, report)
        # One of an earlier run would be taken for what this one saw.
        record_path(arguments.json).unlink(missing_ok=True)
    if arguments.save_record:
        record = make_record(frames, labelled, classes, selection, report['settings'])
        save_record(record_path(arguments.json), record)
    if arguments.save_predictions:
        save_results(arguments.save_predictions, frames, labelled.detections, classes)
    if arguments.report:
        save_pictures(arguments.report, frames, labelled, classes, config, selection)
    return 0


def _detect(
    arguments: argparse.Namespace,
    frames: Sequence[LabelledFrame],
    config: EvaluationConfig,
    selection: SelectionConfig,
) -> _Evaluated:
    engine = read_config(arguments, EngineConfig)
    checkpoint = describe_checkpoint(resolve_weights(arguments.weights))
    check_aliases(read_aliases(arguments), checkpoint['config']['classes'])
    detector = Detector.from_checkpoint(
        Path(checkpoint['weights']), evaluation_selection(selection, config), engine
    )
    settings = {
        'engine': detector.describe(),
        'checkpoint': checkpoint,
        'selection': asdict(detector.selection),
    }
    labelled = detect_frames(detector, frames, config.batch_size, selection)
    return _Evaluated(labelled, detector.model.classes, settings)


def _read(arguments: argparse.Namespace, frames: Sequence[LabelledFrame]) -> _Evaluated:
    for name in ('weights', 'save_predictions'):
        if getattr(arguments, name):
            flag = name.replace('_', '-')
            raise ConfigError(
                f'--{flag} is for a detector, got it with --results, which runs none'
            )
    # KITTI's own evaluator knows these three, too.
    classes = ModelConfig().classes
    check_aliases(read_aliases(arguments), classes)
    labelled = LabelledDetections(
        [frame.read_truth() for frame in frames],
        load_results(arguments.results, frames, classes),
    )
    return _Evaluated(labelled, classes, {'results': str(arguments.results)})
