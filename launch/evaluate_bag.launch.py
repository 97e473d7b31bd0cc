"""
Play a bag into a detector node and tell how good it was: `squeezedet evaluate-bag --through-node`.

That command starts the node and the player itself, in a DDS domain of its own unless one is set,
so that a drive hears no robot and no other drive. All of its options can be given.
"""

import shlex

from launch.actions import DeclareLaunchArgument, ExecuteProcess, OpaqueFunction
from launch_ros.substitutions import ExecutableInPackage
import yaml

from launch import LaunchContext, LaunchDescription

ARGUMENTS = {
    'bag': (None, 'rosbag2 to play: a folder, or one .mcap or .db3 file'),
    'report': ('drive_report', 'folder for the page that shows the drive'),
    'through_node': ('true', 'false to look at the images without DDS, one after the other'),
    'options': ('', 'further options of `squeezedet evaluate-bag`, as one text'),
}


def _evaluate(context: LaunchContext) -> list[ExecuteProcess]:
    given = context.launch_configurations
    words = ['--report', given['report'], *shlex.split(given['options']), '--', given['bag']]
    if yaml.safe_load(given['through_node']):
        words = ['--through-node', *words]
    # Not launch's own Python, which need not be the one that PyTorch is installed for.
    command = ExecutableInPackage('squeezedet', 'squeezedet_ros')
    return [ExecuteProcess(cmd=[command, 'evaluate-bag', *words], output='screen')]


def generate_launch_description() -> LaunchDescription:
    """Return the evaluation with its arguments."""
    return LaunchDescription(
        [
            *(
                DeclareLaunchArgument(name, default_value=default, description=text)
                for name, (default, text) in ARGUMENTS.items()
            ),
            OpaqueFunction(function=_evaluate),
        ]
    )
