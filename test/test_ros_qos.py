import pytest
from rclpy.qos import DurabilityPolicy, HistoryPolicy, ReliabilityPolicy
from squeezedet_ros.config import NodeConfig
from squeezedet_ros.ros.qos import describe, input_qos, Offer, unheard

pytestmark = pytest.mark.ros
RELIABLE = Offer('/a', 'sensor_msgs/msg/Image', reliable=True, latched=False)
LATCHED = Offer('/b', 'sensor_msgs/msg/Image', reliable=True, latched=True)
LOSSY = Offer('/c', 'sensor_msgs/msg/Image', reliable=False, latched=False)
LOSSY_LATCHED = Offer('/d', 'sensor_msgs/msg/Image', reliable=False, latched=True)


@pytest.mark.parametrize(
    ('offered', 'asked'),
    [
        ([], 'best_effort'),
        ([RELIABLE], 'reliable'),
        ([LOSSY], 'best_effort'),
        ([RELIABLE, LOSSY], 'best_effort'),
        ([RELIABLE, LATCHED], 'reliable'),
        ([LATCHED], 'reliable transient_local'),
        ([LATCHED, LATCHED], 'reliable transient_local'),
        ([LOSSY_LATCHED], 'best_effort'),
    ],
)
def test_auto_asks_for_the_best_that_every_publisher_gives(offered, asked):
    qos = input_qos(NodeConfig(), offered, late=True)
    assert describe(qos) == asked
    assert unheard(offered, qos) == []


def test_an_image_of_before_is_asked_for_once_only():
    assert describe(input_qos(NodeConfig(), [LATCHED], late=False)) == 'reliable'


@pytest.mark.parametrize('mode', ['live', 'replay'])
def test_what_is_set_counts_whatever_is_offered(mode):
    for asked in ('reliable', 'best_effort'):
        config = NodeConfig(mode=mode, input_reliability=asked)
        for offered in ([], [RELIABLE], [LATCHED], [LOSSY]):
            assert describe(input_qos(config, offered, late=True)) == asked


def test_a_replay_is_reliable_and_keeps_all():
    qos = input_qos(NodeConfig(mode='replay'), [LOSSY], late=True)
    assert (qos.reliability, qos.history) == (ReliabilityPolicy.RELIABLE, HistoryPolicy.KEEP_ALL)
    assert unheard([RELIABLE, LOSSY], qos) == [LOSSY]


def test_live_mode_keeps_as_many_as_are_set():
    qos = input_qos(NodeConfig(input_depth=7), [], late=True)
    assert (qos.history, qos.depth) == (HistoryPolicy.KEEP_LAST, 7)
    assert qos.durability == DurabilityPolicy.VOLATILE
