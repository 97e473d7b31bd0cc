import numpy as np
import pytest
from squeezedet_ros.anchors import make_anchors
from squeezedet_ros.box_coder import decode
from squeezedet_ros.boxes import cxcywh_to_xyxy
from squeezedet_ros.config import ModelConfig, SelectionConfig
from squeezedet_ros.network import RawPrediction
from squeezedet_ros.postprocessing import make_selector, top_candidates
from squeezedet_ros.shortlist import class_probabilities, shortlist_by_confidence
import torch

ANCHORS = make_anchors(ModelConfig(), (64, 64))


def raw_prediction(images=1):
    anchors = len(ANCHORS)
    return RawPrediction(
        torch.zeros(images, anchors, 3),
        torch.zeros(images, anchors),
        torch.zeros(images, anchors, 4),
    )


def random_prediction(images):
    generator = torch.Generator().manual_seed(1)
    return RawPrediction(
        *(torch.randn(part.shape, generator=generator) * 3 for part in raw_prediction(images))
    )


def test_the_shortlist_by_hand():
    raw = raw_prediction(2)
    raw.confidence_logits.fill_(-3)  # sigmoid 0.047
    raw.confidence_logits[0, 9] = np.log(3)  # 0.75
    raw.confidence_logits[1, [4, 20]] = 0.0  # 0.5
    raw.class_logits[1, 20] = torch.tensor([1.0, 2.0, 3.0])
    raw.deltas[1, 20] = torch.tensor([0.1, 0.2, 0.3, 0.4])
    first, second = shortlist_by_confidence(raw, ANCHORS, -0.1)
    assert first.anchors.tolist() == ANCHORS[[9]].tolist()
    assert first.confidence_logits.tolist() == pytest.approx([np.log(3)])
    assert second.anchors.tolist() == ANCHORS[[4, 20]].tolist()
    assert second.class_logits.tolist() == [[0, 0, 0], [1, 2, 3]]
    assert second.deltas[1].tolist() == pytest.approx([0.1, 0.2, 0.3, 0.4])
    (nothing,) = shortlist_by_confidence(raw_prediction(), ANCHORS, 0.1)
    assert [part.shape for part in nothing] == [(0, 3), (0,), (0, 4), (0, 4)]


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
def test_it_leads_to_the_boxes_of_all_anchors(dtype):
    raw = RawPrediction(*(part.to(dtype) for part in random_prediction(3)))
    raw_float = RawPrediction(*(part.float() for part in raw))
    selection = SelectionConfig(top_n=20, plot_prob_thresh=0.6, class_thresh=('cyclist=0.9',))
    selector = make_selector(selection, ModelConfig().classes)
    thresholds = torch.from_numpy(selector.thresholds)
    shortlists = shortlist_by_confidence(raw, ANCHORS, selector.least_logit)
    assert 20 < len(shortlists[0].anchors) < len(ANCHORS)
    scores, labels = class_probabilities(raw_float).max(-1)
    boxes = cxcywh_to_xyxy(decode(raw_float.deltas, ANCHORS, 1.0))
    for image in range(3):
        good = (scores[image] >= thresholds[labels[image]]).nonzero()[:, 0]
        best = good[scores[image][good].argsort(descending=True, stable=True)][:20]
        found = top_candidates(shortlists[image], selector, 1.0)
        np.testing.assert_allclose(found.scores, scores[image][best], rtol=1e-5)
        np.testing.assert_allclose(found.boxes, boxes[image][best], rtol=1e-5, atol=1e-3)
        assert found.labels.tolist() == labels[image][best].tolist()


def test_class_probabilities_by_hand():
    raw = raw_prediction()
    assert float(class_probabilities(raw)[0, 0, 0]) == pytest.approx(1 / 6)
