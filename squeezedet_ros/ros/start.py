"""How the node's process begins: `detector_node`, and `python -m squeezedet_ros.ros.start`."""

from __future__ import annotations

import sys

from squeezedet_ros.memory import keep_freed_memory


def main(args: list[str] | None = None) -> int:
    """Run the node until it is told to stop; return 1 where it should start but cannot."""
    # Before the imports, for some of them start threads.
    keep_freed_memory()
    from squeezedet_ros.ros.detector_node import run

    return run(args)


if __name__ == '__main__':
    sys.exit(main())
