"""Builds ``foxglove_msgs`` where no ROS installation brings it, as far as annotations need it."""

from importlib.util import find_spec
import os
from pathlib import Path
import shutil
import subprocess
import sys

import pytest

# https://docs.foxglove.dev/docs/sdk/schemas: the ROS 2 interface, its fields in their order.
MESSAGES = {
    'CircleAnnotation': """
        builtin_interfaces/Time timestamp
        foxglove_msgs/Point2 position
        float64 diameter
        float64 thickness
        foxglove_msgs/Color fill_color
        foxglove_msgs/Color outline_color""",
    'Color': 'float64 r\nfloat64 g\nfloat64 b\nfloat64 a',
    'ImageAnnotations': """
        foxglove_msgs/CircleAnnotation[] circles
        foxglove_msgs/PointsAnnotation[] points
        foxglove_msgs/TextAnnotation[] texts""",
    'Point2': 'float64 x\nfloat64 y',
    'PointsAnnotation': """
        builtin_interfaces/Time timestamp
        uint8 UNKNOWN=0
        uint8 POINTS=1
        uint8 LINE_LOOP=2
        uint8 LINE_STRIP=3
        uint8 LINE_LIST=4
        uint8 type
        foxglove_msgs/Point2[] points
        foxglove_msgs/Color outline_color
        foxglove_msgs/Color[] outline_colors
        foxglove_msgs/Color fill_color
        float64 thickness""",
    'TextAnnotation': """
        builtin_interfaces/Time timestamp
        foxglove_msgs/Point2 position
        string text
        float64 font_size
        foxglove_msgs/Color text_color
        foxglove_msgs/Color background_color""",
}
CMAKE = """cmake_minimum_required(VERSION 3.16)
project(foxglove_msgs)
find_package(ament_cmake REQUIRED)
find_package(builtin_interfaces REQUIRED)
find_package(rosidl_default_generators REQUIRED)
file(GLOB interface_files RELATIVE ${CMAKE_CURRENT_SOURCE_DIR} msg/*.msg)
rosidl_generate_interfaces(foxglove_msgs ${interface_files} DEPENDENCIES builtin_interfaces)
ament_package()
"""
PACKAGE = """<?xml version="1.0"?>
<package format="3">
  <name>foxglove_msgs</name><version>0.0.0</version><description>For a test.</description>
  <maintainer email="nobody@example.com">nobody</maintainer><license>MIT</license>
  <buildtool_depend>ament_cmake</buildtool_depend>
  <buildtool_depend>rosidl_default_generators</buildtool_depend>
  <depend>builtin_interfaces</depend>
  <member_of_group>rosidl_interface_packages</member_of_group>
  <export><build_type>ament_cmake</build_type></export>
</package>
"""


def environment_with_foxglove(folder: Path) -> dict[str, str]:
    """Return the variables of a process that can import ``foxglove_msgs``."""
    if find_spec('foxglove_msgs'):
        return dict(os.environ)
    if not shutil.which('cmake') or not find_spec('rosidl_adapter'):
        pytest.skip('neither foxglove_msgs nor what builds it is installed')
    source, prefix = folder / 'source', folder / 'prefix'
    (source / 'msg').mkdir(parents=True)
    (source / 'CMakeLists.txt').write_text(CMAKE)
    (source / 'package.xml').write_text(PACKAGE)
    for name, text in MESSAGES.items():
        lines = (line.strip() for line in text.strip().splitlines())
        (source / 'msg' / f'{name}.msg').write_text('\n'.join(lines) + '\n')
    environment = _build_environment()
    configure = ['cmake', '-S', source, '-B', folder / 'build', f'-DCMAKE_INSTALL_PREFIX={prefix}']
    configure += [f'-DPython3_EXECUTABLE={sys.executable}', '-DBUILD_TESTING=OFF']
    build = ['cmake', '--build', folder / 'build', '--target', 'install', '--parallel', '2']
    for command in (configure, build):
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    (package,) = prefix.glob('**/foxglove_msgs/__init__.py')
    return _prepended(
        PYTHONPATH=package.parents[1], LD_LIBRARY_PATH=prefix / 'lib', AMENT_PREFIX_PATH=prefix
    )


def _build_environment() -> dict[str, str]:
    """Return what a build finds ROS by; the wheels make the virtual environment its prefix."""
    if os.environ.get('ROS_DISTRO'):
        return dict(os.environ)
    environment = _prepended(
        CMAKE_PREFIX_PATH=sys.prefix, AMENT_PREFIX_PATH=sys.prefix, PATH=f'{sys.prefix}/bin'
    )
    environment.pop('PYTHONPATH', None)
    return environment


def _prepended(**paths: object) -> dict[str, str]:
    environment = dict(os.environ)
    for name, path in paths.items():
        environment[name] = f'{path}{os.pathsep}{environment.get(name, "")}'.rstrip(os.pathsep)
    return environment
