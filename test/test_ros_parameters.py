from dataclasses import fields

from domains import fresh_domain
import pytest
import rclpy
from rclpy.parameter import Parameter
from squeezedet_ros.config import (
    EngineConfig,
    FIXED_CONFIGS,
    LimitConfig,
    LIVE_CONFIGS,
    LiveConfig,
    NodeConfig,
    SelectionConfig,
    ZoneConfig,
)
from squeezedet_ros.errors import ConfigError
from squeezedet_ros.ros.parameters import NodeParameters
from squeezedet_ros.ros.rules import make_rules

pytestmark = pytest.mark.ros


class Owner:
    """A real node with the parameters, given some at its start."""

    def __init__(self, **overrides):
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=fresh_domain())
        given = [Parameter(name, value=value) for name, value in overrides.items()]
        self.node = rclpy.create_node('owner', context=self.context, parameter_overrides=given)
        self.configured = False
        self.changes = []
        self.parameters = NodeParameters(self.node, lambda: self.configured, self.change)

    def change(self, live):
        """Do as a node does whose model sees cars and buses."""
        if self.configured:
            make_rules(live, ('car', 'bus'), self.parameters.node.cameras)
            self.changes.append(live)

    def set(self, **values):
        return self.node.set_parameters_atomically(
            [
                Parameter(name, Parameter.Type.STRING_ARRAY if value == [] else None, value)
                for name, value in values.items()
            ]
        )

    def close(self):
        self.node.destroy_node()
        rclpy.shutdown(context=self.context)


@pytest.fixture
def owner(request):
    result = Owner(**getattr(request, 'param', {}))
    yield result
    result.close()


def test_every_field_is_a_parameter_with_its_default_description_and_bounds(owner):
    for group in (*LIVE_CONFIGS, *FIXED_CONFIGS):
        for item in fields(group):
            value = owner.node.get_parameter(item.name).value
            default = list(item.default) if isinstance(item.default, tuple) else item.default
            assert value == default
            descriptor = owner.node.describe_parameter(item.name)
            assert descriptor.description == item.metadata['description']
            ranges = [*descriptor.integer_range, *descriptor.floating_point_range]
            bounds = item.metadata.get('bounds')
            assert [(r.from_value, r.to_value) for r in ranges] == ([bounds] if bounds else [])
            is_fixed = 'read-only' in descriptor.additional_constraints
            assert is_fixed == (group in FIXED_CONFIGS)
            for choice in item.metadata.get('choices', ()):
                assert choice in descriptor.additional_constraints
    owner.parameters.check()


@pytest.mark.parametrize(
    'owner',
    [
        {
            'top_n': 5,
            'class_thresh': ['car=0.5'],
            'cameras': ['left', 'rig/right'],
            'device': 'cpu',
            'max_age': 0.5,
        }
    ],
    indirect=True,
)
def test_values_given_at_start_are_taken(owner):
    owner.parameters.check()
    assert owner.parameters.live == LiveConfig(
        selection=SelectionConfig(top_n=5, class_thresh=('car=0.5',)),
        limits=LimitConfig(max_age=0.5),
    )
    assert owner.parameters.engine == EngineConfig(device='cpu')
    assert owner.parameters.node == NodeConfig(cameras=('left', 'rig/right'))


@pytest.mark.parametrize(
    ('owner', 'reason'),
    [
        ({'mode': 'slow'}, "mode must be one of live, replay, got 'slow'"),
        ({'cameras': ['front left']}, "cameras must be distinct.*got 'front left'"),
        ({'cameras': ['left', 'left']}, 'cameras must be distinct'),
        ({'cameras': ['a__b']}, "got 'a__b'"),
        ({'top_n': 0}, 'top_n out of range'),
        ({'plot_prob_thresh': 1.5}, 'plot_prob_thresh out of range'),
        ({'nms_thresh': 'high'}, "'nms_thresh' to 'high' of type 'STRING', expecting.*DOUBLE"),
        ({'device': 'tpu'}, "device must be auto, cpu, cuda or cuda:N, got 'tpu'"),
        ({'class_thresh': ['car=2']}, r"class_thresh must be CLASS=THRESH .*got 'car=2'"),
        ({'class_filter': 'car'}, "'class_filter' to 'car' of type 'STRING', .*STRING_ARRAY"),
        ({'exclude_zones': ['front=1 1']}, 'exclude_zones must be CAMERA=.*got 2 numbers'),
        ({'max_fps': -1.0}, 'max_fps out of range'),
        ({'cameras': None}, r'cameras must be distinct.*got \[\]'),
        ({'top_n': None}, 'top_n must be one value, got an empty list or none'),
    ],
    indirect=['owner'],
)
def test_a_wrong_value_given_at_start_is_told_until_it_is_mended(owner, reason):
    with pytest.raises(ConfigError, match=reason) as caught:
        owner.parameters.check()
    assert '\n' not in str(caught.value)
    legal = {
        'mode': 'replay',
        'cameras': ['front'],
        'top_n': 9,
        'plot_prob_thresh': 0.5,
        'nms_thresh': 0.6,
        'device': 'cpu',
        'class_thresh': ['car=0.2'],
        'class_filter': ['car'],
        'exclude_zones': [],
        'max_fps': 1.0,
    }
    for name in legal:
        if name in str(caught.value):
            assert owner.set(**{name: legal[name]}).successful
    owner.parameters.check()


def test_the_selection_changes_at_once_or_not_at_all(owner):
    owner.configured = True
    assert owner.set(top_n=7, nms_thresh=0.25).successful
    assert owner.changes == [LiveConfig(selection=SelectionConfig(top_n=7, nms_thresh=0.25))]
    refused = owner.set(top_n=8, nms_variant='soft')
    assert not refused.successful
    assert refused.reason == "nms_variant must be one of greedy, reference, got 'soft'"
    assert owner.set(top_n=8, nms_thresh=2.0).reason.startswith(
        'Parameter nms_thresh out of range'
    )
    assert len(owner.changes) == 1
    assert owner.node.get_parameter('top_n').value == 7


def test_the_rest_is_read_only_while_configured(owner):
    owner.configured = True
    refused = owner.set(top_n=8, weights='other.safetensors')
    assert (refused.successful, refused.reason) == (
        False,
        'weights: read-only while the node is configured',
    )
    assert owner.parameters.live == LiveConfig()
    # The value it has may be set again, as loading a whole file does.
    assert owner.set(weights=NodeConfig().weights, device='auto').successful
    owner.configured = False
    assert owner.set(weights='other.safetensors').successful
    assert owner.parameters.node.weights == 'other.safetensors'


def test_what_is_live_changes_together_and_is_checked_against_model_and_cameras(owner):
    polygon = 'camera=0 0 1 0 1 1'
    # Before configure nobody knows the model, and the cameras may be set after their zones.
    assert owner.set(class_filter=['tram'], include_zones=['side=0 0 1 0 1 1']).successful
    assert owner.set(class_filter=[], include_zones=['']).successful
    owner.configured = True
    assert owner.set(
        top_n=7, max_fps=5.0, max_age=1.0, class_filter=['bus'], exclude_zones=[polygon]
    ).successful
    changed = LiveConfig(
        selection=SelectionConfig(top_n=7, class_filter=('bus',)),
        zones=ZoneConfig(include_zones=('',), exclude_zones=(polygon,)),
        limits=LimitConfig(max_fps=5.0, max_age=1.0),
    )
    assert owner.changes == [changed]
    for wrong, reason in (
        ({'class_filter': ['tram']}, "classes of the model (car, bus), got 'tram'"),
        ({'class_thresh': ['tram=0.1']}, "classes of the model (car, bus), got 'tram'"),
        ({'include_zones': ['side=0 0 1 0 1 1']}, "name cameras (camera), got 'side'"),
        ({'exclude_zones': ['camera=0 0 1 0 1 2']}, 'with all numbers in [0, 1], got '),
        ({'device': 'cpu'}, 'device: read-only while the node is configured'),
    ):
        refused = owner.set(max_age=9.0, **wrong)
        assert not refused.successful
        assert reason in refused.reason
        assert owner.parameters.live == changed
        assert owner.node.get_parameter('max_age').value == 1.0
    assert owner.changes == [changed]


@pytest.mark.parametrize('owner', [{'class_filter': None, 'include_zones': ['']}], indirect=True)
def test_an_empty_list_given_at_start_is_one(owner):
    # In a file or on the command line, [] comes as a parameter that is not set.
    owner.parameters.check()
    assert owner.node.get_parameter('class_filter').value == []
    assert owner.parameters.live == LiveConfig(zones=ZoneConfig(include_zones=('',)))
    assert owner.set(class_filter=['car']).successful
    assert owner.set(class_filter=[]).successful


def test_parameters_of_others_pass(owner):
    assert owner.set(use_sim_time=True).successful
