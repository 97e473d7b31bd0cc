"""The node's states: the way through them, what they refuse, and its end."""

from pathlib import Path
import re
import signal

from diagnostic_msgs.msg import DiagnosticArray
from domains import fresh_domain
from lifecycle_msgs.msg import Transition
import numpy as np
import pytest
from ros_testing import (
    Client,
    image_message,
    NodeProcess,
    outcomes,
    picture,
    READY,
    values_of,
)
from safetensors.numpy import save_file
from std_srvs.srv import SetBool

pytestmark = pytest.mark.ros


def test_the_way_through_the_lifecycle(weights, tmp_path):
    domain = fresh_domain()
    settings = {'weights': str(tmp_path / 'none.safetensors'), 'autostart': False}
    with NodeProcess(tmp_path / 'log', domain, **settings) as node, Client(domain) as client:
        diagnostics = client.collect(DiagnosticArray, '/diagnostics')
        assert client.state() == 'unconfigured'
        assert not client.call(SetBool, 'enable', SetBool.Request(data=True)).success
        assert not client.transition(Transition.TRANSITION_CONFIGURE)
        assert client.state() == 'unconfigured'
        reason = f'cannot configure: weights must name a .safetensors file, but {tmp_path}'
        node.wait_for(reason)
        client.spin_until(lambda: any(reason in m.status[0].message for m in diagnostics))
        assert diagnostics[-1].status[0].level == b'\x02'

        assert client.set_parameters(weights=str(weights), cameras=['front'])[0].successful
        for _ in range(2):
            assert client.transition(Transition.TRANSITION_CONFIGURE)
            assert client.state() == 'inactive'
            assert not client.node.count_subscribers('front/image_raw')
            arrays, statuses = client.outputs('front')
            for _ in range(2):
                assert client.transition(Transition.TRANSITION_ACTIVATE)
                seen = len(arrays)
                client.image_publisher('front').publish(image_message(picture()))
                client.spin_until(lambda a=arrays, n=seen: len(a) > n)
                assert client.transition(Transition.TRANSITION_DEACTIVATE)
                client.spin_until(lambda: not client.node.count_subscribers('front/image_raw'))
            client.spin_until(lambda s=statuses: outcomes(s) == ['detected'] * 2)
            assert client.transition(Transition.TRANSITION_CLEANUP)
            client.spin_until(lambda: not client.node.count_publishers('front/detections'))
        assert client.transition(Transition.TRANSITION_UNCONFIGURED_SHUTDOWN)
        assert client.state() == 'finalized'
        assert node.end(signal.SIGINT) == 0


def broken_files(folder, weights):
    """Return files that are no checkpoint, each with what must be said of it."""
    content = weights.read_bytes()
    (folder / 'cut.safetensors').write_bytes(content[: len(content) // 2])
    (folder / 'text.safetensors').write_text('no weights at all')
    save_file({'a': np.zeros(3, np.float32)}, folder / 'foreign.safetensors')
    return {
        'missing.safetensors': 'is no file',
        'cut.safetensors': 'cannot be read as a safetensors checkpoint',
        'text.safetensors': 'cannot be read as a safetensors checkpoint',
        'foreign.safetensors': 'without a squeezedet model config in its header',
    }


def test_a_node_survives_all_it_has_to_refuse(weights, tmp_path):
    domain = fresh_domain()
    with NodeProcess(tmp_path / 'log', domain, autostart=False) as node, Client(domain) as client:
        assert not client.transition(Transition.TRANSITION_ACTIVATE)
        assert client.state() == 'unconfigured'
        for name, reason in broken_files(tmp_path, weights).items():
            assert client.set_parameters(weights=str(tmp_path / name))[0].successful
            assert not client.transition(Transition.TRANSITION_CONFIGURE)
            line = node.log.splitlines()[-1]
            assert 'cannot configure: ' in line
            assert name in line
            assert reason in line
        assert client.set_parameters(weights=str(weights), device='cuda:99')[1].successful
        assert not client.transition(Transition.TRANSITION_CONFIGURE)
        assert 'device cuda:99 was asked for, but' in node.log.splitlines()[-1]
        assert client.set_parameters(device='cpu')[0].successful
        assert client.transition(Transition.TRANSITION_CONFIGURE)
        assert client.state() == 'inactive'
        assert node.end(signal.SIGTERM) == 0


@pytest.mark.parametrize(
    ('settings', 'reasons'),
    [
        ({'weights': '/nowhere.safetensors'}, ['/nowhere.safetensors is no file']),
        (
            {'cameras': ['front left'], 'mode': 'slow', 'top_n': 0},
            ["got 'front left'", "one of live, replay, got 'slow'", 'top_n out of range'],
        ),
    ],
)
def test_a_node_that_cannot_start_says_why_in_one_line_and_ends(settings, reasons, tmp_path):
    with NodeProcess(tmp_path / 'log', fresh_domain(), **settings) as node:
        assert node.exit_status() == 1
        (line,) = node.log.splitlines()
        assert 'cannot configure: ' in line
        assert all(reason in line for reason in reasons)


def test_a_signal_in_the_middle_of_work_ends_the_node_cleanly(weights, tmp_path):
    domain = fresh_domain()
    settings = {'weights': str(weights), 'cameras': ['front'], 'mode': 'replay'}
    with NodeProcess(tmp_path / 'log', domain, **settings) as node, Client(domain) as client:
        node.wait_for(READY)
        arrays, statuses = client.outputs('front')
        publisher = client.image_publisher('front')
        image = picture(size=(375, 1242))
        for number in range(300):
            publisher.publish(image_message(image, 10**9 + number))
        client.spin_until(lambda: arrays)
        assert node.end(signal.SIGTERM) == 0
        assert 'Traceback' not in node.log
        client.spin_for(0.5)
        told = outcomes(statuses)
        assert told.count('detected') == len(arrays)
        assert set(told) <= {'detected', 'superseded'}


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_nothing_is_left_of_a_node_that_ended(weights, tmp_path, number):
    """Neither its shared memory, tens of megabytes of it, nor a ghost in the graph."""
    domain = fresh_domain()
    settings = {'weights': str(weights), 'cameras': ['front']}
    with NodeProcess(tmp_path / 'log', domain, **settings) as node, Client(domain) as client:
        node.wait_for(READY)
        client.spin_until(lambda: 'detector' in client.node.get_node_names())
        maps = Path(f'/proc/{node.process.pid}/maps').read_text()
        segments = {Path(path) for path in re.findall(r'/dev/shm/fast\S+', maps)}
        own = {path for path in segments if path.stat().st_size > 1_000_000}
        assert node.end(number) == 0
        client.spin_until(lambda: 'detector' not in client.node.get_node_names())
        assert own
        # The client's own it had mapped too.
        left = {path for path in own if path.exists()}
        maps = Path('/proc/self/maps').read_text()
        assert {path for path in left if str(path) not in maps} == set()


def test_a_name_that_no_parameter_has_is_told(weights, tmp_path):
    file = tmp_path / 'shared.yaml'
    file.write_text('/**: {ros__parameters: {plot_prob_tresh: 0.9, gain: 3}}\n')
    settings = {'weights': str(weights), 'autostart': False, 'use_sim_time': False}
    options = ('--params-file', str(file))
    with NodeProcess(tmp_path / 'log', fresh_domain(), *options, **settings) as node:
        node.wait_for('no parameter plot_prob_tresh, did you mean plot_prob_thresh?')
        node.wait_for('no parameter gain\n')
        assert node.log.count('no parameter') == 2


def test_where_ros_does_not_start_one_line_says_why(tmp_path):
    options = ('--params-file', str(tmp_path / 'none.yaml'))
    with NodeProcess(tmp_path / 'log', fresh_domain(), *options) as node:
        assert node.exit_status() == 1
        assert node.log.splitlines()[-1].startswith('detector: ROS cannot start: ')
        assert 'none.yaml' in node.log
        assert 'Traceback' not in node.log


def test_a_simulated_clock_that_stands_still_is_told(weights, tmp_path):
    domain = fresh_domain()
    settings = {'weights': str(weights), 'cameras': ['front'], 'use_sim_time': True}
    with NodeProcess(tmp_path / 'log', domain, **settings) as node, Client(domain) as client:
        node.wait_for(READY)
        _, statuses = client.outputs('front')
        diagnostics = client.collect(DiagnosticArray, '/diagnostics')
        client.image_publisher('front').publish(image_message(picture(), 10**18))
        client.spin_until(lambda: statuses)
        assert 'age' not in values_of(statuses[0].status[0])
        told = 'use_sim_time is set, but nothing came on /clock yet'
        client.spin_until(lambda: any(m.status[0].message == told for m in diagnostics))
