"""Whether an engine says what PyTorch says in float32: measured on one stored frame."""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources
from typing import NamedTuple

import cv2
import numpy as np
from squeezedet_ros.anchors import make_anchors
from squeezedet_ros.box_coder import decode
from squeezedet_ros.boxes import cxcywh_to_xyxy
from squeezedet_ros.config import ModelConfig
from squeezedet_ros.engines.engine import Engine
from squeezedet_ros.errors import EngineError
from squeezedet_ros.network import RawPrediction, SqueezeDet
from squeezedet_ros.preprocessing import fit_image, Image, normalize
from squeezedet_ros.shortlist import class_probabilities
import torch
from torch import Tensor

# The anchors whose boxes are compared: no more are ever seen of a busy street.
_BOXES = 64


class Parity(NamedTuple):
    """
    The largest differences between two forward passes, or the largest that are allowed.

    :param scores: of a probability, of any class at any anchor.
    :param boxes: of an edge of the most probable boxes, as a share of its box's longer side.
    """

    scores: float
    boxes: float

    def describe(self) -> str:
        """Return both in words."""
        return f'{self.scores:.2g} in scores, {self.boxes:.2g} of a side in boxes'


TOLERANCES = {
    torch.float32: Parity(0.001, 0.001),
    torch.float16: Parity(0.01, 0.02),
    torch.bfloat16: Parity(0.05, 0.05),
    torch.int8: Parity(0.15, 0.2),
}


def parity_frame(model: ModelConfig) -> Image:
    """Return the stored frame, a drawn street, fitted to a model."""
    path = resources.files('squeezedet_ros') / 'engines' / 'parity_frame.jpg'
    image = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return fit_image(image.astype(np.uint8, copy=False), model)[0]


@torch.inference_mode()
def reference_prediction(network: SqueezeDet, frame: Image) -> RawPrediction:
    """Return what PyTorch says of a fitted frame, where the network lies, in its float32."""
    mean = torch.tensor(network.config.pixel_mean)
    pixels = normalize(torch.from_numpy(frame[None]), mean, torch.float32)
    raw = network.eval()(pixels.to(network.conv1.weight.device))
    return RawPrediction(*(part.cpu() for part in raw))


@torch.inference_mode()
def measure_parity(
    found: RawPrediction, reference: RawPrediction, model: ModelConfig, size: tuple[int, int]
) -> Parity:
    """Return how far two predictions of one frame are apart; ``size`` is the network's input."""
    found = RawPrediction(*(part.cpu().float() for part in found))
    anchors = make_anchors(model, size)
    scores, expected = class_probabilities(found), class_probabilities(reference)
    best = expected.amax(-1)[0].topk(min(_BOXES, len(anchors))).indices
    boxes, right = (
        cxcywh_to_xyxy(decode(raw.deltas[0, best], anchors[best], model.exp_thresh))
        for raw in (found, reference)
    )
    sides = (right[:, 2:] - right[:, :2]).amax(1, keepdim=True)
    return Parity(
        float((scores - expected).abs().max()), float(((boxes - right).abs() / sides).max())
    )


def _as_in_use(engine: Engine, images: Tensor) -> RawPrediction:
    """Return what an engine says, of the most confident anchors when only they are asked for."""
    inputs = engine.prepare(images)
    whole = RawPrediction(*(part.clone() for part in engine.forward(inputs)))
    confidences = whole.confidence_logits[0]
    least = float(confidences.topk(min(_BOXES, len(confidences))).values.min())
    few = engine.forward(inputs, least)
    asked = few.confidence_logits >= least
    return RawPrediction(
        torch.where(asked[..., None], few.class_logits, whole.class_logits),
        few.confidence_logits,
        torch.where(asked[..., None], few.deltas, whole.deltas),
    )


def parity_check(network: SqueezeDet, tolerance: Parity) -> Callable[[Engine], Parity]:
    """Return :func:`check_parity` against a network as it is now."""
    frame = parity_frame(network.config)
    reference = reference_prediction(network, frame)
    return lambda engine: check_parity(engine, frame, reference, tolerance)


def check_parity(
    engine: Engine, frame: Image, reference: RawPrediction, tolerance: Parity
) -> Parity:
    """
    Run an engine on the stored frame, and return how far it is from PyTorch in float32.

    :raises EngineError: when that is beyond the tolerance.
    """
    found = _as_in_use(engine, torch.from_numpy(frame[None]))
    parity = measure_parity(found, reference, engine.model, (frame.shape[0], frame.shape[1]))
    if not (parity.scores <= tolerance.scores and parity.boxes <= tolerance.boxes):
        raise EngineError(
            f'{engine.describe()} differs from torch float32 by {parity.describe()}; expected at '
            f'most {tolerance.describe()}'
        )
    return parity
