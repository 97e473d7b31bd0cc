"""What all tests share."""

from importlib.util import find_spec
import signal

MISSING = [name for name in ('rclpy', 'vision_msgs') if find_spec(name) is None]
collect_ignore_glob = ['test_ros_*.py'] if MISSING else []


def pytest_configure():
    # Where the run was started in a shell's background it is ignored, and children inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_report_header():
    if MISSING:
        return f'tests of the node are left out: no module {" and ".join(MISSING)}'
    return None
