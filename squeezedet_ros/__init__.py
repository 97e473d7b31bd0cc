"""SqueezeDet object detection for camera topics."""
