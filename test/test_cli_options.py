from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Literal

import pytest
from squeezedet_ros.cli.options import add_config, read_config
from squeezedet_ros.config import EngineConfig, SelectionConfig
from squeezedet_ros.errors import ConfigError
from squeezedet_ros.evaluation.evaluator import EvaluationConfig
from squeezedet_ros.settings import check_settings, setting
from squeezedet_ros.training.recipe import TrainingConfig

CONFIGS = [EngineConfig, EvaluationConfig, SelectionConfig, TrainingConfig]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    whole_number: int = setting(3, 'a share of 100% of the whole', bounds=(0, 9))
    fraction: float = setting(0.5, 'a fraction', bounds=(0.0, 1.0))
    colour: Literal['red', 'green'] = setting('red', 'a colour', choices=Literal['red', 'green'])
    names: tuple[str, ...] = setting(('a', 'b'), 'some names')
    size: tuple[int, int] = setting((1, 2), 'a size')
    numbers: tuple[int, ...] = setting((), 'any numbers')
    quick: bool = setting(False, 'whether to hurry')

    def __post_init__(self) -> None:
        check_settings(self)


def read(*options: str) -> Settings:
    parser = argparse.ArgumentParser()
    add_config(parser, Settings)
    return read_config(parser.parse_args(options), Settings)


def test_nothing_given_is_the_default():
    assert read() == Settings()


def test_each_kind_of_field_is_read_as_its_type():
    got = read(
        *('--whole-number', '7', '--fraction', '0.25', '--colour', 'green'),
        *('--names', 'x', 'y', 'z', '--size', '30', '40', '--quick'),
        *('--numbers', '8', '9'),
    )
    assert got == Settings(
        whole_number=7,
        fraction=0.25,
        colour='green',
        names=('x', 'y', 'z'),
        size=(30, 40),
        numbers=(8, 9),
        quick=True,
    )
    assert isinstance(got.size, tuple)


def test_a_switch_can_be_turned_off():
    assert read('--quick', '--no-quick').quick is False


def test_bounds_are_checked_by_the_config():
    with pytest.raises(ConfigError, match=r'whole_number must be in \[0, 9\], got 10'):
        read('--whole-number', '10')


@pytest.mark.parametrize('options', [('--colour', 'blue'), ('--whole-number', 'many')])
def test_what_cannot_be_read_stops_the_command(options, capsys):
    with pytest.raises(SystemExit) as stop:
        read(*options)
    assert stop.value.code == 2
    assert options[0] in capsys.readouterr().err


def test_help_tells_description_bounds_and_default():
    parser = argparse.ArgumentParser(formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    add_config(parser, Settings)
    text = ' '.join(parser.format_help().split())
    assert 'a share of 100% of the whole [0 to 9] (default: 3)' in text
    assert '{red,green}' in text


@pytest.mark.parametrize('config', CONFIGS)
def test_options_of_our_configs_come_back_as_their_defaults(config):
    parser = argparse.ArgumentParser()
    add_config(parser, config)
    parser.format_help()
    assert read_config(parser.parse_args([]), config) == config()


def test_options_need_not_be_all_there_is():
    parser = argparse.ArgumentParser()
    parser.add_argument('--other')
    add_config(parser, SelectionConfig)
    options = ['--other', 'x', '--top-n', '5', '--class-filter', 'car', 'cyclist']
    selection = read_config(parser.parse_args(options), SelectionConfig)
    assert selection == SelectionConfig(top_n=5, class_filter=('car', 'cyclist'))
