import pytest
from squeezedet_ros.errors import ConfigError
from squeezedet_ros.named_values import check_known, read_names, read_polygons, read_thresholds


def test_empty_entries_are_passed_over():
    assert read_names(['', ' car ', ' ']) == ('car',)
    assert read_thresholds('t', ['']) == {}
    assert read_polygons('p', ['', ' ']) == {}


def test_thresholds_are_by_class():
    assert read_thresholds('t', ['car=0.5', ' traffic light = 1']) == {
        'car': 0.5,
        'traffic light': 1.0,
    }


@pytest.mark.parametrize(
    'entry', ['car', '=0.5', 'car=', 'car=high', 'car=1.1', 'car=-0.1', 'car=nan', 'car=0 1']
)
def test_what_is_no_threshold_is_told(entry):
    with pytest.raises(ConfigError) as caught:
        read_thresholds('class_thresh', ['bus=0.5', entry])
    assert str(caught.value) == (
        f'class_thresh must be CLASS=THRESH with a number in [0, 1], got {entry!r}'
    )


def test_a_class_has_one_threshold():
    with pytest.raises(ConfigError, match="t must name a class once, got 'car' twice"):
        read_thresholds('t', ['car=0.5', 'car=0.5'])


def test_a_camera_may_have_several_polygons():
    entries = [
        'front=0 0 1 0 1 1',
        'rig/rear= 0.1 0.2  0.3 0.2 0.3 0.4 0.1 0.4',
        'front=0 0 0 1 1 1',
    ]
    assert read_polygons('p', entries) == {
        'front': (((0, 0), (1, 0), (1, 1)), ((0, 0), (0, 1), (1, 1))),
        'rig/rear': (((0.1, 0.2), (0.3, 0.2), (0.3, 0.4), (0.1, 0.4)),),
    }


@pytest.mark.parametrize(
    ('entry', 'what'),
    [
        ('0 0 1 0 1 1', '..., got '),
        ('=0 0 1 0 1 1', '..., got '),
        ('front=0 0 1 0 1 1.01', 'with all numbers in [0, 1], got '),
        ('front=0 0 1 0 1 nan', 'with all numbers in [0, 1], got '),
        ('front=0,0 1,0 1,1', 'with all numbers in [0, 1], got '),
        ('front=', '..., got '),
        ('front= ', 'got 0 numbers in '),
        ('front=0 0 1 0', 'got 4 numbers in '),
        ('front=0 0 1 0 1 1 0', 'got 7 numbers in '),
        ('front=0 0 0.5 0.5 1 1', 'with corners not on one line, got '),
        ('front=0 0 0 0 0 0', 'with corners not on one line, got '),
    ],
)
def test_what_is_no_polygon_is_told(entry, what):
    with pytest.raises(ConfigError) as caught:
        read_polygons('zones', [entry])
    assert str(caught.value).startswith('zones must be CAMERA=X0 Y0 X1 Y1 X2 Y2 ...')
    assert str(caught.value).endswith(f'{what}{entry!r}')


def test_names_have_to_be_known():
    check_known('cameras', ['a', 'b'], ('b', 'a'), 'letters')
    with pytest.raises(ConfigError) as caught:
        check_known('cameras', ['a', 'c'], ('a', 'b'), 'letters')
    assert str(caught.value) == "cameras must name letters (a, b), got 'c'"
