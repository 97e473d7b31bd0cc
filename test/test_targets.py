import math

import pytest
from squeezedet_ros.anchors import make_anchors
from squeezedet_ros.boxes import xyxy_to_cxcywh
from squeezedet_ros.config import ModelConfig
from squeezedet_ros.data.kitti import read_labels
from squeezedet_ros.preprocessing import FitTransform
from squeezedet_ros.training.dataset import objects_of
from squeezedet_ros.training.targets import (
    anchor_shares,
    assign_anchors,
    ignored_anchors,
    Labels,
    make_targets,
)
import torch

ANCHORS = make_anchors(ModelConfig(), (384, 1248))
NOTHING = torch.zeros(0, 4)


def labels(*boxes, ignored=NOTHING):
    found = torch.tensor(boxes).reshape(-1, 4)
    return Labels(found, torch.zeros(len(found), dtype=torch.int64), ignored)


def test_assignment_of_the_facts():
    box = torch.tensor([[341.746835, 163.96, 138, 53.1]])
    assert assign_anchors(box, ANCHORS).tolist() == [7202]
    targets = make_targets([labels(*box.tolist())], ANCHORS)
    expected = torch.tensor([0.086957, -0.084746, 0.182322, -0.105361])
    torch.testing.assert_close(targets.deltas[0, 7202], expected, rtol=0, atol=2e-6)
    assert targets.responsible.nonzero().tolist() == [[0, 7202]]


def test_first_car_of_kitti_000008(tmp_path):
    path = tmp_path / '000008.txt'
    path.write_text('Car 0.88 3 -0.69 0.00 192.00 402.00 374.00 1.6 1.57 3.23 -2.7 1.7 3.7 -1.3\n')
    objects = objects_of(read_labels(path), ('car', 'pedestrian', 'cyclist'), {})
    scale = FitTransform((1248 / 1242, 384 / 375), (0, 0))
    box = xyxy_to_cxcywh(torch.from_numpy(scale.to_network(objects.boxes)))
    torch.testing.assert_close(
        box[0], torch.tensor([202.473430, 290.304, 404.946860, 187.392]), rtol=1e-6, atol=1e-4
    )
    targets = make_targets([labels(*box.tolist())], ANCHORS)
    assert targets.responsible.nonzero().tolist() == [[0, 12736]]
    expected = torch.tensor([0.035256, -0.008828, 0.101123, 0.074147])
    torch.testing.assert_close(targets.deltas[0, 12736], expected, rtol=0, atol=2e-6)


def test_equal_boxes_take_different_anchors():
    box = [341.7, 163.9, 138.0, 53.1]
    first, second = assign_anchors(torch.tensor([box, box]), ANCHORS).tolist()
    assert first == 7202
    assert second != first


def test_a_box_without_overlap_takes_the_nearest_anchor():
    box = torch.tensor([[-500.0, -500, 30, 30]])
    index = int(assign_anchors(box, ANCHORS))
    distance = (ANCHORS - box).square().sum(1)
    assert index == int(distance.argmin())


def test_a_crowd_fills_the_free_anchors():
    few = ANCHORS[:12]
    assert sorted(assign_anchors(few[:1].expand(12, 4), few).tolist()) == list(range(12))


def test_ignored_region():
    # Columns 0 and 1 lie at x = 15.8 and 31.6, rows at y = 15.36 and 30.72; the margin is 8.
    mask = ignored_anchors(torch.tensor([[0.0, 0, 24, 24]]), ANCHORS).reshape(24, 78, 9)
    assert mask[:2, :2].all()
    assert int(mask.sum()) == 4 * 9


def test_an_image_without_objects():
    targets = make_targets([labels(), labels([100.0, 100, 50, 50])], ANCHORS)
    assert targets.responsible.sum(1).tolist() == [0, 1]
    assert not targets.ignored.any()
    assert torch.isfinite(targets.deltas).all()


def test_neighbours_share_an_object_by_their_overlap():
    box = torch.tensor([[341.746835, 163.96, 138.0, 53.1]])
    share, owner = anchor_shares(box, ANCHORS, 2.0)
    # Anchors 7202 and 7211, 115 x 59 at x = 331.75 and 347.54, lie whole within its width.
    # Anchor 7220, at x = 363.341772, begins at 305.841772, where the box ends at 410.746835.
    best = 115 * 51.05 / (138 * 53.1 + 115 * 59 - 115 * 51.05)
    part = 104.905063 * 51.05
    beside = part / (138 * 53.1 + 115 * 59 - part)
    assert share[[7202, 7211]].tolist() == [1, 1]
    assert float(share[7220]) == pytest.approx((beside / best) ** 2, rel=1e-4)
    # Of the share 0.49 = 0.7 ** 2 and less nothing is left.
    assert float(share[share > 0].min()) > 0.49
    assert int((share > 0).sum()) == 11
    assert not owner.any()


def test_infinite_sharpness_is_the_papers_rule():
    box = torch.tensor([[341.746835, 163.96, 138.0, 53.1]])
    share, _ = anchor_shares(box, ANCHORS, math.inf)
    assert share.nonzero()[:, 0].tolist() == [7202]


def test_equal_boxes_keep_an_anchor_each():
    box = [341.7, 163.9, 138.0, 53.1]
    share, owner = anchor_shares(torch.tensor([box, box]), ANCHORS, 6.0)
    assert sorted(owner[share == 1].tolist()) == [0, 1]
