import math

import pytest
from squeezedet_ros.anchors import make_anchors
from squeezedet_ros.config import ModelConfig
from squeezedet_ros.network import RawPrediction, SqueezeDet
from squeezedet_ros.training.loss import batch_totals, modern_loss, paper_loss, weight_decay
from squeezedet_ros.training.recipe import LossWeights
from squeezedet_ros.training.targets import Labels, make_targets
import torch

SIZE = (384, 1248)
ANCHORS = make_anchors(ModelConfig(), SIZE)
EQUAL = LossWeights(box=1.0, confidence_positive=1.0, confidence_negative=1.0, classification=1.0)


def prediction(images=1):
    shape = images, len(ANCHORS)
    parts = torch.zeros(*shape, 3), torch.zeros(shape), torch.zeros(*shape, 4)
    return RawPrediction(*(part.requires_grad_() for part in parts))


def labels(*boxes, ignored=()):
    found = torch.tensor(boxes).reshape(-1, 4)
    classes = torch.zeros(len(found), dtype=torch.int64)
    return Labels(found, classes, torch.tensor(ignored).reshape(-1, 4))


def loss(raw, *images):
    targets = make_targets(images, ANCHORS)
    totals = batch_totals(targets)
    return paper_loss(raw, targets, ANCHORS, SIZE, 1.0, LossWeights(), totals)


def test_a_car_equal_to_its_anchor():
    terms = loss(prediction(), labels(ANCHORS[7202].tolist()))
    assert float(terms.classification) == pytest.approx(1.909543, abs=1e-6)
    assert float(terms.confidence_positive) == pytest.approx(75 * (0.974856 - 0.5) ** 2, abs=1e-4)
    assert float(terms.confidence_negative) == pytest.approx(25.0, abs=1e-5)
    assert float(terms.box) == 0
    confidence = terms.confidence_positive + terms.confidence_negative
    assert float(confidence) == pytest.approx(41.911639, abs=1e-4)
    assert float(terms.total()) == pytest.approx(43.821182, abs=1e-4)


def test_a_car_beside_its_anchor():
    terms = loss(prediction(), labels([341.746835, 163.96, 138, 53.1]))
    confidence = terms.confidence_positive + terms.confidence_negative
    assert float(confidence) == pytest.approx(28.239849, abs=1e-4)
    assert float(terms.box) == pytest.approx(0.295426, abs=1e-5)
    assert float(terms.total()) == pytest.approx(30.444818, abs=1e-4)


def test_the_count_of_objects_is_the_batchs():
    """Two images with one car each: sums are halved, and conf is a mean over images."""
    car = labels(ANCHORS[7202].tolist())
    one, two = loss(prediction(), car), loss(prediction(2), car, car)
    assert float(two.classification) == pytest.approx(float(one.classification))
    assert float(two.confidence_positive) == pytest.approx(float(one.confidence_positive) / 2)
    share = (len(ANCHORS) - 1) / (len(ANCHORS) - 2)
    assert float(two.confidence_negative) == pytest.approx(25.0 * share, rel=1e-6)


def test_no_gradient_through_the_overlap():
    raw = prediction()
    terms = loss(raw, labels(ANCHORS[7202].tolist()))
    (terms.confidence_positive + terms.confidence_negative).backward()
    assert raw.deltas.grad is None
    assert raw.confidence_logits.grad is not None


def test_an_image_without_objects_teaches_background_alone():
    raw = prediction()
    terms = loss(raw, labels())
    assert float(terms.classification) == 0
    assert float(terms.confidence_positive) == 0
    assert float(terms.box) == 0
    terms.total().backward()
    for part in raw:
        assert part.grad is None or torch.isfinite(part.grad).all()


def test_an_ignored_anchor_is_not_pushed():
    raw = prediction()
    car = ANCHORS[7202].tolist()
    loss(raw, labels(car, ignored=[[0.0, 0, 1248, 384]])).total().backward()
    assert raw.confidence_logits.grad.nonzero().tolist() == [[0, 7202]]


def test_wild_predictions_stay_finite():
    raw = RawPrediction(
        torch.full((1, len(ANCHORS), 3), 1e4, requires_grad=True),
        torch.full((1, len(ANCHORS)), -1e4, requires_grad=True),
        torch.full((1, len(ANCHORS), 4), 500.0, requires_grad=True),
    )
    with torch.no_grad():
        raw.class_logits[..., 1] = -1e4
    terms = loss(raw, labels(ANCHORS[7202].tolist()))
    terms.total().backward()
    assert torch.isfinite(terms.total())
    assert all(torch.isfinite(part.grad).all() for part in raw)


@pytest.mark.parametrize('rule', ['paper', 'modern'])
def test_parts_of_a_batch_add_up_to_it(rule):
    images = labels(ANCHORS[7202].tolist()), labels(), labels([300.0, 100, 60, 60], [9, 9, 9, 9])
    raw = RawPrediction(*(torch.randn_like(part) for part in prediction(3)))
    targets = make_targets(images, ANCHORS, 2.0 if rule == 'modern' else math.inf)
    totals = batch_totals(targets)

    def part(rows):
        values = [type(parts)(*(value[rows] for value in parts)) for parts in (raw, targets)]
        if rule == 'paper':
            return paper_loss(*values, ANCHORS, SIZE, 1.0, LossWeights(), totals)
        return modern_loss(*values, ANCHORS, 1.0, EQUAL, totals)

    whole = torch.stack(part(slice(None)))
    split = torch.stack(part(slice(0, 1))) + torch.stack(part(slice(1, 3)))
    torch.testing.assert_close(split, whole)


def modern(raw, *images):
    targets = make_targets(images, ANCHORS, 2.0)
    return modern_loss(raw, targets, ANCHORS, 1.0, EQUAL, batch_totals(targets))


def test_modern_loss_of_an_empty_image():
    """Each of the 16,848 anchors says 0.5 where 0 is true: 0.25 ln 2."""
    terms = modern(prediction(), labels())
    assert float(terms.confidence_negative) == pytest.approx(16848 * 0.25 * math.log(2), rel=1e-5)
    assert [float(terms[part]) for part in (0, 1, 3)] == [0, 0, 0]


def test_modern_loss_of_two_anchors():
    """Anchors of equal size in a row, one half covered: overlaps 1 and 1/3, shares 1 and 0."""
    anchors = torch.tensor([[50.0, 50, 20, 20], [60.0, 50, 20, 20]])
    targets = make_targets([labels([50.0, 50, 20, 20])], anchors, 2.0)
    raw = RawPrediction(torch.zeros(1, 2, 3), torch.zeros(1, 2), torch.zeros(1, 2, 4))
    terms = modern_loss(raw, targets, anchors, 1.0, EQUAL, batch_totals(targets))
    assert float(terms.classification) == pytest.approx(math.log(3))
    assert float(terms.confidence_positive) == pytest.approx(0.25 * math.log(2))
    assert float(terms.confidence_negative) == pytest.approx(0.25 * math.log(2))
    assert float(terms.box) == pytest.approx(0, abs=1e-6)
    # Both 10 to the right: the first overlaps a third, in a hull of 30 x 20 filled to the edge.
    raw.deltas[..., 0] = 0.5
    terms = modern_loss(raw, targets, anchors, 1.0, EQUAL, batch_totals(targets))
    assert float(terms.box) == pytest.approx(2 / 3, rel=1e-5)
    error = -(math.log(0.5) / 3 + math.log(0.5) * 2 / 3) * (0.5 - 1 / 3) ** 2
    assert float(terms.confidence_positive) == pytest.approx(error, rel=1e-5)


def test_modern_loss_divides_by_the_shares():
    """An object shared between anchors counts once for each share, not for each anchor."""
    box = [341.746835, 163.96, 138.0, 53.1]
    targets = make_targets([labels(box)], ANCHORS, 2.0)
    terms = modern(prediction(), labels(box))
    assert int(targets.responsible.sum()) == 11
    assert float(terms.classification) == pytest.approx(math.log(3), rel=1e-5)


def test_modern_loss_stays_finite():
    for value in (1e4, -1e4):
        raw = RawPrediction(
            *(torch.full_like(part, value).requires_grad_() for part in prediction())
        )
        terms = modern(raw, labels(ANCHORS[7202].tolist()))
        terms.total().backward()
        assert torch.isfinite(terms.total())
        assert all(torch.isfinite(part.grad).all() for part in raw)


def test_weight_decay_counts_trainable_kernels():
    network = SqueezeDet(ModelConfig())
    network.conv1.requires_grad_(False)
    before = float(weight_decay(network, 1e-4))
    squares = sum(
        float(value.detach().double().square().sum())
        for name, value in network.named_parameters()
        if name.endswith('weight') and not name.startswith('conv1')
    )
    assert before == pytest.approx(1e-4 * squares / 2, rel=1e-5)
    with torch.no_grad():
        network.convdet.bias += 3
        network.conv1.weight += 3
    assert float(weight_decay(network, 1e-4)) == before
