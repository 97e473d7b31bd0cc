"""The package as colcon and pip install it, and what its metadata promises."""

import ast
from hashlib import sha256
import os
from pathlib import Path
import re
import shutil
import subprocess
import sys
from xml.etree import ElementTree
import zipfile

import pytest

ROOT = Path(__file__).resolve().parents[1]
COMMANDS = ('squeezedet', 'detector_node')
# Names that rosdistro resolves: its python.yaml for python3-*, released packages for the rest.
ROSDEP_KEYS = {
    'ament_flake8',
    'ament_pep257',
    'builtin_interfaces',
    'cv_bridge',
    'diagnostic_msgs',
    'geometry_msgs',
    'launch',
    'launch_ros',
    'lifecycle_msgs',
    'python3-hypothesis',
    'python3-matplotlib',
    'python3-numpy',
    'python3-opencv',
    'python3-pytest',
    'python3-pytest-timeout',
    'python3-torch',
    'python3-tqdm',
    'python3-yaml',
    'rcl_interfaces',
    'rclpy',
    'rosgraph_msgs',
    'sensor_msgs',
    'std_msgs',
    'std_srvs',
    'vision_msgs',
}
# Imported module: rosdep key and name on PyPI; no key means that only pip has it.
THIRD_PARTY = {
    'apsw': (None, 'apsw'),
    'backports': (None, 'backports-zstd'),
    # Of Python itself since 3.14; before, it is in the one above.
    'compression': (None, 'backports-zstd'),
    'cv2': ('python3-opencv', 'opencv-python-headless'),
    'h5py': (None, 'h5py'),
    'lz4': (None, 'lz4'),
    'matplotlib': ('python3-matplotlib', 'matplotlib'),
    'numpy': ('python3-numpy', 'numpy'),
    'pycocotools': (None, 'pycocotools'),
    'rosbags': (None, 'rosbags'),
    'safetensors': (None, 'safetensors'),
    'torch': ('python3-torch', 'torch'),
    'tqdm': ('python3-tqdm', 'tqdm'),
}
# Never required: for type checkers, or used where it is installed.
OPTIONAL = {
    '_typeshed',
    'foxglove_msgs',
    'onnx',
    'onnxruntime',
    'openvino',
    'pynvml',
    'tensorrt',
    'ultralytics',
}
# Comes with launch, which comes with ROS 2.
LAUNCH_ONLY = {'python3-yaml': 'yaml'}


@pytest.fixture(scope='module')
def manifest():
    return ElementTree.parse(ROOT / 'package.xml').getroot()


@pytest.fixture(scope='module')
def source(tmp_path_factory):
    """Copy what makes the package, so that building leaves nothing beside the sources."""
    target = tmp_path_factory.mktemp('workspace') / 'squeezedet_ros'
    for name in ('squeezedet_ros', 'resource', 'config', 'launch'):
        shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns('__pycache__'))
    files = ('package.xml', 'setup.py', 'setup.cfg', 'pyproject.toml', 'LICENSE', 'README.md')
    for name in files:
        shutil.copy(ROOT / name, target / name)
    return target


def run(*command, cwd, **variables):
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f'{command}: {done.stdout[-3000:]}{done.stderr[-3000:]}'
    return done.stdout


def declared(manifest):
    return {
        element.text.strip()
        for tag in ('depend', 'exec_depend', 'build_depend', 'test_depend')
        for element in manifest.findall(tag)
    }


def imported_modules(folder):
    for path in (ROOT / folder).rglob('*.py'):
        for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
            if isinstance(node, ast.Import):
                yield from (alias.name.split('.')[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                yield node.module.split('.')[0]


def test_versions_are_equal(manifest):
    # A literal, because catkin_prepare_release rewrites exactly this text.
    literal = re.search(r"version='(\d+\.\d+\.\d+)',", (ROOT / 'setup.py').read_text())
    assert manifest.findtext('version') == literal[1]


def test_manifest_describes_an_ament_python_package(manifest):
    assert manifest.get('format') == '3'
    assert manifest.findtext('name') == 'squeezedet_ros'
    assert manifest.findtext('license') == 'Apache-2.0'
    assert (ROOT / manifest.find('license').get('file')).is_file()
    assert manifest.findtext('export/build_type') == 'ament_python'


def test_manifest_uses_only_real_rosdep_keys(manifest):
    assert declared(manifest) <= ROSDEP_KEYS


def test_every_import_is_declared(manifest):
    core = set(imported_modules('squeezedet_ros')) - sys.stdlib_module_names
    launch = set(imported_modules('launch')) - sys.stdlib_module_names
    ros = (core | launch) - set(THIRD_PARTY) - set(LAUNCH_ONLY.values()) - OPTIONAL
    keys = {THIRD_PARTY[name][0] for name in core & set(THIRD_PARTY)} - {None}
    assert ros - {'squeezedet_ros'} <= declared(manifest)
    assert keys | set(LAUNCH_ONLY) <= declared(manifest)
    pinned = re.findall(r'^([\w-]+)==', (ROOT / 'requirements.txt').read_text(), re.MULTILINE)
    metadata = (ROOT / 'setup.py').read_text()
    for name in core & set(THIRD_PARTY):
        package = THIRD_PARTY[name][1]
        assert package in pinned
        assert f"'{package}>=" in metadata


@pytest.mark.parametrize('merge', [True, False])
def test_colcon_build(source, tmp_path, merge):
    colcon = shutil.which('colcon')
    if colcon is None:
        pytest.skip('colcon is not installed')
    arguments = ['--merge-install'] if merge else []
    run(colcon, 'build', '--base-paths', source.parent, *arguments, cwd=tmp_path)
    prefix = tmp_path / 'install' if merge else tmp_path / 'install' / 'squeezedet_ros'
    for command in COMMANDS:
        assert os.access(prefix / 'lib' / 'squeezedet_ros' / command, os.X_OK)
    share = prefix / 'share'
    assert (share / 'ament_index/resource_index/packages/squeezedet_ros').is_file()
    assert (share / 'squeezedet_ros/package.xml').is_file()
    for folder in ('launch', 'config'):
        wanted = {path.name for path in (ROOT / folder).iterdir() if path.is_file()}
        assert {path.name for path in (share / 'squeezedet_ros' / folder).iterdir()} == wanted
    site = next((prefix / 'lib').glob('python3*/site-packages'))
    installed = run(
        prefix / 'lib/squeezedet_ros/squeezedet', '--help', cwd='/', PYTHONPATH=str(site)
    )
    assert 'usage: squeezedet' in installed


def test_pip_puts_commands_in_bin(source, tmp_path):
    pip = (sys.executable, '-m', 'pip', '--disable-pip-version-check')
    no_download = ('--no-deps', '--no-build-isolation')
    run(*pip, 'wheel', *no_download, '--wheel-dir', tmp_path, source, cwd=tmp_path)
    (wheel,) = tmp_path.glob('*.whl')
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    package = {name for name in names if name.startswith('squeezedet_ros/')}
    on_disk = {
        str(path.relative_to(ROOT))
        for pattern in (
            '*.py',
            'py.typed',
            'weights/*.safetensors',
            'weights/*.md',
            'evaluation/page/*',
            'engines/*.jpg',
        )
        for path in (ROOT / 'squeezedet_ros').rglob(pattern)
    }
    assert package == on_disk
    prefix = tmp_path / 'prefix'
    # Else pip would first remove the environment's own squeezedet_ros.
    run(
        *pip, 'install', '--no-deps', '--ignore-installed', '--prefix', prefix, wheel, cwd=tmp_path
    )
    for command in COMMANDS:
        assert os.access(prefix / 'bin' / command, os.X_OK)
    assert (prefix / 'share/squeezedet_ros/config/fastdds.xml').is_file()


@pytest.mark.parametrize('script', ['bootstrap', 'test', 'docs', 'env.sh', '../.ci/run'])
def test_scripts_are_valid_bash(script):
    run('bash', '-n', ROOT / 'script' / script, cwd=ROOT)


def test_the_digest_of_the_shipped_weights_is_in_their_card():
    folder = ROOT / 'squeezedet_ros' / 'weights'
    (weights,) = folder.glob('*.safetensors')
    assert sha256(weights.read_bytes()).hexdigest() in (folder / 'MODEL_CARD.md').read_text()
