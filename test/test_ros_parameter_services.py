"""Every parameter set through the parameter services of the node as its own process."""

from __future__ import annotations

from dataclasses import fields, replace

from diagnostic_msgs.msg import DiagnosticArray
from domains import fresh_domain
from lifecycle_msgs.msg import Transition
import numpy as np
import pytest
from rcl_interfaces.srv import GetParameters
from rclpy.parameter import parameter_value_to_python
from ros_testing import (
    Client,
    image_message,
    NodeProcess,
    outcomes,
    picture,
    READY,
    values_of,
)
from sensor_msgs.msg import Image
from squeezedet_ros.checkpoint import save_checkpoint
from squeezedet_ros.config import FIXED_CONFIGS, LIVE_CONFIGS, ModelConfig, SelectionConfig
from squeezedet_ros.network import SqueezeDet
from squeezedet_ros.visualization import EXCLUDE_COLOUR

pytestmark = pytest.mark.ros

HALF = 'front=0 0 0.5 0 0.5 1 0 1'
BAD_FORM = 'must be CAMERA=X0 Y0 X1 Y1 X2 Y2 ...'
RANGE, TYPE = 'out of range', 'Wrong parameter type, expected'

# By parameter: a legal value other than the default; illegal ones, each with what must be said.
LIVE = {
    'top_n': (9, [(0, RANGE), (1001, RANGE), (9.0, TYPE)]),
    'plot_prob_thresh': (0.25, [(1.5, RANGE), (-0.5, RANGE), (float('nan'), 'nan')]),
    'nms_thresh': (0.5, [(-0.1, RANGE), ('high', TYPE)]),
    'nms_variant': ('reference', [('soft', "one of greedy, reference, got 'soft'")]),
    'class_thresh': (
        ['car=0.5', 'cyclist=0.2'],
        [
            (['car=2'], "CLASS=THRESH with a number in [0, 1], got 'car=2'"),
            (['bus=0.5'], "classes of the model (car, pedestrian, cyclist), got 'bus'"),
            ('car=0.5', TYPE),
        ],
    ),
    'class_filter': (
        ['car', 'pedestrian'],
        [(['bus'], "classes of the model (car, pedestrian, cyclist), got 'bus'")],
    ),
    'include_zones': (
        [HALF, 'rig/rear=0 0 1 0 1 1'],
        [
            (['front=0 0 1 1'], f'{BAD_FORM}, got 4 numbers'),
            (['side=0 0 1 0 1 1'], "cameras (front, rig/rear), got 'side'"),
        ],
    ),
    'exclude_zones': (
        [HALF],
        [
            (['front=0 0 0.5 0.5 1 1'], f'{BAD_FORM} with corners not on one line'),
            (['front=0 0 2 0 1 1'], f'{BAD_FORM} with all numbers in [0, 1]'),
            (['side=0 0 1 0 1 1'], "cameras (front, rig/rear), got 'side'"),
        ],
    ),
    'max_age': (0.5, [(-1.0, RANGE), (3601.0, RANGE)]),
    'max_fps': (10.0, [(-1.0, RANGE), (1001.0, RANGE)]),
}
FIXED = {
    'cameras': (['left'], [(['front left'], "got 'front left'"), ([], 'at least one, got []')]),
    'image_transport': ('compressed', [('theora', "one of raw, compressed, got 'theora'")]),
    'mode': ('replay', [('slow', "one of live, replay, got 'slow'")]),
    'input_reliability': ('reliable', [('some', "reliable, got 'some'")]),
    'input_depth': (5, [(0, RANGE)]),
    'lazy': (True, [('no', TYPE)]),
    'silent_after': (2.0, [(0.0, RANGE)]),
    'weights': ('other.safetensors', [(5, TYPE)]),
    'class_id_format': ('name', [('number', "one of index, name, got 'number'")]),
    'track': (True, [('no', TYPE)]),
    'autostart': (False, [('no', TYPE)]),
    'engine': ('torch', [('tflite', "openvino, tensorrt, got 'tflite'")]),
    'allow_fallback': (False, [('no', TYPE)]),
    'device': ('cpu', [('tpu', "auto, cpu, cuda or cuda:N, got 'tpu'")]),
    'precision': ('float32', [('int4', "bfloat16, int8, got 'int4'")]),
    'calibration': ('images', [(5, TYPE)]),
    'num_threads': (1, [(-1, RANGE), (257, RANGE)]),
    'compile_network': (True, [('yes', TYPE)]),
}

DEFAULTS = {item.name: item.default for config in FIXED_CONFIGS for item in fields(config)}


@pytest.fixture(scope='module')
def running(weights, tmp_path_factory):
    """Return a client of a node with two cameras; tests set live parameters back."""
    domain = fresh_domain()
    log = tmp_path_factory.mktemp('running') / 'log'
    settings = {'weights': str(weights), 'cameras': ['front', 'rig/rear']}
    settings |= {'input_reliability': 'reliable', 'input_depth': 50}
    with NodeProcess(log, domain, **settings) as node, Client(domain) as client:
        node.wait_for(READY)
        yield client
        assert node.process.poll() is None
        assert 'Traceback' not in node.log


def value_of(client, name):
    request = GetParameters.Request(names=[name])
    value = parameter_value_to_python(
        client.call(GetParameters, 'get_parameters', request).values[0]
    )
    return list(value) if isinstance(value, (list, tuple)) else value


def refuse(client, name, values):
    """Make sure that illegal values are refused with what must be said, and change nothing."""
    before = value_of(client, name)
    for value, reason in values:
        (result,) = client.set_parameters(**{name: value})
        assert not result.successful, (name, value)
        assert reason in result.reason
        if reason != TYPE:
            assert name in result.reason
    assert value_of(client, name) == before


def test_the_tables_above_have_every_parameter():
    for table, configs in ((LIVE, LIVE_CONFIGS), (FIXED, FIXED_CONFIGS)):
        assert list(table) == [item.name for config in configs for item in fields(config)]


@pytest.mark.parametrize('name', LIVE)
def test_what_is_live_takes_a_legal_value_while_running_and_no_other(running, name):
    before = value_of(running, name)
    legal, illegal = LIVE[name]
    assert legal != before
    (result,) = running.set_parameters(**{name: legal})
    assert (result.successful, result.reason) == (True, '')
    assert value_of(running, name) == legal
    refuse(running, name, illegal)
    assert running.set_parameters(**{name: before})[0].successful
    assert value_of(running, name) == before


@pytest.mark.parametrize('name', FIXED)
def test_the_rest_is_read_only_while_running(running, name):
    legal, illegal = FIXED[name]
    # This node runs with some legal values already.
    other = legal if legal != value_of(running, name) else DEFAULTS[name]
    refuse(running, name, [(other, f'{name}: read-only while the node is configured')])
    refuse(running, name, illegal)


def test_the_rest_takes_a_legal_value_before_configure_and_no_other(tmp_path):
    domain = fresh_domain()
    with NodeProcess(tmp_path / 'log', domain, autostart=False) as node, Client(domain) as client:
        assert client.set_parameters(autostart=True)[0].successful
        for name, (legal, illegal) in FIXED.items():
            assert legal != value_of(client, name)
            assert client.set_parameters(**{name: legal})[0].successful
            assert value_of(client, name) == legal
            refuse(client, name, illegal)
        assert client.state() == 'unconfigured'
        assert node.process.poll() is None


def test_one_wrong_value_keeps_a_whole_request_from_counting(running):
    good = {'top_n': 3, 'max_fps': 4.0, 'class_filter': ['car'], 'exclude_zones': [HALF]}
    before = {name: value_of(running, name) for name in good}
    refused = running.set_parameters(atomically=True, **good, class_thresh=['bus=0.1'])
    assert not refused.successful
    assert refused.reason.endswith("(car, pedestrian, cyclist), got 'bus'")
    assert {name: value_of(running, name) for name in good} == before
    assert running.set_parameters(atomically=True, **good).successful
    assert {name: value_of(running, name) for name in good} == good
    assert running.set_parameters(atomically=True, **before).successful


def middles(array):
    """Return (N,) the horizontal middle of each box of a message, in pixels."""
    return np.array([detection.bbox.center.position.x for detection in array.detections])


def has_line(image, column, colour):
    """Return whether most of a column of a picture has one colour."""
    pixels = np.frombuffer(image.data, np.uint8).reshape(image.height, image.width, 3)
    return (pixels[:, column] == colour).all(-1).mean() > 0.5


def test_zones_and_thresholds_count_from_the_next_frame_and_zones_are_drawn(running):
    arrays, _ = running.outputs('front')
    images = running.collect(Image, 'front/detections/image')
    publisher = running.image_publisher('front')
    running.spin_until(lambda: running.node.count_publishers('front/detections/image'))
    running.spin_for(1.0)
    # So few that their boxes do not cover all of a zone's outline.
    assert running.set_parameters(top_n=64)[0].successful

    def look():
        number = len(arrays)
        publisher.publish(image_message(picture(size=(120, 200))))
        running.spin_until(lambda: len(arrays) > number)
        return arrays[-1]

    everything = middles(look())
    places = np.unique(everything)
    edge = (places[len(places) // 2 - 1 :][:2].mean() + 0.5) / 200
    left = (everything + 0.5) / 200 < edge
    assert 0 < left.sum() < len(left)
    part = f'front=0 0 {edge} 0 {edge} 1 0 1'
    try:
        assert running.set_parameters(exclude_zones=[part])[0].successful
        np.testing.assert_array_equal(middles(look()), everything[~left])
        # Drawn after it is published.
        column = round(edge * 199)
        running.spin_until(lambda: any(has_line(item, column, EXCLUDE_COLOUR) for item in images))
        results = running.set_parameters(include_zones=[part], exclude_zones=[])
        assert all(result.successful for result in results)
        np.testing.assert_array_equal(middles(look()), everything[left])
        assert running.set_parameters(include_zones=['rig/rear=0 0 1 0 1 1'])[0].successful
        np.testing.assert_array_equal(middles(look()), everything)
        assert running.set_parameters(class_filter=['cyclist'])[0].successful
        assert not look().detections
        assert running.set_parameters(class_filter=[], class_thresh=['car=1.0'])[1].successful
        assert not look().detections
    finally:
        lists = ('include_zones', 'exclude_zones', 'class_filter', 'class_thresh')
        unset = {name: [] for name in lists}
        results = running.set_parameters(**unset, top_n=SelectionConfig().top_n)
        assert all(result.successful for result in results)


def test_frames_that_come_too_soon_are_superseded_whatever_their_stamp(running):
    arrays, statuses = running.outputs('front')
    publisher = running.image_publisher('front')

    def look(stamp):
        number = len(statuses)
        publisher.publish(image_message(picture(), stamp))
        running.spin_until(lambda: len(statuses) > number)

    try:
        # One frame in 20 minutes, so that no machine is too slow for this test.
        assert running.set_parameters(max_fps=1 / 1200)[0].successful
        for stamp in (0, 0, 10**9, 0):
            look(stamp)
        assert running.set_parameters(max_fps=0.0)[0].successful
        look(0)
        # Older than any limit.
        assert running.set_parameters(max_age=3600.0)[0].successful
        look(10**9)
    finally:
        results = running.set_parameters(max_fps=0.0, max_age=0.0)
        assert all(result.successful for result in results)
    told = outcomes(statuses)
    # The first of all may come too soon after a frame of another test.
    assert told[0] in ('detected', 'superseded')
    assert told[1:] == ['superseded'] * 3 + ['detected', 'stale']
    assert len(arrays) == told.count('detected')
    assert (
        statuses[1]
        .status[0]
        .message.endswith('after the last frame looked at, max_fps is 0.000833333')
    )


def test_other_weights_by_cleanup_set_configure_and_a_bad_file_between(weights, tmp_path):
    domain, other = fresh_domain(), tmp_path / 'other.safetensors'
    model = replace(ModelConfig(input_size=(128, 256)), classes=('tram', 'bus', 'car'))
    save_checkpoint(SqueezeDet(model), other)
    (tmp_path / 'bad.safetensors').write_text('no weights at all')
    settings = {'weights': str(weights), 'cameras': ['front'], 'class_filter': ['pedestrian']}
    with NodeProcess(tmp_path / 'log', domain, **settings) as node, Client(domain) as client:
        node.wait_for(READY)
        told = client.collect(DiagnosticArray, '/diagnostics')
        assert client.transition(Transition.TRANSITION_DEACTIVATE)
        assert client.transition(Transition.TRANSITION_CLEANUP)

        def refused(reason, **values):
            results = client.set_parameters(**values)
            assert all(result.successful for result in results)
            assert not client.transition(Transition.TRANSITION_CONFIGURE)
            assert client.state() == 'unconfigured'
            # It stays readable: twice a second apart.
            for _ in range(2):
                told.clear()
                client.spin_until(lambda: len(told) > 1)
                status = told[-1].status[0]
                assert (status.level, values_of(status)['state']) == (b'\x02', 'unconfigured')
                assert status.message.startswith('cannot configure: ')
                assert reason in status.message

        refused('bad.safetensors cannot be read', weights=str(tmp_path / 'bad.safetensors'))
        refused("classes of the model (tram, bus, car), got 'pedestrian'", weights=str(other))
        side = ['side=0 0 1 0 1 1']
        refused("cameras (front), got 'side'", class_filter=['bus'], exclude_zones=side)
        assert client.set_parameters(exclude_zones=[])[0].successful
        assert client.transition(Transition.TRANSITION_CONFIGURE)
        assert client.transition(Transition.TRANSITION_ACTIVATE)
        node.wait_for('other.safetensors on ')
        arrays, _ = client.outputs('front')
        client.image_publisher('front').publish(image_message(picture()))
        client.spin_until(lambda: arrays)
        told.clear()
        client.spin_until(lambda: told)
        assert told[-1].status[0].message == 'looking at frames'
