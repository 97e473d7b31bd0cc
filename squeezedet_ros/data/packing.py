"""Compressed parts of a bag, which may be cut short."""

from __future__ import annotations

from pathlib import Path
import sys

from lz4.frame import LZ4FrameDecompressor

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

# What the libraries raise for bytes that are damaged, or where some are missing.
UNPACK_ERRORS = (zstd.ZstdError, EOFError, RuntimeError)
ZSTD_MAGIC = b'\x28\xb5\x2f\xfd'
_BLOCK = 1 << 20


def unpack(data: bytes, compression: str = 'zstd') -> bytes:
    """
    Return what was packed, as much of it as the data holds.

    :param compression: ``zstd``, ``lz4`` or none, as MCAP names it.
    :raises ValueError: for another one.
    :raises UNPACK_ERRORS: for damaged data.
    """
    if compression == 'zstd':
        return bytes(zstd.ZstdDecompressor().decompress(data))
    if compression == 'lz4':
        return bytes(LZ4FrameDecompressor().decompress(data))
    if compression:
        raise ValueError(f'expected zstd or lz4, got {compression!r}')
    return data


def plain_cdr(data: bytes) -> bytes:
    """
    Return the CDR of a message, unpacked where the bag has its messages compressed one by one.

    :raises UNPACK_ERRORS: for damaged data.
    """
    # CDR never begins so.
    return unpack(data) if data.startswith(ZSTD_MAGIC) else data


def unpack_file(source: Path, target: Path) -> None:
    """
    Write what was packed as zstd, as much of it as the file holds.

    :raises UNPACK_ERRORS: for damaged data; what comes before it is written.
    """
    unpacker = zstd.ZstdDecompressor()
    with source.open('rb') as packed, target.open('wb') as plain:
        while not unpacker.eof and (block := packed.read(_BLOCK)):
            plain.write(unpacker.decompress(block))
