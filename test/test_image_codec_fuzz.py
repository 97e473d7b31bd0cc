"""Whatever arrives is a picture or an ImageDecodeError."""

import os

import numpy as np
import pytest

pytest.importorskip('hypothesis')

from fuzzing import compressed_pictures, raw_images
from hypothesis import given, settings
from squeezedet_ros.errors import ImageDecodeError
from squeezedet_ros.image_codec import decode_message

EXAMPLES = int(os.environ.get('SQUEEZEDET_FUZZ_EXAMPLES', '800'))
fuzzed = settings(max_examples=EXAMPLES, deadline=None, database=None, derandomize=True)


def look(message):
    try:
        image = decode_message(message)
    except ImageDecodeError:
        return None
    assert image.dtype == np.uint8
    assert image.ndim == 3
    assert image.shape[2] == 3
    assert image.size
    return image


@fuzzed
@given(raw_images())
def test_raw_images(message):
    image = look(message)
    if image is not None:
        assert image.shape[:2] == (message.height, message.width)


@fuzzed
@given(compressed_pictures())
def test_compressed_pictures(message):
    look(message)
