import numpy as np
import pytest
from squeezedet_ros.anchors import make_anchors
from squeezedet_ros.box_coder import decode
from squeezedet_ros.boxes import cxcywh_to_xyxy
from squeezedet_ros.config import ModelConfig, SelectionConfig
from squeezedet_ros.detections import Detections
from squeezedet_ros.errors import ConfigError
from squeezedet_ros.postprocessing import (
    iou_matrix_xyxy,
    make_selector,
    non_maximum_suppression,
    select,
    top_candidates,
)
from squeezedet_ros.shortlist import Shortlist
import torch

# The chain of the facts: each box overlaps the next at 0.538, the first and last at 0.25.
CHAIN = np.array([[cx - 50, 0, cx + 50, 100] for cx in (50, 80, 110)], np.float32)
ANCHORS = make_anchors(ModelConfig(), (64, 64))
CLASSES = ModelConfig().classes
SAME = np.zeros(3, np.int64)


def detections(boxes, scores, labels):
    return Detections(
        np.array(boxes, np.float32), np.array(scores, np.float32), np.array(labels, np.int64)
    )


def selector(**values):
    return make_selector(SelectionConfig(**values), CLASSES)


def test_chain_under_both_rules():
    overlaps = iou_matrix_xyxy(CHAIN)
    assert overlaps[0, 1] == pytest.approx(0.538462, abs=1e-6)
    assert overlaps[0, 2] == pytest.approx(0.25)
    assert non_maximum_suppression(CHAIN, SAME, 0.4, 'greedy').tolist() == [True, False, True]
    assert non_maximum_suppression(CHAIN, SAME, 0.4, 'reference').tolist() == [True, False, False]


def brute_force(boxes, labels, threshold, variant):
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
            if labels[i] == labels[j] and union > 0 and common / union > threshold:
                keep[j] = False
    return keep


@pytest.mark.parametrize('variant', ['greedy', 'reference'])
def test_suppression_against_brute_force(variant):
    rng = np.random.default_rng(5)
    for _ in range(20):
        corner = rng.uniform(0, 60, (30, 2))
        boxes = np.hstack([corner, corner + rng.uniform(0, 40, (30, 2))]).astype(np.float32)
        labels = rng.integers(0, 2, 30)
        found = non_maximum_suppression(boxes, labels, 0.4, variant).tolist()
        assert found == brute_force(boxes.astype(np.float64), labels, 0.4, variant)


def test_suppression_is_within_a_class():
    boxes = [[0, 0, 10, 10]] * 3
    found = select(detections(boxes, [0.9, 0.8, 0.7], [0, 1, 0]), selector())
    assert found.labels.tolist() == [0, 1]


def test_threshold_includes_its_value():
    found = detections([[0, 0, 10, 10], [50, 0, 60, 10]], [0.5, 0.25], [0, 0])
    assert len(select(found, selector(plot_prob_thresh=0.25))) == 2
    assert len(select(found, selector(plot_prob_thresh=0.26))) == 1


def test_order_is_by_score_over_all_classes():
    boxes = [[20 * i, 0, 20 * i + 10, 10] for i in range(4)]
    found = select(detections(boxes, [0.9, 0.8, 0.7, 0.6], [2, 0, 1, 0]), selector())
    assert found.labels.tolist() == [2, 0, 1, 0]
    assert found.scores.tolist() == sorted(found.scores, reverse=True)


def test_each_class_may_have_its_threshold_and_others_are_left_out():
    boxes = [[20 * i, 0, 20 * i + 10, 10] for i in range(6)]
    found = detections(boxes, [0.5, 0.45, 0.35, 0.3, 0.25, 0.2], [0, 1, 0, 1, 1, 2])
    chosen = select(found, selector(class_thresh=('pedestrian=0.25', 'car=0.5', '')))
    assert chosen.scores.tolist() == pytest.approx([0.5, 0.45, 0.3, 0.25])
    chosen = select(found, selector(plot_prob_thresh=0.0, class_filter=('cyclist', '', 'car')))
    assert chosen.labels.tolist() == [0, 0, 2]
    # Its own threshold brings no class back.
    both = selector(class_thresh=('pedestrian=0.1',), class_filter=('car',))
    assert select(found, both).labels.tolist() == [0]


def test_the_least_score_is_that_of_the_classes_kept():
    own = ('pedestrian=0.25', 'car=0.5')
    assert selector().least_score == pytest.approx(0.4)
    assert selector(class_thresh=own).least_score == 0.25
    assert selector(class_thresh=own, class_filter=('car',)).least_score == 0.5
    np.testing.assert_array_equal(
        selector(class_thresh=own, class_filter=('car',)).thresholds, [0.5, np.inf, np.inf]
    )


@pytest.mark.parametrize(
    ('values', 'reason'),
    [
        ({'class_thresh': ('bus=0.5',)}, 'class_thresh must name classes of the model'),
        ({'class_filter': ('car', 'bus')}, 'class_filter must name classes of the model'),
    ],
)
def test_a_class_the_model_does_not_have_is_told(values, reason):
    with pytest.raises(ConfigError) as caught:
        selector(**values)
    assert str(caught.value) == f"{reason} (car, pedestrian, cyclist), got 'bus'"


@pytest.mark.parametrize('variant', ['greedy', 'reference'])
def test_one_threshold_before_suppression_gives_what_the_reference_gives_after(variant):
    random = np.random.default_rng(5)
    for _ in range(20):
        corners = random.uniform(0, 100, (40, 2))
        boxes = np.concatenate([corners, corners + random.uniform(20, 60, (40, 2))], 1)
        scores = np.sort(random.uniform(0, 1, 40))[::-1]
        found = detections(boxes, scores, random.integers(0, 3, 40))
        everything = select(found, selector(plot_prob_thresh=0.0, nms_variant=variant))
        chosen = select(found, selector(plot_prob_thresh=0.6, nms_variant=variant))
        np.testing.assert_array_equal(
            chosen.boxes, everything.boxes[everything.scores >= np.float32(0.6)]
        )
        assert 0 < len(chosen) < len(everything)


def test_nothing_seen():
    assert len(select(Detections.empty(), selector())) == 0


def shortlist(logits, confidences, deltas=None, anchors=None):
    count = len(confidences)
    return Shortlist(
        np.array(logits, np.float32).reshape(count, 3),
        np.array(confidences, np.float32),
        np.zeros((count, 4), np.float32) if deltas is None else np.array(deltas, np.float32),
        ANCHORS[:count].numpy() if anchors is None else anchors,
    )


def test_candidates_by_hand():
    found = top_candidates(
        shortlist(
            [[0, 0, 0], [0, 0, np.log(2)]],  # softmax of the second 1/4, 1/4, 2/4
            [-1, np.log(3)],  # its sigmoid 3/4
            [[0, 0, 0, 0], [0.5, 0, np.log(2), 2]],  # 2 is above the threshold: e * 2
            ANCHORS[29:31].numpy(),
        ),
        selector(plot_prob_thresh=0.3),
        1.0,
    )
    assert found.scores.tolist() == pytest.approx([0.375])
    assert found.labels.tolist() == [2]
    cx, cy, width, height = ANCHORS[30].tolist()
    half = np.e * height
    expected = [cx - width / 2, cy - half, cx + 1.5 * width, cy + half]
    assert found.boxes[0].tolist() == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize('exp_thresh', [0.5, 1.0])
def test_boxes_are_those_of_the_box_coder(exp_thresh):
    deltas = np.random.default_rng(0).normal(0, 2, (50, 4)).astype(np.float32)
    found = top_candidates(
        shortlist(np.zeros((50, 3)), np.zeros(50), deltas),
        selector(plot_prob_thresh=0.0),
        exp_thresh,
    )
    expected = cxcywh_to_xyxy(decode(torch.from_numpy(deltas), ANCHORS[:50], exp_thresh))
    # Equal scores are in the order of their anchors.
    np.testing.assert_allclose(found.boxes, expected, rtol=1e-5, atol=1e-4)


def test_top_n_keeps_its_number_whatever_the_scores():
    # 0.0001 / 3 is far below the reference's PROB_THRESH.
    few = shortlist(np.zeros((90, 3)), np.full(90, -9.0))
    assert len(top_candidates(few, selector(plot_prob_thresh=0.0, top_n=64), 1.0)) == 64
    assert len(top_candidates(few, selector(plot_prob_thresh=0.0, top_n=1000), 1.0)) == 90


def test_what_is_below_its_threshold_takes_no_place_of_the_top_n():
    logits = np.zeros((60, 3))
    logits[:, 0] = np.log(2)  # cars of 1/2 everywhere
    logits[[5, 40], 1] = np.log(6)  # but for two pedestrians of 6/9
    confidences = np.full(60, 9.0)
    confidences[[5, 40]] = 0  # halved
    found = shortlist(logits, confidences)
    cars = selector(plot_prob_thresh=0.0, top_n=2)
    assert top_candidates(found, cars, 1.0).labels.tolist() == [0, 0]
    own = ('pedestrian=0.25', 'cyclist=0.25')
    pedestrians = top_candidates(found, selector(class_thresh=('car=0.9', *own), top_n=3), 1.0)
    assert pedestrians.scores.tolist() == pytest.approx([1 / 3, 1 / 3], abs=1e-3)
    others = selector(class_filter=('pedestrian', 'cyclist'), plot_prob_thresh=0.0)
    assert top_candidates(found, others, 1.0).labels.tolist() == [1, 1]


@pytest.mark.parametrize('least', [0.0, 1e-6, 0.05, 0.4, 0.999, 1.0])
def test_the_least_logit_is_reached_by_every_score_at_the_threshold(least):
    logits = torch.linspace(-20, 20, 40_001)
    reached = logits[logits.sigmoid() >= least]
    bound = selector(plot_prob_thresh=least).least_logit
    assert len(reached) > 0
    assert float(reached.min()) >= bound
    # And not many others are let through.
    assert least in (0.0, 1.0) or float(logits[logits >= bound][0].sigmoid()) > 0.99 * least


def test_scores_of_extreme_logits_are_numbers():
    logits = [[1e4, -1e4, 0], [0, 0, 0], [0, 0, 0]]
    found = top_candidates(shortlist(logits, [200, -200, 0]), selector(plot_prob_thresh=0.0), 1.0)
    assert found.scores.tolist() == pytest.approx([1, 1 / 6, 0])
