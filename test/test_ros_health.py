"""``squeezedet health`` as a process of its own, with the real node and without one."""

import os
from pathlib import Path
import signal
import subprocess
import sys
import time

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from domains import fresh_domain
from lifecycle_msgs.msg import Transition
import pytest
from ros_testing import Client, NodeProcess, READY, wait_until
from squeezedet_ros.ros.health import level_of, statuses_of
from std_srvs.srv import SetBool

pytestmark = pytest.mark.ros


def health(domain, *options):
    """Return the exit status and what was printed."""
    done = subprocess.run(
        [sys.executable, '-m', 'squeezedet_ros', 'health', *options],
        env={**os.environ, 'ROS_DOMAIN_ID': str(domain)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ''
    return done.returncode, done.stdout


@pytest.fixture(scope='module')
def node(weights, tmp_path_factory):
    domain = fresh_domain()
    log = tmp_path_factory.mktemp('health') / 'log'
    settings = {'weights': str(weights), 'cameras': ['front'], 'silent_after': 3600.0}
    with NodeProcess(log, domain, '-r', '__ns:=/car', **settings) as result:
        result.wait_for(READY)
        yield result
        assert result.end(signal.SIGINT) == 0


@pytest.fixture
def client(node):
    with Client(node.domain, '/car/detector') as result:
        yield result


def test_a_node_that_works_is_healthy(node):
    status, text = health(node.domain, '--node', '/car/detector')
    assert status == 0
    assert 'ok    /car/detector: looking at frames\n' in text
    assert '/car/detector: front: ' in text


def test_a_node_of_another_name_is_not_heard(node):
    status, text = health(node.domain, '--patience', '2')
    assert (status, text) == (1, 'nothing heard of /detector within 2 s\n')


def test_a_node_at_rest_is_healthy_unless_it_has_to_work(node, client):
    assert client.call(SetBool, 'enable', SetBool.Request(data=False)).success
    assert health(node.domain, '--node', '/car/detector')[0] == 0
    status, text = health(node.domain, '--node', '/car/detector', '--worst', 'ok')
    assert status == 1
    assert 'warn  /car/detector: not looking at frames\n' in text
    assert client.call(SetBool, 'enable', SetBool.Request(data=True)).success


def test_a_node_that_cannot_be_configured_is_not_healthy(node, client):
    for transition in ('DEACTIVATE', 'CLEANUP'):
        assert client.transition(getattr(Transition, f'TRANSITION_{transition}'))
    client.set_parameters(weights='/none')
    assert not client.transition(Transition.TRANSITION_CONFIGURE)
    status, text = health(node.domain, '--node', '/car/detector')
    assert status == 1
    assert text.startswith('error /car/detector: cannot configure: weights must name')
    assert health(node.domain, '--node', '/car/detector', '--worst', 'error')[0] == 0


def test_statuses_are_those_of_the_node():
    names = ('/a: x', '/a/detector: rear', '/a/detector', '/a/detector2', '/b/detector')
    message = DiagnosticArray(status=[DiagnosticStatus(name=name) for name in names])
    assert [item.name for item in statuses_of('/a/detector', message)] == [
        '/a/detector',
        '/a/detector: rear',
    ]
    assert statuses_of('/a', message) == []


def test_levels_are_words():
    levels = (b'\x00', b'\x01', b'\x02', b'\x03', b'\x09')
    words = [level_of(DiagnosticStatus(level=level)) for level in levels]
    assert words == ['ok', 'warn', 'error', 'stale', 'stale']


def test_it_ends_when_told_to():
    process = subprocess.Popen(
        [sys.executable, '-m', 'squeezedet_ros', 'health', '--patience', '600'],
        env={**os.environ, 'ROS_DOMAIN_ID': str(fresh_domain())},
        stderr=subprocess.PIPE,
        text=True,
    )
    # Once it listens: until then Python's own answer to the signal is as good.
    wait_until(lambda: len([*Path(f'/proc/{process.pid}/task').iterdir()]) > 4)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130
    assert process.stderr.read() == ''
