"""What the node says of an engine that is not to be had: tensorrt without a CUDA device."""

from domains import fresh_domain
from lifecycle_msgs.msg import Transition
import pytest
from ros_testing import Client, NodeProcess


@pytest.fixture
def settings(weights):
    return {'weights': str(weights), 'engine': 'tensorrt', 'device': 'cpu'}


def test_another_is_taken_with_a_warning(settings, tmp_path):
    with NodeProcess(tmp_path / 'log', fresh_domain(), **settings) as node:
        node.wait_for('beside torch float32: ')
        (line,) = [line for line in node.log.splitlines() if 'fell back to torch' in line]
        assert line.startswith('[WARN]')
        assert 'engine tensorrt needs' in line


def test_a_node_is_configured_anew_with_an_engine_that_is_there_and_one_that_is_not(
    settings, tmp_path
):
    settings['engine'] = 'torch'
    with (
        NodeProcess(tmp_path / 'log', fresh_domain(), **settings) as node,
        Client(node.domain) as client,
    ):
        node.wait_for('engine: as set')
        for engine, told in (('tensorrt', 'fell back to torch'), ('torch_eager', 'torch')):
            assert client.transition(Transition.TRANSITION_DEACTIVATE)
            assert client.transition(Transition.TRANSITION_CLEANUP)
            assert client.set_parameters(engine=engine)[0].successful
            assert client.transition(Transition.TRANSITION_CONFIGURE), node.log
            assert client.transition(Transition.TRANSITION_ACTIVATE)
            assert told in node.log
        assert node.log.count('engine: as set') == 2


def test_none_is_taken_where_that_is_refused(settings, tmp_path):
    settings['allow_fallback'] = False
    with NodeProcess(tmp_path / 'log', fresh_domain(), **settings) as node:
        assert node.exit_status() != 0
        assert 'cannot configure: engine tensorrt needs' in node.log
        assert 'Traceback' not in node.log
