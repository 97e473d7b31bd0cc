import json

import pytest
from squeezedet_ros.cli.main import main
from squeezedet_ros.data.kitti_writer import write_kitti
from squeezedet_ros.data.synthetic.drive import render_scene


@pytest.fixture
def data(tmp_path):
    """Four images of 96 x 192; the labels of the last are damaged."""
    write_kitti(tmp_path, [render_scene(1, (96, 192))] * 4)
    labels = ['Car 0 0 0 0 0 19 9', 'Van 0 0 0 0 0 39 9\nDontCare 0 0 0 0 0 90 90', '', 'Car 0']
    for index, text in enumerate(labels):
        (tmp_path / f'training/label_2/00000{index}.txt').write_text(text)
    return tmp_path


def anchors(data, *more):
    size = ('--fit', 'stretch', '--input-size', '192', '192')
    return main(['anchors', '--data', str(data), *size, *map(str, more)])


def test_shapes_are_printed_and_written(data, tmp_path, capsys):
    out, plot = tmp_path / 'out' / 'anchors.json', tmp_path / 'out' / 'anchors.png'
    pytest.importorskip('matplotlib')
    assert anchors(data, '--k', 2, '--json', out, '--plot', plot) == 0
    captured = capsys.readouterr()
    # Stretched from 96 x 192 to 192 x 192, boxes are twice as high.
    assert 'anchor_shapes=((20.0, 20.0), (40.0, 20.0))' in captured.out
    assert '2 boxes in 3 images' in captured.out
    assert 'found   1.000' in captured.out
    assert '000003.txt:1: expected a type' in captured.err
    report = json.loads(out.read_text())
    assert report['anchor_shapes'] == [[20, 20], [40, 20]]
    assert (report['fit'], report['input_size'], report['left_out']) == ('stretch', [192, 192], 1)
    assert set(report['mean_best_overlap']) == {'found', 'street', 'kitti'}
    assert plot.read_bytes().startswith(b'\x89PNG')


def test_a_damaged_image_is_left_out_or_stops(data, capsys):
    image = data / 'training/image_2/000001.png'
    image.write_bytes(b'')
    assert anchors(data, '--k', 1) == 0
    captured = capsys.readouterr()
    assert '1 boxes in 2 images' in captured.out
    assert 'left out: ' in captured.err
    assert '000001.png' in captured.err
    (data / 'training/label_2/000003.txt').write_text('')
    assert anchors(data, '--k', 1, '--strict') == 2
    assert '000001.png' in capsys.readouterr().err


def test_shapes_of_chosen_classes(data, capsys):
    assert anchors(data, '--k', 1, '--classes', 'car', '--aliases', 'Tram=car') == 0
    assert 'anchor_shapes=((20.0, 20.0),)' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('more', 'reason'),
    [
        (('--k', 3), 'at least 3 distinct box shapes, got 2'),
        (('--k', 0), 'k must be in [1, 100], got 0'),
        (('--k', 101), 'k must be in [1, 100], got 101'),
        (('--seed', -1), 'seed must be in [0, 2.14748e+09], got -1'),
        (('--classes', 'boat'), 'no box of boat; labels present: Car, Van'),
        (('--strict',), '000003.txt:1'),
        (('--split', 'none'), "no split 'none'"),
    ],
)
def test_what_is_wrong_is_said(data, capsys, more, reason):
    assert anchors(data, *more) == 2
    assert reason in capsys.readouterr().err
