import pytest
from squeezedet_ros.config import LimitConfig, LiveConfig, SelectionConfig, ZoneConfig
from squeezedet_ros.errors import ConfigError
from squeezedet_ros.ros.rules import make_rules

LIVE = LiveConfig(
    selection=SelectionConfig(class_thresh=('bus=0.25',)),
    zones=ZoneConfig(exclude_zones=('rear=0 0 1 0 1 1',)),
    limits=LimitConfig(max_fps=5.0),
)


def test_rules_are_those_of_the_model_and_the_cameras():
    rules = make_rules(LIVE, ('car', 'bus'), ('front', 'rear'))
    assert rules.selector.config == LIVE.selection
    assert rules.selector.thresholds.tolist() == pytest.approx([0.4, 0.25])
    assert {name: bool(zones) for name, zones in rules.zones.items()} == {
        'front': False,
        'rear': True,
    }
    assert rules.limits == LIVE.limits


@pytest.mark.parametrize(
    ('classes', 'cameras', 'reason'),
    [
        (('car',), ('rear',), r"class_thresh must name classes of the model \(car\), got 'bus'"),
        (('bus',), ('front',), r"exclude_zones must name cameras \(front\), got 'rear'"),
    ],
)
def test_what_the_model_or_the_node_does_not_have_is_refused(classes, cameras, reason):
    with pytest.raises(ConfigError, match=reason):
        make_rules(LIVE, classes, cameras)
