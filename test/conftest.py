"""What all tests share."""

from importlib.util import find_spec
import os
import signal

from domains import fresh_domain
import pytest
from squeezedet_ros.checkpoint import save_checkpoint

MISSING = [name for name in ('rclpy', 'vision_msgs') if find_spec(name) is None]
collect_ignore_glob = ['test_ros_*.py'] if MISSING else []


def pytest_configure(config):
    if config.option.markexpr != 'gpu':
        # The tests know what a CPU says, of the device that is chosen where none is named.
        os.environ['CUDA_VISIBLE_DEVICES'] = ''
    # Where the run was started in a shell's background it is ignored, and children inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # For commands that keep to the domain they are started in.
    os.environ['ROS_DOMAIN_ID'] = str(fresh_domain())


def pytest_report_header():
    if MISSING:
        return f'tests of the node are left out: no module {" and ".join(MISSING)}'
    return None


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    """Return a checkpoint that the node's tests can afford."""
    # Not at the top: it needs ROS, which most tests do without.
    from ros_testing import tiny_network

    path = tmp_path_factory.mktemp('weights') / 'tiny.safetensors'
    save_checkpoint(tiny_network(), path)
    return path
