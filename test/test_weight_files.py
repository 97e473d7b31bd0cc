import pickle
import subprocess
import sys
from zipfile import ZIP_DEFLATED, ZipFile

from foreign_weights import draw_layers, pytorch_state, tensorflow_arrays, write_keras
import numpy as np
import pytest
from squeezedet_ros.errors import CheckpointError
from squeezedet_ros.weight_import.files import read_weights_file
import torch


class Harmful:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, 'w')


@pytest.fixture(scope='module')
def layers():
    return draw_layers()


def test_npz(tmp_path, layers):
    arrays = tensorflow_arrays(layers)
    np.savez_compressed(tmp_path / 'weights.npz', **arrays, global_step=np.int64(9))
    found = read_weights_file(tmp_path / 'weights.npz').tensors
    assert set(found) == {*arrays, 'global_step'}
    assert np.array_equal(found['conv1/kernels'].numpy(), arrays['conv1/kernels'])
    assert found['global_step'].shape == ()


def test_arrays_of_the_other_byte_order(tmp_path):
    np.savez(tmp_path / 'weights.npz', x=np.arange(3, dtype='>f4'))
    assert read_weights_file(tmp_path / 'weights.npz').tensors['x'].tolist() == [0, 1, 2]


@pytest.mark.parametrize('suffix', ['.h5', '.HDF5'])
def test_keras(tmp_path, layers, suffix):
    pytest.importorskip('h5py')
    path = tmp_path / f'weights{suffix}'
    write_keras(path, layers, 'model_weights')
    found = read_weights_file(path).tensors
    assert len(found) == 64
    assert found['model_weights/conv2d_1/conv2d_1/kernel:0'].shape == (3, 3, 3, 64)
    assert 'model_weights/fire2/squeeze1x1/fire2/squeeze1x1/bias:0' in found


@pytest.mark.parametrize('key', [None, 'state_dict', 'model_state_dict', 'model'])
def test_pytorch(tmp_path, layers, key):
    state = pytorch_state(layers)
    content = {key: state, 'epoch': 3, 'optimizer': {'lr': 0.1}} if key else state
    torch.save(content, tmp_path / 'weights.pth')
    found = read_weights_file(tmp_path / 'weights.pth')
    assert torch.equal(found.tensors['base.convdet.bias'], state['base.convdet.bias'])
    assert set(found.tensors) == set(state)
    assert set(found.others) == ({'epoch', 'optimizer'} if key else set())


def test_a_pth_that_runs_code_is_refused(tmp_path):
    trace = tmp_path / 'ran'
    torch.save({'state_dict': {'x': torch.zeros(1), 'y': Harmful(trace)}}, tmp_path / 'bad.pth')
    with pytest.raises(CheckpointError, match=r'weights_only=True.*more than tensors'):
        read_weights_file(tmp_path / 'bad.pth')
    assert not trace.exists()


def test_a_pickled_npy_is_refused_with_a_recipe_that_works(tmp_path, layers):
    arrays = tensorflow_arrays(layers)
    np.save(tmp_path / 'weights.npy', arrays, allow_pickle=True)
    with pytest.raises(CheckpointError, match='is a pickle') as refused:
        read_weights_file(tmp_path / 'weights.npy')
    assert '\n' not in str(refused.value)
    script = str(refused.value).split('python3 -c ')[1].strip('"')
    subprocess.run([sys.executable, '-c', script], cwd=tmp_path, check=True)
    assert set(read_weights_file(tmp_path / 'weights.npz').tensors) == set(arrays)


def test_a_pickle_in_an_npz_is_refused(tmp_path):
    trace = tmp_path / 'ran'
    np.savez(tmp_path / 'weights.npz', x=np.array([Harmful(trace)], dtype=object))
    with pytest.raises(CheckpointError, match='cannot be read'):
        read_weights_file(tmp_path / 'weights.npz')
    assert not trace.exists()


@pytest.mark.parametrize('suffix', ['.npz', '.pth'])
def test_a_zip_that_unpacks_to_gigabytes_is_refused_unread(tmp_path, suffix):
    path = tmp_path / f'bomb{suffix}'
    with ZipFile(path, 'w', ZIP_DEFLATED) as archive, archive.open('x.npy', 'w') as entry:
        for _ in range(65):
            entry.write(bytes(2**24))
    # 65 * 16 MiB, more than 1 GiB, in a thousandth of it.
    assert path.stat().st_size < 2**21
    with pytest.raises(CheckpointError, match=r'holds 1090519040 bytes .* at most 1073741824'):
        read_weights_file(path)


def test_packed_keras_weights_of_gigabytes_are_refused_unread(tmp_path):
    h5py = pytest.importorskip('h5py')
    with h5py.File(tmp_path / 'bomb.h5', 'w') as file:
        for name in 'ab':
            # Blocks that were never written take no room, and are zeros when read.
            file.create_dataset(name, (2**27 + 1,), 'f4', chunks=True, compression='gzip')
    assert (tmp_path / 'bomb.h5').stat().st_size < 2**20
    with pytest.raises(CheckpointError, match='holds 1073741832 bytes'):
        read_weights_file(tmp_path / 'bomb.h5')


@pytest.mark.parametrize('share', [0.0, 0.001, 0.5, 0.99])
@pytest.mark.parametrize('suffix', ['.npz', '.h5', '.pth'])
def test_what_is_cut_off_is_refused(tmp_path, layers, suffix, share):
    path = tmp_path / f'weights{suffix}'
    if suffix == '.npz':
        np.savez(path, **tensorflow_arrays(layers))
    elif suffix == '.h5':
        pytest.importorskip('h5py')
        write_keras(path, layers)
    else:
        torch.save(pytorch_state(layers), path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(CheckpointError, match=r'cannot be read|no tensors'):
        read_weights_file(path)


@pytest.mark.parametrize('suffix', ['.npz', '.h5', '.pth', '.pt'])
@pytest.mark.parametrize('content', [b'not weights at all ' * 20, pickle.dumps({'x': [1.0]})])
def test_foreign_bytes_are_refused(tmp_path, suffix, content):
    if suffix == '.h5':
        pytest.importorskip('h5py')
    path = tmp_path / f'weights{suffix}'
    path.write_bytes(content)
    with pytest.raises(CheckpointError):
        read_weights_file(path)


def test_old_pytorch_files_are_read_and_refused_when_cut_off(tmp_path, layers):
    path = tmp_path / 'weights.pth'
    torch.save(pytorch_state(layers), path, _use_new_zipfile_serialization=False)
    assert len(read_weights_file(path).tensors) == 64
    content = path.read_bytes()
    for size in (3, 100, 3000, len(content) // 2):
        path.write_bytes(content[:size])
        with pytest.raises(CheckpointError, match='cannot be read'):
            read_weights_file(path)


def test_what_is_no_weights_file_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match=r'must end in one of \.npz'):
        read_weights_file(tmp_path / 'model.ckpt-87000.data-00000-of-00001')
    with pytest.raises(CheckpointError, match='no file'):
        read_weights_file(tmp_path / 'none.npz')
    torch.save([torch.zeros(1)], tmp_path / 'list.pt')
    with pytest.raises(CheckpointError, match='holds a list, expected a dictionary'):
        read_weights_file(tmp_path / 'list.pt')
    np.savez(tmp_path / 'names.npz', x=np.array(['car']))
    with pytest.raises(CheckpointError, match='x is of type <U3, expected numbers'):
        read_weights_file(tmp_path / 'names.npz')
    with (tmp_path / 'array.npz').open('wb') as file:
        np.save(file, np.zeros(3))
    with pytest.raises(CheckpointError, match='is one array'):
        read_weights_file(tmp_path / 'array.npz')


def test_without_h5py_it_is_said_what_to_install(tmp_path, monkeypatch):
    (tmp_path / 'weights.h5').write_bytes(b'')
    monkeypatch.setitem(sys.modules, 'h5py', None)
    with pytest.raises(CheckpointError, match=r'pip install .squeezedet_ros\[keras\]'):
        read_weights_file(tmp_path / 'weights.h5')


def lying_npz(path, header):
    """Write an .npz whose array has no more than a header."""
    with ZipFile(path, 'w') as archive:
        text = header.encode().ljust(117) + b'\n'
        archive.writestr('x.npy', b'\x93NUMPY\x01\x00' + len(text).to_bytes(2, 'little') + text)


@pytest.mark.parametrize('count', [10**13, 10**20])
def test_a_header_that_promises_what_is_not_there_is_refused(tmp_path, count):
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({count},)}}"
    lying_npz(tmp_path / 'lie.npz', header)
    with pytest.raises(CheckpointError, match=r'lie\.npz cannot be read as an \.npz'):
        read_weights_file(tmp_path / 'lie.npz')


def test_a_member_that_is_no_array_is_refused(tmp_path):
    with ZipFile(tmp_path / 'text.npz', 'w') as archive:
        archive.writestr('readme.txt', 'weights')
    with pytest.raises(CheckpointError, match=r'readme\.txt is of type bytes, expected numbers'):
        read_weights_file(tmp_path / 'text.npz')
