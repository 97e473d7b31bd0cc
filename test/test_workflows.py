"""The workflows and the hooks use what the rest of the repository says."""

from pathlib import Path
import re
import shutil
import subprocess

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
WORKFLOWS = sorted((ROOT / '.github' / 'workflows').glob('*.yml'))
HOOKS = (ROOT / '.pre-commit-config.yaml').read_text()


def jobs(name):
    return yaml.safe_load((ROOT / '.github' / 'workflows' / name).read_text())['jobs']


@pytest.mark.parametrize('path', WORKFLOWS, ids=lambda path: path.name)
def test_an_action_is_named_by_its_commit(path):
    used = re.findall(r'uses: (\S+)@(\S+) # (\S+)', path.read_text())
    assert len(used) == path.read_text().count('uses:')
    for _, commit, version in used:
        assert re.fullmatch('[0-9a-f]{40}', commit)
        assert re.fullmatch(r'v\d+\.\d+\.\d+', version)


@pytest.mark.parametrize('path', WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_may_only_read_unless_a_job_has_to_write(path):
    workflow = yaml.safe_load(path.read_text())
    assert workflow['permissions'] == {'contents': 'read'}
    writing = {name for name, job in workflow['jobs'].items() if 'permissions' in job}
    assert writing == ({'publish'} if path.name == 'release.yml' else set())
    assert all('timeout-minutes' in job for job in workflow['jobs'].values())


def test_the_core_runs_on_each_python_from_the_oldest_on():
    versions = jobs('core.yml')['core']['strategy']['matrix']['python']
    oldest = re.search(r"python_requires='>=([\d.]+)'", (ROOT / 'setup.py').read_text())[1]
    assert versions == [f'3.{minor}' for minor in range(10, 14)]
    assert versions[0] == oldest


def test_the_package_is_tried_in_each_distribution():
    matrix = jobs('ros.yml')['ros']['strategy']['matrix']
    assert matrix['distribution'] == ['humble', 'jazzy', 'kilted', 'lyrical']


def test_hooks_and_requirements_have_the_same_ruff():
    pinned = re.search(r'^ruff==\S+', (ROOT / 'requirements-dev.txt').read_text(), re.MULTILINE)
    assert set(re.findall(r'\[(ruff==[^\]]+)\]', HOOKS)) == {pinned[0]}


def test_every_hook_is_pinned():
    for packages in re.findall(r'additional_dependencies: \[(.*)\]', HOOKS):
        assert all(re.fullmatch(r'[\w-]+==[\d.]+', item) for item in packages.split(', '))


def test_actionlint_finds_nothing():
    actionlint = shutil.which('actionlint')
    if actionlint is None:
        pytest.skip('actionlint is not installed')
    subprocess.run([actionlint, *WORKFLOWS], check=True)
