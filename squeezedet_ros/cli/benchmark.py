"""``squeezedet benchmark``: time each stage on this machine."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from squeezedet_ros.checkpoint import resolve_weights
from squeezedet_ros.cli.options import add_config, read_config
from squeezedet_ros.config import EngineConfig
from squeezedet_ros.evaluation.benchmark import BenchmarkConfig, run_benchmark
from squeezedet_ros.evaluation.engine_comparison import comparison_table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument('--weights', default='', help='checkpoint, empty for the shipped one')
    parser.add_argument('--json', type=Path, help='file to write the figures to')
    add_config(parser, BenchmarkConfig)
    add_config(parser, EngineConfig)


def run(arguments: argparse.Namespace) -> int:
    """Time, and print a table."""
    report = run_benchmark(
        resolve_weights(arguments.weights),
        read_config(arguments, BenchmarkConfig),
        read_config(arguments, EngineConfig),
    )
    height, width = report['input_size']
    print(f'{report["engine"]}, input {height}x{width}, {report["frames"]} frames one by one')
    print(f'{"stage":<12}{"median ms":>10}{"p99 ms":>10}')
    for name, values in report['milliseconds'].items():
        print(f'{name:<12}{values["median"]:10.2f}{values["p99"]:10.2f}')
    print(
        f'{report["gflop_per_frame"]:.2f} GFLOP a frame at {report["gflops_forward"]:.0f} '
        f'GFLOP/s, matrix product {report["gflops_matrix_product"]:.0f} GFLOP/s, '
        f'forward pass over that limit {report["forward_over_matrix_product"]:.2f}'
    )
    memory = report['resident_mib']
    print(
        f'resident memory {memory["start"]:.0f} MiB at the start, {memory["end"]:.0f} at the end'
    )
    if 'engines' in report:
        print(comparison_table(report['engines']))
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(report, indent=2) + '\n')
    return 0
