"""Selection as a GPU does it, here on the CPU too, beside the CPU's own way."""

from gpu import MARKS
import numpy as np
import pytest
from squeezedet_ros.anchors import make_anchors
from squeezedet_ros.config import ModelConfig, SelectionConfig
from squeezedet_ros.device_selection import read_table, selection_settings, selection_table
from squeezedet_ros.network import RawPrediction
from squeezedet_ros.postprocessing import in_source, make_selector, select, top_candidates
from squeezedet_ros.preprocessing import FitTransform, Placement
from squeezedet_ros.shortlist import shortlist_by_confidence
import torch

DEVICES = ['cpu', pytest.param('cuda', marks=MARKS)]
MODEL = ModelConfig()
ANCHORS = make_anchors(MODEL, (64, 64))
# The network's pixels themselves, twice as fine with a border, and a thin image.
PLACEMENTS = [
    Placement(FitTransform((1.0, 1.0), (0.0, 0.0)), (64, 64)),
    Placement(FitTransform((0.5, 0.25), (0.0, 12.0)), (150, 120)),
    Placement(FitTransform((8.0, 0.125), (-8.0, 0.0)), (500, 10)),
]


def selector(**values):
    return make_selector(SelectionConfig(**values), MODEL.classes)


def raw_prediction(images=1):
    anchors = len(ANCHORS)
    return RawPrediction(
        torch.zeros(images, anchors, 3),
        torch.full((images, anchors), -9.0),
        torch.zeros(images, anchors, 4),
    )


def by_table(raw, chosen, placements, device='cpu'):
    settings = torch.from_numpy(selection_settings(chosen, placements)).to(device)
    raw = RawPrediction(*(part.to(device) for part in raw))
    top_n, anchors = chosen.config.top_n, ANCHORS.to(device)
    table = selection_table(raw, anchors, settings, top_n, MODEL.exp_thresh)
    return read_table(table.cpu().numpy(), chosen.config.nms_variant)


def on_cpu(raw, chosen, placements):
    shortlists = shortlist_by_confidence(raw, ANCHORS, chosen.least_logit)
    candidates = [top_candidates(few, chosen, MODEL.exp_thresh) for few in shortlists]
    return [
        select(in_source(found, placement), chosen)
        for found, placement in zip(candidates, placements, strict=True)
    ]


def test_settings_by_hand():
    chosen = selector(nms_thresh=0.25, class_thresh=('car=0.5',), class_filter=('car', 'cyclist'))
    found = selection_settings(chosen, PLACEMENTS[1:2])
    np.testing.assert_allclose(found, [0.5, np.inf, 0.4, 0.25, 0.5, 0.25, 0, 12, 119, 149])
    assert found.dtype == np.float32


def test_boxes_by_hand():
    raw = raw_prediction()
    raw.confidence_logits[0, [30, 75]] = torch.tensor([3.0, 9.0])
    raw.class_logits[0, :, 2] = 20.0
    raw.deltas[0, 30] = torch.tensor([0.5, -0.25, np.log(0.5), np.log(2)])
    best, other = by_table(raw, selector(plot_prob_thresh=0.9), PLACEMENTS[:1])[0].boxes
    cx, cy, width, height = ANCHORS[75].tolist()
    edges = [cx - width / 2, cy - height / 2, cx + width / 2 - 1, cy + height / 2 - 1]
    np.testing.assert_allclose(best, np.clip(edges, 0, 63), atol=1e-3)
    cx, cy, width, height = ANCHORS[30].tolist()
    cx, cy, width, height = cx + width / 2, cy - height / 4, width / 2, height * 2
    edges = [cx - width / 2, cy - height / 2, cx + width / 2 - 1, cy + height / 2 - 1]
    np.testing.assert_allclose(other, np.clip(edges, 0, 63), atol=1e-3)


@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    'values',
    [
        {'plot_prob_thresh': 0.6, 'class_thresh': ('cyclist=0.9',)},
        {'plot_prob_thresh': 0.0, 'top_n': 1000},
        {'plot_prob_thresh': 0.1, 'top_n': 7, 'class_filter': ('pedestrian',)},
        {'nms_thresh': 0.1, 'nms_variant': 'reference'},
        {'nms_thresh': 0.7, 'nms_variant': 'greedy'},
        {'plot_prob_thresh': 1.0},
    ],
)
def test_it_finds_what_the_cpu_finds(values, dtype, device):
    generator = torch.Generator().manual_seed(1)
    raw = RawPrediction(
        *(
            (torch.randn(part.shape, generator=generator) * spread).to(dtype)
            for part, spread in zip(raw_prediction(3), (3, 3, 0.5), strict=True)
        )
    )
    chosen = selector(**values)
    pairs = list(
        zip(
            by_table(raw, chosen, PLACEMENTS, device), on_cpu(raw, chosen, PLACEMENTS), strict=True
        )
    )
    for found, expected in pairs:
        assert found.labels.tolist() == expected.labels.tolist()
        np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-5)
        np.testing.assert_allclose(found.boxes, expected.boxes, rtol=1e-5, atol=2e-3)
    assert all(len(found) for found, _ in pairs) == (values != {'plot_prob_thresh': 1.0})


def test_of_equal_scores_the_first_anchor_comes_first():
    raw = raw_prediction()
    raw.confidence_logits[0] = 2.0
    chosen = selector(plot_prob_thresh=0.1, top_n=len(ANCHORS), nms_thresh=1.0)
    (found,), (expected,) = (way(raw, chosen, PLACEMENTS[:1]) for way in (by_table, on_cpu))
    assert len(found) == len(ANCHORS)
    np.testing.assert_allclose(found.boxes, expected.boxes, atol=1e-3)


def test_what_is_read_is_not_the_table():
    table = np.array([[[1, 2, 3, 4, 0.5, 1, 0, 1]]], np.float32)
    (found,) = read_table(table, 'greedy')
    table[:] = 0
    assert found.boxes.tolist() == [[1, 2, 3, 4]]
    assert (found.scores.tolist(), found.labels.tolist()) == ([0.5], [1])
