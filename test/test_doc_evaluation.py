"""The options that doc/evaluation.md names are those of the commands."""

import argparse
from importlib import import_module
from pathlib import Path
import re

from squeezedet_ros.cli.main import COMMANDS

PAGE = (Path(__file__).parents[1] / 'doc' / 'evaluation.md').read_text()
TOLD = ('evaluate', 'evaluate-bag', 'compare', 'make-bag')


def parser_of(command):
    parser = argparse.ArgumentParser()
    import_module(f'squeezedet_ros.cli.{COMMANDS[command][0]}').add_arguments(parser)
    return parser


def test_options_exist():
    known = {flag for name in TOLD for flag in parser_of(name)._option_string_actions}
    named = set(re.findall(r'(?<![\w-])--[a-z][a-z0-9-]*', PAGE))
    assert named <= known, named - known
    assert len(named) > 20


def test_commands_are_parsed():
    lines = re.findall(r'^(?:- run: )?squeezedet (.*)$', PAGE, re.MULTILINE)
    assert len(lines) >= 8
    for line in lines:
        command, *arguments = line.split()
        parsed = parser_of(command).parse_args(arguments)
        assert isinstance(parsed, argparse.Namespace)


def test_defaults_are_those_of_the_settings():
    parsed = parser_of('compare').parse_args(['a', 'b'])
    assert f'`--tolerance` ({parsed.tolerance:g})' in PAGE
    assert f'{parsed.resamples} times (`--resamples`)' in PAGE
    assert f'{100 * parsed.confidence:g} % (`--confidence`)' in PAGE
