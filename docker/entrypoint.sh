#!/usr/bin/env bash
# Run a command with ROS and the package in its environment.
set -eo pipefail
# shellcheck source=/dev/null
. "/opt/ros/$ROS_DISTRO/setup.bash"
# shellcheck source=/dev/null
. /opt/squeezedet/setup.bash
# The launch file sets these for the node; other commands meet it with the same profile.
profile=/opt/squeezedet/share/squeezedet_ros/config/fastdds.xml
export FASTDDS_DEFAULT_PROFILES_FILE=${FASTDDS_DEFAULT_PROFILES_FILE:-$profile}
if [ "$ROS_DISTRO" = humble ] || [ "$ROS_DISTRO" = jazzy ]; then
  export FASTRTPS_DEFAULT_PROFILES_FILE=${FASTRTPS_DEFAULT_PROFILES_FILE:-$profile}
fi
exec "$@"
