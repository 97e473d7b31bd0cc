"""
What ament's linters say, where a ROS installation brings them; ``colcon test`` runs this too.

Not ament_copyright: the licence is told once, in LICENSE, not in each file. Not ament_xmllint: it
fetches its schema from the network.
"""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CHECKED = [str(ROOT / name) for name in ('squeezedet_ros', 'launch', 'setup.py', 'test')]


def test_flake8():
    flake8 = pytest.importorskip('ament_flake8.main', reason='needs ament_flake8')
    status, errors = flake8.main_with_errors(['--config', str(ROOT / 'setup.cfg'), *CHECKED])
    assert status == 0, '\n'.join(errors)


def test_pep257():
    pep257 = pytest.importorskip('ament_pep257.main', reason='needs ament_pep257')
    assert pep257.main(CHECKED) == 0
