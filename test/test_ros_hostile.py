"""Hostile parameters and images to the real node: refused, and nothing done to the system."""

from array import array
import hashlib
from pathlib import Path
import signal

from domains import fresh_domain
from hostile import images, SHELL, weights_files, weights_names
from lifecycle_msgs.msg import Transition
import pytest
from ros_testing import (
    Client,
    image_message,
    NodeProcess,
    outcomes,
    picture,
    stamped,
    values_of,
)
from sensor_msgs.msg import CompressedImage

pytestmark = pytest.mark.ros
INPUT = {'input_reliability': 'reliable', 'input_depth': 1000}
# A pair of sockets inside the process, by which a signal wakes it; AF_UNIX is 1.
HARMLESS = r'socket.__new__ (<socket.socket fd=-1, family=0, type=0, proto=0>, 1, 1, 0)'


class AuditedNode(NodeProcess):
    """The node with a record of what it does to the system."""

    def __init__(self, folder, domain, **parameters):
        self.record = folder / 'record'
        self.program = (str(Path(__file__).parent / 'audited_node.py'), str(self.record))
        super().__init__(folder / 'log', domain, **parameters)

    def deeds(self):
        return set(self.record.read_text().splitlines()) - {HARMLESS}


@pytest.fixture(scope='module')
def node(tmp_path_factory):
    """Return an audited node that is not configured, whose record is looked at in the end."""
    domain = fresh_domain()
    settings = {'cameras': ['front'], 'autostart': False, 'num_threads': 1, **INPUT}
    with AuditedNode(tmp_path_factory.mktemp('audited'), domain, **settings) as result:
        yield result
        assert result.end(signal.SIGINT) == 0
        assert result.deeds() == set()
        assert HARMLESS in result.record.read_text()


@pytest.fixture
def client(node):
    with Client(node.domain) as result:
        yield result


def refused_settings(trace):
    """Yield parameters that are refused when they are set, with what has to be said."""
    texts = [text.format(trace) for text in SHELL]
    for text in texts:
        yield {'cameras': [text]}, 'cameras must be distinct topic names'
        yield {'device': text}, 'device must be auto, cpu, cuda or cuda:N'
        yield {'mode': text}, 'mode must be one of'
        yield {'class_thresh': [f'car={text}']}, 'class_thresh'
        yield {'exclude_zones': [f'front={text}']}, 'exclude_zones'
    for name in (
        '../front',
        '/front',
        'a//b',
        'a b',
        '~/x',
        'é',
        'a' * 300,
        '',
        '{x}',
        '__import__',
    ):
        yield {'cameras': [name]}, 'cameras must be distinct topic names'
    yield {'device': f'cuda:{"9" * 400}'}, 'device must be'
    yield {'top_n': 2**62}, 'top_n'
    yield {'num_threads': -1}, 'num_threads'
    yield {'plot_prob_thresh': float('nan')}, 'plot_prob_thresh'
    yield {'max_age': float('inf')}, 'max_age'
    yield {'cameras': [f'c{number}' for number in range(1000)]}, 'cameras must be'
    yield {'include_zones': ['front=' + '0.5 ' * 100_000]}, 'include_zones'
    yield {'exclude_zones': ['front=nan nan 1 1 0 1']}, 'exclude_zones'


def test_hostile_parameters_are_refused_when_they_are_set(client, tmp_path):
    trace = tmp_path / 'ran'
    for settings, expected in refused_settings(trace):
        (result,) = client.set_parameters(**settings)
        assert not result.successful, settings
        assert expected in result.reason
        assert len(result.reason) < 1000
    assert not trace.exists()


def test_hostile_weights_are_refused_at_configure(client, node, tmp_path):
    trace = tmp_path / 'ran'
    files = [(str(path), text) for path, text in weights_files(tmp_path, trace)]
    for weights, expected in [*weights_names(tmp_path, trace), *files]:
        (result,) = client.set_parameters(weights=weights)
        assert result.successful
        before = len(node.log)
        assert not client.transition(Transition.TRANSITION_CONFIGURE), weights
        client.spin_until(lambda start=before: 'cannot configure' in node.log[start:], 10.0)
        # One line of the log each.
        (line,) = [row for row in node.log[before:].splitlines() if 'cannot configure' in row]
        assert expected in line
        assert client.state() == 'unconfigured'
    assert not trace.exists()


def test_hostile_images_are_undecodable_and_the_next_frame_is_detected(client, weights):
    client.set_parameters(weights=str(weights), image_transport='compressed')
    assert client.transition(Transition.TRANSITION_CONFIGURE)
    assert client.transition(Transition.TRANSITION_ACTIVATE)
    statuses = client.outputs('front')[1]
    publisher = client.image_publisher('front', CompressedImage)
    hostile = list(images())
    for position, (name, content, expected) in enumerate(hostile):
        message = stamped(CompressedImage, 10**18 + position)
        message.format, message.data = f'$(touch {name})', array('B', content)
        publisher.publish(message)
        client.spin_until(lambda count=position: len(statuses) > count)
        assert outcomes(statuses)[-1] == 'undecodable', name
        assert expected in statuses[-1].status[0].message
    client.transition(Transition.TRANSITION_DEACTIVATE)
    client.transition(Transition.TRANSITION_CLEANUP)


def test_hostile_messages_are_undecodable_too(client, weights):
    client.set_parameters(weights=str(weights), image_transport='raw')
    assert client.transition(Transition.TRANSITION_CONFIGURE)
    assert client.transition(Transition.TRANSITION_ACTIVATE)
    statuses = client.outputs('front')[1]
    publisher = client.image_publisher('front')
    wrongs = [
        ({'height': 65535, 'width': 65535}, 'got 65535 x 65535'),
        ({'height': 2**32 - 1, 'width': 2**32 - 1, 'step': 2**32 - 1}, 'at most 100000000 pixels'),
        ({'height': 10**4, 'width': 10**4, 'step': 3 * 10**4}, '300000000 bytes of data'),
        ({'step': 0}, 'expected a step of at least 480'),
        ({'step': 2**32 - 1}, 'bytes of data'),
        ({'encoding': '$(touch x)'}, "got '$(touch x)'"),
        ({'encoding': 'x' * 10_000}, 'expected an encoding among'),
        ({'encoding': '../../bgr8'}, 'expected an encoding among'),
        ({'width': 0}, 'above 0'),
    ]
    for position, (fields, expected) in enumerate(wrongs):
        message = image_message(picture())
        for name, value in fields.items():
            setattr(message, name, value)
        publisher.publish(message)
        client.spin_until(lambda count=position: len(statuses) > count)
        assert outcomes(statuses)[-1] == 'undecodable', fields
        assert expected in statuses[-1].status[0].message
        assert len(statuses[-1].status[0].message) < 1000
    publisher.publish(image_message(picture()))
    client.spin_until(lambda: outcomes(statuses)[-1] == 'detected')
    assert float(values_of(statuses[-1].status[0])['total']) > 0
    client.transition(Transition.TRANSITION_DEACTIVATE)
    client.transition(Transition.TRANSITION_CLEANUP)


def test_a_digest_is_checked_at_configure(client, node, weights):
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    client.set_parameters(weights=f'{weights}#sha256={"0" * 64}')
    assert not client.transition(Transition.TRANSITION_CONFIGURE)
    client.spin_until(lambda: f'digest {"0" * 64}, got {digest}' in node.log)
    client.set_parameters(weights=f'{weights}#sha256={digest}')
    assert client.transition(Transition.TRANSITION_CONFIGURE)
    client.transition(Transition.TRANSITION_CLEANUP)
