"""``squeezedet anchors``: anchor shapes that fit the boxes of a data set."""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path
import sys
from typing import get_args

import numpy as np
from squeezedet_ros.cli.info import add_json_option, write_json
from squeezedet_ros.config import Fit, KITTI_ANCHOR_SHAPES, ModelConfig, STREET_ANCHOR_SHAPES
from squeezedet_ros.data.frames import list_frames, read_image_size
from squeezedet_ros.data.ground_truth import DONT_CARE
from squeezedet_ros.data.scan import scan_frames
from squeezedet_ros.errors import ConfigError, DatasetError
from squeezedet_ros.evaluation.curves import require_matplotlib
from squeezedet_ros.model_rules import MOST_ANCHOR_SHAPES
from squeezedet_ros.training.anchor_clustering import (
    cluster_shapes,
    mean_best_overlap,
    network_shapes,
    Shapes,
)
from squeezedet_ros.training.recipe import TrainingConfig


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    model = {item.name: item for item in fields(ModelConfig)}
    training = {item.name: item for item in fields(TrainingConfig)}
    parser.add_argument(
        '--data', type=Path, nargs='+', required=True, help="folders in KITTI's or COCO's layout"
    )
    parser.add_argument('--split', default='train', help='split to look at, in every folder')
    parser.add_argument('--k', type=int, default=9, help='number of shapes')
    parser.add_argument(
        '--classes', nargs='+', help='labels to look at; all but DontCare unless given'
    )
    parser.add_argument(
        '--aliases',
        nargs='*',
        default=training['aliases'].default,
        help=training['aliases'].metadata['description'],
    )
    parser.add_argument(
        '--fit',
        choices=get_args(Fit),
        default='adaptive',
        help=model['fit'].metadata['description'],
    )
    parser.add_argument(
        '--input-size',
        type=int,
        nargs=2,
        default=model['input_size'].default,
        metavar=('HEIGHT', 'WIDTH'),
        help=model['input_size'].metadata['description'],
    )
    parser.add_argument(
        '--seed', type=int, default=0, help=training['seed'].metadata['description']
    )
    parser.add_argument(
        '--strict', action='store_true', help='stop at the first damaged image or label'
    )
    parser.add_argument('--plot', type=Path, metavar='PNG', help='draw boxes and shapes into this')
    add_json_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """
    Find anchor shapes and print them, ready for ModelConfig.

    :raises ConfigError: for a setting outside its bounds.
    :raises DatasetError: when the data cannot be read or has too few boxes.
    :raises MissingPackageError: when a plot is asked for and matplotlib is not installed.
    """
    if arguments.plot:
        require_matplotlib()
    model = ModelConfig(fit=arguments.fit, input_size=tuple(arguments.input_size))
    training = TrainingConfig(aliases=tuple(arguments.aliases), seed=arguments.seed)
    if not 1 <= arguments.k <= MOST_ANCHOR_SHAPES:
        raise ConfigError(f'k must be in [1, {MOST_ANCHOR_SHAPES}], got {arguments.k}')
    listed = [
        frame for directory in arguments.data for frame in list_frames(directory, arguments.split)
    ]
    scan = scan_frames(listed, strict=arguments.strict, read=read_image_size)
    for message in scan.damaged:
        print(f'left out: {message}', file=sys.stderr)
    everything = sorted(name for name in scan.labels if name != DONT_CARE)
    shapes = network_shapes(
        scan.frames, arguments.classes or everything, training.alias_map(), model
    )
    if not len(shapes):
        raise DatasetError(
            f'no box of {", ".join(arguments.classes or ["any label"])}; '
            f'labels present: {", ".join(everything) or "none"}'
        )
    anchors = cluster_shapes(shapes, arguments.k, training.seed).round().clip(min=1)
    overlaps = {
        name: mean_best_overlap(shapes, np.array(candidate))
        for name, candidate in (
            ('found', anchors),
            ('street', STREET_ANCHOR_SHAPES),
            ('kitti', KITTI_ANCHOR_SHAPES),
        )
    }
    _print(len(scan.frames), len(shapes), anchors, overlaps)
    if arguments.json:
        report = {
            'anchor_shapes': anchors.tolist(),
            'input_size': list(model.input_size),
            'fit': model.fit,
            'images': len(scan.frames),
            'boxes': len(shapes),
            'left_out': len(scan.damaged),
            'mean_best_overlap': overlaps,
        }
        write_json(arguments.json, report)
    if arguments.plot:
        _plot(arguments.plot, shapes, anchors)
    return 0


def _print(images: int, boxes: int, anchors: Shapes, overlaps: dict[str, float]) -> None:
    print(f'{boxes} boxes in {images} images; mean overlap of a box with the best shape:')
    for name, overlap in overlaps.items():
        print(f'{name:<8}{overlap:.3f}')
    pairs = ', '.join(f'({width:.1f}, {height:.1f})' for width, height in anchors)
    print(f'anchor_shapes=({pairs}{"," if len(anchors) == 1 else ""})')


def _plot(path: Path, shapes: Shapes, anchors: Shapes) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 7))
    axes = figure.subplots()
    axes.scatter(shapes[:, 0], shapes[:, 1], s=3, alpha=0.3, label='boxes')
    axes.scatter(anchors[:, 0], anchors[:, 1], s=60, marker='s', color='red', label='shapes found')
    axes.set(xscale='log', yscale='log', aspect='equal')
    axes.set(xlabel='width, network pixels', ylabel='height, network pixels')
    axes.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
