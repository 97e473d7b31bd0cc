"""The subscription of a camera against drivers in processes of their own."""

from contextlib import contextmanager
import os
from pathlib import Path
import subprocess
import sys
import time

from domains import fresh_domain
import pytest
from ros_testing import Client
from squeezedet_ros.config import NodeConfig
from squeezedet_ros.ros.image_input import ImageInput

pytestmark = pytest.mark.ros
TOPIC = 'front/image_raw'


class Listener(Client):
    """An input in this process, with all it received."""

    def __init__(self, domain, *, is_wanted=lambda: True, **settings):
        super().__init__(domain)
        config = NodeConfig(cameras=('front',), **settings)
        self.input = ImageInput(self.node, 'front', config, is_wanted)
        self.received = []
        self.begun = 0

    def __enter__(self):
        self.input.listen(self.received.append, self.begin)
        return super().__enter__()

    def begin(self):
        self.begun += 1

    def __exit__(self, *error):
        self.input.ignore()
        super().__exit__(*error)

    @property
    def asked(self):
        return self.input.describe()['subscription']

    def await_images_of(self, node):
        """Spin until a node's next images arrive."""
        before = len(self.received)
        self.spin_until(lambda: node in {m.header.frame_id for m in self.received[before:]})

    def await_publishers(self, number):
        self.spin_until(lambda: self.input.describe()['publishers'] == number)

    def await_remark(self, *, silent_for=4.0):
        """Return what is said of the images as soon as it is a warning."""
        found = []

        def is_amiss():
            remark = self.input.remark(silent_for)
            found.append(remark)
            return remark is not None and remark.level == b'\x01'

        self.spin_until(is_amiss)
        return found[-1].text


@contextmanager
def driver(domain, *options, topic=TOPIC, node='driver'):
    """Run a driver, from its first image on."""
    script = Path(__file__).with_name('image_source.py')
    process = subprocess.Popen(
        [sys.executable, script, topic, '--node', node, *options],
        env={**os.environ, 'ROS_DOMAIN_ID': str(domain)},
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout.readline() == b'published\n'
        yield
    finally:
        # So that it takes its leave: a killed one is missed after 20 s only.
        process.terminate()
        process.communicate()
        # No subscription may be removed in the moment in which it is missed.
        time.sleep(0.3)


@pytest.fixture
def domain():
    return fresh_domain()


def test_a_reliable_driver_is_followed_though_it_comes_later_and_is_started_anew(domain):
    with Listener(domain) as listener:
        assert listener.asked == 'best_effort'
        with driver(domain, node='first'):
            listener.spin_until(lambda: listener.asked == 'reliable')
            listener.await_images_of('first')
        listener.await_publishers(0)
        assert listener.asked == 'reliable'
        with driver(domain, '--best-effort', node='second'):
            listener.spin_until(lambda: listener.asked == 'best_effort')
            listener.await_images_of('second')
            assert listener.input.remark(0.0) is None
        stamps = [
            (message.header.frame_id, message.header.stamp.nanosec)
            for message in listener.received
        ]
        assert len(set(stamps)) == len(stamps)
        # Those that were replaced do not stay.
        listener.spin_until(lambda: listener.node.count_subscribers(TOPIC) == 1)


def test_two_drivers_that_differ_are_both_heard(domain):
    with Listener(domain) as listener, driver(domain, node='good'):
        listener.spin_until(lambda: listener.asked == 'reliable')
        with driver(domain, '--best-effort', node='poor'):
            listener.await_images_of('poor')
            listener.await_images_of('good')
            assert listener.asked == 'best_effort'
            assert listener.input.remark(0.0) is None
        # A subscription that replaces another is no new beginning.
        assert listener.begun == 1


def test_an_image_kept_by_its_driver_is_received_once(domain):
    with driver(domain, '--latched', '--once', node='still'), Listener(domain) as listener:
        listener.spin_until(lambda: listener.received)
        assert listener.asked == 'reliable transient_local'
        assert listener.input.remark(0.0) is None
        with driver(domain, node='moving'):
            listener.await_images_of('moving')
        listener.await_publishers(1)
        listener.spin_for(2.0)
        assert listener.asked == 'reliable'
        names = [message.header.frame_id for message in listener.received]
        assert names.count('still') == 1


@pytest.mark.parametrize(
    ('settings', 'remedy'),
    [
        ({'mode': 'replay'}, 'best_effort (frames may then be lost), or publish it reliable'),
        ({'input_reliability': 'reliable'}, 'auto or best_effort'),
    ],
)
def test_a_driver_that_cannot_be_heard_is_named_with_the_remedy(settings, remedy, domain):
    with Listener(domain, **settings) as listener, driver(domain, '--best-effort', node='poor'):
        text = listener.await_remark(silent_for=0.0)
        assert text == (
            'nothing is received of /front/image_raw from /poor: it is published best_effort, '
            f'but reliable is asked for; set input_reliability to {remedy}'
        )
        with driver(domain, node='good'):
            listener.await_images_of('good')
            assert listener.await_remark(silent_for=0.0) == text
        assert 'poor' not in {message.header.frame_id for message in listener.received}


def test_a_driver_that_could_not_be_heard_is_forgotten_when_another_is(domain):
    with Listener(domain, mode='replay') as listener:
        with driver(domain, '--best-effort'):
            listener.await_remark(silent_for=0.0)
            listener.spin_for(1.0)
        listener.await_publishers(0)
        with driver(domain):
            listener.await_images_of('driver')
            text = 'no image on /front/image_raw for 7 s: publishers there: 1'
            assert listener.await_remark(silent_for=7.0) == text


def test_best_effort_in_a_replay_hears_every_driver(domain):
    settings = {'mode': 'replay', 'input_reliability': 'best_effort'}
    with Listener(domain, **settings) as listener, driver(domain, '--best-effort', node='poor'):
        listener.await_images_of('poor')


def test_the_right_name_is_told_for_a_wrong_one(domain):
    with Listener(domain) as listener:
        assert listener.input.remark(2.9) is None
        assert listener.input.remark(3.1).text == (
            'nobody publishes images on /front/image_raw; '
            'no topic has images: is the camera running, with the same ROS_DOMAIN_ID?'
        )
        with driver(domain, topic='fornt/image_raw'):
            listener.spin_until(lambda: 'nearest' in listener.input.remark(9.2).text)
            assert listener.input.remark(9.2).text == (
                'no image on /front/image_raw for 9 s: nobody publishes images on '
                '/front/image_raw; the nearest image topic is /fornt/image_raw: set cameras to '
                'that name, or remap /front/image_raw:=/fornt/image_raw'
            )


@pytest.mark.parametrize(
    ('options', 'told'),
    [
        (
            {'topic': f'{TOPIC}/compressed', 'kind': 'CompressedImage'},
            'but /front/image_raw/compressed is published: set image_transport to compressed',
        ),
        (
            {'topic': TOPIC, 'kind': 'CompressedImage'},
            'it carries sensor_msgs/msg/CompressedImage, not sensor_msgs/msg/Image: set '
            'image_transport to compressed and remap '
            '/front/image_raw/compressed:=/front/image_raw',
        ),
        (
            {'topic': TOPIC, 'kind': 'PointCloud2'},
            'it carries sensor_msgs/msg/PointCloud2, not sensor_msgs/msg/Image',
        ),
    ],
)
def test_images_of_another_type_are_pointed_out(options, told, domain):
    with Listener(domain) as listener:
        with driver(domain, '--type', options['kind'], topic=options['topic']):
            listener.spin_until(lambda: told in listener.input.remark(4.0).text)
        assert not listener.received


def test_a_silent_driver_is_told_after_the_time_that_is_set(domain):
    with Listener(domain, silent_after=6.0) as listener, driver(domain, '--once'):
        listener.await_publishers(1)
        assert listener.input.remark(5.9) is None
        text = 'no image on /front/image_raw for 7 s: publishers there: 1'
        assert listener.input.remark(7.0).text == text


def test_a_lazy_input_receives_only_while_somebody_wants_it(domain):
    wanted = [False]
    settings = {'lazy': True, 'is_wanted': lambda: wanted[0]}
    with Listener(domain, **settings) as listener, driver(domain):
        listener.spin_until(lambda: listener.node.count_publishers('front/image_raw'))
        listener.spin_for(1.0)
        assert not listener.received
        assert listener.begun == 0
        remark = listener.input.remark(100.0)
        assert remark == (b'\x00', 'nobody listens, so no image is received')
        entities = listener.node.default_callback_group.entities
        before = len(entities)
        wanted[0] = True
        # None came for long, since none was wanted.
        assert listener.input.remark(100.0) is None
        listener.await_images_of('driver')
        assert listener.begun == 1
        wanted[0] = False
        listener.spin_until(lambda: listener.input.is_idle)
        assert len(entities) == before
        before = len(listener.received)
        listener.spin_for(1.0)
        assert len(listener.received) == before
