"""
Messages of an MCAP file that may end anywhere, by mcap.dev/spec.

Records are read in their order from the first byte; indexes and the footer are not needed. Where
they are there, they tell what a damaged chunk may have been the only one to tell: what is on which
channel. Of a chunk that is cut short its beginning is read.
"""

from __future__ import annotations

from binascii import crc32
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
import struct
from typing import BinaryIO, NamedTuple

from squeezedet_ros.data.bag import RawMessage
from squeezedet_ros.data.packing import unpack, UNPACK_ERRORS

_MAGIC = b'\x89MCAP0\r\n'
_HEAD = struct.Struct('<BQ')
_SCHEMA, _CHANNEL, _MESSAGE, _CHUNK, _DATA_END = 3, 4, 5, 6, 15
_MESSAGE_HEAD = struct.Struct('<HIQQ')
# Its head and where the summary begins; after that come another place, a checksum and the magic.
_FOOTER_KIND, _FOOTER = 2, struct.Struct('<BQQ')
_FOOTER_BYTES = _FOOTER.size + 12 + len(_MAGIC)
_CHUNK_HEAD = struct.Struct('<QQQI')
# Writers close a chunk after some MiB; what announces far more is damage.
_MOST_BYTES = 1 << 30
# What bytes are that do not make up the record they should.
_RECORD_ERRORS = (struct.error, UnicodeDecodeError, KeyError)


class _Record(NamedTuple):
    """A record: its opcode, its content, and whether all of that is there."""

    kind: int
    content: bytes
    whole: bool


def read_mcap(path: Path, damage: list[str]) -> Iterator[RawMessage]:
    """
    Return the messages in the order of writing, up to where the file is cut or damaged.

    :param damage: where what could not be read is told.
    """
    with path.open('rb') as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            damage.append(f'{path} does not begin as an MCAP file')
            return
        size = path.stat().st_size
        found = _Messages(path, damage)
        found.learn(file, size)
        file.seek(len(_MAGIC))
        try:
            yield from found.read(file, size)
        except _RECORD_ERRORS as error:
            damage.append(f'{path}: damaged record before byte {file.tell()}: {error!r}')


class _Messages:
    """Holds what the records before have told of schemas and channels."""

    def __init__(self, path: Path, damage: list[str]) -> None:
        self._path = path
        self._damage = damage
        self._schemas: dict[int, str] = {}
        self._channels: dict[int, tuple[str, str]] = {}

    def learn(self, file: BinaryIO, size: int) -> None:
        """Take schemas and channels from the copies that a file has at its end, if it has one."""
        file.seek(max(0, size - _FOOTER_BYTES))
        try:
            kind, _, start = _FOOTER.unpack_from(file.read(_FOOTER_BYTES))
            if kind != _FOOTER_KIND or not 0 < start < size:
                return
            file.seek(start)
            for kind, content, whole in _records(file, size):
                if not whole or kind == _FOOTER_KIND:
                    return
                self._note(kind, content)
        except _RECORD_ERRORS:
            # What of it is whole has been noted, and the records themselves come next.
            return

    def _note(self, kind: int, content: bytes) -> None:
        if kind == _SCHEMA:
            self._schemas[_number(content, 0)] = _text(content, 2)[0]
        elif kind == _CHANNEL:
            topic = _text(content, 4)[0].lstrip('/')
            self._channels[_number(content, 0)] = topic, self._schemas[_number(content, 2)]

    def read(self, stream: BinaryIO, size: int, *, nested: bool = False) -> Iterator[RawMessage]:
        for kind, content, whole in _records(stream, size):
            if not (whole or nested):
                self._damage.append(f'{self._path} ends within a record')
            if kind == _CHUNK:
                yield from self._read_chunk(content, whole)
            elif not whole:
                return
            elif kind in (_SCHEMA, _CHANNEL):
                self._note(kind, content)
            elif kind == _MESSAGE:
                channel, _, recorded_ns, _ = _MESSAGE_HEAD.unpack_from(content)
                data = content[_MESSAGE_HEAD.size :]
                yield RawMessage(*self._channels[channel], recorded_ns, data)

    def _read_chunk(self, content: bytes, whole: bool) -> Iterator[RawMessage]:
        """Read a chunk as far as it goes; where the next one begins is known all the same."""
        try:
            plain = self._unpack(content, whole)
            yield from self.read(BytesIO(plain), len(plain), nested=True)
        except _RECORD_ERRORS as error:
            self._damage.append(f'{self._path}: a chunk is damaged: {error!r}')

    def _unpack(self, content: bytes, whole: bool) -> bytes:
        """Return the records of a chunk, as far as they are there; none of a damaged one."""
        *_, checksum = _CHUNK_HEAD.unpack_from(content)
        compression, end = _text(content, _CHUNK_HEAD.size)
        try:
            plain = unpack(content[end + 8 :], compression)
        except (*UNPACK_ERRORS, ValueError) as error:
            self._damage.append(f'{self._path}: a chunk is damaged: {error}')
            return b''
        if whole and checksum and crc32(plain) != checksum:
            self._damage.append(f'{self._path}: a chunk has the wrong checksum')
            return b''
        return plain


def _records(stream: BinaryIO, size: int) -> Iterator[_Record]:
    while head := stream.read(_HEAD.size):
        if len(head) < _HEAD.size:
            yield _Record(0, head, whole=False)
            return
        kind, length = _HEAD.unpack(head)
        left = size - stream.tell()
        whole = length <= min(left, _MOST_BYTES)
        yield _Record(kind, stream.read(min(length, left, _MOST_BYTES)), whole)
        if not whole or kind == _DATA_END:
            return


def _number(content: bytes, place: int) -> int:
    return int(struct.unpack_from('<H', content, place)[0])


def _text(content: bytes, place: int) -> tuple[str, int]:
    """Return the string at a place and where it ends."""
    (length,) = struct.unpack_from('<I', content, place)
    end = place + 4 + length
    if end > len(content):
        raise struct.error(f'expected a string of {length} bytes')
    return content[place + 4 : end].decode(), end
