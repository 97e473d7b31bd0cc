from squeezedet_ros.anchors import make_anchors
from squeezedet_ros.box_coder import clip_as_reference, decode, encode, safe_exp
from squeezedet_ros.config import ModelConfig
import torch

ANCHORS = make_anchors(ModelConfig(), (384, 1248))


def test_safe_exp():
    found = safe_exp(torch.tensor([-1.0, 0, 1, 2, 3]), 1.0)
    expected = torch.tensor([0.367879, 1, 2.718282, 5.436564, 8.154845])
    torch.testing.assert_close(found, expected)


def test_safe_exp_does_not_overflow_nor_its_gradient():
    x = torch.tensor([1000.0], requires_grad=True)
    value = safe_exp(x, 1.0)
    value.backward()
    assert torch.isfinite(value).all()
    assert torch.isfinite(x.grad).all()


def test_decode_and_clip_as_the_reference():
    raw = decode(torch.tensor([0.1, -0.2, 0.3, 1.5]), ANCHORS[7202], 1.0)
    torch.testing.assert_close(
        raw, torch.tensor([343.246835, 157.16, 155.233763, 240.567942]), rtol=1e-6, atol=1e-4
    )
    torch.testing.assert_close(
        clip_as_reference(raw, (384, 1248)),
        torch.tensor([343.746835, 157.66, 156.233763, 241.567942]),
        rtol=1e-6,
        atol=1e-4,
    )


def test_clip_holds_corners_inside():
    box = clip_as_reference(torch.tensor([5.0, 380, 40, 40]), (384, 1248))
    # Corners (-15, 360, 25, 400) become (0, 360, 25, 383), read as inclusive.
    assert box.tolist() == [13, 372, 26, 24]


def test_decode_undoes_encode():
    boxes = ANCHORS[:100] * torch.tensor([1.01, 0.99, 1.3, 0.5])
    deltas = encode(boxes, ANCHORS[:100])
    torch.testing.assert_close(decode(deltas, ANCHORS[:100], 1.0), boxes)
