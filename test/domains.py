"""ROS domains of which no two tests that run at the same time share one."""

import itertools
import os

_WORKERS = int(os.environ.get('PYTEST_XDIST_WORKER_COUNT', '1'))
_WORKER = int(os.environ.get('PYTEST_XDIST_WORKER', 'gw0').removeprefix('gw'))
# Above 101 their ports clash with the system's.
_SHARE = 101 // _WORKERS
_numbers = itertools.count(os.getpid())


def fresh_domain() -> int:
    """Return a domain that this process has not used for a while, and no other worker does."""
    return 1 + _WORKER * _SHARE + next(_numbers) % _SHARE
