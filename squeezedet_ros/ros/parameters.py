"""ROS parameters, made from the fields of the config dataclasses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import Field, fields, replace
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
from squeezedet_ros.config import EngineConfig, NodeConfig, SelectionConfig
from squeezedet_ros.errors import ConfigError

PARAMETER_GROUPS = (SelectionConfig, EngineConfig, NodeConfig)
Config = TypeVar('Config', SelectionConfig, EngineConfig, NodeConfig)
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
        on_selection: Callable[[SelectionConfig], None],
    ) -> None:
        """
        Declare all parameters.

        :param is_configured: whether only the selection may change now.
        :param on_selection: called with each new selection.
        """
        self.selection = SelectionConfig()
        self.engine = EngineConfig()
        self.node = NodeConfig()
        self._is_configured = is_configured
        self._on_selection = on_selection
        self._refused: dict[str, str] = {}
        node.add_on_set_parameters_callback(self._set)
        for group in PARAMETER_GROUPS:
            for item in fields(group):
                self._declare(node, item, changeable=group is SelectionConfig)

    def check(self) -> None:
        """
        Make sure that all values given at start were allowed.

        :raises ConfigError: naming those that were not.
        """
        if self._refused:
            raise ConfigError('; '.join(self._refused.values()))

    def _declare(self, node: Node, item: Field[Any], *, changeable: bool) -> None:
        default = list(item.default) if isinstance(item.default, tuple) else item.default
        descriptor = describe(item, changeable=changeable)
        try:
            node.declare_parameter(item.name, default, descriptor)
        except (InvalidParameterTypeException, InvalidParameterValueException) as error:
            node.declare_parameter(item.name, default, descriptor, ignore_override=True)
            text = str(error).removesuffix(f': {item.name}')
            self._refused[item.name] = text.rpartition('Reason: ')[2]

    def _set(self, parameters: Sequence[Parameter]) -> SetParametersResult:
        """Accept all of these or none."""
        try:
            selection = _replaced(self.selection, parameters)
            engine = _replaced(self.engine, parameters)
            node = _replaced(self.node, parameters)
        except ConfigError as error:
            return SetParametersResult(successful=False, reason=str(error))
        if self._is_configured() and (engine != self.engine or node != self.node):
            names = {item.name for item in fields(SelectionConfig)}
            fixed = ', '.join(item.name for item in parameters if item.name not in names)
            return SetParametersResult(successful=False, reason=f'{fixed}: {_FIXED}')
        self.engine, self.node = engine, node
        for parameter in parameters:
            self._refused.pop(parameter.name, None)
        if selection != self.selection:
            self.selection = selection
            self._on_selection(selection)
        return SetParametersResult(successful=True)


def _replaced(config: Config, parameters: Sequence[Parameter]) -> Config:
    """
    Return a config with the values of those parameters that are its fields.

    :raises ConfigError: for a value that is not allowed.
    """
    names = {item.name for item in fields(config)}
    values: dict[str, Any] = {
        item.name: tuple(item.value) if isinstance(item.value, (list, tuple)) else item.value
        for item in parameters
        if item.name in names
    }
    return replace(config, **values) if values else config
