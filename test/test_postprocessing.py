import numpy as np
import pytest
from squeezedet_ros.anchors import make_anchors
from squeezedet_ros.config import ModelConfig, SelectionConfig
from squeezedet_ros.detections import Detections
from squeezedet_ros.errors import ConfigError
from squeezedet_ros.network import RawPrediction
from squeezedet_ros.postprocessing import (
    class_probabilities,
    iou_matrix_xyxy,
    make_selector,
    non_maximum_suppression,
    select,
    shortlist,
    top_candidates,
)
import torch

# The chain of the facts: each box overlaps the next at 0.538, the first and last at 0.25.
CHAIN = np.array([[cx - 50, 0, cx + 50, 100] for cx in (50, 80, 110)], np.float32)
ANCHORS = make_anchors(ModelConfig(), (64, 64))
CLASSES = ModelConfig().classes
ZERO = torch.zeros(3)


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
    found = top_candidates(raw, ANCHORS, 64, 1.0, ZERO)
    assert found.scores.shape == (1, 64)
    assert top_candidates(raw, ANCHORS, 1000, 1.0, ZERO).scores.shape == (1, len(ANCHORS))


def test_candidates_by_hand():
    raw = raw_prediction(2)
    raw.class_logits[1, 30, 2] = np.log(2)  # softmax 1/4, 1/4, 2/4
    raw.confidence_logits[1, 30] = np.log(3)  # sigmoid 3/4
    raw.deltas[1, 30] = torch.tensor([0.5, 0, 0, 0])
    found = top_candidates(raw, ANCHORS, 2, 1.0, ZERO)
    assert float(found.scores[1, 0]) == pytest.approx(0.375)
    assert int(found.labels[1, 0]) == 2
    cx, cy, width, height = ANCHORS[30].tolist()
    expected = [cx, cy - height / 2, cx + width, cy + height / 2]
    assert found.boxes[1, 0].tolist() == pytest.approx(expected, abs=1e-4)
    assert float(class_probabilities(raw)[0, 0, 0]) == pytest.approx(1 / 6)


def test_what_is_below_its_threshold_takes_no_place_of_the_top_n():
    raw = raw_prediction()
    raw.confidence_logits.fill_(9)
    raw.class_logits[0, :, 0] = np.log(2)  # cars of 1/2 everywhere
    raw.class_logits[0, [5, 40], 1] = np.log(6)  # but for two pedestrians of 6/9
    raw.class_logits[0, [5, 40], 0] = np.log(2)
    raw.confidence_logits[0, [5, 40]] = 0  # halved
    assert top_candidates(raw, ANCHORS, 2, 1.0, ZERO).labels.tolist() == [[0, 0]]
    for thresholds in ([0.9, 0.25, 0.25], [np.inf, 0.0, 0.0]):
        found = top_candidates(raw, ANCHORS, 3, 1.0, torch.tensor(thresholds))
        assert found.labels.tolist() == [[1, 1, 0]]
        assert found.scores[0].tolist() == pytest.approx([1 / 3, 1 / 3, 0.5], abs=1e-3)


def test_the_shortlist_by_hand():
    raw = raw_prediction(2)
    raw.confidence_logits.fill_(-3)  # sigmoid 0.047
    raw.confidence_logits[0, 9] = np.log(3)  # 0.75
    raw.confidence_logits[1, [4, 20]] = torch.tensor([0.0, np.nan])  # 0.5, and no number
    found, anchors = shortlist(raw, ANCHORS, torch.tensor([0.5, 0.6, np.inf]))
    assert anchors.tolist() == ANCHORS[[4, 9, 20]].tolist()
    assert found.confidence_logits[0].tolist() == pytest.approx([-3, np.log(3), -3])
    assert found.class_logits.shape == (2, 3, 3)
    nothing, _ = shortlist(raw_prediction(), ANCHORS, torch.tensor([0.51]))
    assert nothing.deltas.shape == (1, 0, 4)


def test_the_shortlist_changes_no_candidate_above_its_threshold():
    generator = torch.Generator().manual_seed(1)
    raw = RawPrediction(
        *(torch.randn(part.shape, generator=generator) * 3 for part in raw_prediction(3))
    )
    thresholds = torch.tensor([0.6, 0.7, 0.9])
    everything = top_candidates(raw, ANCHORS, 20, 1.0, thresholds)
    left, anchors = shortlist(raw, ANCHORS, thresholds)
    assert 20 < len(anchors) < len(ANCHORS)
    found = top_candidates(left, anchors, 20, 1.0, thresholds)
    good = everything.scores >= thresholds[everything.labels]
    assert bool(good.any())
    for one, other in zip(everything, found, strict=True):
        assert torch.equal(one[good], other[good])


def test_a_score_that_is_no_number_is_not_ranked_away():
    raw = raw_prediction()
    raw.confidence_logits[0, 7] = np.nan
    found = top_candidates(raw, ANCHORS, 1, 1.0, torch.full((3,), 0.5))
    assert bool(found.scores.isnan().all())
