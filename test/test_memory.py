import subprocess
import sys

import pytest

_SCRIPT = """
import os, sys
from threading import Thread
from squeezedet_ros.memory import keep_freed_memory, release_freed_memory

def resident_mib():
    return int(open('/proc/self/statm').read().split()[1]) * os.sysconf('SC_PAGE_SIZE') / 2**20

if sys.argv[1] == 'keep':
    keep_freed_memory()
import numpy as np
import torch  # of which release_freed_memory asks; its own memory is not to count
before = resident_mib()

def work():
    blocks = [np.ones(50 * 2**20, np.uint8) for _ in range(2)]
    assert resident_mib() - before > 90

if sys.argv[2] == 'thread':
    thread = Thread(target=work)
    thread.start()
    thread.join()
else:
    work()
print(resident_mib() - before)
release_freed_memory()
print(resident_mib() - before)
"""


@pytest.mark.skipif(sys.platform != 'linux', reason='asks /proc and glibc')
@pytest.mark.parametrize('how', ['keep', 'as it is'])
@pytest.mark.parametrize('where', ['main', 'thread'])
def test_freed_memory_is_kept_until_it_is_released(how, where):
    command = [sys.executable, '-c', _SCRIPT, how, where]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    freed, released = map(float, printed.split())
    assert (freed > 90) == (how == 'keep')
    assert released < 10
