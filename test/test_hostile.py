"""A page of hostile inputs, each refused with what was expected and what came."""

import hashlib
import json
import subprocess
import sys

from hostile import images, packed_images, weights_files, weights_names
import numpy as np
import pytest
from squeezedet_ros.checkpoint import DEFAULT_WEIGHTS, load_checkpoint, resolve_weights
from squeezedet_ros.data.bag import BagReader
from squeezedet_ros.data.bag_writer import BagWriter
from squeezedet_ros.data.frames import list_frames
from squeezedet_ros.errors import CheckpointError, DatasetError, ImageDecodeError
from squeezedet_ros.image_codec import decode_compressed

PEAK = """
import resource, sys
from pathlib import Path
from squeezedet_ros.image_codec import decode_compressed

content = Path(sys.argv[1]).read_bytes()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(decode_compressed(content).shape)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
IMAGES = {name: (content, expected) for name, content, expected in images()}
PACKED = dict(packed_images())


def load(weights):
    return load_checkpoint(resolve_weights(weights))


def test_what_is_no_checkpoint_is_refused(tmp_path):
    trace = tmp_path / 'ran'
    for path, expected in weights_files(tmp_path, trace):
        with pytest.raises(CheckpointError) as refused:
            load(str(path))
        assert expected in str(refused.value), path
        assert str(path) in str(refused.value)
        assert len(str(refused.value)) < 1000
        assert str(refused.value).isprintable()
    assert not trace.exists()


def test_names_that_name_no_checkpoint_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    trace = tmp_path / 'ran'
    for name, expected in weights_names(tmp_path, trace):
        with pytest.raises(CheckpointError) as refused:
            load(name)
        assert expected in str(refused.value), name
    assert {path.name for path in tmp_path.iterdir()} == {'fifo', 'loop'}


def test_the_digest_counts_and_its_case_does_not():
    path = resolve_weights('')
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert resolve_weights(f'#sha256={digest}').name == DEFAULT_WEIGHTS
    assert resolve_weights(f'{path}#sha256={digest.upper()}') == path
    wrong = digest[:-1] + ('0' if digest[-1] != '0' else '1')
    with pytest.raises(CheckpointError, match=f'digest {wrong}, got {digest}'):
        resolve_weights(f'{path}#sha256={wrong}')


def test_a_hash_sign_in_a_name_means_nothing_else(tmp_path):
    path = tmp_path / 'a#b.safetensors'
    path.touch()
    assert resolve_weights(str(path)) == path


@pytest.mark.parametrize('name', IMAGES)
def test_what_is_no_image_to_look_at_is_refused(name):
    content, expected = IMAGES[name]
    with pytest.raises(ImageDecodeError) as refused:
        decode_compressed(content)
    assert expected in str(refused.value)
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize('name', PACKED)
def test_what_is_packed_beside_the_pixels_takes_no_memory(tmp_path, name):
    path = tmp_path / 'packed.png'
    path.write_bytes(PACKED[name])
    shown = subprocess.run(
        [sys.executable, '-c', PEAK, path], capture_output=True, text=True, check=True
    )
    shape, megabytes = shown.stdout.splitlines()
    assert shape == '(10, 10, 3)'
    assert int(megabytes) < 30


@pytest.mark.parametrize('name', ['../../evil', '/etc/passwd', '..', 'a/../../../b'])
def test_a_kitti_set_names_no_file_outside_of_it(tmp_path, name):
    (tmp_path / 'ImageSets').mkdir()
    (tmp_path / 'ImageSets' / 'val.txt').write_text(f'{name}\n')
    with pytest.raises(DatasetError, match='expected names of images below'):
        list_frames(tmp_path, 'val')


@pytest.mark.parametrize('content', ['[' * 100_000, '{"images":' * 50_000])
def test_annotations_nested_without_end_are_refused(tmp_path, content):
    (tmp_path / 'annotations').mkdir()
    (tmp_path / 'annotations' / 'instances_val.json').write_text(content)
    with pytest.raises(DatasetError, match='cannot be read as JSON'):
        list_frames(tmp_path, 'val')


@pytest.mark.parametrize('name', ['../x.png', '/etc/passwd', 'a/../../x.png', ''])
def test_a_coco_set_names_no_file_outside_of_it(tmp_path, name):
    (tmp_path / 'annotations').mkdir()
    content = {'images': [{'id': 1, 'file_name': name}], 'annotations': [], 'categories': []}
    (tmp_path / 'annotations' / 'instances_val.json').write_text(json.dumps(content))
    with pytest.raises(DatasetError, match='expected a file_name below'):
        list_frames(tmp_path, 'val')


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_a_bag_names_no_file_outside_of_it(tmp_path, storage):
    for name in ('bag', 'secret'):
        with BagWriter(tmp_path / name, storage) as bag:
            bag.write_image('front', 1, np.zeros((8, 8, 3), np.uint8))
    (inside,) = [path for path in (tmp_path / 'bag').iterdir() if path.name != 'metadata.yaml']
    (outside,) = [path for path in (tmp_path / 'secret').iterdir() if path.name != 'metadata.yaml']
    outside = outside.rename(outside.with_stem('secret'))
    metadata = tmp_path / 'bag' / 'metadata.yaml'
    text = metadata.read_text()
    assert inside.name in text
    for reference in (f'../secret/{outside.name}', str(outside)):
        metadata.write_text(text.replace(inside.name, reference))
        with pytest.raises(DatasetError, match='files are missing'), BagReader(tmp_path / 'bag'):
            pass
