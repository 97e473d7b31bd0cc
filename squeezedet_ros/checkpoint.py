"""Weights on disk: safetensors with the model config in the header; nothing is unpickled."""

from __future__ import annotations

from contextlib import suppress
import hashlib
from importlib import resources
from pathlib import Path
import re

from safetensors import safe_open, SafetensorError
from safetensors.torch import save
from squeezedet_ros.config import ModelConfig
from squeezedet_ros.errors import CheckpointError, ConfigError, shown
from squeezedet_ros.network import SqueezeDet
import torch

DEFAULT_WEIGHTS = 'squeezedet_street.safetensors'
_CONFIG_KEY = 'squeezedet_model_config'
_DIGEST_MARK = '#sha256='
_DIGEST = re.compile('[0-9A-Fa-f]{64}')


def resolve_weights(weights: str) -> Path:
    """
    Return the file that a ``weights`` setting names.

    The empty string names the weights shipped with the package. With ``#sha256=`` and a digest at
    its end the file must have that digest.

    :raises CheckpointError: when there is no such file, or it has another digest.
    """
    name, mark, digest = weights.partition(_DIGEST_MARK)
    if mark and not _DIGEST.fullmatch(digest):
        raise CheckpointError(
            f'expected 64 hexadecimal digits after {_DIGEST_MARK}, got {shown(digest)}'
        )
    path = _existing_file(name)
    if mark:
        _check_digest(path, digest.lower())
    return path


def _existing_file(name: str) -> Path:
    if not name:
        return Path(str(resources.files('squeezedet_ros') / 'weights' / DEFAULT_WEIGHTS))
    try:
        path = Path(name).expanduser()
        found = path.is_file()
    except (OSError, RuntimeError, ValueError) as error:
        # A name that is too long, a user that there is not, a folder that is closed to us.
        reason = error.strerror if isinstance(error, OSError) else error
        raise CheckpointError(f'weights cannot be {shown(name)}: {reason}') from error
    if not found:
        raise CheckpointError(f'weights must name a .safetensors file, but {path} is no file')
    return path


def _check_digest(path: Path, expected: str) -> None:
    digest = hashlib.sha256()
    try:
        with path.open('rb') as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise CheckpointError(f'{path} cannot be read: {error.strerror}') from error
    found = digest.hexdigest()
    if found != expected:
        raise CheckpointError(f'{path} must have the SHA-256 digest {expected}, got {found}')


def read_config(path: Path) -> ModelConfig:
    """
    Return the model a checkpoint holds, without reading its weights.

    :raises CheckpointError: when the file is missing, damaged or foreign.
    """
    return _read(path)[0]


def _read(path: Path) -> tuple[ModelConfig, dict[str, torch.Tensor]]:
    try:
        with safe_open(path, framework='pt') as file:
            text = (file.metadata() or {}).get(_CONFIG_KEY)
            if text is None:
                raise CheckpointError(
                    f'{path} is a safetensors file without a squeezedet model config in its header'
                )
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            return ModelConfig.from_json(text), tensors
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f'{path} cannot be read as a safetensors checkpoint: {error}'
        ) from error
    except ConfigError as error:
        raise CheckpointError(f'{path} holds a model this version cannot run: {error}') from error


def load_checkpoint(path: Path) -> SqueezeDet:
    """
    Return the network of a checkpoint, float32, on the CPU, in inference mode.

    :raises CheckpointError: when the file is missing, damaged, foreign or does not fit its own
        config.
    """
    config, tensors = _read(path)
    network = SqueezeDet(config)
    expected = {key: value.shape for key, value in network.state_dict().items()}
    found = {key: value.shape for key, value in tensors.items()}
    if expected != found:
        differing = sorted(key for key in expected | found if expected.get(key) != found.get(key))
        first = differing[0]
        raise CheckpointError(
            f'{path} does not fit its config in {len(differing)} tensors, first {first}: '
            f'expected {_shape(expected.get(first))}, got {_shape(found.get(first))}'
        )
    network.load_state_dict({key: value.float() for key, value in tensors.items()})
    return network.eval()


def _shape(shape: torch.Size | None) -> str:
    return 'none' if shape is None else str(tuple(shape))


def save_checkpoint(network: SqueezeDet, path: Path, dtype: torch.dtype = torch.float32) -> None:
    """Write a network and its config; a reader sees the old file or the new one, never a part."""
    tensors = {
        key: value.detach().to('cpu', dtype).contiguous()
        for key, value in network.state_dict().items()
    }
    write_atomically(path, save(tensors, {_CONFIG_KEY: network.config.to_json()}))


def write_atomically(path: Path, content: bytes) -> None:
    """
    Write a file so that a crash at any moment leaves the old content or the new.

    What is no file, such as ``/dev/stdout``, is written to as it is.
    """
    if path.is_symlink() or (path.exists() and not path.is_file()):
        path.write_bytes(content)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + '.partial')
    try:
        partial.write_bytes(content)
        partial.replace(path)
    except OSError as error:
        with suppress(OSError):
            partial.unlink()
        # Of a full disk the system does not say which file.
        raise OSError(error.errno, error.strerror, error.filename or str(path)) from error
