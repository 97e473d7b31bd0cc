"""Names of all topics and services of the node, before remapping."""

from __future__ import annotations

from typing import NamedTuple

NODE = 'detector'
DIAGNOSTICS = '/diagnostics'
ENABLE = '~/enable'
DETECT = '~/detect'

# What a ROS 2 node and a lifecycle node have of themselves.
INHERITED_PUBLISHERS = ('/parameter_events', '/rosout', '~/transition_event')
INHERITED_SERVICES = (
    '~/change_state',
    '~/describe_parameters',
    '~/get_available_states',
    '~/get_available_transitions',
    '~/get_parameter_types',
    '~/get_parameters',
    '~/get_state',
    '~/get_transition_graph',
    # Not in Humble.
    '~/get_type_description',
    '~/list_parameters',
    '~/set_parameters',
    '~/set_parameters_atomically',
)
# Heard with use_sim_time.
CLOCK = '/clock'


class CameraOutputs(NamedTuple):
    """The topics on which the node publishes what it made of a camera's images."""

    detections: str
    overlay: str
    compressed_overlay: str
    annotations: str
    frame_status: str
    label_info: str
    vision_info: str


def camera_outputs(camera: str) -> CameraOutputs:
    """Return the topics of a camera; ``annotations`` is there with ``foxglove_msgs`` only."""
    detections = f'{camera}/detections'
    return CameraOutputs(
        detections=detections,
        overlay=f'{detections}/image',
        compressed_overlay=f'{detections}/image/compressed',
        annotations=f'{detections}/image_annotations',
        frame_status=f'{camera}/frame_status',
        label_info=f'{camera}/label_info',
        vision_info=f'{camera}/vision_info',
    )


def camera_input(camera: str, transport: str) -> str:
    """Return the topic a camera's images are expected on."""
    return f'{camera}/image_raw' + ('/compressed' if transport == 'compressed' else '')
