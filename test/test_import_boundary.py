"""The core does not see ROS, and imports point downwards."""

import ast
from pathlib import Path
import subprocess
import sys

import pytest
import squeezedet_ros

ROOT = Path(squeezedet_ros.__file__).parent
MODULES = sorted(path.relative_to(ROOT) for path in ROOT.rglob('*.py'))
ROS = {'rclpy', 'sensor_msgs', 'std_msgs', 'std_srvs', 'vision_msgs', 'diagnostic_msgs'}
ROS |= {'rcl_interfaces', 'lifecycle_msgs', 'geometry_msgs', 'builtin_interfaces', 'launch'}
# Each part may import those after it.
LAYERS = [
    {'ros', 'cli'},
    {'training', 'evaluation', 'data'},
    {'detector'},
    {'engines', 'checkpoint', 'weight_import'},
    {
        'network',
        'preprocessing',
        'postprocessing',
        'shortlist',
        'device_selection',
        'image_codec',
        'visualization',
        'tracking',
    },
    {'anchors', 'assignment', 'box_coder', 'boxes', 'detections', 'zones'},
    {
        'config',
        'contract',
        'dds_profile',
        'errors',
        'memory',
        'model_rules',
        'named_values',
        'settings',
    },
]


def imported(path):
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            yield from (item.name for item in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, 'imports are absolute'
            yield node.module


def layer(part):
    return next((level for level, parts in enumerate(LAYERS) if part in parts), None)


@pytest.mark.parametrize('path', MODULES, ids=str)
def test_ros_stays_in_its_place(path):
    roots = {name.split('.')[0] for name in imported(path)}
    if path.parts[0] != 'ros':
        assert not roots & ROS
    assert not ('rclpy' in roots and 'torch' in roots)


@pytest.mark.parametrize('path', MODULES, ids=str)
def test_imports_point_downwards(path):
    own = layer(path.parts[0].removesuffix('.py'))
    for name in imported(path):
        parts = name.split('.')
        if parts[0] == 'squeezedet_ros' and len(parts) > 1 and own is not None:
            assert layer(parts[1]) is not None, f'{name} has no layer'
            assert layer(parts[1]) >= own, f'{path} imports {name}'


@pytest.mark.parametrize(
    'module', ['evaluation/average_precision.py', 'evaluation/kitti_matching.py', 'tracking.py']
)
def test_scoring_and_tracking_need_no_torch(module):

    name = 'squeezedet_ros.' + module.removesuffix('.py').replace('/', '.')
    code = f'import sys, {name}; sys.exit("torch" in sys.modules)'
    assert subprocess.run([sys.executable, '-c', code], check=False).returncode == 0
