"""
Start V4L2 cameras and one detector for all of them: an example to change to your drivers.

The arguments of detector.launch.py are taken too. Needs the package v4l2_camera.
"""

from pathlib import Path

from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch_ros.actions import Node

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity

DETECTOR = Path(__file__).resolve().parent / 'detector.launch.py'


def _start(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    given = context.launch_configurations
    cameras, devices = (given[name].split(',') for name in ('cameras', 'devices'))
    if len(cameras) != len(devices):
        raise ValueError(
            f'expected as many devices as cameras, got {given["devices"]!r} for '
            f'{given["cameras"]!r}'
        )
    # The detector first: it sets the environment in which images get through shared memory.
    return [
        IncludeLaunchDescription(PythonLaunchDescriptionSource(str(DETECTOR))),
        *(
            Node(
                package='v4l2_camera',
                executable='v4l2_camera_node',
                name='driver',
                namespace='/'.join(filter(None, (given.get('namespace'), camera.strip()))),
                parameters=[{'video_device': device.strip(), 'camera_frame_id': camera.strip()}],
                output='screen',
            )
            for camera, device in zip(cameras, devices, strict=True)
        ),
    ]


def generate_launch_description() -> LaunchDescription:
    """Return the drivers and the detector with their arguments."""
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                'cameras', default_value='front,rear', description='names, with commas between'
            ),
            DeclareLaunchArgument(
                'devices',
                default_value='/dev/video0,/dev/video2',
                description="the cameras' devices, with commas between",
            ),
            OpaqueFunction(function=_start),
        ]
    )
