"""Topics of a camera in a bag, as the node has them."""


def image_topic(camera: str, *, compressed: bool = False) -> str:
    """Return the topic of a camera's images."""
    return f'{camera}/image_raw/compressed' if compressed else f'{camera}/image_raw'


def camera_of(topic: str) -> str:
    """Return the camera of an image topic."""
    return topic.lstrip('/').removesuffix('/compressed').removesuffix('/image_raw')


def truth_topic(camera: str) -> str:
    """Return the topic of what is truly in a camera's images."""
    return f'{camera}/ground_truth'
