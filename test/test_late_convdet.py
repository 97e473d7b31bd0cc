"""ConvDet in two steps beside ConvDet in one."""

from dataclasses import replace
import math

import numpy as np
import pytest
from squeezedet_ros.config import ModelConfig
from squeezedet_ros.engines import late_convdet
from squeezedet_ros.engines.late_convdet import confidence_layer, LateConvDet
from squeezedet_ros.network import split_prediction, SqueezeDet
import torch

SIZE = 7, 10
ANCHORS = 9


def make_network(architecture='squeezedet'):
    torch.manual_seed(0)
    network = SqueezeDet(replace(ModelConfig(), architecture=architecture)).eval()
    torch.nn.init.normal_(network.convdet.weight, std=0.01)
    torch.nn.init.normal_(network.convdet.bias)
    return network


@torch.inference_mode()
def look(network, features, least_logit):
    """Return what both steps say, and what ConvDet says."""
    confidences = confidence_layer(network)(features).permute(0, 2, 3, 1)
    halves = [half.permute(0, 2, 3, 1).contiguous() for half in features.chunk(2, 1)]
    found = LateConvDet(network)(confidences, halves, least_logit)
    return found, split_prediction(network.convdet(features), network.config)


def features_of(network, images=1):
    generator = torch.Generator().manual_seed(1)
    return torch.rand(images, network.convdet.in_channels, *SIZE, generator=generator)


def test_a_number_by_hand():
    """One feature of 2 at the corner; ConvDet's weights are 1, 2 and 3 where it is seen."""
    network = make_network()
    features = torch.zeros(1, 768, *SIZE)
    features[0, 500, 0, 0] = 2.0
    torch.nn.init.zeros_(network.convdet.weight)
    torch.nn.init.zeros_(network.convdet.bias)
    with torch.no_grad():
        network.convdet.bias[27:36] = -5.0  # All confidences,
        network.convdet.weight[27 + 4, 500, 1, 1] = 4.0  # but that of anchor 4 here: 8 - 5,
        network.convdet.weight[27 + 8, 500, 0, 1] = 5.0  # and that of anchor 8 below: 10 - 5.
        network.convdet.weight[3 * 4 + 1, 500, 1, 1] = 1.0
        network.convdet.weight[36 + 4 * 8 + 3, 500, 0, 1] = 2.0
        network.convdet.weight[36, 500, 1, 0] = 3.0  # To the right, where nothing is confident.
    found, plain = look(network, features, 2.5)
    below = SIZE[1] * ANCHORS
    assert found.confidence_logits[0, [4, below + 8]].tolist() == [3.0, 5.0]
    assert found.class_logits.nonzero().tolist() == [[0, 4, 1]]
    assert found.class_logits[0, 4, 1] == 2.0
    assert found.deltas.nonzero().tolist() == [[0, below + 8, 3]]
    assert found.deltas[0, below + 8, 3] == 4.0
    assert plain.deltas[0, ANCHORS, 0] == 6.0


@pytest.mark.parametrize('architecture', ['squeezedet', 'squeezedet_plus'])
def test_it_says_what_convdet_says_where_it_is_asked(architecture):
    network = make_network(architecture)
    features = features_of(network, images=3)
    _, plain = look(network, features, -math.inf)
    best = plain.confidence_logits.flatten().sort(descending=True).values
    for asked in (5, 15):
        least = float(best[asked - 1 : asked + 1].mean())
        found, _ = look(network, features, least)
        torch.testing.assert_close(found.confidence_logits, plain.confidence_logits)
        cells = (plain.confidence_logits.view(3, -1, ANCHORS) >= least).any(-1)
        assert 1 < cells.sum() <= asked
        rows = cells.repeat_interleave(ANCHORS, 1)
        for name in ('class_logits', 'deltas'):
            one, other = getattr(found, name), getattr(plain, name)
            torch.testing.assert_close(one[rows], other[rows], atol=1e-5, rtol=1e-5)
            assert not one[~rows].any()


def test_corners_and_edges_see_nothing_outside():
    network = make_network()
    with torch.no_grad():
        network.convdet.bias[27:36] = -100.0
        network.convdet.weight[27:36] = 0.0
        network.convdet.weight[27, 0, 1, 1] = 100.0
    features = features_of(network)
    features[0, 0] = 0.0
    edges = [(0, 0), (0, 9), (6, 0), (6, 9), (0, 4), (6, 5), (3, 0), (2, 9)]
    for y, x in edges:
        features[0, 0, y, x] = 2.0
    found, plain = look(network, features, 50.0)
    cells = sorted(y * SIZE[1] + x for y, x in edges)
    assert np.flatnonzero(found.deltas.view(-1, ANCHORS * 4).any(1)).tolist() == cells
    torch.testing.assert_close(
        found.deltas.view(-1, ANCHORS * 4)[cells],
        plain.deltas.reshape(-1, ANCHORS * 4)[cells],
        atol=1e-5,
        rtol=1e-5,
    )


def test_where_many_are_asked_for_it_looks_everywhere(monkeypatch):
    network = make_network()
    features = features_of(network)
    for few, least in ((0.25, -math.inf), (2.0, -math.inf), (-1.0, 1e9)):
        monkeypatch.setattr(late_convdet, '_FEW', few)
        found, plain = look(network, features, least)
        for one, other in zip(found, plain, strict=True):
            torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


def test_nothing_is_confident():
    network = make_network()
    found, plain = look(network, features_of(network), 1e9)
    assert [part.shape for part in found] == [part.shape for part in plain]
    assert not found.class_logits.any()
    assert not found.deltas.any()


def test_what_is_not_finite_shows_in_the_confidences():
    """They are all that is looked at where nothing is confident."""
    network = make_network()
    features = features_of(network)
    features[0, 700, 3, 3] = float('inf')
    found, _ = look(network, features, 1e9)
    assert not found.confidence_logits.isfinite().all()
