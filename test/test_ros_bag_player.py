"""A bag on topics: the player as its own process, on real DDS."""

import os
import subprocess
import sys
from time import time_ns

from diagnostic_msgs.msg import DiagnosticArray
from domains import fresh_domain
import numpy as np
import pytest
from ros_testing import Client, kill, picture
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image
from squeezedet_ros.data.bag_writer import BagWriter
from squeezedet_ros.data.ground_truth import GroundTruth
from squeezedet_ros.data.playback import read_sendings
from vision_msgs.msg import Detection2DArray

pytestmark = pytest.mark.ros
STAMP = 5_000_000_000
STEP = 50_000_000
TRUTH = GroundTruth(
    np.array([[10, 20, 30, 60]], np.float32), ('Car',), np.zeros(1, np.float32), np.zeros(1, int)
)


@pytest.fixture
def bag(tmp_path):
    with BagWriter(tmp_path / 'bag') as writer:
        for index in range(6):
            stamp = STAMP + index * STEP
            writer.write_ground_truth('front', stamp, TRUTH)
            writer.write_image('front', stamp, picture(index))
    return tmp_path / 'bag'


class Player:
    """``squeezedet play-bag`` as its own process, ended with the block."""

    def __init__(self, domain, *arguments):
        command = [sys.executable, '-m', 'squeezedet_ros', 'play-bag', *map(str, arguments)]
        environment = {**os.environ, 'ROS_DOMAIN_ID': str(domain)}
        self.process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        kill(self.process)

    def has_ended(self):
        return self.process.poll() is not None


@pytest.fixture
def client():
    domain = fresh_domain()
    with Client(domain) as client:
        client.domain = domain
        yield client


def stamps(messages):
    return [m.header.stamp.sec * 10**9 + m.header.stamp.nanosec for m in messages]


def test_every_message_arrives_as_it_was(bag, client):
    images = client.collect(Image, 'front/image_raw')
    truths = client.collect(Detection2DArray, 'front/ground_truth')
    with Player(client.domain, bag, '--subscribers', 1) as player:
        client.spin_until(player.has_ended)
        client.spin_until(lambda: len(images) == len(truths) == 6)
        assert player.process.returncode == 0
        assert '12 messages played' in player.process.stdout.read()
    assert stamps(images) == stamps(truths) == [STAMP + index * STEP for index in range(6)]
    for index, image in enumerate(images):
        assert (image.encoding, image.step, image.header.frame_id) == ('bgr8', 480, 'front')
        np.testing.assert_array_equal(np.frombuffer(image.data, np.uint8), picture(index).ravel())
    box = truths[0].detections[0].bbox
    assert (box.center.position.x, box.center.position.y) == (20.0, 40.0)
    assert (box.size_x, box.size_y) == (20.0, 40.0)


def test_one_topic_under_another_name_with_the_time(bag, client, tmp_path):
    images = client.collect(Image, 'camera/image_raw')
    others = client.collect(Detection2DArray, 'front/ground_truth')
    times = client.collect(Clock, '/clock')
    options = ('--topics', 'front/image_raw', '--remap', '/front/image_raw:=camera/image_raw')
    options += ('--subscribers', 1, '--clock', '--settle', 0.2, '--times', tmp_path / 'times')
    before = time_ns()
    with Player(client.domain, bag, *options) as player:
        client.spin_until(player.has_ended)
        client.spin_until(lambda: len(images) == 6)
    assert not others
    told = [time.clock.sec * 10**9 + time.clock.nanosec for time in times]
    assert told == sorted(told)
    assert told[-1] == STAMP + 5 * STEP
    sendings = read_sendings(tmp_path / 'times')
    assert {sending.topic for sending in sendings} == {'front/image_raw'}
    assert [sending.recorded_ns for sending in sendings] == stamps(images)
    sent = [before, *(sending.sent_ns for sending in sendings), time_ns()]
    assert sent == sorted(sent)
    assert sent[-2] - sent[1] == pytest.approx(5 * STEP, abs=STEP)


def test_the_next_image_waits_for_the_answer_to_the_last(bag, client):
    images = client.collect(Image, 'front/image_raw')
    answers = client.node.create_publisher(DiagnosticArray, 'front/frame_status', 10)
    options = ('--topics', 'front/image_raw', '--subscribers', 1, '--in-flight', 2, '--rate', 100)
    with Player(client.domain, bag, *options) as player:
        client.spin_until(lambda: len(images) == 2)
        client.spin_for(0.5)
        assert len(images) == 2
        client.spin_until(answers.get_subscription_count)
        for expected in (3, 4, 5, 6):
            answers.publish(DiagnosticArray())
            client.spin_until(lambda count=expected: len(images) == count)
            client.spin_for(0.2)
            assert len(images) == expected
        assert not player.has_ended()
        for _ in range(2):
            answers.publish(DiagnosticArray())
        client.spin_until(player.has_ended)
        assert player.process.returncode == 0


def test_silence_instead_of_an_answer_is_told(bag, client):
    images = client.collect(Image, 'front/image_raw')
    client.node.create_publisher(DiagnosticArray, 'front/frame_status', 10)
    with Player(client.domain, bag, '--in-flight', 1, '--timeout', 10) as player:
        client.spin_until(player.has_ended)
        assert player.process.returncode == 2
        assert 'waited 10 s for front/frame_status of an image' in player.process.stdout.read()
    assert len(images) <= 1


def test_nobody_listens(bag):
    with Player(fresh_domain(), bag, '--subscribers', 1, '--timeout', 4) as player:
        assert player.process.wait(60) == 2
        said = player.process.stdout.read()
    assert 'waiting for a subscriber of /front/' in said
    assert 'squeezedet play-bag: waited 4 s for a subscriber of /front/' in said


def test_a_topic_that_is_not_there(bag):
    with Player(fresh_domain(), bag, '--topics', 'front/image') as player:
        assert player.process.wait(60) == 2
        assert 'nearest: front/image_raw' in player.process.stdout.read()


def test_a_loop_goes_on_until_interrupted(bag, client):
    images = client.collect(Image, 'front/image_raw')
    with Player(client.domain, bag, '--subscribers', 0, '--loop', '--rate', 20) as player:
        client.spin_until(lambda: len(images) > 20)
        player.process.send_signal(2)
        assert player.process.wait(60) == 130
        assert 'Traceback' not in player.process.stdout.read()


def test_damage_is_told_and_only_what_was_sent_is_counted(bag, client):
    (file,) = bag.glob('*.mcap')
    file.write_bytes(file.read_bytes()[:-3000])
    images = client.collect(Image, 'front/image_raw')
    with Player(client.domain, bag, '--topics', 'front/image_raw', '--subscribers', 1) as player:
        client.spin_until(player.has_ended)
        told = player.process.stdout.read()
        assert player.process.returncode == 0
    assert 'damaged: ' in told
    client.spin_until(lambda: f'{len(images)} messages played' in told)


def test_what_cannot_be_published_is_left_out_or_told(bag, client):
    with Player(client.domain, bag, '--remap', 'front/image_raw:=bad name') as player:
        client.spin_until(player.has_ended)
        told = player.process.stdout.read()
    assert player.process.returncode == 2
    assert "front/image_raw cannot be published as 'bad name'" in told
    assert 'Traceback' not in told
