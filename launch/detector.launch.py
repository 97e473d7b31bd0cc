"""
Start the detector node; every parameter of the node is an argument.

An argument that is not given is not passed on: the value of ``params_file`` counts, or else the
node's own default.
"""

from dataclasses import Field, fields
import os
from pathlib import Path
from typing import Any

from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from squeezedet_ros.config import FIXED_CONFIGS, LIVE_CONFIGS
import yaml

from launch import LaunchContext, LaunchDescription

FIELDS = [item for config in (*FIXED_CONFIGS, *LIVE_CONFIGS) for item in fields(config)]
FASTDDS_PROFILE = Path(__file__).resolve().parents[1] / 'config' / 'fastdds.xml'
# The first is read by Fast DDS 3 (Kilted and later), the second by Fast DDS 2.
FASTDDS_VARIABLES = ('FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE')


def _typed(text: str, default: object) -> object:
    """Return an argument as a parameter of the type of its field's default."""
    if isinstance(default, str):
        return ParameterValue(text, value_type=str)
    if isinstance(default, float):
        return float(text)
    if isinstance(default, tuple):
        listed = yaml.safe_load(text) if text.startswith('[') else text.split(',')
        return [str(item).strip() for item in listed]
    return yaml.safe_load(text)


def _start(context: LaunchContext) -> list[Node]:
    given = context.launch_configurations
    parameters: list[Any] = [given['params_file']] if given['params_file'] else []
    parameters.append(
        {item.name: _typed(given[item.name], item.default) for item in FIELDS if given[item.name]}
    )
    if given['use_sim_time']:
        parameters.append({'use_sim_time': _typed(given['use_sim_time'], False)})
    return [
        Node(
            package='squeezedet_ros',
            executable='detector_node',
            name='detector',
            namespace=given['namespace'],
            parameters=parameters,
            output='screen',
        )
    ]


def _help(item: Field[Any]) -> str:
    text = f'{item.metadata["description"]}; default {item.default!r}'
    bounds = item.metadata.get('bounds')
    return f'{text}, {bounds[0]:g} to {bounds[1]:g}' if bounds else text


def generate_launch_description() -> LaunchDescription:
    """Return the node with its arguments."""
    others = {
        'params_file': 'YAML file with parameters, such as config/detector.yaml',
        'namespace': 'namespace of the node and its topics',
        'use_sim_time': 'true to take the time from /clock',
    }
    described = [*others.items(), *((item.name, _help(item)) for item in FIELDS)]
    return LaunchDescription(
        [
            *(
                SetEnvironmentVariable(name, str(FASTDDS_PROFILE))
                for name in FASTDDS_VARIABLES
                if name not in os.environ
            ),
            *(
                DeclareLaunchArgument(name, default_value='', description=text)
                for name, text in described
            ),
            OpaqueFunction(function=_start),
        ]
    )
