import numpy as np
import pytest
from squeezedet_ros.data.ground_truth import DONT_CARE
from squeezedet_ros.data.synthetic.camera import Camera
from squeezedet_ros.data.synthetic.compose import Extent, measure, MOST_HIDDEN, paint, SMALLEST
from squeezedet_ros.data.synthetic.drive import DriveConfig, render_drive, render_scene
from squeezedet_ros.data.synthetic.light import make_light
from squeezedet_ros.data.synthetic.mesh import build, ellipsoid, grid_faces, place
from squeezedet_ros.data.synthetic.raster import make_texture, render_mesh
from squeezedet_ros.data.synthetic.scene import draw_scene

SIZE = (120, 400)
SEED_OF_MANY = 11


@pytest.fixture(scope='module')
def drive():
    return list(render_drive(DriveConfig(seed=5, frames=4, size=SIZE)))


@pytest.fixture(scope='module')
def painted():
    scene = draw_scene(np.random.default_rng(1), 1.0, varied=False)
    camera = Camera(size=SIZE, focal=232.0, x=scene.ego_x, height=1.65, z=0.0)
    return paint(scene, camera, 0.0)


def test_same_seed_gives_same_bytes_whatever_the_global_state(drive):
    np.random.seed(1)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    again = next(render_drive(DriveConfig(seed=5, frames=4, size=SIZE)))
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002
    assert again.image.tobytes() == drive[0].image.tobytes()
    assert again.truth.boxes.tobytes() == drive[0].truth.boxes.tobytes()
    assert again.truth.names == drive[0].truth.names


def test_another_seed_is_another_picture():
    first, second = render_scene(3, (64, 96)), render_scene(4, (64, 96))
    assert np.abs(first.image.astype(int) - second.image).mean() > 2


def test_frames_and_stamps(drive):
    assert [frame.stamp_ns for frame in drive] == [0, 100_000_000, 200_000_000, 300_000_000]
    for frame in drive:
        assert frame.image.shape == (*SIZE, 3)
        assert frame.image.dtype == np.uint8
        assert frame.image.std() > 10


def test_the_drive_moves(drive):
    assert np.abs(drive[0].image.astype(int) - drive[3].image).mean() > 2


def test_boxes_lie_in_the_image(drive):
    for frame in [*drive, render_scene(0, (100, 160))]:
        boxes, (height, width) = frame.truth.boxes, frame.image.shape[:2]
        assert len(boxes)
        assert (boxes[:, :2] >= 0).all()
        assert (boxes[:, 2] <= width - 1).all()
        assert (boxes[:, 3] <= height - 1).all()
        assert (boxes[:, 2:] >= boxes[:, :2]).all()
        assert (frame.truth.truncated >= 0).all()
        assert (frame.truth.truncated <= 1).all()
        assert set(frame.truth.occluded.tolist()) <= {0, 1, 2, 3}


def test_box_is_the_extent_of_the_mask(painted):
    _, extents, _ = painted
    assert len(extents) > 3
    for extent in extents:
        whole = np.zeros(SIZE, bool)
        height, width = extent.mask.shape
        whole[extent.top : extent.top + height, extent.left : extent.left + width] = extent.mask
        rows, columns = np.nonzero(whole)
        assert extent.box_xyxy() == (columns.min(), rows.min(), columns.max(), rows.max())


def test_visible_pixels_never_exceed_the_mask(painted):
    _, extents, visible = painted
    assert len(visible) == len(extents)
    assert all(
        0 <= seen <= extent.mask.sum() for extent, seen in zip(extents, visible, strict=True)
    )
    assert any(0 < seen < extent.mask.sum() for extent, seen in zip(extents, visible, strict=True))


def test_a_ball_is_drawn_where_the_pinhole_says():
    camera = Camera(size=(200, 300), focal=200.0, x=0.0, height=1.0, z=0.0)
    uv = np.array([[1, 1], [30, 30]], np.float32)
    ball = ellipsoid(np.zeros(3, np.float32), np.full(3, 1.0, np.float32), uv, sides=40)
    texture = make_texture(np.full((32, 32, 4), 120, np.uint8), 10.0)
    light = make_light(np.random.default_rng(0))
    drawing = render_mesh(
        place(ball, np.array([0, 1, 20], np.float32), 0.0), texture, camera, light, 1.0
    )
    rows, columns = np.nonzero(drawing.layer.alpha >= 0.5)
    # Silhouette radius: focal * r / sqrt(d**2 - r**2) = 200 / sqrt(399) = 10.01 pixels.
    assert columns.max() - columns.min() + 1 == pytest.approx(20.02, abs=1.1)
    assert rows.max() - rows.min() + 1 == pytest.approx(20.02, abs=1.1)
    assert (columns.max() + columns.min()) / 2 + drawing.layer.left == pytest.approx(
        149.5, abs=0.6
    )
    assert (rows.max() + rows.min()) / 2 + drawing.layer.top == pytest.approx(199 * 0.47, abs=0.6)


def test_texture_lies_where_uv_says():
    camera = Camera(size=(101, 101), focal=100.0, x=0.0, height=1.0, z=0.0)
    points = np.array([[-2, 0, 10], [2, 0, 10], [-2, 2, 10], [2, 2, 10]], np.float32)
    uv = np.array([[0, 31], [31, 31], [0, 0], [31, 0]], np.float32)
    toward = np.tile(np.array([0, 0, -1], np.float32), (4, 1))
    wall = build(points, toward, uv, grid_faces(2, 2))
    picture = np.zeros((32, 32, 4), np.uint8)
    picture[:16, 16:, 2] = 255  # red at the top right
    picture[16:, :16, 0] = 255  # blue at the bottom left
    light = make_light(np.random.default_rng(0))
    layer = render_mesh(wall, make_texture(picture, 8.0), camera, light, 1.0).layer
    height, width = layer.alpha.shape
    top_right = layer.colour[height // 4, 3 * width // 4]
    bottom_left = layer.colour[3 * height // 4, width // 4]
    top_left = layer.colour[height // 4, width // 4]
    assert top_right[2] > 5 * max(top_right[0], top_left.max())
    assert bottom_left[0] > 5 * max(bottom_left[2], top_left.max())


def test_projection_of_a_point_by_hand():
    camera = Camera(size=(201, 401), focal=100.0, x=1.0, height=2.0, z=5.0)
    # 10 m ahead, 3 m to the right of and 1 m below the camera.
    x, y, depth = camera.project(np.array([[4.0, 1.0, 15.0]], np.float32))[0]
    assert (x, y, depth) == pytest.approx((200 + 30, 200 * 0.47 + 10, 10.0), abs=1e-3)
    bent = Camera(size=(201, 401), focal=100.0, x=1.0, height=2.0, z=5.0, bend=0.01)
    assert bent.project(np.array([[4.0, 1.0, 15.0]], np.float32))[0, 0] == pytest.approx(
        240, abs=1e-3
    )


def _extent(name, shape, outside=0.0):
    return Extent(name, np.ones(shape, bool), 10, 20, outside)


def test_measure_names_hidden_and_small_objects():
    shape = (20, 10)
    extents = [
        _extent('Car', shape),
        _extent('Car', shape),
        _extent('Van', shape),
        _extent('Pedestrian', shape),
        _extent('Cyclist', shape),
        _extent('Truck', (SMALLEST - 1, 10)),
        _extent('Truck', (SMALLEST, 10), 0.25),
    ]
    visible = [200, 0, 160, 80, int(200 * (1 - MOST_HIDDEN)) - 2, 110, 120]
    truth = measure(extents, visible)
    assert truth.names == ('Car', 'Van', 'Pedestrian', DONT_CARE, DONT_CARE, 'Truck')
    assert truth.occluded.tolist() == [0, 1, 2, 3, 0, 0]
    assert truth.boxes[0].tolist() == [10, 20, 19, 39]
    assert truth.truncated.tolist() == [0, 0, 0, 0, 0, 0.25]


def test_measure_of_nothing_is_empty():
    truth = measure([], [])
    assert truth.boxes.shape == (0, 4)
    assert len(truth) == 0


def test_what_is_passed_grows_and_leaves_the_image():
    scene = draw_scene(np.random.default_rng(2), 2.0, varied=False)
    standing = [a for a in scene.actors if a.shape and 10 < a.place[1] < 30]
    assert standing
    actor = standing[0]
    heights = []
    for way in (0.0, 3.0, 6.0):
        camera = Camera(size=SIZE, focal=232.0, x=scene.ego_x, height=1.65, z=way)
        mesh = place(actor.mesh_at(0.0, coarse=False), actor.place_at(0.0), actor.heading)
        drawing = render_mesh(mesh, actor.texture(), camera, scene.light, 1.0)
        heights.append(drawing.layer.alpha.shape[0])
    assert heights == sorted(heights)
    assert heights[0] < heights[-1]
    behind = Camera(size=SIZE, focal=232.0, x=scene.ego_x, height=1.65, z=actor.place[1] + 10)
    assert render_mesh(mesh, actor.texture(), behind, scene.light, 1.0) is None


def test_every_class_occurs():
    wanted = {'Car', 'Van', 'Truck', 'Pedestrian', 'Cyclist', DONT_CARE}
    names = set()
    for seed in range(20):
        names |= set(render_scene(SEED_OF_MANY + seed, (100, 330)).truth.names)
        if names >= wanted:
            return
    pytest.fail(f'only {sorted(names)} in 20 scenes')


@pytest.mark.parametrize(
    'values',
    [
        {'frames': 0},
        {'seed': -1},
        {'fps': 0.0},
        {'size': (10, 400)},
        {'size': (120, 100_000)},
        {'size': (120,)},
    ],
)
def test_values_out_of_bounds_are_refused(values):
    with pytest.raises(ValueError, match='expected'):
        DriveConfig(**{'seed': 1, 'frames': 1, **values})


def test_scene_size_is_checked():
    with pytest.raises(ValueError, match='size: expected'):
        render_scene(0, (0, 100))
