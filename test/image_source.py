"""A camera driver of its own process: publishes images until it is ended."""

import argparse
from array import array
from contextlib import suppress

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image, PointCloud2

KINDS = {'Image': Image, 'CompressedImage': CompressedImage, 'PointCloud2': PointCloud2}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('topic')
    parser.add_argument('--type', default='Image', choices=KINDS)
    parser.add_argument('--best-effort', action='store_true')
    parser.add_argument('--latched', action='store_true')
    parser.add_argument('--node', default='driver')
    parser.add_argument('--once', action='store_true', help='publish once, before anybody asks')
    options = parser.parse_args()
    reliability, durability = ReliabilityPolicy.RELIABLE, DurabilityPolicy.VOLATILE
    if options.best_effort:
        reliability = ReliabilityPolicy.BEST_EFFORT
    if options.latched:
        durability = DurabilityPolicy.TRANSIENT_LOCAL
    rclpy.init()
    node = rclpy.create_node(options.node)
    publisher = node.create_publisher(
        KINDS[options.type],
        options.topic,
        QoSProfile(depth=1, reliability=reliability, durability=durability),
    )
    sent = 0

    def publish():
        nonlocal sent
        message = KINDS[options.type]()
        message.header.frame_id = options.node
        message.header.stamp.sec, message.header.stamp.nanosec = 1, sent
        if options.type == 'Image':
            message.height, message.width, message.step = 60, 80, 240
            message.encoding = 'bgr8'
            message.data = array('B', bytes(60 * 240))
        publisher.publish(message)
        sent += 1

    publish()
    print('published', flush=True)
    # A signal that comes right before the first wait is noticed at the beat after it only.
    node.create_timer(0.05, (lambda: None) if options.once else publish)
    with suppress(ExternalShutdownException):
        rclpy.spin(node)
    node.destroy_node()


if __name__ == '__main__':
    main()
