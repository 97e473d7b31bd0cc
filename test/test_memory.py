import os
import subprocess
import sys

import pytest

PAGES = 16384
# Page faults while 64 MiB are taken a second time, after they were freed.
COUNT = f"""
import resource, sys
import torch
from squeezedet_ros.engines.memory import keep_freed_memory
if sys.argv[1] == 'keep':
    keep_freed_memory()
def fill():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones({PAGES} * 4096, dtype=torch.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
fill()
print(fill())
"""


def faults(choice):
    environment = {key: value for key, value in os.environ.items() if 'MALLOC' not in key}
    done = subprocess.run(
        [sys.executable, '-c', COUNT, choice],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout)


@pytest.mark.skipif(not sys.platform.startswith('linux'), reason='counts pages as Linux does')
def test_freed_memory_is_taken_again_without_the_kernel():
    # Huge pages fault once for 512 small ones.
    assert faults('leave') >= PAGES / 512
    assert faults('keep') < PAGES / 512
