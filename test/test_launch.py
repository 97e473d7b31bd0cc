from contextlib import suppress
from dataclasses import fields, replace
import json
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


EXECUTABLES = {
    'squeezedet_ros': 'detector_node',
    'rviz2': 'rviz2',
    'v4l2_camera': 'v4l2_camera_node',
    'rclcpp_components': 'component_container_mt',
}
# Put in the place of each: tells with what it was started, and the files named among that.
RECORDER = """#!{python}
import json, os, sys, time
from pathlib import Path

files = [Path(word).read_text() for word in sys.argv[1:] if Path(word).is_file()]
path = Path({folder!r}, '{name}.%d.json' % os.getpid())
path.with_suffix('.part').write_text(json.dumps([sys.argv[1:], files]))
path.with_suffix('.part').rename(path)
time.sleep({seconds})
"""


# Installed without colcon it would not be where launch files look for it.
COMMAND = '#!/bin/sh\nexec {python} -m squeezedet_ros "$@"\n'


class Recording:
    """Launch files run as they are, with executables that record how they were started."""

    def __init__(self, folder):
        self.folder, self.prefix = folder, folder / 'prefix'

    def start(self, name, domain, seconds, **given):
        index = self.prefix / 'share/ament_index/resource_index/packages'
        index.mkdir(parents=True, exist_ok=True)
        for package, executable in EXECUTABLES.items():
            path = self.prefix / 'lib' / package / executable
            path.parent.mkdir(parents=True, exist_ok=True)
            values = {'python': sys.executable, 'folder': str(self.folder), 'seconds': seconds}
            path.write_text(RECORDER.format(name=executable, **values))
            path.chmod(0o755)
            (index / package).touch()
        command = self.prefix / 'lib/squeezedet_ros/squeezedet'
        command.write_text(COMMAND.format(python=sys.executable))
        command.chmod(0o755)
        arguments = [f'{key}:={value}' for key, value in given.items()]
        variables = {
            'AMENT_PREFIX_PATH': f'{self.prefix}:{os.environ.get("AMENT_PREFIX_PATH", "")}',
            'ROS_DOMAIN_ID': str(domain),
            'ROS_LOG_DIR': str(self.folder),
            'TMPDIR': str(self.folder),
        }
        return subprocess.Popen(
            [sys.executable, '-c', LAUNCH, str(REPOSITORY / 'launch' / name), *arguments],
            env={**os.environ, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, name, **given):
        """Launch until all has ended; return what launch told."""
        return self.start(name, 1, 0, **given).communicate(timeout=60)[0]

    def started(self, executable):
        """Return the words and files each process of an executable was started with."""
        records = sorted(self.folder.glob(f'{executable}.*.json'))
        found = [json.loads(record.read_text()) for record in records]
        for record in records:
            record.unlink()
        return found

    def parameters(self, executable):
        """Return the parameters each process of an executable was started with."""
        return [
            {
                name: value
                for text in files
                for settings in yaml.full_load(text).values()
                for name, value in settings['ros__parameters'].items()
            }
            for _, files in self.started(executable)
        ]


@pytest.fixture
def recording(launched, tmp_path):  # noqa: ARG001
    return Recording(tmp_path)


@pytest.mark.parametrize('given', [{'cameras': 'left,rig/right'}, {'params_file': 'car.yaml'}])
def test_rviz_shows_the_overlay_of_each_camera(recording, tmp_path, given):
    settings = tmp_path / 'car.yaml'
    settings.write_text('/**/detector: {ros__parameters: {cameras: [left, rig/right]}}')
    if 'params_file' in given:
        given = {'params_file': settings}
    recording.run('detector.launch.py', rviz='true', namespace='/car', **given)
    ((words, (config,)),) = recording.started('rviz2')
    displays = yaml.safe_load(config)['Visualization Manager']['Displays']
    shown = [item['Topic']['Value'] for item in displays if item['Enabled']]
    assert words[0] == '-d'
    assert shown == ['/car/left/detections/image', '/car/rig/right/detections/image']
    assert [item['Name'] for item in displays][2:] == [
        'rig/right: Detections',
        'rig/right: Camera',
    ]


def test_without_being_asked_there_is_no_rviz(recording):
    recording.run('detector.launch.py')
    assert recording.started('detector_node')
    assert not recording.started('rviz2')


def test_cameras_are_started_where_the_detector_listens(recording):
    recording.run('cameras.launch.py', namespace='car', devices='/dev/a, /dev/b', top_n=9)
    (settings,) = recording.parameters('detector_node')
    assert settings == {'cameras': ('front', 'rear'), 'top_n': 9}
    drivers = recording.started('v4l2_camera_node')
    found = {
        word: yaml.safe_load(files[0])
        for words, files in drivers
        for word in words
        if word.startswith('__ns')
    }
    assert set(found) == {'__ns:=/car/front', '__ns:=/car/rear'}
    (front,) = found['__ns:=/car/front'].values()
    assert front['ros__parameters'] == {'camera_frame_id': 'front', 'video_device': '/dev/a'}
    told = recording.run('cameras.launch.py', cameras='x,y', devices='/dev/a')
    assert "expected as many devices as cameras, got '/dev/a' for 'x,y'" in told
    assert not recording.started('detector_node')


def test_what_is_rectified_is_what_the_detector_looks_at(recording):
    from composition_interfaces.srv import LoadNode
    from ros_testing import Client

    domain, loaded = fresh_domain(), []

    def load(request, response):
        loaded.append(request)
        response.success = True
        return response

    process = recording.start('rectified.launch.py', domain, 60, cameras='front,rig/rear')
    try:
        with Client(domain, '/detector') as client:
            client.node.create_service(LoadNode, '/rectifiers/_container/load_node', load)
            client.spin_until(lambda: len(loaded) == 2)
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    (settings,) = recording.parameters('detector_node')
    assert settings['cameras'] == ('front/rectified', 'rig/rear/rectified')
    assert {request.plugin_name for request in loaded} == {'image_proc::RectifyNode'}
    assert {request.node_namespace for request in loaded} == {'/front', '/rig/rear'}
    for request in loaded:
        assert 'image:=image_raw' in request.remap_rules
        assert 'image_rect:=rectified/image_raw' in request.remap_rules


def test_a_bag_is_evaluated_through_the_node(recording, weights, tmp_path):
    from ros_testing import picture
    from squeezedet_ros.data.bag_writer import BagWriter

    with BagWriter(tmp_path / 'my bag') as writer:
        for index in range(3):
            writer.write_image('eye', 1_300_000_000 * 10**9 + index * 10**8, picture(index))
    out = tmp_path / 'out.json'
    told = recording.run(
        'evaluate_bag.launch.py',
        bag=tmp_path / 'my bag',
        report=tmp_path / 'page',
        through_node='True',
        options=f'--mode replay --device cpu --weights {weights} --json {out}',
    )
    assert out.is_file(), told
    report = json.loads(out.read_text())
    assert report['through_node']['received'] == 3
    assert (tmp_path / 'page' / 'drive.html').is_file()
    told = recording.run('evaluate_bag.launch.py', bag=tmp_path / 'none', through_node='False')
    assert 'no such bag' in told


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
