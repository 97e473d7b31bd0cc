import numpy as np
import pytest
from squeezedet_ros.anchors import make_anchors
from squeezedet_ros.config import ModelConfig, SelectionConfig
from squeezedet_ros.detections import Detections
from squeezedet_ros.network import RawPrediction
from squeezedet_ros.postprocessing import (
    class_probabilities,
    iou_matrix_xyxy,
    non_maximum_suppression,
    select,
    top_candidates,
)
import torch

# The chain of the facts: each box overlaps the next at 0.538, the first and last at 0.25.
CHAIN = np.array([[cx - 50, 0, cx + 50, 100] for cx in (50, 80, 110)], np.float32)
ANCHORS = make_anchors(ModelConfig(), (64, 64))


def detections(boxes, scores, labels):
    return Detections(
        np.array(boxes, np.float32), np.array(scores, np.float32), np.array(labels, np.int64)
    )


def test_chain_under_both_rules():
    overlaps = iou_matrix_xyxy(CHAIN)
    assert overlaps[0, 1] == pytest.approx(0.538462, abs=1e-6)
    assert overlaps[0, 2] == pytest.approx(0.25)
    assert non_maximum_suppression(CHAIN, 0.4, 'greedy').tolist() == [True, False, True]
    assert non_maximum_suppression(CHAIN, 0.4, 'reference').tolist() == [True, False, False]


def brute_force(boxes, threshold, variant):
    keep = [True] * len(boxes)
    for i in range(len(boxes)):
        if variant == 'greedy' and not keep[i]:
            continue
        for j in range(i + 1, len(boxes)):
            a, b = boxes[i], boxes[j]
            width = min(a[2], b[2]) - max(a[0], b[0])
            height = min(a[3], b[3]) - max(a[1], b[1])
            common = max(width, 0) * max(height, 0)
            union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common
            if union > 0 and common / union > threshold:
                keep[j] = False
    return keep


@pytest.mark.parametrize('variant', ['greedy', 'reference'])
def test_suppression_against_brute_force(variant):
    rng = np.random.default_rng(5)
    for _ in range(20):
        corner = rng.uniform(0, 60, (30, 2))
        boxes = np.hstack([corner, corner + rng.uniform(0, 40, (30, 2))]).astype(np.float32)
        found = non_maximum_suppression(boxes, 0.4, variant).tolist()
        assert found == brute_force(boxes.astype(np.float64), 0.4, variant)


def test_suppression_is_within_a_class():
    boxes = [[0, 0, 10, 10]] * 3
    found = select(detections(boxes, [0.9, 0.8, 0.7], [0, 1, 0]), SelectionConfig())
    assert found.labels.tolist() == [0, 1]


def test_threshold_comes_last_and_includes_its_value():
    found = detections([[0, 0, 10, 10], [50, 0, 60, 10]], [0.5, 0.25], [0, 0])
    assert len(select(found, SelectionConfig(plot_prob_thresh=0.25))) == 2
    assert len(select(found, SelectionConfig(plot_prob_thresh=0.26))) == 1


def test_order_is_by_score_over_all_classes():
    boxes = [[20 * i, 0, 20 * i + 10, 10] for i in range(4)]
    found = select(detections(boxes, [0.9, 0.8, 0.7, 0.6], [2, 0, 1, 0]), SelectionConfig())
    assert found.labels.tolist() == [2, 0, 1, 0]
    assert found.scores.tolist() == sorted(found.scores, reverse=True)


def test_nothing_seen():
    assert len(select(Detections.empty(), SelectionConfig())) == 0


def raw_prediction(images=1):
    anchors = len(ANCHORS)
    return RawPrediction(
        torch.zeros(images, anchors, 3),
        torch.zeros(images, anchors),
        torch.zeros(images, anchors, 4),
    )


def test_top_n_keeps_its_number_whatever_the_scores():
    raw = raw_prediction()
    raw.confidence_logits.fill_(-9)  # 0.0001 / 3 is far below the reference's PROB_THRESH
    found = top_candidates(raw, ANCHORS, 64, 1.0)
    assert found.scores.shape == (1, 64)
    assert top_candidates(raw, ANCHORS, 1000, 1.0).scores.shape == (1, len(ANCHORS))


def test_candidates_by_hand():
    raw = raw_prediction(2)
    raw.class_logits[1, 30, 2] = np.log(2)  # softmax 1/4, 1/4, 2/4
    raw.confidence_logits[1, 30] = np.log(3)  # sigmoid 3/4
    raw.deltas[1, 30] = torch.tensor([0.5, 0, 0, 0])
    found = top_candidates(raw, ANCHORS, 2, 1.0)
    assert float(found.scores[1, 0]) == pytest.approx(0.375)
    assert int(found.labels[1, 0]) == 2
    cx, cy, width, height = ANCHORS[30].tolist()
    expected = [cx, cy - height / 2, cx + width, cy + height / 2]
    assert found.boxes[1, 0].tolist() == pytest.approx(expected, abs=1e-4)
    assert float(class_probabilities(raw)[0, 0, 0]) == pytest.approx(1 / 6)
