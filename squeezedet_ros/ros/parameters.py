"""ROS parameters, made from the fields of the config dataclasses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import Field, fields, replace
from difflib import get_close_matches
from typing import Any, TypeVar

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node
from rclpy.parameter import Parameter
from squeezedet_ros.config import (
    EngineConfig,
    FIXED_CONFIGS,
    LimitConfig,
    LIVE_CONFIGS,
    LiveConfig,
    NodeConfig,
    SelectionConfig,
    ZoneConfig,
)
from squeezedet_ros.errors import ConfigError

Config = TypeVar('Config', SelectionConfig, ZoneConfig, LimitConfig, EngineConfig, NodeConfig)
_CONFIGS = (*LIVE_CONFIGS, *FIXED_CONFIGS)
# What rclpy itself reads of a publisher or subscription.
_QOS_OVERRIDES = 'qos_overrides.'
# Of two names, by difflib's measure, of which one may be the other misspelled.
_NEAR = 0.75
_FIXED = 'read-only while the node is configured'


def describe(item: Field[Any], *, changeable: bool) -> ParameterDescriptor:
    """
    Return the descriptor of a config field.

    :param changeable: while the node is configured.
    """
    constraints = [] if changeable else [_FIXED]
    if 'choices' in item.metadata:
        constraints.insert(0, f'one of {", ".join(item.metadata["choices"])}')
    descriptor = ParameterDescriptor(
        name=item.name,
        description=item.metadata['description'],
        additional_constraints='; '.join(constraints),
    )
    bounds = item.metadata.get('bounds')
    if bounds is None:
        return descriptor
    if isinstance(item.default, float):
        low, high = bounds
        descriptor.floating_point_range = [FloatingPointRange(from_value=low, to_value=high)]
    else:
        low, high = (int(bound) for bound in bounds)
        descriptor.integer_range = [IntegerRange(from_value=low, to_value=high, step=1)]
    return descriptor


class NodeParameters:
    """
    The node's parameters, always within what the config dataclasses allow.

    A value given at start that is not allowed is remembered, and :meth:`check` raises until it is
    set to another one: the node has to live on to tell so.
    """

    def __init__(
        self,
        node: Node,
        is_configured: Callable[[], bool],
        on_change: Callable[[LiveConfig], None],
    ) -> None:
        """
        Declare all parameters.

        :param is_configured: whether only what is live may change now.
        :param on_change: called with what is to be live from now on; refuses by a ConfigError.
        """
        self._owner = node
        self.live = LiveConfig()
        self.engine = EngineConfig()
        self.node = NodeConfig()
        self._is_configured = is_configured
        self._on_change = on_change
        self._refused: dict[str, str] = {}
        node.add_on_set_parameters_callback(self._set)
        for configs, changeable in ((LIVE_CONFIGS, True), (FIXED_CONFIGS, False)):
            for item in (item for config in configs for item in fields(config)):
                self._declare(node, item, describe(item, changeable=changeable))

    def check(self) -> None:
        """
        Make sure that all values given at start were allowed.

        :raises ConfigError: naming those that were not.
        """
        if self._refused:
            raise ConfigError('; '.join(self._refused.values()))

    def unknown(self) -> dict[str, str]:
        """
        Return the names given at start that no parameter has, each with the nearest one, if any.

        They may be meant for another node that reads the same file, or be misspelled.
        """
        node = self._owner
        names = [item.name for config in _CONFIGS for item in fields(config)]
        return {
            name: next(iter(get_close_matches(name, names, 1, _NEAR)), '')
            for name in sorted(node._parameter_overrides)
            if not (node.has_parameter(name) or name.startswith(_QOS_OVERRIDES))
        }

    def _declare(self, node: Node, item: Field[Any], descriptor: ParameterDescriptor) -> None:
        # rclpy takes a list without elements for one of bytes, unless it is told the type.
        strings = Parameter.Type.STRING_ARRAY
        default = list(item.default) if isinstance(item.default, tuple) else item.default
        start, refusal = strings if default == [] else default, ''
        try:
            declared = node.declare_parameter(item.name, start, descriptor)
        except (InvalidParameterTypeException, InvalidParameterValueException) as error:
            declared = node.declare_parameter(item.name, start, descriptor, ignore_override=True)
            refusal = str(error).removesuffix(f': {item.name}').rpartition('Reason: ')[2]
        if declared.value is None:
            node.set_parameters([Parameter(item.name, strings, [])])
        if refusal:
            self._refused[item.name] = refusal

    def _set(self, parameters: Sequence[Parameter]) -> SetParametersResult:
        """Accept all of these or none."""
        try:
            live = LiveConfig(
                selection=_replaced(self.live.selection, parameters),
                zones=_replaced(self.live.zones, parameters),
                limits=_replaced(self.live.limits, parameters),
            )
            engine = _replaced(self.engine, parameters)
            node = _replaced(self.node, parameters)
            if self._is_configured():
                _check_equal(self.engine, engine)
                _check_equal(self.node, node)
            if live != self.live:
                self._on_change(live)
        except ConfigError as error:
            return SetParametersResult(successful=False, reason=str(error))
        self.live, self.engine, self.node = live, engine, node
        for parameter in parameters:
            self._refused.pop(parameter.name, None)
        return SetParametersResult(successful=True)


def _check_equal(old: Config, new: Config) -> None:
    """
    Make sure that nothing has changed.

    :raises ConfigError: naming what has.
    """
    names = [item.name for item in fields(old)]
    if changed := [name for name in names if getattr(old, name) != getattr(new, name)]:
        raise ConfigError(f'{", ".join(changed)}: {_FIXED}')


def _replaced(config: Config, parameters: Sequence[Parameter]) -> Config:
    """
    Return a config with the values of those parameters that are its fields.

    :raises ConfigError: for a value that is not allowed.
    """
    names = {item.name for item in fields(config)}
    values: dict[str, Any] = {
        item.name: _value_of(item, getattr(config, item.name))
        for item in parameters
        if item.name in names
    }
    return replace(config, **values) if values else config


def _value_of(parameter: Parameter, old: object) -> object:
    """Return a parameter's value as a field has it; at start, an empty list comes as no value."""
    if parameter.value is None:
        if not isinstance(old, tuple):
            raise ConfigError(f'{parameter.name} must be one value, got an empty list or none')
        return ()
    return tuple(parameter.value) if isinstance(old, tuple) else parameter.value
