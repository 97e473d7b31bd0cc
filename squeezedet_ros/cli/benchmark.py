"""``squeezedet benchmark``: time each stage on this machine."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from squeezedet_ros.checkpoint import resolve_weights
from squeezedet_ros.cli.info import add_json_option, write_json
from squeezedet_ros.cli.message_time import measure_message, message_line
from squeezedet_ros.cli.node_rate import NodeRateConfig, search_node_rate
from squeezedet_ros.cli.options import add_config, read_config
from squeezedet_ros.cli.soak import INTERRUPTED
from squeezedet_ros.config import EngineConfig
from squeezedet_ros.evaluation.batch_timing import batch_table
from squeezedet_ros.evaluation.benchmark import BenchmarkConfig, run_benchmark
from squeezedet_ros.evaluation.benchmark_chart import save_chart
from squeezedet_ros.evaluation.curves import require_matplotlib
from squeezedet_ros.evaluation.energy import energy_lines
from squeezedet_ros.evaluation.engine_comparison import comparison_table
from squeezedet_ros.evaluation.memory_trace import memory_lines


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument('--weights', default='', help='checkpoint, empty for the shipped one')
    add_json_option(parser)
    parser.add_argument('--chart', type=Path, metavar='FILE', help='PNG of the figures to write')
    parser.add_argument(
        '--message',
        action='store_true',
        help='time decoding, selection and message of 64 boxes on one core; needs ROS 2',
    )
    parser.add_argument(
        '--out',
        type=Path,
        default=Path('out/benchmark'),
        help='with node: folder for what the processes print',
    )
    add_config(parser, NodeRateConfig)
    add_config(parser, BenchmarkConfig)
    add_config(parser, EngineConfig)


def run(arguments: argparse.Namespace) -> int:
    """
    Time, and print tables.

    :raises MissingPackageError: when a chart is asked for and matplotlib is not installed.
    :raises SqueezeDetError: when ROS 2 is needed and not there, or one of its processes fails.
    """
    if arguments.chart:
        require_matplotlib()
    config = read_config(arguments, BenchmarkConfig)
    engine = read_config(arguments, EngineConfig)
    trials = read_config(arguments, NodeRateConfig)
    weights = resolve_weights(arguments.weights)
    report = run_benchmark(weights, config, engine)
    _print(report)
    if arguments.message:
        found = measure_message(weights, engine, config.image_size, config.frames)
        report['message'] = found
        print(message_line(found))
    if trials.node:
        speed = report['frames_per_second']
        try:
            found = search_node_rate(
                weights, engine, config.image_size, speed, trials, arguments.out
            )
        except KeyboardInterrupt:
            return INTERRUPTED
        report['node'] = found
        print(f'node: {found["rate"]:.1f} images/s with less than {trials.most_lost:.0%} lost')
    if arguments.json:
        write_json(arguments.json, report)
    if arguments.chart:
        save_chart(arguments.chart, report)
    return 0


def _print(report: dict[str, Any]) -> None:
    height, width = report['input_size']
    print(
        f'{report["engine"]}, input {height}x{width}, {report["frames"]} frames one by one, '
        f'{report["boxes_per_frame"]:.1f} boxes each'
    )
    print(f'{"stage":<12}{"median ms":>10}{"p99 ms":>10}')
    for name, values in report['milliseconds'].items():
        print(f'{name:<12}{values["median"]:10.2f}{values["p99"]:10.2f}')
    limit = 'no matrix product measured in this number format'
    if report['gflops_matrix_product'] is not None:
        limit = (
            f'matrix product {report["gflops_matrix_product"]:.0f} GFLOP/s, '
            f'forward pass over that limit {report["forward_over_matrix_product"]:.2f}'
        )
    print(
        f'{report["gflop_per_frame"]:.2f} GFLOP in the whole network, as if at '
        f'{report["gflops_forward"]:.0f} GFLOP/s, {limit}'
    )
    memory = report['resident_mib']
    print(
        f'resident memory {memory["start"]:.0f} MiB at the start, {memory["end"]:.0f} at the end, '
        f'{report["page_faults_per_frame"]:.0f} page faults a frame'
    )
    print(energy_lines(report['energy'], report['energy_absent']))
    if 'batches' in report:
        print(batch_table(report['batches']))
    if 'memory' in report:
        print(memory_lines(report['memory']))
    if 'engines' in report:
        print(comparison_table(report['engines']))
