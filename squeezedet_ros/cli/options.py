"""Command line options made from config dataclasses: each fact is written there alone."""

from __future__ import annotations

import argparse
from dataclasses import Field, fields
from typing import Any, get_args, get_type_hints, TypeVar

from squeezedet_ros.training.recipe import TrainingConfig

Config = TypeVar('Config')


def add_config(parser: argparse.ArgumentParser, config: type[Any]) -> None:
    """Add one option for each field of a config dataclass."""
    types = get_type_hints(config)
    for item in fields(config):
        flag = '--' + item.name.replace('_', '-')
        text = item.metadata['description'].replace('%', '%%') + _bounds(item)
        if isinstance(item.default, bool):
            parser.add_argument(
                flag, action=argparse.BooleanOptionalAction, default=item.default, help=text
            )
        elif isinstance(item.default, tuple):
            kind = get_args(types[item.name])[0]
            parser.add_argument(flag, nargs='*', type=kind, default=item.default, help=text)
        else:
            parser.add_argument(
                flag,
                type=type(item.default),
                choices=item.metadata.get('choices'),
                default=item.default,
                help=text,
            )


def read_config(arguments: argparse.Namespace, config: type[Config]) -> Config:
    """
    Return the config the options stand for.

    :raises ConfigError: for a value outside its bounds.
    """
    names = [item.name for item in fields(config)]  # type: ignore[arg-type]
    values = {name: getattr(arguments, name) for name in names}
    return config(
        **{
            key: tuple(value) if isinstance(value, list) else value
            for key, value in values.items()
        }
    )


def read_aliases(arguments: argparse.Namespace) -> dict[str, str]:
    """
    Return the class by label, in lower case, that ``--aliases`` tells.

    :raises ConfigError: for an entry of another form.
    """
    return TrainingConfig(aliases=tuple(arguments.aliases)).alias_map()


def _bounds(item: Field[Any]) -> str:
    bounds = item.metadata.get('bounds')
    return f' [{bounds[0]:g} to {bounds[1]:g}]' if bounds else ''
