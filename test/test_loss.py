import pytest
from squeezedet_ros.anchors import make_anchors
from squeezedet_ros.config import ModelConfig
from squeezedet_ros.network import RawPrediction, SqueezeDet
from squeezedet_ros.training.loss import detection_loss, weight_decay
from squeezedet_ros.training.recipe import LossWeights
from squeezedet_ros.training.targets import Labels, make_targets
import torch

SIZE = (384, 1248)
ANCHORS = make_anchors(ModelConfig(), SIZE)


def prediction(images=1):
    shape = images, len(ANCHORS)
    parts = torch.zeros(*shape, 3), torch.zeros(shape), torch.zeros(*shape, 4)
    return RawPrediction(*(part.requires_grad_() for part in parts))


def labels(*boxes, ignored=()):
    found = torch.tensor(boxes).reshape(-1, 4)
    classes = torch.zeros(len(found), dtype=torch.int64)
    return Labels(found, classes, torch.tensor(ignored).reshape(-1, 4))


def loss(raw, *images):
    return detection_loss(raw, make_targets(images, ANCHORS), ANCHORS, SIZE, 1.0, LossWeights())


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
