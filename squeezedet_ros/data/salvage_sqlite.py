"""
Messages of a rosbag2 database that may end anywhere.

As far as SQLite itself reads the table it is asked. Rows that it no longer finds, because the file
ends before the page that leads to them, are looked for in the pages that are there (table leaf
pages and overflow chains of sqlite.org/fileformat2.html, sections 1.6 and 2). A row is
lost with its leaf page, which can lie behind the first rows that it leads to.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import apsw
from squeezedet_ros.data.bag import RawMessage

_LEAF = 13
_MOST_CELLS = 32767
_INTEGER_BYTES = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}


class _Row(NamedTuple):
    """A row of table ``messages``."""

    row: int
    topic: int
    recorded_ns: int
    data: bytes


def read_sqlite(path: Path, damage: list[str]) -> Iterator[RawMessage]:
    """
    Return the messages in the order of writing, as far as they are there.

    :param damage: where what could not be read is told.
    """
    try:
        # A recording that was killed can have its newest rows in a log beside it.
        log = path.with_name(f'{path.name}-wal').exists()
        name = f'{path.resolve().as_uri()}?{"mode=ro" if log else "immutable=1"}'
        flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
        connection = apsw.Connection(name, flags=flags)
        # With it a file that is shorter than its header says is opened all the same.
        connection.execute('PRAGMA writable_schema=ON')
        topics = {
            number: (topic.lstrip('/'), kind)
            for number, topic, kind in connection.execute('SELECT id, name, type FROM topics')
            if isinstance(topic, str) and isinstance(kind, str)
        }
    except (apsw.Error, UnicodeDecodeError) as error:
        damage.append(f'{path}: {error}')
        return
    for row in _all_rows(connection, path, damage):
        if row.topic in topics:
            yield RawMessage(*topics[row.topic], row.recorded_ns, row.data)


def _all_rows(connection: apsw.Connection, path: Path, damage: list[str]) -> Iterator[_Row]:
    last = 0
    rows = 'SELECT id, topic_id, timestamp, data FROM messages ORDER BY id'
    try:
        for values in connection.execute(rows):
            # Before it tells of damage SQLite can return a row that is none.
            if tuple(map(type, values)) != (int, int, int, bytes) or values[0] <= last:
                raise apsw.CorruptError(f'no message after the one with id {last}')
            row = _Row._make(values)
            last = row.row
            yield row
    except (apsw.Error, UnicodeDecodeError) as error:
        damage.append(f'{path}: {error}')
        for row in _find_rows(path):
            if row.row > last:
                last = row.row
                yield row


def _find_rows(path: Path) -> Iterator[_Row]:
    with path.open('rb') as file:
        head = file.read(100)
        size = int.from_bytes(head[16:18], 'big')
        pages = _Pages(file, 65536 if size == 1 else size, head[20], path.stat().st_size)
        for number in range(2, pages.count + 1):
            page = pages.read(number)
            if page[0] != _LEAF:
                continue
            count = min(int.from_bytes(page[3:5], 'big'), _MOST_CELLS)
            for place in range(8, 8 + 2 * count, 2):
                try:
                    row = pages.row(page, int.from_bytes(page[place : place + 2], 'big'))
                except (IndexError, EOFError):
                    continue
                if row is not None:
                    yield row


class _Pages:
    """The pages of a database file."""

    def __init__(self, file: BinaryIO, size: int, reserved: int, file_size: int) -> None:
        self._file = file
        self._size = size
        self._usable = size - reserved
        self.count = file_size // size

    def read(self, number: int) -> bytes:
        if not 1 <= number <= self.count:
            raise EOFError
        self._file.seek((number - 1) * self._size)
        return self._file.read(self._size)

    def row(self, page: bytes, place: int) -> _Row | None:
        """
        Return the row in a cell, None where it is of another table.

        :raises EOFError: when a part of it is beyond the end of the file.
        :raises IndexError: when the cell is beyond the end of the page.
        """
        length, place = _varint(page, place)
        row, place = _varint(page, place)
        if length > self.count * self._size:
            raise EOFError
        local = self._local(length)
        payload = page[place : place + local]
        if local < length:
            payload += self._overflow(page[place + local :][:4], length - local)
        return _parse(row, payload)

    def _local(self, length: int) -> int:
        """Return how much of a payload is on the leaf page itself."""
        most, least = self._usable - 35, (self._usable - 12) * 32 // 255 - 23
        if length <= most:
            return length
        fitting = least + (length - least) % (self._usable - 4)
        return fitting if fitting <= most else least

    def _overflow(self, pointer: bytes, length: int) -> bytes:
        parts = []
        while length > 0:
            page = self.read(int.from_bytes(pointer, 'big'))
            pointer = page[:4]
            parts.append(page[4 : min(self._usable, 4 + length)])
            length -= len(parts[-1])
        return b''.join(parts)


def _parse(row: int, payload: bytes) -> _Row | None:
    """Return a record of four columns: no value for the key, two integers, bytes."""
    end, place = _varint(payload, 0)
    kinds = []
    while place < end:
        kind, place = _varint(payload, place)
        kinds.append(kind)
    if len(kinds) != 4 or kinds[0] != 0 or kinds[3] < 12 or kinds[3] % 2:
        return None
    numbers = []
    for kind in kinds[1:3]:
        if kind not in _INTEGER_BYTES and kind not in (8, 9):
            return None
        size = _INTEGER_BYTES.get(kind, 0)
        stored = int.from_bytes(payload[place : place + size], 'big', signed=True)
        numbers.append(stored if size else kind - 8)
        place += size
    return _Row(row, numbers[0], numbers[1], payload[place : place + (kinds[3] - 12) // 2])


def _varint(data: bytes, place: int) -> tuple[int, int]:
    """Return a number of 1 to 9 bytes and where it ends."""
    value = 0
    for count in range(8):
        byte = data[place + count]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, place + count + 1
    return value << 8 | data[place + 8], place + 9
