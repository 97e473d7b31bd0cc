"""
Start the detector node; every parameter of the node is an argument.

An argument that is not given is not passed on: the value of ``params_file`` counts, or else the
node's own default. ``rviz:=true`` opens RViz beside it, with the overlay of each camera.
"""

from copy import deepcopy
from dataclasses import Field, fields
import os
from pathlib import Path
import tempfile
from typing import Any

from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from squeezedet_ros.config import FIXED_CONFIGS, LIVE_CONFIGS, NodeConfig
from squeezedet_ros.dds_profile import profile_variables
import yaml

from launch import LaunchContext, LaunchDescription

FIELDS = [item for config in (*FIXED_CONFIGS, *LIVE_CONFIGS) for item in fields(config)]
CONFIG = Path(__file__).resolve().parents[1] / 'config'
FASTDDS_PROFILE = CONFIG / 'fastdds.xml'


def _typed(text: str, default: object) -> Any:  # noqa: ANN401
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
    detector = Node(
        package='squeezedet_ros',
        executable='detector_node',
        name='detector',
        namespace=given['namespace'],
        parameters=parameters,
        output='screen',
    )
    return [detector, _rviz(given)] if _typed(given['rviz'], False) else [detector]


def _rviz(given: dict[str, str]) -> Node:
    """Return RViz with the displays of config/detector.rviz for each camera, by full topic."""
    config = yaml.safe_load((CONFIG / 'detector.rviz').read_text())
    manager = config['Visualization Manager']
    displays = []
    for camera in _cameras(given):
        for display in deepcopy(manager['Displays']):
            topic = display['Topic']['Value'].removeprefix(NodeConfig().cameras[0])
            whole = '/'.join(('', given['namespace'], camera)) + topic
            display['Topic']['Value'] = '/' + '/'.join(filter(None, whole.split('/')))
            display['Name'] = f'{camera}: {display["Name"]}'
            displays.append(display)
    manager['Displays'] = displays
    # Not removed: RViz reads it after this process has gone on, and may be told to save it.
    with tempfile.NamedTemporaryFile('w', suffix='.rviz', delete=False) as file:
        yaml.safe_dump(config, file)
    return Node(package='rviz2', executable='rviz2', arguments=['-d', file.name])


def _cameras(given: dict[str, str]) -> list[str]:
    default = NodeConfig().cameras
    if given['cameras']:
        return list(_typed(given['cameras'], default))
    if given['params_file']:
        content = yaml.safe_load(Path(given['params_file']).read_text()) or {}
        for settings in content.values():
            if cameras := settings.get('ros__parameters', {}).get('cameras'):
                return list(cameras)
    return list(default)


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
        'rviz': 'true to open RViz with the overlay of each camera; needs the package rviz2',
    }
    described = [*others.items(), *((item.name, _help(item)) for item in FIELDS)]
    return LaunchDescription(
        [
            *(
                SetEnvironmentVariable(name, str(FASTDDS_PROFILE))
                for name in profile_variables()
                if name not in os.environ
            ),
            *(
                DeclareLaunchArgument(name, default_value='', description=text)
                for name, text in described
            ),
            OpaqueFunction(function=_start),
        ]
    )
