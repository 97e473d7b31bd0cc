"""
Reading the tensors of a foreign weights file, whatever its format.

Nothing here runs code that a file carries: NumPy reads without pickle, PyTorch with
``weights_only``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from pickle import UnpicklingError
import struct
from typing import Any, NamedTuple
from zipfile import BadZipFile, is_zipfile, ZipFile
import zlib

import numpy as np
from numpy.typing import NDArray
from squeezedet_ros.errors import CheckpointError
import torch
from torch import Tensor

# Under which key a .pth keeps its tensors, where they are not at its top.
_STATE_KEYS = ('state_dict', 'model_state_dict', 'model')
# SqueezeDet+ has 27 MB; packed zeros of a thousand times that fit a small file.
_MOST_BYTES = 2**30
# PyTorch checks little of what it reads: these came out of damaged files.
_DAMAGED_PTH = (
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    struct.error,
    TypeError,
    UnpicklingError,
    ValueError,
)
# What NumPy says, of headers that promise more than there is too.
_DAMAGED_NPZ = (
    BadZipFile,
    EOFError,
    MemoryError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
    zlib.error,
)
_NPY_RECIPE = (
    "python3 -c \"import numpy; numpy.savez('weights.npz', "
    "**numpy.load('weights.npy', allow_pickle=True).item())\""
)


class WeightsFile(NamedTuple):
    """
    What a weights file holds.

    :param tensors: by name, as they are named and shaped there.
    :param others: what is no tensor, by name, each with the reason it is left out.
    """

    tensors: dict[str, Tensor]
    others: dict[str, str]


def read_weights_file(path: Path) -> WeightsFile:
    """
    Return everything a ``.npz``, ``.h5``, ``.hdf5``, ``.pth`` or ``.pt`` file holds.

    :raises CheckpointError: when the file is missing, damaged, of another format, holds more than
        1 GiB once it is unpacked, or cannot be read without running code from it.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise CheckpointError(f'{path} must end in one of {", ".join(_READERS)}')
    if not path.is_file():
        raise CheckpointError(f'weights must name a file, but {path} is no file')
    if is_zipfile(path):
        _check_size(path, _unpacked_bytes(path))
    found = reader(path)
    if not found.tensors:
        raise CheckpointError(f'{path} holds no tensors')
    return found


def _unpacked_bytes(path: Path) -> int:
    """Return how much a zip says that it holds; more is not unpacked of it."""
    try:
        with ZipFile(path) as archive:
            return sum(item.file_size for item in archive.infolist())
    except (OSError, BadZipFile) as error:
        raise CheckpointError(f'{path} cannot be read as a zip of tensors: {error}') from error


def _check_size(path: Path, size: int) -> None:
    if size > _MOST_BYTES:
        raise CheckpointError(
            f'{path} holds {size} bytes once it is unpacked, expected at most {_MOST_BYTES}'
        )


def _read_npz(path: Path) -> WeightsFile:
    try:
        archive = np.load(path, allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise CheckpointError(f'{path} is one array, expected an .npz with a name for each')
        with archive:
            return WeightsFile(_as_tensors(path, {name: archive[name] for name in archive}), {})
    except _DAMAGED_NPZ as error:
        reason = str(error) or type(error).__name__
        raise CheckpointError(f'{path} cannot be read as an .npz of arrays: {reason}') from error


def _refuse_npy(path: Path) -> WeightsFile:
    raise CheckpointError(
        f'{path}: a dictionary in an .npy is a pickle, which may run any code when it is read. '
        f'Where you trust its maker, turn it into an .npz: {_NPY_RECIPE}'
    )


def _read_hdf5(path: Path) -> WeightsFile:
    try:
        import h5py
    except ImportError as error:
        raise CheckpointError(
            f"{path}: Keras files need h5py: python3 -m pip install 'squeezedet_ros[keras]'"
        ) from error
    arrays: dict[str, NDArray[Any]] = {}

    def keep(name: str, item: Any) -> None:  # noqa: ANN401
        if isinstance(item, h5py.Dataset):
            _check_size(path, sum(array.nbytes for array in arrays.values()) + item.nbytes)
            arrays[name] = np.asarray(item[()])

    try:
        with h5py.File(path, 'r') as file:
            file.visititems(keep)
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        raise CheckpointError(f'{path} cannot be read as an HDF5 file: {error}') from error
    return WeightsFile(_as_tensors(path, arrays), {})


def _as_tensors(path: Path, arrays: Mapping[str, NDArray[Any]]) -> dict[str, Tensor]:
    for name, array in arrays.items():
        # NumPy gives a member of another format as its bytes.
        kind = array.dtype if isinstance(array, np.ndarray) else type(array).__name__
        if not (isinstance(kind, np.dtype) and kind.kind in 'fiub'):
            raise CheckpointError(f'{path}: {name} is of type {kind}, expected numbers')
    return {
        name: torch.from_numpy(np.array(array, array.dtype.newbyteorder('=')))
        for name, array in arrays.items()
    }


def _read_pytorch(path: Path) -> WeightsFile:
    try:
        content = torch.load(path, map_location='cpu', weights_only=True)
    except _DAMAGED_PTH as error:
        # PyTorch's own text is long and advises to load without weights_only.
        raise CheckpointError(
            f'{path} cannot be read by torch.load(weights_only=True): it is damaged, or holds '
            f'more than tensors, numbers, lists and dictionaries ({type(error).__name__})'
        ) from error
    if not isinstance(content, Mapping):
        raise CheckpointError(
            f'{path} holds a {type(content).__name__}, expected a dictionary of tensors'
        )
    others: dict[str, str] = {}
    state = next((key for key in _STATE_KEYS if isinstance(content.get(key), Mapping)), None)
    if state is not None:
        others = {str(key): f'beside {state}' for key in content if key != state}
        content = content[state]
    tensors = {str(key): value for key, value in content.items() if isinstance(value, Tensor)}
    others |= {str(key): 'no tensor' for key in content if str(key) not in tensors}
    return WeightsFile(tensors, others)


_READERS: dict[str, Callable[[Path], WeightsFile]] = {
    '.npz': _read_npz,
    '.npy': _refuse_npy,
    '.h5': _read_hdf5,
    '.hdf5': _read_hdf5,
    '.pth': _read_pytorch,
    '.pt': _read_pytorch,
}
