import subprocess
import sys

import pytest

_SCRIPT = """
import os, sys
import numpy as np
from squeezedet_ros.memory import keep_freed_memory, release_freed_memory

def resident_mib():
    return int(open('/proc/self/statm').read().split()[1]) * os.sysconf('SC_PAGE_SIZE') / 2**20

if sys.argv[1] == 'keep':
    keep_freed_memory()
import torch  # of which release_freed_memory asks; its own memory is not to count
before = resident_mib()
block = np.ones(100 * 2**20, np.uint8)
assert resident_mib() - before > 90
del block
print(resident_mib() - before)
release_freed_memory()
print(resident_mib() - before)
"""


@pytest.mark.skipif(sys.platform != 'linux', reason='asks /proc and glibc')
@pytest.mark.parametrize('how', ['keep', 'as it is'])
def test_freed_memory_is_kept_until_it_is_released(how):
    command = [sys.executable, '-c', _SCRIPT, how]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    freed, released = map(float, printed.split())
    assert (freed > 90) == (how == 'keep')
    assert released < 10
