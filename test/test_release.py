"""What script/release checks; that the artefacts work is seen by running it."""

from pathlib import Path
import sys
import tarfile
import zipfile

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / 'script'))
import release_check  # noqa: E402


def sdist_of(path, names):
    with tarfile.open(path, 'w:gz') as archive:
        for name in names:
            archive.add(__file__, f'squeezedet_ros-1.0.0/{name}')
    return path


def wheel_of(path, names):
    with zipfile.ZipFile(path, 'w') as archive:
        for name in names:
            archive.writestr(name, '')
    return path


def test_every_file_that_has_to_be_packed_is_there():
    for name in (*release_check.IN_BOTH, *release_check.IN_SDIST):
        assert (ROOT / name).is_file()


def test_what_is_missing_from_an_artefact_is_named(tmp_path):
    everything = [*release_check.IN_BOTH, *release_check.IN_SDIST]
    shared = [
        f'squeezedet_ros-1.0.0.data/data/share/squeezedet_ros/{name}'
        for name in release_check.SHARED
    ]
    sdist = sdist_of(tmp_path / 'whole.tar.gz', everything)
    wheel = wheel_of(
        tmp_path / 'squeezedet_ros-1.0.0-py3-none-any.whl', [*release_check.IN_BOTH, *shared]
    )
    release_check.check_contents(sdist, wheel)
    cut = sdist_of(tmp_path / 'cut.tar.gz', everything[1:])
    with pytest.raises(release_check.ReleaseError, match=f': {everything[0]}$'):
        release_check.check_contents(cut, wheel)
    wheel_of(wheel, [*release_check.IN_BOTH, *shared[1:]])
    with pytest.raises(release_check.ReleaseError, match=r': package.xml$'):
        release_check.check_contents(sdist, wheel)


@pytest.mark.skipif(not (ROOT / '.git').exists(), reason='needs a git checkout')
def test_a_tag_has_to_be_that_of_the_version():
    number = release_check.version()
    right, wrong = (
        [item for item in release_check.left_to_do(number, tag) if 'the tag is' in item]
        for tag in (f'v{number}', 'v0.0.1')
    )
    assert right == []
    assert wrong == [f'the tag is v0.0.1, expected v{number}']


def test_versions_that_do_not_agree_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(release_check, 'ROOT', tmp_path)
    (tmp_path / 'package.xml').write_text('<package><version>1.2.3</version></package>')
    (tmp_path / 'setup.py').write_text("setup(\n    version='1.2.4',\n)\n")
    with pytest.raises(release_check.ReleaseError, match=r"1\.2\.3, setup.py \['1\.2\.4'\]"):
        release_check.version()


def test_needed_distributions_are_found_through_others():
    pytest.importorskip('safetensors')
    found = {item.name.lower() for item in release_check.requirements(Needing())}
    assert {'opencv-python-headless', 'numpy'} <= found
    assert 'pytest' not in found


class Needing:
    """A distribution that needs OpenCV, which needs NumPy, and pytest only for an extra."""

    requires = ('opencv-python-headless>=4.5', 'pytest; extra == "dev"', 'none-of-that-name')
