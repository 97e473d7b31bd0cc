"""Files of config/ that other programs read name what there is."""

import json
from pathlib import Path
import re
import shutil
import subprocess

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / 'config'
TOLD = re.findall(r'`(<camera>|)(/[\w/]+)`', (ROOT / 'README.md').read_text())
TOPICS = {f'{"/camera" if camera else ""}{name}' for camera, name in TOLD}


def words(value):
    """Return all strings in a JSON value."""
    if isinstance(value, dict):
        return {word for item in value.items() for part in item for word in words(part)}
    if isinstance(value, list):
        return {word for item in value for word in words(item)}
    return {value} if isinstance(value, str) else set()


def panels(layout):
    if isinstance(layout, str):
        return [layout]
    return panels(layout['first']) + panels(layout['second'])


def test_the_foxglove_layout_shows_topics_of_the_node():
    content = json.loads((CONFIG / 'foxglove_layout.json').read_text())
    named = {
        word.partition('.')[0] for word in words(content['configById']) if word.startswith('/')
    }
    # The name of a diagnostic status, not of a topic.
    named.remove('/detector: camera')
    assert '/camera/detections/image_annotations' in named
    assert named <= TOPICS
    assert sorted(panels(content['layout'])) == sorted(content['configById'])


def test_the_rviz_configuration_shows_topics_of_the_node():
    content = yaml.safe_load((CONFIG / 'detector.rviz').read_text())
    shown = {f'/{item["Topic"]["Value"]}' for item in content['Visualization Manager']['Displays']}
    assert shown == {'/camera/detections/image', '/camera/image_raw'}
    assert shown <= TOPICS


def test_the_systemd_unit_is_one(tmp_path):
    if shutil.which('systemd-analyze') is None:
        pytest.skip('systemd-analyze is not installed')
    unit = tmp_path / 'squeezedet.service'
    # Its user is made by whoever installs it.
    unit.write_text((CONFIG / unit.name).read_text().replace('User=robot', 'User=root'))
    done = subprocess.run(
        ['systemd-analyze', 'verify', unit], capture_output=True, text=True, check=False
    )
    # It looks at the system's other units too.
    assert done.returncode == 0, done.stderr
    assert unit.name not in done.stderr
