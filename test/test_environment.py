"""What script/bootstrap promises: vision_msgs over DDS, the profile in use, clear refusals."""

import os
from pathlib import Path
import shutil
import subprocess
import sys
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).resolve().parents[1]
PROFILE = ROOT / 'config' / 'fastdds.xml'
INTERFACE = {
    'BoundingBox2D': {
        'center': 'vision_msgs/Pose2D',
        'size_x': 'double',
        'size_y': 'double',
    },
    'Detection2D': {
        'header': 'std_msgs/Header',
        'results': 'sequence<vision_msgs/ObjectHypothesisWithPose>',
        'bbox': 'vision_msgs/BoundingBox2D',
        'id': 'string',
    },
    'Detection2DArray': {
        'header': 'std_msgs/Header',
        'detections': 'sequence<vision_msgs/Detection2D>',
    },
    'LabelInfo': {
        'header': 'std_msgs/Header',
        'class_map': 'sequence<vision_msgs/VisionClass>',
        'threshold': 'float',
    },
    'ObjectHypothesis': {'class_id': 'string', 'score': 'double'},
    'ObjectHypothesisWithPose': {
        'hypothesis': 'vision_msgs/ObjectHypothesis',
        'pose': 'geometry_msgs/PoseWithCovariance',
    },
    'Point2D': {'x': 'double', 'y': 'double'},
    'Pose2D': {'position': 'vision_msgs/Point2D', 'theta': 'double'},
    'VisionClass': {'class_id': 'uint16', 'class_name': 'string'},
    'VisionInfo': {
        'header': 'std_msgs/Header',
        'method': 'string',
        'database_location': 'string',
        'database_version': 'int32',
    },
}

LISTENER = """
import rclpy
from vision_msgs.msg import Detection2DArray

def hear(message):
    box = message.detections[0].bbox
    result = message.detections[0].results[0].hypothesis
    print(message.header.frame_id, box.center.position.x, box.center.position.y, box.size_x,
          box.size_y, result.class_id, result.score, message.detections[0].id, flush=True)
    raise SystemExit

rclpy.init()
node = rclpy.create_node('listener')
node.create_subscription(Detection2DArray, 'detections', hear, 1)
rclpy.spin(node)
"""

TALKER = """
import rclpy
from vision_msgs.msg import Detection2D, Detection2DArray, ObjectHypothesisWithPose

rclpy.init()
node = rclpy.create_node('talker')
publisher = node.create_publisher(Detection2DArray, 'detections', 1)
hypothesis = ObjectHypothesisWithPose()
hypothesis.hypothesis.class_id = '2'
hypothesis.hypothesis.score = 0.75
detection = Detection2D(results=[hypothesis], id='seven')
detection.bbox.center.position.x = 10.5
detection.bbox.center.position.y = 20.25
detection.bbox.size_x = 4.0
detection.bbox.size_y = 8.0
message = Detection2DArray(detections=[detection])
message.header.frame_id = 'front'
node.create_timer(0.05, lambda: publisher.publish(message))
rclpy.spin(node)
"""

PARTICIPANT = """
from pathlib import Path
import rclpy

before = set(Path('/dev/shm').iterdir())
rclpy.init()
node = rclpy.create_node('participant')
# Fast DDS 2 and 3 name them differently.
segments = [
    path
    for path in set(Path('/dev/shm').iterdir()) - before
    if path.name.startswith(('fastrtps_', 'fastdds_'))
]
print(max((path.stat().st_size for path in segments), default=0))
"""


def bootstrap_copy(tmp_path, **variables):
    """Run script/bootstrap in a copy of what it reads, away from this checkout's environment."""
    shutil.copytree(ROOT / 'script' / 'vision_msgs', tmp_path / 'script' / 'vision_msgs')
    for name in ('script/bootstrap', 'pyproject.toml', 'setup.py', 'setup.cfg'):
        shutil.copy(ROOT / name, tmp_path / name)
    for path in ROOT.glob('requirements*.txt'):
        shutil.copy(path, tmp_path)
    environment = {**os.environ, **variables}
    return subprocess.run(
        [tmp_path / 'script' / 'bootstrap'],
        env={name: value for name, value in environment.items() if value},
        capture_output=True,
        text=True,
        check=False,
    )


def refusal(tmp_path, **variables):
    done = bootstrap_copy(tmp_path, **variables)
    assert done.returncode == 1
    assert not (tmp_path / '.venv').exists()
    (line,) = done.stderr.splitlines()
    return line


def command(folder, name, text):
    path = folder / name
    path.write_text(f'#!/bin/sh\n{text}\n')
    path.chmod(0o755)
    return path


@pytest.mark.ros
@pytest.mark.parametrize('name', INTERFACE)
def test_vision_msgs_has_the_published_interface(name):
    messages = pytest.importorskip('vision_msgs.msg')
    fields = getattr(messages, name).get_fields_and_field_types()
    assert list(fields.items()) == list(INTERFACE[name].items())


@pytest.mark.ros
def test_detections_pass_between_two_processes():
    pytest.importorskip('vision_msgs.msg')
    # Not at the top: it needs ROS.
    from ros_testing import kill

    talker = subprocess.Popen([sys.executable, '-c', TALKER])
    try:
        heard = subprocess.run(
            [sys.executable, '-c', LISTENER],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
    finally:
        kill(talker)
    assert heard.stdout == 'front 10.5 20.25 4.0 8.0 2 0.75 seven\n'


def test_profile_has_room_for_images():
    names = {'dds': 'http://www.eprosima.com'}
    sizes = ElementTree.parse(PROFILE).findall('.//dds:segment_size', names)
    assert [int(size.text) for size in sizes] == [64 * 2**20]


@pytest.mark.ros
def test_profile_is_what_fast_dds_uses():
    pytest.importorskip('rclpy')
    if 'fastrtps' not in os.environ.get('RMW_IMPLEMENTATION', 'rmw_fastrtps_cpp'):
        pytest.skip('another DDS is chosen by RMW_IMPLEMENTATION')
    profile = {
        'FASTDDS_DEFAULT_PROFILES_FILE': str(PROFILE),
        'FASTRTPS_DEFAULT_PROFILES_FILE': str(PROFILE),
    }
    shown = subprocess.run(
        [sys.executable, '-c', PARTICIPANT],
        env={**os.environ, **profile},
        capture_output=True,
        text=True,
        check=True,
    )
    assert 64 * 2**20 <= int(shown.stdout) < 80 * 2**20


def test_bootstrap_refuses_an_old_python(tmp_path):
    text = '[ "$1" = --version ] && echo Python 3.8.1 || exit 1'
    python = command(tmp_path, 'python3', text)
    line = refusal(tmp_path, PYTHON=str(python), ROS_DISTRO='')
    assert 'needs Python 3.10 to 3.14' in line
    assert str(python) in line


def test_bootstrap_refuses_another_processor(tmp_path):
    command(tmp_path, 'uname', 'echo Linux aarch64')
    path = f'{tmp_path}:{os.environ["PATH"]}'
    line = refusal(tmp_path, PATH=path, ROS_DISTRO='', PYTHON=sys.executable)
    assert 'this is Linux aarch64: source a ROS 2 first' in line


def test_bootstrap_refuses_unknown_wheels(tmp_path):
    line = refusal(tmp_path, PYTHON=sys.executable, ROS_DISTRO='', ROS_WHEELS='noetic')
    assert "ROS_WHEELS must be jazzy or kilted, got 'noetic'" in line


def test_bootstrap_refuses_a_ros_that_is_not_sourced(tmp_path):
    line = refusal(tmp_path, PYTHON=sys.executable, ROS_DISTRO='humble', PYTHONPATH='')
    assert 'ROS_DISTRO is humble, but' in line
    assert 'cannot import rclpy' in line


def test_bootstrap_leaves_a_foreign_environment_alone(tmp_path):
    (tmp_path / '.venv').mkdir()
    (tmp_path / '.venv' / 'pyvenv.cfg').write_text('home = /usr/bin\n')
    done = bootstrap_copy(tmp_path, ROS_DISTRO='', ROS_WHEELS='', PYTHON=sys.executable)
    assert done.returncode == 1
    assert "is not of this script's making" in done.stderr
    assert (tmp_path / '.venv' / 'pyvenv.cfg').read_text() == 'home = /usr/bin\n'
