"""The container files agree with each other and with the package; no engine is needed."""

from fnmatch import fnmatch
from pathlib import Path
import re
import shutil
import subprocess

import pytest
from squeezedet_ros.cli.main import COMMANDS
import yaml

ROOT = Path(__file__).resolve().parents[1]
DOCKER = ROOT / 'docker'
TEXT = (DOCKER / 'Dockerfile').read_text().replace('\\\n', ' ')
LINES = [line.split() for line in TEXT.splitlines() if line and not line.startswith('#')]
PLATFORMS = ('x86-64', 'jetpack6', 'jetpack7')
COMPOSE = yaml.safe_load((DOCKER / 'compose.yaml').read_text())


def instructions(name):
    return [words[1:] for words in LINES if words[0] == name]


def copied():
    """Return what is taken from the checkout, for each platform."""
    for *sources, _ in instructions('COPY'):
        for source in sources:
            if not source.startswith('--'):
                yield from (source.replace('${PLATFORM}', name) for name in PLATFORMS)


def is_in_context(path):
    kept = False
    for pattern in (ROOT / '.dockerignore').read_text().split():
        if fnmatch(path, pattern.lstrip('!')):
            kept = pattern.startswith('!')
    return kept


def test_what_is_copied_is_there_and_in_the_build_context():
    assert {'squeezedet_ros', 'docker/entrypoint.sh', 'docker/torch-jetpack6.txt'} <= set(copied())
    for path in copied():
        assert (ROOT / path).exists()
        assert is_in_context(path), path


def test_all_that_makes_the_package_is_copied():
    wanted = {'package.xml', 'setup.py', 'setup.cfg', 'README.md', 'resource', 'config', 'launch'}
    assert wanted <= set(copied())


def test_each_platform_is_a_stage_on_a_pinned_image():
    stages = {words[2]: words[0] for words in instructions('FROM')}
    assert set(PLATFORMS) < set(stages)
    for image in set(stages.values()) - {'${PLATFORM}'}:
        assert re.fullmatch(r'[\w./-]+:[\w.-]+', image)
        assert not image.endswith(':latest')


def test_every_python_package_is_pinned():
    for path in DOCKER.glob('torch-*.txt'):
        for line in path.read_text().splitlines():
            assert re.fullmatch(r'#.*|--(extra-)?index-url https://\S+|[\w-]+==[\d.]+', line), line
    pinned = (ROOT / 'requirements.txt').read_text()
    (names,) = re.findall(r"grep -E '\^\((.*)\)=='", TEXT)
    assert all(re.search(rf'^{name}==[\d.]+', pinned, re.MULTILINE) for name in names.split('|'))


def test_nothing_runs_as_root():
    runs = ('FROM', 'USER', 'CMD', 'ENTRYPOINT')
    user = None
    for name, *words in (line for line in LINES if line[0] in runs):
        if name == 'FROM':
            user = None
        elif name == 'USER':
            user = words[0]
        else:
            assert user == '10001'


def test_the_health_check_is_a_command_of_ours():
    ((*_, command),) = instructions('HEALTHCHECK')
    assert command.strip('"]') in COMMANDS


def test_the_entry_point_is_valid_bash():
    subprocess.run(['bash', '-n', DOCKER / 'entrypoint.sh'], check=True)


def test_the_images_have_the_version_of_the_package():
    version = re.search(r"version='(\S+)',", (ROOT / 'setup.py').read_text())[1]
    images = {service['image'] for service in COMPOSE['services'].values()}
    assert {image.partition(':')[2] for image in images} == {version}


def test_no_service_may_do_more_than_it_has_to():
    for service in COMPOSE['services'].values():
        assert service['read_only']
        assert service['cap_drop'] == ['ALL']
        assert service['security_opt'] == ['no-new-privileges:true']
        assert 'privileged' not in service
        assert all(port.startswith('127.0.0.1:') for port in service.get('ports', ()))


def test_hadolint_finds_nothing():
    hadolint = shutil.which('hadolint')
    if hadolint is None:
        pytest.skip('hadolint is not installed')
    subprocess.run([hadolint, DOCKER / 'Dockerfile'], check=True)
