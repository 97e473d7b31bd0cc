"""Recordings that were interrupted or damaged."""

from binascii import crc32
import shutil
import sqlite3
import struct

from lz4.frame import compress as lz4_compress
import numpy as np
import pytest
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from squeezedet_ros.data.bag import BagReader
from squeezedet_ros.data.bag_writer import BagWriter, STORAGES
from squeezedet_ros.data.interfaces import IMAGE, typestore
from squeezedet_ros.data.salvage import open_bag, SalvageReader
from squeezedet_ros.data.truth_message import make_header
from squeezedet_ros.errors import DatasetError
from squeezedet_ros.evaluation.drive import read_frames

STAMP = 1_700_000_000_000_000_000
SIZE = (48, 80)


def picture(index):
    return np.random.default_rng(index).integers(0, 256, (*SIZE, 3), np.uint8)


def write(path, count=20, storage='mcap'):
    with BagWriter(path, storage) as bag:
        for index in range(count):
            bag.write_image('front', STAMP + index, picture(index))
    return path


def write_packed(path, storage, mode, count=20):
    plugin = StoragePlugin.MCAP if storage == 'mcap' else StoragePlugin.SQLITE3
    writer = Writer(path, version=8, storage_plugin=plugin)
    writer.set_compression(CompressionMode[mode], CompressionFormat.ZSTD)
    image = typestore().types[IMAGE]
    with writer:
        connection = writer.add_connection('/front/image_raw', IMAGE, typestore=typestore())
        for index in range(count):
            message = image(
                header=make_header(STAMP + index, 'front'),
                height=SIZE[0],
                width=SIZE[1],
                encoding='bgr8',
                is_bigendian=0,
                step=3 * SIZE[1],
                data=picture(index).ravel(),
            )
            writer.write(connection, STAMP + index, typestore().serialize_cdr(message, IMAGE))
    return path


def storage_file(path):
    return next(item for item in sorted(path.iterdir()) if item.name != 'metadata.yaml')


def cut(path, size):
    file = storage_file(path)
    file.write_bytes(file.read_bytes()[:size])


def read(path):
    """Return what is salvaged, after a look at every pixel of it, and what is told of the rest."""
    with open_bag(path) as bag:
        images = list(bag.images('front/image_raw'))
        assert len(images) == bag.topics['front/image_raw'].messages
        damage = list(bag.damage)
    for index, (stamp, image) in enumerate(images):
        assert stamp == STAMP + index
        np.testing.assert_array_equal(image, picture(index))
    return len(images), damage


@pytest.mark.parametrize('storage', STORAGES)
def test_a_whole_bag_is_read_as_it_is(tmp_path, storage):
    with open_bag(write(tmp_path / 'bag', storage=storage)) as bag:
        assert isinstance(bag, BagReader)
        assert bag.damage == []


@pytest.mark.parametrize('storage', STORAGES)
def test_a_bag_without_metadata_is_read_whole(tmp_path, storage):
    path = write(tmp_path / 'bag', storage=storage)
    (path / 'metadata.yaml').unlink()
    count, [damage] = read(path)
    assert count == 20
    assert 'metadata' in damage


@pytest.mark.parametrize('storage', STORAGES)
def test_half_a_bag_is_half_its_frames(tmp_path, storage):
    path = write(tmp_path / 'bag', count=200, storage=storage)
    cut(path, storage_file(path).stat().st_size // 2)
    count, damage = read(path)
    assert 95 <= count <= 100
    assert 'cannot be read as a rosbag2' in damage[0]
    assert len(damage) == 2


@pytest.mark.parametrize('storage', STORAGES)
@pytest.mark.parametrize('number', range(10))
def test_a_bag_cut_anywhere_gives_what_is_there(tmp_path, storage, number):
    path = write(tmp_path / 'bag', count=60, storage=storage)
    share = float(np.random.default_rng(number).uniform(0.1, 1))
    cut(path, int(share * storage_file(path).stat().st_size))
    count, damage = read(path)
    assert len(damage) == 2
    # Less than two frames, and what comes before the first one, are lost to the cut.
    assert 60 >= count >= 60 * share - 4


@pytest.mark.parametrize(
    ('storage', 'mode', 'least'),
    [('mcap', 'STORAGE', 8), ('sqlite3', 'MESSAGE', 8), ('sqlite3', 'FILE', 8)],
)
def test_a_compressed_bag_that_is_cut(tmp_path, storage, mode, least):
    path = write_packed(tmp_path / 'bag', storage, mode)
    cut(path, storage_file(path).stat().st_size // 2)
    count, damage = read(path)
    assert least <= count <= 10
    assert len(damage) >= 2


def test_files_of_a_split_recording_come_in_the_order_of_their_numbers(tmp_path):
    whole = write(tmp_path / 'bag')
    path = tmp_path / 'split'
    path.mkdir()
    for number, first in ((9, 0), (10, 1)):
        with BagWriter(tmp_path / str(number)) as bag:
            bag.write_image('front', STAMP + first, picture(first))
        shutil.move(storage_file(tmp_path / str(number)), path / f'drive_{number}.mcap')
    assert read(path)[0] == 2
    assert read(whole)[0] == 20


@pytest.mark.parametrize('storage', STORAGES)
def test_what_follows_damage_that_an_index_hides_is_read(tmp_path, storage):
    path = write(tmp_path / 'bag', count=300, storage=storage)
    file = storage_file(path)
    content = bytearray(file.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 100_000] = bytes(100_000)
    file.write_bytes(content)
    with open_bag(path) as bag:
        frames = list(read_frames(bag, 'front/image_raw'))
        assert bag.damage
        assert list(read_frames(bag, 'front/image_raw'))
        assert len(bag.damage) == len(set(bag.damage))
    stamps = [frame.stamp_ns - STAMP for frame in frames]
    assert stamps == sorted(set(stamps))
    assert stamps[0] == 0
    assert stamps[-1] == 299
    assert 180 < len(stamps) < 300


def mcap_record(kind, content):
    return struct.pack('<BQ', kind, len(content)) + content


def text(value):
    return struct.pack('<I', len(value)) + value


def mcap_chunk(word, compression=b'', checksum=None):
    """Return a chunk with one message that holds a word of two letters."""
    plain = mcap_record(3, struct.pack('<H', 1) + text(b'std_msgs/msg/String') + text(b'') * 2)
    channel = struct.pack('<HH', 7, 1) + text(b'/words') + text(b'cdr') + text(b'')
    plain += mcap_record(4, channel)
    message = struct.pack('<HIQQ', 7, 0, STAMP, STAMP) + b'\0\1\0\0\3\0\0\0' + word + b'\0'
    plain += mcap_record(5, message)
    packed = lz4_compress(plain) if compression == b'lz4' else plain
    checksum = crc32(plain) if checksum is None else checksum
    chunk = struct.pack('<QQQI', STAMP, STAMP, len(plain), checksum) + text(compression)
    return mcap_record(6, chunk + struct.pack('<Q', len(packed)) + packed)


def read_words(path, *chunks):
    path.write_bytes(
        b'\x89MCAP0\r\n' + mcap_record(1, text(b'ros2') + text(b'')) + b''.join(chunks)
    )
    with open_bag(path) as bag:
        return [bag.decode(message).data for message in bag.messages(['words'])], bag.damage


def test_lz4_chunks_are_read(tmp_path):
    chunks = mcap_chunk(b'hi', b'lz4'), mcap_chunk(b'ho', b'lz4')
    assert read_words(tmp_path / 'a.mcap', *chunks)[0] == ['hi', 'ho']


@pytest.mark.parametrize(
    ('chunk', 'told'),
    [
        (mcap_chunk(b'no', checksum=5), 'wrong checksum'),
        (mcap_chunk(b'no', b'lz4').replace(b'\x04\x22\x4d\x18', b'1234'), 'chunk is damaged'),
        (mcap_chunk(b'no', b'rar'), 'expected zstd or lz4'),
        (mcap_record(5, struct.pack('<HIQQ', 9, 0, 0, 0)), 'damaged record'),
    ],
)
def test_a_damaged_chunk_is_told(tmp_path, chunk, told):
    """The one before is read in any case, the one after where its place is known."""
    parts = mcap_chunk(b'hi'), chunk, mcap_chunk(b'ho')
    words, damage = read_words(tmp_path / 'a.mcap', *parts)
    assert words == (['hi'] if 'record' in told else ['hi', 'ho'])
    assert told in damage[1]


def with_summary(path, damaged):
    """Write a bag of a few chunks with checksums and a summary, and damage some of the chunks."""
    write(path, count=300)
    file = storage_file(path)
    content, place, number = bytearray(file.read_bytes()), 8, 0
    while place < len(content) - 8:
        kind, length = struct.unpack_from('<BQ', content, place)
        if kind == 6:
            body = place + 9 + 28
            (name,) = struct.unpack_from('<I', content, body)
            records = slice(body + 4 + name + 8, place + 9 + length)
            struct.pack_into('<I', content, place + 9 + 24, crc32(content[records]))
            if number in damaged:
                content[records.stop - 100] ^= 0xFF
            number += 1
        place += 9 + length
    file.write_bytes(content)
    return path, number


@pytest.mark.parametrize('place', [0, -1])
def test_a_damaged_chunk_costs_no_other(tmp_path, place):
    """What is on a channel may be told in the first chunk alone, and in the summary."""
    _, chunks = with_summary(tmp_path / 'whole', set())
    path, _ = with_summary(tmp_path / 'bag', {place % chunks})
    with open_bag(path) as bag:
        stamps = [frame.stamp_ns - STAMP for frame in read_frames(bag, 'front/image_raw')]
        assert 'checksum' in bag.damage[0]
    assert chunks > 2
    assert 300 - 300 // chunks - 30 < len(stamps) < 300
    assert stamps == sorted(set(stamps))
    assert (stamps[0], stamps[-1] == 299) == ((0, False) if place else (300 - len(stamps), True))


def test_of_messages_of_one_time_none_is_lost_after_damage(tmp_path):
    with BagWriter(tmp_path / 'bag') as bag:
        for index in range(40):
            bag.write_image('front', STAMP + index // 4, picture(index))
    with open_bag(tmp_path / 'bag') as bag:
        whole = list(bag.messages())
        assert not bag.damage
        reads = bag._reader.messages

        def torn(connections):
            """Give what is in the bag up to the middle of four that have one time."""
            for number, row in enumerate(reads(connections)):
                if number == 18:
                    raise ValueError('torn')
                yield row

        bag._reader.messages = torn
        assert list(bag.messages()) == whole
        assert 'torn' in bag.damage[0]


def test_what_is_announced_and_not_there_is_told(tmp_path):
    path = write(tmp_path / 'bag', count=12)
    metadata = path / 'metadata.yaml'
    metadata.write_text(metadata.read_text().replace('message_count: 12', 'message_count: 13'))
    with open_bag(path) as bag:
        assert len(list(bag.messages(['front/image_raw']))) == 12
        (damage,) = bag.damage
        assert '13 messages of front/image_raw are announced, 12 can be read' in damage
        list(bag.messages())
        assert len(bag.damage) == 1


@pytest.mark.parametrize('storage', STORAGES)
def test_one_file_of_a_bag_with_compressed_messages(tmp_path, storage):
    file = storage_file(write_packed(tmp_path / 'bag', storage, 'MESSAGE', count=3))
    with open_bag(file) as bag:
        for index, (stamp, image) in enumerate(bag.images('front/image_raw')):
            assert stamp == STAMP + index
            np.testing.assert_array_equal(image, picture(index))
        assert index == 2
        assert bag.damage == []


def test_the_log_beside_a_database_is_read(tmp_path):
    """A recorder that was killed leaves its newest rows there."""
    path = write(tmp_path / 'bag', storage='sqlite3')
    file = storage_file(path)
    recorder = sqlite3.connect(file)
    recorder.execute('PRAGMA journal_mode=WAL')
    recorder.execute('PRAGMA wal_autocheckpoint=0')
    recorder.execute('DELETE FROM messages WHERE id > 15')
    recorder.commit()
    killed = tmp_path / 'killed'
    shutil.copytree(path, killed)
    recorder.close()
    (killed / 'metadata.yaml').unlink()
    assert read(killed)[0] == 15


@pytest.mark.parametrize('name', ['drive.mcap', 'drive.db3', 'drive.db3.zstd'])
@pytest.mark.parametrize('content', [b'', b'not a bag at all' * 20])
def test_nothing_readable_is_one_error(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DatasetError, match='no message of it can be read'), open_bag(tmp_path):
        pass


def test_the_first_reason_is_told_where_there_is_no_file(tmp_path):
    with pytest.raises(DatasetError, match='no such bag'), open_bag(tmp_path / 'none'):
        pass
    with pytest.raises(DatasetError, match='cannot be read as a rosbag2'), open_bag(tmp_path):
        pass


def test_the_nearest_topics_are_offered_of_a_damaged_bag_too(tmp_path):
    path = write(tmp_path / 'bag')
    (path / 'metadata.yaml').unlink()
    with open_bag(path) as bag, pytest.raises(DatasetError, match='nearest: front/image_raw'):
        list(bag.messages(['front/imag_raw']))
    assert isinstance(bag, SalvageReader)


def damage_somewhere(content, rng):
    """Cut bytes, turn some, blank some or take some out."""
    place = int(rng.integers(len(content)))
    kind = rng.integers(4)
    if kind == 0:
        return content[:place]
    changed = bytearray(content)
    if kind == 1:
        for turned in rng.integers(0, len(content), 20):
            changed[turned] ^= int(rng.integers(1, 256))
    elif kind == 2:
        changed[place : place + 5000] = bytes(len(changed[place : place + 5000]))
    else:
        del changed[place : place + 777]
    return bytes(changed)


@pytest.mark.parametrize('storage', STORAGES)
def test_no_damage_ends_in_anything_but_an_error_with_a_name(tmp_path, storage):
    """Sixty damages of the storage file, with and without the metadata."""
    path = write(tmp_path / 'bag', storage=storage)
    file, whole = storage_file(path), storage_file(path).read_bytes()
    metadata = (path / 'metadata.yaml').read_text()
    rng = np.random.default_rng(8)
    outcomes = set()
    for number in range(60):
        file.write_bytes(damage_somewhere(whole, rng))
        (path / 'metadata.yaml').write_text(metadata)
        if number % 2:
            (path / 'metadata.yaml').unlink()
        try:
            with open_bag(path) as bag:
                topic = bag.find_image_topic()
                outcomes.add(any(frame.image is not None for frame in read_frames(bag, topic)))
        except DatasetError:
            outcomes.add(False)
    assert True in outcomes
