"""
What can still be read of a recording that was interrupted or damaged.

rosbag2 writes ``metadata.yaml`` and the index of an MCAP file at the very end, so a recording that
was killed has neither. Here the files are read from their beginning without them, as far as they
are whole. Messages come in the order in which they were written.
"""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from squeezedet_ros.data.bag import Bag, BagReader, DECODE_ERRORS, RawMessage, Topic
from squeezedet_ros.data.interfaces import Message, typestore
from squeezedet_ros.data.packing import plain_cdr, UNPACK_ERRORS, unpack_file
from squeezedet_ros.data.salvage_mcap import read_mcap
from squeezedet_ros.data.salvage_sqlite import read_sqlite
from squeezedet_ros.data.sources import natural_order
from squeezedet_ros.errors import DatasetError

_READERS: dict[str, Callable[[Path, list[str]], Iterator[RawMessage]]] = {
    '.mcap': read_mcap,
    '.db3': read_sqlite,
}
_PACKED = '.zstd'


@contextmanager
def open_bag(path: Path) -> Iterator[Bag]:
    """
    Open a bag, or what can be salvaged where it cannot be read as it is.

    Damage that is met while messages are read ends them no more: those after it follow, as far as
    they can be salvaged, and ``damage`` tells of it.

    :raises DatasetError: when there is none, or not a single message of it can be read.
    """
    with ExitStack() as stack:
        bag: Bag
        try:
            bag = stack.enter_context(_ResumingReader(path))
        except DatasetError as error:
            bag = stack.enter_context(SalvageReader(path, error))
        yield bag


class _ResumingReader(BagReader):
    """Reads a bag as it is as far as that goes, and then what can be salvaged of the rest."""

    def messages(self, topics: Collection[str] = ()) -> Iterator[RawMessage]:
        """Return the messages of some topics, or of all, as :meth:`Bag.messages`."""
        names = [self.known_topic(topic) for topic in topics]
        # Eight bytes for each of what may be millions.
        given: defaultdict[str, array[int]] = defaultdict(lambda: array('q'))
        try:
            for message in super().messages(names):
                given[message.topic].append(message.recorded_ns)
                yield message
        except DatasetError as error:
            self._tell(str(error))
            yield from self._rest(names, given, error)
            return
        self._tell_missing({topic: len(times) for topic, times in given.items()}, names)

    def _tell(self, damage: str) -> None:
        if damage not in self.damage:
            self.damage.append(damage)

    def _tell_missing(self, read: Mapping[str, int], names: list[str]) -> None:
        """Tell of messages that are announced and not there, without anything else being wrong."""
        for name, topic in self.topics.items():
            found = read.get(name, 0)
            if found < topic.messages and (not names or name in names):
                self._tell(
                    f'{self._path}: {topic.messages} messages of {name} are announced, '
                    f'{found} can be read'
                )

    def _rest(
        self, names: list[str], given: Mapping[str, array[int]], error: DatasetError
    ) -> Iterator[RawMessage]:
        """Return what was not given before the damage."""
        left = {topic: Counter(times) for topic, times in given.items()}
        with ExitStack() as stack:
            try:
                salvage = stack.enter_context(SalvageReader(self._path, error))
            except DatasetError:
                return
            present = [name for name in names if name in salvage.topics]
            if present or not names:
                for message in salvage.messages(present):
                    times = left.setdefault(message.topic, Counter())
                    if times[message.recorded_ns] > 0:
                        times[message.recorded_ns] -= 1
                    else:
                        yield message


class SalvageReader(Bag):
    """Reads the storage files of a bag one after the other, each as far as it is whole."""

    def __init__(self, path: Path, reason: DatasetError) -> None:
        """
        Name the bag to be read.

        :param reason: why it cannot be read as others are; raised when nothing can be salvaged.
        """
        super().__init__(path)
        self._reason = reason
        self._stack = ExitStack()
        self._files: list[Path] = []
        self._topics: dict[str, Topic] = {}

    def __enter__(self) -> SalvageReader:
        files = [item for item in _storage_files(self._path) if _kind(item) in _READERS]
        if not files:
            raise self._reason
        self.damage.append(f'{self._reason}; its files are read one by one, as far as they go')
        with ExitStack() as stack:
            self._files = [self._plain(file, stack) for file in files]
            self._topics = self._count()
            if not self._topics:
                raise DatasetError(f'{self._reason}; no message of it can be read')
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def topics(self) -> dict[str, Topic]:
        """Return the topics by name, without the leading slash."""
        return dict(self._topics)

    def messages(self, topics: Collection[str] = ()) -> Iterator[RawMessage]:
        """Return the messages of some topics, or of all, as :meth:`Bag.messages`."""
        names = {self.known_topic(topic) for topic in topics}
        for message in self._all([]):
            if not names or message.topic in names:
                yield message

    def decode(self, message: RawMessage) -> Message:
        """Return a message with its fields as attributes, as :meth:`Bag.decode`."""
        try:
            return typestore().deserialize_cdr(message.data, message.type)
        except DECODE_ERRORS as error:
            raise self._undecodable(message, error) from error

    def _count(self) -> dict[str, Topic]:
        """Read all once, since nothing else says what is there."""
        counts: Counter[tuple[str, str]] = Counter()
        for message in self._all(self.damage):
            counts[message.topic, message.type] += 1
        return {name: Topic(kind, count, False) for (name, kind), count in counts.items()}

    def _all(self, damage: list[str]) -> Iterator[RawMessage]:
        for file in self._files:
            for message in _READERS[file.suffix](file, damage):
                try:
                    yield message._replace(data=plain_cdr(message.data))
                except UNPACK_ERRORS as error:
                    damage.append(f'{file}: a message is damaged: {error}')

    def _plain(self, file: Path, stack: ExitStack) -> Path:
        """Return the file, unpacked as far as it goes where it is compressed as a whole."""
        if file.suffix != _PACKED:
            return file
        folder = Path(stack.enter_context(TemporaryDirectory()))
        unpacked = folder / file.stem
        try:
            unpack_file(file, unpacked)
        except UNPACK_ERRORS as error:
            self.damage.append(f'{file}: {error}')
        return unpacked


def _storage_files(path: Path) -> list[Path]:
    return sorted(path.iterdir(), key=natural_order) if path.is_dir() else [path]


def _kind(file: Path) -> str:
    return Path(file.stem).suffix if file.suffix == _PACKED else file.suffix
