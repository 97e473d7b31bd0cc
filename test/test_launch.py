from contextlib import suppress
from dataclasses import fields, replace
import os
from pathlib import Path
import signal
import subprocess
import sys

from domains import fresh_domain
import pytest
from squeezedet_ros.config import FIXED_CONFIGS, LIVE_CONFIGS, SelectionConfig
import yaml

REPOSITORY = Path(__file__).resolve().parents[1]
LAUNCH_FILE = REPOSITORY / 'launch' / 'detector.launch.py'
GROUPS = (*FIXED_CONFIGS, *LIVE_CONFIGS)
# What `ros2 launch FILE NAME:=VALUE ...` does, without ros2cli.
LAUNCH = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource

source = PythonLaunchDescriptionSource(sys.argv[1])
given = [argument.split(':=') for argument in sys.argv[2:]]
service = LaunchService()
service.include_launch_description(
    LaunchDescription([IncludeLaunchDescription(source, launch_arguments=given)])
)
sys.exit(service.run())
"""


@pytest.fixture
def launched():
    """Make sure that there is something to launch with, and something to launch."""
    pytest.importorskip('launch_ros', reason='needs launch and launch_ros')
    packages = pytest.importorskip('ament_index_python.packages', reason='needs ROS 2')
    try:
        packages.get_package_prefix('squeezedet_ros')
    except packages.PackageNotFoundError:
        pytest.skip('squeezedet_ros is not installed in an ament prefix: colcon build, source')


def test_the_example_file_sets_known_parameters_to_legal_values_other_than_the_default():
    content = yaml.safe_load((REPOSITORY / 'config' / 'detector.yaml').read_text())
    values = content['/**/detector']['ros__parameters']
    known = {item.name: group for group in GROUPS for item in fields(group)}
    for name, value in values.items():
        value = tuple(value) if isinstance(value, list) else value
        default = known[name]()
        assert getattr(default, name) != value
        replace(default, **{name: value})


@pytest.mark.usefixtures('launched')
def test_every_parameter_is_an_argument_without_a_default():
    from launch.actions import DeclareLaunchArgument
    from launch.launch_description_sources import PythonLaunchDescriptionSource

    from launch import LaunchContext

    source = PythonLaunchDescriptionSource(str(LAUNCH_FILE))
    description = source.get_launch_description(LaunchContext())
    arguments = {
        item.name: item for item in description.entities if isinstance(item, DeclareLaunchArgument)
    }
    for group in GROUPS:
        for item in fields(group):
            assert item.metadata['description'] in arguments[item.name].description
    for argument in arguments.values():
        assert ''.join(part.text for part in argument.default_value) == ''


@pytest.mark.usefixtures('launched')
def test_the_launch_file_starts_the_node_to_active_with_what_is_given(tmp_path):
    from rcl_interfaces.srv import GetParameters
    from ros_testing import Client, tiny_network
    from squeezedet_ros.checkpoint import save_checkpoint

    weights, domain = tmp_path / 'tiny.safetensors', fresh_domain()
    save_checkpoint(tiny_network(), weights)
    given = {
        'params_file': REPOSITORY / 'config' / 'detector.yaml',
        'weights': weights,
        'namespace': 'car',
        'cameras': 'left,rig/right',
        'top_n': 7,
        'plot_prob_thresh': 0.25,
        'compile_network': 'false',
    }
    arguments = [f'{name}:={value}' for name, value in given.items()]
    process = subprocess.Popen(
        [sys.executable, '-c', LAUNCH, str(LAUNCH_FILE), *arguments],
        env={**os.environ, 'ROS_DOMAIN_ID': str(domain)},
        start_new_session=True,
    )
    try:
        with Client(domain, '/car/detector') as client:
            client.spin_until(lambda: client.state() == 'active')
            names = ['cameras', 'top_n', 'plot_prob_thresh', 'max_age', 'nms_thresh']
            request = GetParameters.Request(names=names)
            values = client.call(GetParameters, 'get_parameters', request).values
            assert values[0].string_array_value == ['left', 'rig/right']
            assert (values[1].integer_value, values[2].double_value) == (7, 0.25)
            # From the file, and from nowhere but the node itself.
            assert values[3].double_value == 0.5
            assert values[4].double_value == SelectionConfig().nms_thresh
            assert client.node.count_subscribers('/car/left/image_raw/compressed') == 1
        process.send_signal(signal.SIGINT)
        assert process.wait(120) == 0
    finally:
        # With launch, what it started.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
