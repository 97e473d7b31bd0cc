"""What script/release does: build the artefacts from what git has, then try the wheel alone."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
import os
from pathlib import Path, PurePosixPath
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from xml.etree import ElementTree
import zipfile

ROOT = Path(__file__).resolve().parents[1]
NAME = 'squeezedet_ros'
# The build backend, called as pip does it.
BUILD = 'import sys; from setuptools import build_meta as b; getattr(b, sys.argv[1])(sys.argv[2])'
IN_BOTH = (
    f'{NAME}/py.typed',
    f'{NAME}/weights/squeezedet_street.safetensors',
    f'{NAME}/weights/MODEL_CARD.md',
)
SHARED = (
    'package.xml',
    'config/detector.yaml',
    'config/fastdds.xml',
    'launch/detector.launch.py',
)
IN_SDIST = (*SHARED, 'LICENSE', 'README.md', 'CHANGELOG.rst', 'SECURITY.md', 'setup.cfg')
# A ROS module that the wheel has to do without.
ROS = 'rclpy'


class ReleaseError(Exception):
    """The release is not as it has to be."""


def run(*command: object, cwd: Path, alone: bool = False) -> str:
    """
    Return what a command prints.

    :param alone: without the variables of this shell, which lead to ROS and to this checkout.
    :raises ReleaseError: when it fails.
    """
    kept = {name: os.environ[name] for name in ('HOME', 'LANG', 'TMPDIR') if name in os.environ}
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={**kept, 'PATH': os.defpath} if alone else None,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ReleaseError(f'{" ".join(map(str, command))}:\n{done.stdout}{done.stderr}')
    return done.stdout


def version() -> str:
    """
    Return the version of this checkout.

    :raises ReleaseError: when package.xml and setup.py do not agree on it.
    """
    manifest = ElementTree.parse(ROOT / 'package.xml').findtext('version') or ''
    literals = re.findall(r"version='([^']+)',", (ROOT / 'setup.py').read_text())
    if literals != [manifest] or not re.fullmatch(r'\d+\.\d+\.\d+', manifest):
        raise ReleaseError(f'package.xml has version {manifest}, setup.py {literals}')
    return manifest


def left_to_do(number: str, tag: str | None) -> Iterator[str]:
    """Yield what a release of this version lacks."""
    if tag is not None and tag != f'v{number}':
        yield f'the tag is {tag}, expected v{number}'
    changes = (ROOT / 'CHANGELOG.rst').read_text()
    if not re.search(rf'^{re.escape(number)} \(\d{{4}}-\d\d-\d\d\)$', changes, re.MULTILINE):
        yield f'CHANGELOG.rst has no section "{number} (date)"'
    if run('git', 'status', '--porcelain', '--untracked-files=no', cwd=ROOT):
        yield 'git has changes that are not committed'


def build(workspace: Path, target: Path) -> tuple[Path, Path]:
    """Return an sdist of the files git knows, and a wheel made of nothing but that."""
    source = workspace / 'source'
    for name in run('git', 'ls-files', '-z', cwd=ROOT).split('\0'):
        if name and (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, source / name)
    run(sys.executable, '-c', BUILD, 'build_sdist', target, cwd=source)
    (sdist,) = target.glob('*.tar.gz')
    with tarfile.open(sdist) as archive:
        archive.extractall(workspace / 'unpacked', filter='data')
    (unpacked,) = (workspace / 'unpacked').iterdir()
    run(sys.executable, '-c', BUILD, 'build_wheel', target, cwd=unpacked)
    (wheel,) = target.glob('*.whl')
    return sdist, wheel


def check_contents(sdist: Path, wheel: Path) -> None:
    """
    Make sure that everything a user needs is in both.

    :raises ReleaseError: naming what is missing.
    """
    with tarfile.open(sdist) as archive:
        packed = {
            str(PurePosixPath(*PurePosixPath(name).parts[1:])) for name in archive.getnames()
        }
    with zipfile.ZipFile(wheel) as archive:
        installed = set(archive.namelist())
    data = f'{wheel.name.split("-py3")[0]}.data/data/share/{NAME}'
    missing = [name for name in (*IN_BOTH, *IN_SDIST) if name not in packed]
    missing += [name for name in IN_BOTH if name not in installed]
    missing += [name for name in SHARED if f'{data}/{name}' not in installed]
    if missing:
        raise ReleaseError(f'not in the artefacts: {", ".join(missing)}')


def requirements(of: Distribution) -> Iterator[Distribution]:
    """Yield the installed distributions one needs, and those that these need."""
    seen: set[str] = set()
    waiting = list(of.requires or [])
    while waiting:
        words = waiting.pop()
        name = re.split(r'[^\w.-]', words)[0]
        if name in seen or 'extra ==' in words:
            continue
        seen.add(name)
        try:
            found = distribution(name)
        except ImportError:
            # For another platform or Python, or pip will tell.
            continue
        waiting += found.requires or []
        yield found


def lend(needed: Distribution, site: Path) -> None:
    """Link an installed distribution into another environment."""
    for file in needed.files or []:
        top = file.parts[0]
        if top not in ('..', '__pycache__') and not (site / top).exists():
            (site / top).symlink_to(Path(str(needed.locate_file(top))))


def try_alone(wheel: Path, workspace: Path, *, download: bool) -> str:
    """
    Return what the wheel's command prints in an environment that has no ROS.

    :param download: install what it needs from the package index, instead of lending it from the
        environment this runs in.
    :raises ReleaseError: when it does not work there.
    """
    run(sys.executable, '-m', 'venv', workspace / 'venv', cwd=workspace, alone=True)
    commands = workspace / 'venv' / 'bin'
    pip = (commands / 'python', '-m', 'pip', '--disable-pip-version-check')
    if download:
        run(*pip, 'install', wheel, cwd=workspace)
    else:
        # An old one that venv may bring is in the way of the one that is lent.
        run(*pip, 'uninstall', '-y', 'setuptools', cwd=workspace, alone=True)
        run(*pip, 'install', '--no-deps', '--no-index', wheel, cwd=workspace, alone=True)
        (site,) = (workspace / 'venv' / 'lib').glob('python3*/site-packages')
        with zipfile.ZipFile(wheel) as archive:
            (record,) = (name for name in archive.namelist() if name.endswith('/METADATA'))
        for needed in requirements(Distribution.at(site / PurePosixPath(record).parts[0])):
            lend(needed, site)
    run(*pip, 'check', cwd=workspace, alone=True)
    absent = f'import importlib.util as u; assert u.find_spec("{ROS}") is None'
    run(commands / 'python', '-c', absent, cwd=workspace, alone=True)
    tool = commands / 'squeezedet'
    run(tool, 'info', cwd=workspace, alone=True)
    street = workspace / 'street'
    drawn = ('render-drive', '--out', street, '--format', 'kitti', '--frames', '1')
    run(tool, *drawn, cwd=workspace, alone=True)
    image = next(street.rglob('*.png'))
    return run(tool, 'detect', image, cwd=workspace, alone=True)


def main() -> int:
    """Build and try; return 1 when something is not as it has to be."""
    parser = argparse.ArgumentParser(prog='script/release', description=__doc__)
    parser.add_argument('--tag', help='tag of the release; then nothing may be left to do')
    parser.add_argument(
        '--download', action='store_true', help='install what the wheel needs from the index'
    )
    parser.add_argument('--out', type=Path, default=ROOT / 'dist', help='folder of the artefacts')
    arguments = parser.parse_args()
    try:
        number = version()
        todo = list(left_to_do(number, arguments.tag))
        if todo and arguments.tag:
            raise ReleaseError('; '.join(todo))
        shutil.rmtree(arguments.out, ignore_errors=True)
        arguments.out.mkdir(parents=True)
        with tempfile.TemporaryDirectory() as folder:
            sdist, wheel = build(Path(folder), arguments.out.resolve())
            check_contents(sdist, wheel)
            seen = try_alone(wheel, Path(folder), download=arguments.download)
    except ReleaseError as error:
        print(f'script/release: {error}', file=sys.stderr)
        return 1
    print(f'the wheel alone, without ROS, sees in a drawn street:\n{seen}')
    for artefact in (sdist, wheel):
        print(f'{artefact}  {artefact.stat().st_size / 1e6:.1f} MB')
    print(''.join(f'left to do: {item}\n' for item in todo), end='')
    return 0


if __name__ == '__main__':
    sys.exit(main())
