from squeezedet_ros.boxes import (
    cxcywh_to_xyxy,
    generalized_iou_xyxy,
    inclusive_xyxy_to_cxcywh,
    iou_xyxy,
    xyxy_to_cxcywh,
)
import torch


def test_the_references_inverse_adds_a_pixel():
    centre = inclusive_xyxy_to_cxcywh(torch.tensor([0.0, 0, 9, 9]))
    assert centre.tolist() == [5, 5, 10, 10]
    assert cxcywh_to_xyxy(centre).tolist() == [0, 0, 10, 10]


def test_edges_round_trip():
    boxes = torch.rand(20, 4)
    torch.testing.assert_close(xyxy_to_cxcywh(cxcywh_to_xyxy(boxes)), boxes)


def test_iou_by_hand():
    first = cxcywh_to_xyxy(torch.tensor([50.0, 50, 100, 100]))
    others = cxcywh_to_xyxy(torch.tensor([[80.0, 50, 100, 100], [110, 50, 100, 100]]))
    # Overlaps of 70 and 40 columns: 70 / 130 and 40 / 160.
    torch.testing.assert_close(iou_xyxy(first, others), torch.tensor([0.538462, 0.25]))


def test_iou_of_nothing_is_zero():
    empty = torch.tensor([3.0, 3, 3, 3])
    assert float(iou_xyxy(empty, empty)) == 0
    assert float(iou_xyxy(empty, torch.tensor([5.0, 5, 4, 4]))) == 0


def test_generalized_iou_by_hand():
    first = torch.tensor([0.0, 0, 10, 10])
    # The same box; half of it; one 10 beside it, of whose hull of 30 x 10 a third is empty.
    others = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 5], [20, 0, 30, 10]])
    torch.testing.assert_close(
        generalized_iou_xyxy(first, others), torch.tensor([1.0, 0.5, -1 / 3])
    )
