"""``squeezedet evaluate``: score a checkpoint on a labelled set, by KITTI's rules."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from squeezedet_ros.checkpoint import resolve_weights
from squeezedet_ros.cli.info import (
    add_json_option,
    add_weights_option,
    describe_checkpoint,
    write_json,
)
from squeezedet_ros.cli.options import add_config, read_config
from squeezedet_ros.config import EngineConfig, SelectionConfig
from squeezedet_ros.data.kitti import list_frames
from squeezedet_ros.data.kitti_results import save_results
from squeezedet_ros.detector import Detector
from squeezedet_ros.evaluation.evaluator import (
    detect_frames,
    evaluation_selection,
    EvaluationConfig,
)
from squeezedet_ros.evaluation.report import format_report, make_report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument('--data', type=Path, required=True, help='folder in KITTI object layout')
    parser.add_argument('--split', default='val', help='which of its ImageSets')
    add_weights_option(parser)
    add_json_option(parser)
    parser.add_argument(
        '--save-predictions', type=Path, metavar='DIR', help='write KITTI result files here'
    )
    for config in (EvaluationConfig, SelectionConfig, EngineConfig):
        add_config(parser, config)


def run(arguments: argparse.Namespace) -> int:
    """
    Score a checkpoint and print the table.

    :raises CheckpointError: when the weights cannot be used.
    :raises ConfigError: for a setting outside its bounds.
    :raises DatasetError: when the data cannot be read.
    :raises DeviceError: when the device or precision is not to be had.
    """
    config = read_config(arguments, EvaluationConfig)
    selection = read_config(arguments, SelectionConfig)
    engine = read_config(arguments, EngineConfig)
    checkpoint = describe_checkpoint(resolve_weights(arguments.weights))
    frames = list_frames(arguments.data, arguments.split)
    detector = Detector.from_checkpoint(
        Path(checkpoint['weights']), evaluation_selection(selection, config), engine
    )
    truths, detections = detect_frames(detector, frames, config.batch_size)
    classes = detector.model.classes
    report = make_report(
        truths, detections, classes, config.min_overlap, selection.plot_prob_thresh
    )
    report['settings'] = {
        'data': str(arguments.data),
        'split': arguments.split,
        'engine': detector.describe(),
        'checkpoint': checkpoint,
        'selection': asdict(detector.selection),
    }
    print(format_report(report))
    if arguments.json:
        write_json(arguments.json, report)
    if arguments.save_predictions:
        save_results(arguments.save_predictions, frames, detections, classes)
    return 0
