"""What the node says of an engine that is not to be had: tensorrt without a CUDA device."""

from domains import fresh_domain
import pytest
from ros_testing import NodeProcess


@pytest.fixture
def settings(weights):
    return {'weights': str(weights), 'engine': 'tensorrt', 'device': 'cpu'}


def test_another_is_taken_with_a_warning(settings, tmp_path):
    with NodeProcess(tmp_path / 'log', fresh_domain(), **settings) as node:
        node.wait_for('beside torch float32: ')
        (line,) = [line for line in node.log.splitlines() if 'fell back to torch' in line]
        assert line.startswith('[WARN]')
        assert 'engine tensorrt needs' in line


def test_none_is_taken_where_that_is_refused(settings, tmp_path):
    settings['allow_fallback'] = False
    with NodeProcess(tmp_path / 'log', fresh_domain(), **settings) as node:
        assert node.exit_status() != 0
        assert 'cannot configure: engine tensorrt needs' in node.log
        assert 'Traceback' not in node.log
