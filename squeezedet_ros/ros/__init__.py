"""The ROS 2 node and its messages; the only place that imports ROS."""
