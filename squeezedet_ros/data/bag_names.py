"""Topics of a camera in a bag, as the node has them."""

from squeezedet_ros.contract import camera_input


def image_topic(camera: str, *, compressed: bool = False) -> str:
    """Return the topic of a camera's images."""
    return camera_input(camera, 'compressed' if compressed else 'raw')


def camera_of(topic: str) -> str:
    """Return the camera of an image topic."""
    return topic.lstrip('/').removesuffix('/compressed').removesuffix('/image_raw')


def truth_topic(camera: str) -> str:
    """Return the topic of what is truly in a camera's images."""
    return f'{camera}/ground_truth'
