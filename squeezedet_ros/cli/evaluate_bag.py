"""``squeezedet evaluate-bag``: what a checkpoint makes of a drive, from its bag."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
import platform
from typing import Any, NamedTuple

from squeezedet_ros.checkpoint import resolve_weights
from squeezedet_ros.cli.drive_live import (
    node_parameters,
    ThroughNodeConfig,
    watch_through_node,
)
from squeezedet_ros.cli.info import (
    add_json_option,
    add_weights_option,
    describe_checkpoint,
    write_json,
)
from squeezedet_ros.cli.options import add_config, read_aliases, read_config
from squeezedet_ros.cli.play_bag import INTERRUPTED
from squeezedet_ros.cli.processes import signals_as_interrupt
from squeezedet_ros.config import EngineConfig, SelectionConfig
from squeezedet_ros.data.bag import Bag
from squeezedet_ros.data.bag_writer import STORAGES
from squeezedet_ros.data.class_names import check_aliases
from squeezedet_ros.data.drive_truth import check_count, DriveTruth, find_truth
from squeezedet_ros.data.interfaces import COMPRESSED_IMAGE
from squeezedet_ros.data.salvage import open_bag
from squeezedet_ros.detector import Detector
from squeezedet_ros.errors import DatasetError
from squeezedet_ros.evaluation.drive import add_truth, find_images, watch_drive
from squeezedet_ros.evaluation.drive_bag import write_drive_bag
from squeezedet_ros.evaluation.drive_record import (
    DriveRecord,
    FrameRecord,
    record_path,
    save_record,
)
from squeezedet_ros.evaluation.drive_report import format_drive_report, report_drive
from squeezedet_ros.evaluation.drive_statistics import DriveConfig
from squeezedet_ros.evaluation.evaluator import evaluation_selection, EvaluationConfig
from squeezedet_ros.evaluation.node_report import format_node_report, report_node
from squeezedet_ros.evaluation.sweep import (
    format_sweep,
    report_sweep,
    run_sweep,
    save_sweep,
    SWEEP_PICTURE,
    SweepConfig,
)
from squeezedet_ros.named_values import read_thresholds

_PACKAGES = ('squeezedet_ros', 'torch', 'numpy', 'opencv-python-headless', 'rosbags')


class _Configs(NamedTuple):
    """How a drive is looked at, scored and told."""

    selection: SelectionConfig
    evaluation: EvaluationConfig
    drive: DriveConfig
    sweep: SweepConfig


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        'bag', type=Path, metavar='BAG', help='rosbag2: a folder, or one .mcap or .db3 file'
    )
    parser.add_argument('--topic', help='of the images; needed where the bag has several')
    parser.add_argument(
        '--truth',
        metavar='SOURCE',
        help='what is truly there: a topic with Detection2DArray, a folder of KITTI label files, '
        "a label file of KITTI's tracking benchmark or a COCO JSON; without it "
        '<camera>/ground_truth if the bag has it. Files go with images by their name if it is the '
        'stamp in nanoseconds, else in their order',
    )
    parser.add_argument(
        '--aliases', nargs='+', default=[], help='labels scored as a class, LABEL=CLASS'
    )
    add_weights_option(parser)
    add_json_option(parser)
    parser.add_argument(
        '--report', type=Path, metavar='DIR', help='write a page here that shows the drive'
    )
    parser.add_argument(
        '--out-bag',
        type=Path,
        metavar='BAG',
        help='write what was seen as a rosbag2 here, stamped as the images: as the node publishes '
        'it on <camera>/detections, down to prob-thresh on <camera>/detections/unfiltered',
    )
    parser.add_argument(
        '--with-images', action='store_true', help='take the images over into --out-bag'
    )
    parser.add_argument(
        '--storage', choices=STORAGES, default=STORAGES[0], help='file format of --out-bag'
    )
    parser.add_argument(
        '--through-node',
        action='store_true',
        help='play the bag into the real node, and score what comes back: the frames that were '
        'looked at, all frames, and what was known at the time of each truth; needs ROS 2',
    )
    parser.add_argument(
        '--sweep',
        action='store_true',
        help='try values of top_n and plot_prob_thresh; with --report also as a picture',
    )
    configs = (
        DriveConfig,
        SweepConfig,
        EvaluationConfig,
        SelectionConfig,
        EngineConfig,
        ThroughNodeConfig,
    )
    for config in configs:
        add_config(parser, config)


def run(arguments: argparse.Namespace) -> int:
    """
    Look at a drive, score it where there is truth, and print what was found.

    :raises CheckpointError: when the weights cannot be used.
    :raises ConfigError: for a setting outside its bounds.
    :raises DatasetError: when the bag or the truth cannot be read, or the truth fits no image; in
        that last case all the rest is told before.
    :raises DeviceError: when the device or precision is not to be had.
    :raises DriveError: when the node is asked for and there is no ROS, or it fails.
    """
    try:
        # The node and what plays into it end with this process.
        with signals_as_interrupt():
            return _run(arguments)
    except KeyboardInterrupt:
        return INTERRUPTED


def _run(arguments: argparse.Namespace) -> int:
    configs = _read_configs(arguments)
    _check_outputs(arguments)
    aliases = read_aliases(arguments)
    with open_bag(arguments.bag) as bag:
        topic = bag.find_image_topic(arguments.topic)
        truth = find_truth(bag, topic, arguments.truth)
        if truth is not None and not bag.damage:
            check_count(truth, bag.topics[topic].messages)
        watch = _watch_node if arguments.through_node else _watch
        record = watch(arguments, bag, topic, configs)
        misplaced = truth is not None and _misplaced(truth, record)
        if truth is not None and not misplaced:
            record = add_truth(record, truth, aliases, configs.drive.truth_tolerance)
        report = _evaluate(record, configs)
        if arguments.sweep:
            if any(frame.detections is not None for frame in record.frames):
                report['sweep'] = _sweep(arguments, bag, record, configs)
            else:
                report['drive']['warnings'].append('no frame was looked at, so none for the sweep')
        _tell(arguments, record, report)
        if arguments.out_bag:
            write_drive_bag(
                arguments.out_bag,
                record,
                bag,
                configs.selection,
                arguments.storage,
                with_images=arguments.with_images,
            )
        if arguments.report:
            _write_page(arguments.report, record, report, bag)
    if misplaced:
        raise DatasetError(misplaced)
    if truth is not None and not report['drive']['scored']:
        has_truth = any(frame.truth is not None for frame in record.frames)
        why = 'that was looked at has truth' if has_truth else 'has truth'
        raise DatasetError(f'no image of /{topic} {why} in {truth.source}')
    return 0


def _check_outputs(arguments: argparse.Namespace) -> None:
    """Find out now, not after the drive, where nothing can be written."""
    if arguments.out_bag is not None and arguments.out_bag.exists():
        raise DatasetError(f'cannot write bag: {arguments.out_bag} exists already')
    if arguments.json is not None and arguments.json.is_dir():
        raise DatasetError(f'expected a file for --json, got the folder {arguments.json}')
    if (
        arguments.report is not None
        and arguments.report.exists()
        and not arguments.report.is_dir()
    ):
        raise DatasetError(f'expected a folder for --report, got {arguments.report}')
    for path in (arguments.out_bag, arguments.json, arguments.report):
        file = next((above for above in path.parents if above.exists()), None) if path else None
        if file is not None and not file.is_dir():
            raise DatasetError(f'cannot write {path}: {file} is no folder')


def _misplaced(truth: DriveTruth, record: DriveRecord) -> str:
    """Return why truth that goes by order cannot be used, where damage has taken images away."""
    try:
        check_count(truth, len(record.frames))
    except DatasetError as error:
        return f'not scored: {error}'
    return ''


def _read_configs(arguments: argparse.Namespace) -> _Configs:
    return _Configs(
        read_config(arguments, SelectionConfig),
        read_config(arguments, EvaluationConfig),
        read_config(arguments, DriveConfig),
        read_config(arguments, SweepConfig),
    )


def _checkpoint(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what the weights are, once it is known that the truth can be scored by them."""
    checkpoint = describe_checkpoint(resolve_weights(arguments.weights))
    check_aliases(read_aliases(arguments), checkpoint['config']['classes'])
    return checkpoint


def _watch(arguments: argparse.Namespace, bag: Bag, topic: str, configs: _Configs) -> DriveRecord:
    """Return what the detector alone, without a node, makes of every frame."""
    checkpoint = _checkpoint(arguments)
    selection = evaluation_selection(configs.selection, configs.evaluation)
    detector = _make_detector(arguments, selection)
    watched = watch_drive(detector, bag, topic, configs.evaluation.batch_size, configs.selection)
    settings = {
        'mode': 'offline',
        'engine': detector.describe(),
        'checkpoint': checkpoint,
        'processing': {
            'batch_size': configs.evaluation.batch_size,
            'seconds': watched.seconds,
            'frames_per_second': len(watched.frames) / watched.seconds,
        },
        'warnings': [*bag.damage, *watched.faults],
    }
    classes = detector.model.classes
    return _make_record(arguments, topic, configs, classes, watched.frames, settings)


def _watch_node(
    arguments: argparse.Namespace, bag: Bag, topic: str, configs: _Configs
) -> DriveRecord:
    """Return what the node makes of the bag that is played into it."""
    config = read_config(arguments, ThroughNodeConfig)
    checkpoint = _checkpoint(arguments)
    selection = evaluation_selection(configs.selection, configs.evaluation)
    parameters = node_parameters(
        selection,
        read_config(arguments, EngineConfig),
        Path(checkpoint['weights']),
        config.mode,
        compressed=bag.topics[topic].type == COMPRESSED_IMAGE,
    )
    seen = watch_through_node(arguments.bag, bag, topic, parameters, config)
    settings = {
        'mode': config.mode,
        'parameters': parameters,
        'checkpoint': checkpoint,
        'node': seen.account,
        'warnings': [*bag.damage, *seen.faults],
    }
    return _make_record(arguments, topic, configs, seen.classes, seen.frames, settings)


def _make_record(
    arguments: argparse.Namespace,
    topic: str,
    configs: _Configs,
    classes: Sequence[str],
    frames: Sequence[FrameRecord],
    settings: dict[str, Any],
) -> DriveRecord:
    """Return the record of a drive, however it was watched; ``settings`` are that way's own."""
    common = {
        'bag': str(arguments.bag),
        'aliases': list(arguments.aliases),
        'selection': asdict(configs.selection),
        'evaluation': asdict(configs.evaluation),
        'versions': _versions(),
    }
    return DriveRecord(
        name=arguments.bag.resolve().stem,
        topic=topic,
        classes=classes,
        frames=frames,
        plot_prob_thresh=configs.selection.plot_prob_thresh,
        settings={**common, **settings},
        class_thresh=read_thresholds('class_thresh', configs.selection.class_thresh),
    )


def _make_detector(arguments: argparse.Namespace, selection: SelectionConfig) -> Detector:
    weights = resolve_weights(arguments.weights)
    return Detector.from_checkpoint(weights, selection, read_config(arguments, EngineConfig))


def _versions() -> dict[str, str]:
    found = {'python': platform.python_version()}
    for name in _PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def _evaluate(record: DriveRecord, configs: _Configs) -> dict[str, Any]:
    """Return all there is to tell of a record, however it came about."""
    report = report_drive(record, configs.selection, configs.evaluation, configs.drive)
    if 'node' in record.settings:
        overlap = configs.evaluation.min_overlap
        report['through_node'] = report_node(record, configs.selection, overlap)
    return report


def _sweep(
    arguments: argparse.Namespace, bag: Bag, record: DriveRecord, configs: _Configs
) -> dict[str, Any]:
    detector = _make_detector(arguments, configs.selection)
    images = partial(find_images, bag, record.topic)
    sweep = run_sweep(detector, record, configs.selection, configs.sweep, images)
    if arguments.report:
        picture = arguments.report / SWEEP_PICTURE
        save_sweep(picture, sweep, record.classes, images, configs.sweep.sweep_pictures)
    return report_sweep(sweep, record.classes, configs.evaluation.min_overlap)


def _tell(arguments: argparse.Namespace, record: DriveRecord, report: dict[str, Any]) -> None:
    print(format_drive_report(report))
    if 'through_node' in report:
        print(f'\n{format_node_report(report["through_node"])}')
    if 'sweep' in report:
        print(f'\n{format_sweep(report["sweep"])}')
    if arguments.json:
        write_json(arguments.json, report)
        save_record(record_path(arguments.json), record)


def _write_page(directory: Path, record: DriveRecord, report: dict[str, Any], bag: Bag) -> None:
    from squeezedet_ros.evaluation.drive_page import write_drive_page

    images = partial(find_images, bag, record.topic)
    print(f'page: {write_drive_page(directory, record, report, images)}')
