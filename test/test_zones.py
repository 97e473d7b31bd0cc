import cv2
import numpy as np
import pytest
from squeezedet_ros.config import ZoneConfig
from squeezedet_ros.detections import Detections
from squeezedet_ros.errors import ConfigError
from squeezedet_ros.zones import inside, make_zones, standing_points, Zones

WHOLE = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
LEFT = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))
LOWER = ((0.0, 0.5), (1.0, 0.5), (1.0, 1.0), (0.0, 1.0))
SIZE = (100, 200)


def detections(*boxes):
    count = len(boxes)
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.linspace(0.9, 0.5, count, dtype=np.float32),
        np.arange(count, dtype=np.int64) % 3,
    )


def test_a_box_stands_in_the_middle_of_its_lower_edge():
    boxes = np.array([[20, 10, 40, 60], [0, 0, 199, 99]], np.float32)
    points = standing_points(boxes, SIZE)
    # (20 + 40) / 2 + 1/2 of 200, 60 + 1/2 of 100.
    np.testing.assert_allclose(points, [[30.5 / 200, 60.5 / 100], [100 / 200, 99.5 / 100]])


def test_a_polygon_that_is_not_convex():
    # An arrow head that points to the right, its notch at the left.
    polygon = np.array([(0.1, 0.1), (0.9, 0.5), (0.1, 0.9), (0.5, 0.5)])
    points = np.array([(0.3, 0.5), (0.6, 0.5), (0.2, 0.18), (0.2, 0.82), (0.95, 0.5), (0.0, 0.1)])
    assert inside(points, polygon).tolist() == [False, True, True, True, False, False]
    assert inside(points, polygon[::-1]).tolist() == [False, True, True, True, False, False]


def test_polygons_against_opencv():
    random = np.random.default_rng(3)
    for corners in (3, 4, 5, 8):
        # By angle around the middle, so that no edges cross.
        angles = np.sort(random.uniform(0, 2 * np.pi, corners))
        radii = random.uniform(0.1, 0.5, corners)
        polygon = 0.5 + radii[:, None] * np.stack([np.cos(angles), np.sin(angles)], -1)
        points = random.uniform(0, 1, (200, 2))
        contour = polygon.astype(np.float32)
        distances = np.array([cv2.pointPolygonTest(contour, tuple(p), True) for p in points])
        clear = np.abs(distances) > 1e-4
        assert clear.sum() > 150
        np.testing.assert_array_equal(inside(points, polygon)[clear], distances[clear] > 0)


def test_a_polygon_along_the_border_holds_whatever_is_seen():
    seen = detections([0, 0, 0, 0], [0, 0, 199, 99], [199, 99, 199, 99], [0, 50, 0, 99])
    assert len(Zones([WHOLE]).apply(seen, SIZE)) == 4
    assert len(Zones([], [WHOLE]).apply(seen, SIZE)) == 0


def test_what_is_included_and_not_excluded_is_kept_in_order():
    # By where they stand: left and low, right and low, left and high, right and high.
    seen = detections([10, 0, 30, 80], [150, 0, 170, 80], [10, 0, 30, 20], [150, 0, 170, 20])

    def kept(include, exclude):
        return Zones(include, exclude).apply(seen, SIZE).boxes[:, [0, 3]].tolist()

    assert kept([LEFT], []) == [[10, 80], [10, 20]]
    assert kept([LEFT, LOWER], []) == [[10, 80], [150, 80], [10, 20]]
    assert kept([], [LEFT]) == [[150, 80], [150, 20]]
    assert kept([], [LEFT, LOWER]) == [[150, 20]]
    assert kept([LEFT], [LOWER]) == [[10, 20]]
    assert kept([], []) == [[10, 80], [150, 80], [10, 20], [150, 20]]


def test_nothing_seen_and_no_zones():
    assert len(Zones([WHOLE]).apply(Detections.empty(), SIZE)) == 0
    seen = detections([0, 0, 1, 1])
    assert Zones().apply(seen, SIZE) is seen
    assert not Zones()
    assert Zones([], [LEFT])


def test_each_camera_has_its_own():
    config = ZoneConfig(
        include_zones=('front=0 0 1 0 1 1 0 1', 'front=0 0 1 0 1 1'),
        exclude_zones=('', 'rear=0 0 1 0 1 1'),
    )
    zones = make_zones(config, ('front', 'rear', 'side'))
    assert {name: (len(z.include), len(z.exclude)) for name, z in zones.items()} == {
        'front': (2, 0),
        'rear': (0, 1),
        'side': (0, 0),
    }
    np.testing.assert_array_equal(zones['front'].include[0], WHOLE)


@pytest.mark.parametrize('name', ['include_zones', 'exclude_zones'])
def test_a_camera_there_is_not_is_told(name):
    with pytest.raises(ConfigError) as caught:
        make_zones(ZoneConfig(**{name: ('side=0 0 1 0 1 1',)}), ('front', 'rear'))
    assert str(caught.value) == f"{name} must name cameras (front, rear), got 'side'"
