"""SqueezeDet object detection for camera topics."""

import os

# Before PyTorch is loaded: its threads would spin for milliseconds while they wait for one that
# another program keeps from its core. This long costs nothing on idle cores (doc/performance.md).
if 'OMP_WAIT_POLICY' not in os.environ:
    os.environ.setdefault('GOMP_SPINCOUNT', '20000')
