"""How a setting is declared, with its description and bounds, and how its value is checked."""

from __future__ import annotations

from dataclasses import field, fields
from typing import Any, get_args, TYPE_CHECKING, TypeVar

from squeezedet_ros.errors import ConfigError, shown

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar('T')


def setting(
    default: T,
    description: str,
    *,
    bounds: tuple[float, float] | None = None,
    choices: object = None,
) -> T:
    """Declare a dataclass field with its description and its closed bounds or its choices."""
    metadata: dict[str, Any] = {'description': description}
    if bounds is not None:
        metadata['bounds'] = bounds
    if choices is not None:
        metadata['choices'] = get_args(choices)
    return field(default=default, metadata=metadata)


def check_settings(config: DataclassInstance) -> None:
    """
    Check every field of a config dataclass against the bounds and choices in its metadata.

    :raises ConfigError: naming the field, what was allowed and what came.
    """
    for item in fields(config):
        value = getattr(config, item.name)
        bounds = item.metadata.get('bounds')
        choices = item.metadata.get('choices')
        if bounds is not None and not bounds[0] <= value <= bounds[1]:
            raise ConfigError(
                f'{item.name} must be in [{bounds[0]:g}, {bounds[1]:g}], got {shown(value)}'
            )
        if choices is not None and value not in choices:
            raise ConfigError(
                f'{item.name} must be one of {", ".join(choices)}, got {shown(value)}'
            )
