from array import array
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from squeezedet_ros.errors import ImageDecodeError
from squeezedet_ros.image_codec import (
    decode_compressed,
    decode_image,
    decode_message,
    ENCODINGS,
    MOST_PIXELS,
)

# One row of two pixels: pure blue and a mixture.
BGR = np.array([[[255, 0, 0], [30, 20, 10]]], np.uint8)

PATTERNS = ('rggb', 'bggr', 'gbrg', 'grbg')
PIXEL_BYTES = {
    1: ('mono8', '8UC1', 'nv12', 'nv21', *(f'bayer_{pattern}8' for pattern in PATTERNS)),
    2: (
        *('mono16', 'uyvy', 'yuyv', 'yuv422', 'yuv422_yuy2'),
        *(f'bayer_{pattern}16' for pattern in PATTERNS),
    ),
    3: ('bgr8', 'rgb8', '8UC3'),
    4: ('bgra8', 'rgba8', '8UC4'),
    6: ('bgr16', 'rgb16'),
    8: ('bgra16', 'rgba16'),
}


def message(data, height, width, encoding, step, is_bigendian=0):
    return SimpleNamespace(
        height=height,
        width=width,
        encoding=encoding,
        is_bigendian=is_bigendian,
        step=step,
        data=array('B', data),
    )


@pytest.mark.parametrize(
    ('encoding', 'data', 'step'),
    [
        ('bgr8', [255, 0, 0, 30, 20, 10], 6),
        ('8UC3', [255, 0, 0, 30, 20, 10], 6),
        ('rgb8', [0, 0, 255, 10, 20, 30], 6),
        ('bgra8', [255, 0, 0, 7, 30, 20, 10, 7], 8),
        ('8UC4', [255, 0, 0, 7, 30, 20, 10, 7], 8),
        ('rgba8', [0, 0, 255, 7, 10, 20, 30, 7], 8),
        # A 16-bit sample is 257 times the 8-bit one: both of its bytes are equal.
        ('bgr16', [255, 255, 0, 0, 0, 0, 30, 30, 20, 20, 10, 10], 12),
        ('rgb16', [0, 0, 0, 0, 255, 255, 10, 10, 20, 20, 30, 30], 12),
        ('bgra16', [255, 255, 0, 0, 0, 0, 7, 7, 30, 30, 20, 20, 10, 10, 7, 7], 16),
        ('rgba16', [0, 0, 0, 0, 255, 255, 7, 7, 10, 10, 20, 20, 30, 30, 7, 7], 16),
    ],
)
def test_colours_become_blue_green_red(encoding, data, step):
    image = decode_image(message(data, 1, 2, encoding, step))
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, BGR)


@pytest.mark.parametrize('encoding', ['mono8', '8UC1'])
def test_grey_has_three_equal_channels(encoding):
    image = decode_image(message([0, 128, 255], 1, 3, encoding, 3))
    np.testing.assert_array_equal(image[0], [[0] * 3, [128] * 3, [255] * 3])


@pytest.mark.parametrize(('is_bigendian', 'data'), [(0, [0xFF, 0x80]), (1, [0x80, 0xFF])])
def test_both_byte_orders_of_mono16(is_bigendian, data):
    # 0x80FF * 255 / 65535 = 128.49
    image = decode_image(message(data, 1, 1, 'mono16', 2, is_bigendian))
    np.testing.assert_array_equal(image, [[[128, 128, 128]]])


@pytest.mark.parametrize(
    ('pattern', 'top_left'), [('rggb', 2), ('bggr', 0), ('gbrg', 1), ('grbg', 1)]
)
@pytest.mark.parametrize('bits', [8, 16])
def test_bayer_patterns(pattern, top_left, bits):
    # A mosaic of one colour: blue 30, green 120, red 210 everywhere.
    value = {'b': 30, 'g': 120, 'r': 210}
    tile = np.array([[value[c] for c in pattern[:2]], [value[c] for c in pattern[2:]]], np.uint8)
    assert tile[0, 0] == (30, 120, 210)[top_left]
    mosaic = np.tile(tile, (4, 4)).astype(np.dtype(f'<u{bits // 8}')) * (257 if bits == 16 else 1)
    step = 8 * bits // 8
    image = decode_image(message(mosaic.tobytes(), 8, 8, f'bayer_{pattern}{bits}', step))
    np.testing.assert_array_equal(image[2:-2, 2:-2], np.broadcast_to((30, 120, 210), (4, 4, 3)))


@pytest.mark.parametrize(
    ('encoding', 'data'),
    [
        ('uyvy', [240, 41, 110, 41]),
        ('yuv422', [240, 41, 110, 41]),
        ('yuyv', [41, 240, 41, 110]),
        ('yuv422_yuy2', [41, 240, 41, 110]),
    ],
)
def test_yuv422_of_pure_blue(encoding, data):
    # BT.601, studio range: blue is Y 41, U 240, V 110.
    image = decode_image(message(data, 1, 2, encoding, 4)).astype(int)
    assert np.abs(image - (255, 0, 0)).max() <= 2


@pytest.mark.parametrize(('encoding', 'chroma'), [('nv12', [240, 110]), ('nv21', [110, 240])])
def test_planar_yuv_of_pure_blue_with_padding(encoding, chroma):
    data = [41, 41, 9, 9] * 2 + [*chroma, 9, 9]
    image = decode_image(message(data, 2, 2, encoding, 4)).astype(int)
    assert image.shape == (2, 2, 3)
    assert np.abs(image - (255, 0, 0)).max() <= 2


@pytest.mark.parametrize('encoding', ['rgb16', 'mono16'])
def test_rows_may_begin_within_a_sample(encoding):
    channels = 3 if encoding == 'rgb16' else 1
    samples = np.arange(2 * 4 * channels, dtype='<u2').reshape(2, -1) * 257
    step = 4 * channels * 2 + 1
    data = b''.join(row.tobytes() + b'x' for row in samples)
    image = decode_image(message(data, 2, 4, encoding, step))
    expected = (samples // 257).reshape(2, 4, channels)[..., ::-1]
    np.testing.assert_array_equal(image, np.broadcast_to(expected, (2, 4, 3)))


def test_bgr8_is_a_view_whatever_the_step():
    source = message([1, 2, 3, 99, 99, 4, 5, 6, 99, 99], 2, 1, 'bgr8', 5)
    image = decode_image(source)
    np.testing.assert_array_equal(image, [[[1, 2, 3]], [[4, 5, 6]]])
    source.data[0] = 77
    assert image[0, 0, 0] == 77


@pytest.mark.parametrize('encoding', ENCODINGS)
def test_padded_rows_of_every_encoding(encoding):
    rng = np.random.default_rng(0)
    rows = 6 if encoding in ('nv12', 'nv21') else 4
    tight = rng.integers(0, 256, (rows, 4 * 8), dtype=np.uint8)
    pixel = next(size for size, names in PIXEL_BYTES.items() if encoding in names)
    row = tight[:, : 4 * pixel]
    padded = np.pad(row, ((0, 0), (0, 6)), constant_values=200)
    first = decode_image(message(row.tobytes(), 4, 4, encoding, row.shape[1]))
    second = decode_image(message(padded.tobytes(), 4, 4, encoding, padded.shape[1]))
    assert first.shape == (4, 4, 3)
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(
    ('broken', 'expected'),
    [
        (message([0] * 12, 2, 2, 'bgr8', 5), 'step of at least 6 bytes for 2 pixels bgr8, got 5'),
        (message([0] * 11, 2, 2, 'bgr8', 6), r'12 bytes of data \(2 rows of step 6.*got 11'),
        (message([0] * 13, 2, 2, 'bgr8', 6), '12 bytes of data.*got 13'),
        (message([], 2, 2, 'bgr8', 6), '12 bytes of data.*got 0'),
        (message([0] * 12, 2, 2, 'bgr10', 6), "encoding among bgr8, .*got 'bgr10'"),
        (message([0] * 12, 2, 2, '', 6), "got ''"),
        (message([], 0, 2, 'bgr8', 6), 'above 0.*got 0 x 2'),
        (message([], 2**32 - 1, 2**32 - 1, 'bgr8', 2**32 - 1), f'at most {MOST_PIXELS} pixels'),
        (message([0] * 6, 1, 3, 'uyvy', 6), 'even size for uyvy, got 1 x 3'),
        (message([0] * 9, 3, 2, 'nv12', 2), 'even size for nv12, got 3 x 2'),
        (message([0] * 8, 2, 2, 'mono16', 3), 'step of at least 4 bytes.*got 3'),
    ],
)
def test_a_broken_message_is_refused_with_what_was_expected_and_what_came(broken, expected):
    with pytest.raises(ImageDecodeError, match=expected):
        decode_image(broken)


def encoded(extension, *parameters):
    rng = np.random.default_rng(1)
    image = cv2.resize(rng.integers(0, 256, (4, 6, 3), dtype=np.uint8), (48, 32))
    return image, cv2.imencode(extension, image, parameters)[1].tobytes()


def test_png_is_exact_and_jpeg_close():
    image, png = encoded('.png')
    np.testing.assert_array_equal(decode_compressed(array('B', png)), image)
    image, jpeg = encoded('.jpg', cv2.IMWRITE_JPEG_QUALITY, 100)
    assert np.abs(decode_compressed(jpeg).astype(int) - image).mean() < 3
    image, progressive = encoded('.jpg', cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
    assert decode_compressed(progressive).shape == image.shape


def test_grey_files_have_three_channels():
    ok, png = cv2.imencode('.png', np.full((3, 5), 80, np.uint8))
    assert ok
    np.testing.assert_array_equal(decode_compressed(png), np.full((3, 5, 3), 80))


@pytest.mark.parametrize('extension', ['.png', '.jpg'])
@pytest.mark.parametrize('kept', [0.0, 0.01, 0.1, 0.5, 0.9])
def test_a_file_cut_short_is_refused(extension, kept):
    _, content = encoded(extension)
    with pytest.raises(ImageDecodeError, match='expected'):
        decode_compressed(content[: int(len(content) * kept)])


def test_bytes_behind_the_end_of_a_file_do_no_harm():
    for extension in ('.png', '.jpg'):
        _, content = encoded(extension)
        whole = decode_compressed(content)
        np.testing.assert_array_equal(decode_compressed(content + bytes(9)), whole)


def test_a_thumbnail_is_not_taken_for_the_end():
    _, content = encoded('.jpg')
    # APP1, where cameras put a small JPEG of its own.
    small = b'\xff\xe1' + (2 + len(content)).to_bytes(2, 'big') + content
    with_thumbnail = content[:2] + small + content[2:]
    assert decode_compressed(with_thumbnail).shape == decode_compressed(content).shape
    for lacking in (2, len(content) // 2):
        with pytest.raises(ImageDecodeError, match='expected a whole JPEG'):
            decode_compressed(with_thumbnail[:-lacking])


def test_what_is_no_picture_is_refused():
    with pytest.raises(ImageDecodeError, match='expected a JPEG or PNG, got 9 bytes'):
        decode_compressed(b'not a pic')
    with pytest.raises(ImageDecodeError, match='begin with nothing'):
        decode_compressed(b'')


def test_a_file_that_announces_absurd_size_is_refused_before_decoding():
    _, png = encoded('.png')
    huge = png[:16] + (2**31 - 1).to_bytes(4, 'big') * 2 + png[24:]
    with pytest.raises(ImageDecodeError, match='at most'):
        decode_compressed(huge)
    _, jpeg = encoded('.jpg')
    frame = jpeg.index(b'\xff\xc0')
    huge = jpeg[: frame + 5] + b'\xff\xff\xff\xff' + jpeg[frame + 9 :]
    with pytest.raises(ImageDecodeError, match='got 65535 x 65535'):
        decode_compressed(huge)


def test_messages_are_told_by_their_fields():
    raw = message([255, 0, 0, 30, 20, 10], 1, 2, 'bgr8', 6)
    np.testing.assert_array_equal(decode_message(raw), BGR)
    ok, png = cv2.imencode('.png', BGR)
    assert ok
    compressed = SimpleNamespace(
        format='bgr8; png compressed bgr8', data=array('B', png.tobytes())
    )
    np.testing.assert_array_equal(decode_message(compressed), BGR)
