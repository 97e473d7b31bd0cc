"""``python -m squeezedet_ros`` is the ``squeezedet`` command."""

from __future__ import annotations

import sys

from squeezedet_ros.cli.main import main

if __name__ == '__main__':
    sys.exit(main())
