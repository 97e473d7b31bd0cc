import pytest
from squeezedet_ros.contract import camera_input
from squeezedet_ros.ros.image_topics import advice

pytestmark = pytest.mark.ros
IMAGE, JPEG = {'sensor_msgs/msg/Image'}, {'sensor_msgs/msg/CompressedImage'}
RAW, COMPRESSED = '/front/image_raw', '/front/image_raw/compressed'


def test_the_names_of_the_topics():
    assert camera_input('rig/front', 'raw') == 'rig/front/image_raw'
    assert camera_input('front', 'compressed') == 'front/image_raw/compressed'


@pytest.mark.parametrize(
    ('published', 'told'),
    [
        ({}, 'no topic has images: is the camera running, with the same ROS_DOMAIN_ID?'),
        ({COMPRESSED: JPEG}, f'but {COMPRESSED} is published: set image_transport to compressed'),
        (
            {RAW: JPEG},
            'it carries sensor_msgs/msg/CompressedImage, not sensor_msgs/msg/Image: '
            f'set image_transport to compressed and remap {COMPRESSED}:={RAW}',
        ),
        (
            {RAW: {'sensor_msgs/msg/PointCloud2'}},
            'it carries sensor_msgs/msg/PointCloud2, not sensor_msgs/msg/Image',
        ),
        (
            {'/frnt/image_raw': IMAGE, '/rear/image_raw': IMAGE, '/front/image_rawx': JPEG},
            'the nearest image topic is /frnt/image_raw: set cameras to that name, '
            'or remap /front/image_raw:=/frnt/image_raw',
        ),
        (
            {'/camera/color': IMAGE},
            'the nearest image topic is /camera/color: remap /front/image_raw:=/camera/color',
        ),
        (
            {'/cam/image_raw/compressed': JPEG},
            'the nearest image topic is /cam/image_raw/compressed: set image_transport to '
            'compressed and set cameras to that name, or remap '
            '/front/image_raw/compressed:=/cam/image_raw/compressed',
        ),
    ],
)
def test_what_to_do_without_raw_images(published, told):
    assert advice(RAW, COMPRESSED, 'raw', published) == told


def test_what_to_do_without_compressed_images():
    told = advice(COMPRESSED, RAW, 'compressed', {RAW: IMAGE})
    assert told == f'but {RAW} is published: set image_transport to raw'
    told = advice(COMPRESSED, RAW, 'compressed', {COMPRESSED: IMAGE})
    assert told.endswith(f'set image_transport to raw and remap {RAW}:={COMPRESSED}')
