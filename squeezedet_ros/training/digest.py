"""What a training began with, in few letters: so that another is not taken for it."""

from __future__ import annotations

from collections.abc import Sequence
import hashlib

from squeezedet_ros.data.frames import LabelledFrame
from squeezedet_ros.errors import DatasetError
from squeezedet_ros.network import SqueezeDet

_LETTERS = 16


def digest_of_labels(frames: Sequence[LabelledFrame]) -> str:
    """Return a digest of the names and labels of frames, in their order, wherever they lie."""
    digest = hashlib.sha256()
    for frame in frames:
        try:
            truth = frame.read_truth()
        except DatasetError:
            # Another frame will take its place, and it will be named then.
            digest.update(f'{frame.name} damaged\n'.encode())
            continue
        digest.update(f'{frame.name} {len(truth)} {" ".join(truth.names)}\n'.encode())
        digest.update(truth.boxes.tobytes())
    return digest.hexdigest()[:_LETTERS]


def digest_of_weights(network: SqueezeDet) -> str:
    """Return a digest of all weights, wherever they lie."""
    digest = hashlib.sha256()
    for name, value in network.state_dict().items():
        digest.update(name.encode())
        digest.update(value.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:_LETTERS]
