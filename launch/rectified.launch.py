"""
Rectify the images of calibrated cameras with image_proc, and detect in what comes of it.

Images are taken from <camera>/image_raw and <camera>/camera_info; the rectified ones are on
<camera>/rectified/image_raw, and the detections, in their pixels, on
<camera>/rectified/detections. The arguments of detector.launch.py are taken too. Needs the
packages image_proc and rclcpp_components.
"""

from pathlib import Path

from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch_ros.actions import ComposableNodeContainer
from launch_ros.descriptions import ComposableNode

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity

DETECTOR = Path(__file__).resolve().parent / 'detector.launch.py'


def _rectifier(camera: str, namespace: str) -> ComposableNode:
    return ComposableNode(
        package='image_proc',
        plugin='image_proc::RectifyNode',
        name='rectify',
        namespace='/'.join(filter(None, (namespace, camera))),
        # Humble takes camera_info by its own name, later ones the one beside the image.
        remappings=[
            ('image', 'image_raw'),
            ('camera_info', 'camera_info'),
            ('image_rect', 'rectified/image_raw'),
        ],
    )


def _start(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    namespace = context.launch_configurations.get('namespace', '')
    cameras = [name.strip() for name in context.launch_configurations['cameras'].split(',')]
    # The detector first: it sets the environment in which images get through shared memory.
    return [
        IncludeLaunchDescription(
            PythonLaunchDescriptionSource(str(DETECTOR)),
            launch_arguments=[('cameras', ','.join(f'{name}/rectified' for name in cameras))],
        ),
        ComposableNodeContainer(
            package='rclcpp_components',
            executable='component_container_mt',
            name='rectifiers',
            namespace=namespace,
            composable_node_descriptions=[_rectifier(name, namespace) for name in cameras],
            output='screen',
        ),
    ]


def generate_launch_description() -> LaunchDescription:
    """Return the rectifiers, in one process, and the detector with their arguments."""
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                'cameras', default_value='camera', description='names, with commas between'
            ),
            OpaqueFunction(function=_start),
        ]
    )
