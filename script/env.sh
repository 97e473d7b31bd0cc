# Source this: .venv (that of ROS_WHEELS where set), Fast DDS's profile with room for images, and
# ROS kept to this machine.
# shellcheck shell=bash
squeezedet_root=$(cd "$(dirname "${BASH_SOURCE[0]:-$0}")/.." && pwd)
squeezedet_venv=$squeezedet_root/.venv${ROS_WHEELS:+-$ROS_WHEELS}
. "$squeezedet_venv/bin/activate"

export FASTDDS_DEFAULT_PROFILES_FILE=$squeezedet_root/config/fastdds.xml
case ${ROS_DISTRO:-${ROS_WHEELS:-jazzy}} in
  # The name that Fast DDS 2 reads; later ones warn of it.
  humble | jazzy) export FASTRTPS_DEFAULT_PROFILES_FILE=$squeezedet_root/config/fastdds.xml ;;
esac

case ${ROS_DISTRO:-} in
  humble) export ROS_LOCALHOST_ONLY=1 ;;
  *) export ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST ;;
esac

# A ROS installation sets this itself; the wheels make .venv the prefix.
if [ -z "${ROS_DISTRO:-}" ]; then
  export AMENT_PREFIX_PATH=$squeezedet_venv
fi
unset squeezedet_root squeezedet_venv
