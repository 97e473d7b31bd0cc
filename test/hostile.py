"""Inputs that somebody makes on purpose, for the tests that have them refused."""

from __future__ import annotations

from collections.abc import Iterator
import json
import os
from pathlib import Path
import pickle
import struct
import zlib

import cv2
import numpy as np
import torch

SHELL = ('$(touch {0})', '`touch {0}`', '; touch {0}', '| touch {0}', '&& touch {0}', '{0}\n')
PNG_SIGNATURE = b'\x89PNG\r\n\x1a\n'


class Harmful:
    """Makes a file when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = str(trace)

    def __reduce__(self) -> tuple[object, ...]:
        return open, (self.trace, 'w')


def safetensors_file(header: object, data: bytes = b'') -> bytes:
    """Return a file with a header of one's own, whatever it says."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack('<Q', len(text)) + text + data


def model_file(**settings: object) -> bytes:
    """Return a safetensors file whose model config says this."""
    return safetensors_file({'__metadata__': {'squeezedet_model_config': json.dumps(settings)}})


def weights_files(folder: Path, trace: Path) -> Iterator[tuple[Path, str]]:
    """Make files that are no weights; yield each with what has to be said of it."""
    contents = {
        'pickle': (pickle.dumps(Harmful(trace)), 'cannot be read'),
        'zip': (b'', 'cannot be read'),
        'shell': (f'#!/bin/sh\ntouch {trace}\n'.encode(), 'cannot be read'),
        'long_header': (struct.pack('<Q', 2**63) + b'{}', 'cannot be read'),
        'no_json': (safetensors_file(b'[' * 100_000), 'cannot be read'),
        'far_offsets': (
            safetensors_file(
                {'x': {'dtype': 'F32', 'shape': [2**40], 'data_offsets': [0, 2**42]}}
            ),
            'cannot be read',
        ),
        'foreign': (safetensors_file({}), 'without a squeezedet model config'),
        'input': (model_file(input_size=[10**9, 10**9]), 'at most 16777216 pixels'),
        'anchors': (model_file(anchor_shapes=[[1, 1]] * 10**5), 'anchor_shapes must be'),
        'nan': (model_file(anchor_shapes=[[float('nan'), 1]]), 'anchor_shapes must be'),
        'classes': (model_file(classes=[str(i) for i in range(10**5)]), 'classes must be'),
        'escape': (model_file(classes=['\x1b]0;owned\x07']), 'classes must be'),
        'path': (model_file(classes=['a\n../../b']), 'classes must be'),
        'mean': (model_file(pixel_mean=['$(id)', 0, 0]), 'pixel_mean must be'),
        'nested': (
            safetensors_file({'__metadata__': {'squeezedet_model_config': '[' * 100_000}}),
            'not the expected JSON',
        ),
    }
    for name, (content, expected) in contents.items():
        path = folder / f'{name}.safetensors'
        path.write_bytes(content)
        if name == 'zip':
            torch.save({'x': Harmful(trace)}, path)
        yield path, expected


def weights_names(folder: Path, trace: Path) -> Iterator[tuple[str, str]]:
    """Yield settings of ``weights`` that name nothing to load, with what has to be said."""
    fifo, loop = folder / 'fifo', folder / 'loop'
    os.mkfifo(fifo)
    loop.symlink_to(loop)
    yield from ((text.format(trace), 'no file') for text in SHELL)
    yield from (
        ('../../../../../../etc/nothing', 'no file'),
        (str(folder), 'no file'),
        (str(fifo), 'no file'),
        (str(loop), 'loop'),
        ('/dev/zero', 'no file'),
        ('/etc/passwd', 'cannot be read as a safetensors'),
        ('/proc/self/environ', 'cannot be read'),
        ('http://127.0.0.1/x.safetensors', 'no file'),
        ('file:///etc/passwd', 'no file'),
        ('~nobody-of-that-name/x', 'weights cannot be'),
        ('x' * 5000, 'weights cannot be'),
        ('%s%n%x {0} {trace}', 'no file'),
        ('#sha256=', 'expected 64 hexadecimal digits'),
        ('#sha256=' + '0' * 63 + 'g', 'expected 64 hexadecimal digits'),
        ('#sha256=' + '0' * 64, 'must have the SHA-256 digest 0000'),
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    body = kind + data
    return struct.pack('>I', len(data)) + body + struct.pack('>I', zlib.crc32(body))


def png(width: int, height: int, rows: bytes, *extra: tuple[bytes, bytes]) -> bytes:
    """Return a PNG of 8-bit colours that announces a size, whatever its rows hold."""
    header = struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0)
    chunks = [(b'IHDR', header), *extra, (b'IDAT', zlib.compress(rows, 9)), (b'IEND', b'')]
    return PNG_SIGNATURE + b''.join(_chunk(kind, data) for kind, data in chunks)


def jpeg(size: tuple[int, int] = (16, 16), *, progressive: bool = False) -> bytes:
    """Return a grey JPEG."""
    picture = np.full((*size, 3), 128, np.uint8)
    return cv2.imencode('.jpg', picture, [cv2.IMWRITE_JPEG_PROGRESSIVE, int(progressive)])[
        1
    ].tobytes()


def jpeg_that_announces(height: int, width: int) -> bytes:
    """Return a small JPEG with another size in its frame header."""
    content = bytearray(jpeg())
    frame = content.index(b'\xff\xc0')
    content[frame + 5 : frame + 9] = struct.pack('>HH', height, width)
    return bytes(content)


def slow_jpeg(scans: int) -> bytes:
    """Return a progressive JPEG whose last scan comes again and again."""
    content = jpeg((64, 64), progressive=True)
    last = content[content.rindex(b'\xff\xda') : -2]
    return content[:-2] + last * scans + content[-2:]


def images() -> Iterator[tuple[str, bytes, str]]:
    """Yield files that are no images to look at: name, content, what has to be said."""
    rows = bytes(31 * 10)
    yield from (
        ('jpeg_huge', jpeg_that_announces(65535, 65535), 'got 65535 x 65535'),
        ('jpeg_wide', jpeg_that_announces(1600, 65535), 'at most 100000000 pixels'),
        ('jpeg_flat', jpeg_that_announces(0, 65535), 'got 0 x 65535'),
        ('jpeg_slow', slow_jpeg(1000), 'at most 32 scans'),
        ('jpeg_unsized', b'\xff\xd8\xff\xe0\xff\xff' + bytes(99), 'found none in 105 bytes'),
        ('png_huge', png(65535, 65535, rows), 'got 65535 x 65535'),
        ('png_vast', png(2**31 - 1, 2**31 - 1, rows), 'at most 100000000 pixels'),
        ('png_empty', png(0, 10, rows), 'got 10 x 0'),
        ('png_short', png(5000, 5000, rows), 'damaged bytes'),
        ('png_twice', png(10, 10, rows, (b'IHDR', bytes(13))), 'damaged bytes'),
        ('gif', b'GIF89a' + b'\xff' * 20, 'expected a JPEG or PNG'),
        ('tiff', b'II*\0' + b'\xff' * 40, 'expected a JPEG or PNG'),
        ('svg', b'<svg><image href="file:///etc/passwd"/></svg>', 'expected a JPEG or PNG'),
        ('pickle', pickle.dumps([1.0] * 9), 'expected a JPEG or PNG'),
        ('shell', b'#!/bin/sh\ntouch x\n', 'expected a JPEG or PNG'),
        ('nothing', b'', 'begin with nothing'),
    )


def packed_images() -> Iterator[tuple[str, bytes]]:
    """Yield images of 10 x 10 pixels that carry 64 MB, packed to a thousandth of it."""
    rows, filler = bytes(31 * 10), zlib.compress(bytes(2**26), 9)
    yield 'text', png(10, 10, rows, (b'zTXt', b'a\0\0' + filler))
    yield 'profile', png(10, 10, rows, (b'iCCP', b'a\0\0' + filler))
    yield 'rows', png(10, 10, bytes(2**26))
