"""How PyTorch's threads wait, as the library that runs them says itself when it is loaded."""

import os
import platform
import subprocess
import sys

import pytest


@pytest.mark.skipif(platform.system() != 'Linux', reason='libgomp is asked')
@pytest.mark.parametrize(
    ('setting', 'count'),
    [
        ({}, '20000'),
        ({'GOMP_SPINCOUNT': '77'}, '77'),
        ({'OMP_WAIT_POLICY': 'PASSIVE'}, '0'),
    ],
)
def test_threads_spin_shortly_unless_told_otherwise(setting, count):
    names = ('OMP_WAIT_POLICY', 'GOMP_SPINCOUNT')
    environment = {name: value for name, value in os.environ.items() if name not in names}
    environment |= setting | {'OMP_DISPLAY_ENV': 'verbose'}
    command = [sys.executable, '-c', 'import squeezedet_ros.network']
    said = subprocess.run(command, env=environment, capture_output=True, check=True, text=True)
    if 'GOMP_SPINCOUNT' not in said.stderr:
        pytest.skip('this PyTorch does not run its threads by libgomp')
    assert f"GOMP_SPINCOUNT = '{count}'" in said.stderr
