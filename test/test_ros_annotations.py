"""The annotations, filled in and received by processes that have foxglove_msgs."""

import json
import subprocess
import sys

from domains import fresh_domain
from foxglove_interface import environment_with_foxglove
import pytest
from ros_testing import (
    Client,
    image_message,
    NodeProcess,
    picture,
    READY,
    tiny_network,
)
from squeezedet_ros.checkpoint import load_checkpoint, save_checkpoint
from squeezedet_ros.config import SelectionConfig
from squeezedet_ros.detector import Detector

pytestmark = [pytest.mark.ros, pytest.mark.timeout(900)]

FILLING = """
import json
import numpy as np
from squeezedet_ros.detections import Detections
from squeezedet_ros.ros.annotations import detections_to_annotations
from std_msgs.msg import Header

header = Header()
header.stamp.sec, header.stamp.nanosec = 5, 7
boxes = np.array([[10, 20, 30.5, 60]], np.float32)
seen = Detections(boxes, np.array([0.875], np.float32), np.array([1], np.int64))
message = detections_to_annotations(seen, header, ('car', 'pedestrian'))
(outline,), (caption,) = message.points, message.texts
assert (outline.timestamp, caption.timestamp) == (header.stamp, header.stamp)
colours = [outline.outline_color, caption.background_color, caption.text_color]
print(json.dumps({
    'type': outline.type,
    'points': [[point.x, point.y] for point in outline.points],
    'thickness': outline.thickness,
    'fill': outline.fill_color.a,
    'position': [caption.position.x, caption.position.y],
    'text': caption.text,
    'colours': [[round(255 * value) for value in (c.r, c.g, c.b, c.a)] for c in colours],
}))
"""

LISTENING = """
import json
import sys
from foxglove_msgs.msg import ImageAnnotations
import rclpy

def hear(message):
    print(json.dumps({
        'stamps': sorted({(o.timestamp.sec, o.timestamp.nanosec) for o in message.points}),
        'corners': [[o.points[0].x, o.points[0].y] for o in message.points],
        'texts': [caption.text for caption in message.texts],
    }), flush=True)
    sys.exit()

rclpy.init()
node = rclpy.create_node('listener')
node.create_subscription(ImageAnnotations, 'front/detections/image_annotations', hear, 1)
rclpy.spin(node)
"""


@pytest.fixture(scope='module')
def environment(tmp_path_factory):
    return environment_with_foxglove(tmp_path_factory.mktemp('foxglove'))


def test_a_box_is_an_outline_and_a_caption_in_its_colour(environment):
    done = subprocess.run(
        [sys.executable, '-c', FILLING],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        'type': 2,
        'points': [[10.0, 20.0], [30.5, 20.0], [30.5, 60.0], [10.0, 60.0]],
        'thickness': 2.0,
        'fill': 0.0,
        'position': [10.0, 20.0],
        'text': 'pedestrian 0.88',
        # The second of the palette, a light blue, and black.
        'colours': [[86, 180, 233, 255], [86, 180, 233, 255], [0, 0, 0, 255]],
    }


def test_the_node_publishes_annotations_of_the_image_at_its_stamp(
    environment, tmp_path, monkeypatch
):
    weights, domain = tmp_path / 'tiny.safetensors', fresh_domain()
    save_checkpoint(tiny_network(), weights)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    settings = {'weights': str(weights), 'cameras': ['front'], 'lazy': True}
    with NodeProcess(tmp_path / 'log', domain, **settings) as node, Client(domain) as client:
        node.wait_for(READY)
        assert not client.node.count_subscribers('front/image_raw')
        listener = subprocess.Popen(
            [sys.executable, '-c', LISTENING],
            env={**environment, 'ROS_DOMAIN_ID': str(domain)},
            stdout=subprocess.PIPE,
            text=True,
        )
        # The listener alone makes the lazy node subscribe.
        publisher, image, sent = client.image_publisher('front'), picture(), []

        def has_heard():
            message = image_message(image)
            sent.append([message.header.stamp.sec, message.header.stamp.nanosec])
            publisher.publish(message)
            return listener.poll() == 0

        client.spin_until(has_heard)
        heard = json.loads(listener.stdout.read())
    expected = Detector(load_checkpoint(weights), SelectionConfig()).detect([image])[0]
    (stamp,) = heard['stamps']
    assert stamp in sent
    assert heard['texts'] == [
        f'{("car", "pedestrian", "cyclist")[label]} {score:.2f}'
        for label, score in zip(expected.labels, expected.scores, strict=True)
    ]
    corners = [pytest.approx(box[:2], abs=0.01) for box in expected.boxes.tolist()]
    assert heard['corners'] == corners
