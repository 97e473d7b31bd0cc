from __future__ import annotations

from kitti_scenes import CLASSES, found, random_set
import numpy as np
import pytest
from squeezedet_ros.data.kitti import KittiFrame, read_labels
from squeezedet_ros.data.kitti_results import (
    format_results,
    load_results,
    read_results,
    save_results,
)
from squeezedet_ros.errors import ConfigError, DatasetError

LINE = 'Car -1 -1 -10 1.00 2.25 30.50 40.00 -1 -1 -1 -1000 -1000 -1000 -10 0.5\n'


@pytest.fixture
def frames(tmp_path):
    """Five frames; result files need neither their images nor their labels."""
    names = [f'{index}' for index in range(5)]
    return [KittiFrame(name, tmp_path / f'{name}.png', tmp_path / name) for name in names]


def test_result_line_is_as_kitti_has_it():
    line = format_results(found((1, 0.5, 1, 2.25, 30.5, 40)), CLASSES)
    assert line == (
        'Pedestrian -1 -1 -10 1.00 2.25 30.50 40.00 -1 -1 -1 -1000 -1000 -1000 -10 0.5\n'
    )
    sitting = format_results(found((0, 1, 1, 2, 3, 4)), ('person_sitting',))
    assert sitting.startswith('Person_sitting ')


def test_scores_survive_the_result_file():
    score = np.float32(0.1) + np.float32(1e-8)
    line = format_results(found((0, score, 0, 0, 1, 1)), CLASSES)
    assert np.float32(line.split()[-1]) == score


def test_every_frame_gets_a_result_file(tmp_path, frames):
    seen = [found((0, 0.5, 1, 2, 30, 40), (2, 0.75, 5, 6, 7, 8)), *[found()] * 4]
    save_results(tmp_path / 'new' / 'folder', frames, seen, CLASSES)
    files = sorted((tmp_path / 'new' / 'folder').iterdir())
    assert [file.name for file in files] == ['0.txt', '1.txt', '2.txt', '3.txt', '4.txt']
    back = read_labels(files[0])
    assert back.names == ('Cyclist', 'Car')
    assert back.boxes.tolist() == [[5, 6, 7, 8], [1, 2, 30, 40]]
    assert files[1].read_text() == ''


def test_what_no_result_file_can_hold_is_refused(tmp_path, frames):
    with pytest.raises(ConfigError, match="no name with a space for a class, got 'traffic light'"):
        save_results(tmp_path / 'out', frames, [found()] * 5, ('car', 'traffic light'))
    with pytest.raises(DatasetError, match=r'2 frames would have the result file 0\.txt'):
        save_results(tmp_path / 'out', [frames[0]] * 2, [found()] * 2, CLASSES)
    assert not (tmp_path / 'out').exists()


def test_results_round_trip(tmp_path):
    """Boxes of whole pixels and scores of any float32 come back as they were."""
    _, seen = random_set(seed=9, images=30, score_steps=997, dont_care=0)
    frames = [KittiFrame(f'{i:06d}', tmp_path / 'none', tmp_path / 'none') for i in range(30)]
    save_results(tmp_path, frames, seen, CLASSES)
    back = load_results(tmp_path, frames, CLASSES)
    assert any(len(item) == 0 for item in seen)
    for got, expected in zip(back, seen, strict=True):
        for column in ('boxes', 'scores', 'labels'):
            np.testing.assert_array_equal(getattr(got, column), getattr(expected, column))
            assert getattr(got, column).dtype == getattr(expected, column).dtype


def test_files_of_others_keep_their_order_scores_and_types(tmp_path):
    path = tmp_path / 'other.txt'
    path.write_text(
        'CYCLIST 0.00 0 1.57 1 2 3 4 1.5 1.6 3.9 2.1 1.7 30 1.5 -3.5\n'
        '\n'
        'Van -1 -1 -10 5 6 7 8 -1 -1 -1 -1000 -1000 -1000 -10 12\n'
    )
    got = read_results(path, CLASSES)
    assert got.labels.tolist() == [2, len(CLASSES)]
    assert got.scores.tolist() == [-3.5, 12]
    assert got.boxes.tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]]


def test_an_empty_file_holds_no_detection(tmp_path):
    (tmp_path / 'empty.txt').write_text('')
    got = read_results(tmp_path / 'empty.txt', CLASSES)
    assert (got.boxes.shape, got.scores.shape, got.labels.shape) == ((0, 4), (0,), (0,))


@pytest.mark.parametrize(
    ('line', 'reason'),
    [
        ('Car 0 0 -10 1 2 3 4', 'it has 7 numbers'),
        (LINE.strip() + ' 7', 'it has 16 numbers'),
        (LINE.replace('30.50', 'wide'), 'could not convert'),
        (LINE.replace('30.50', 'nan'), 'not finite'),
        (LINE.replace('0.5\n', 'inf\n'), 'not finite'),
    ],
)
def test_a_malformed_line_is_named(tmp_path, line, reason):
    path = tmp_path / 'bad.txt'
    path.write_text(LINE + line)
    expected = rf'bad\.txt:2: expected a type and 15 numbers, the score last, got .*{reason}'
    with pytest.raises(DatasetError, match=expected):
        read_results(path, CLASSES)


def test_a_frame_without_a_file_is_named(tmp_path, frames):
    save_results(tmp_path / 'results', frames[:3], [found()] * 3, CLASSES)
    with pytest.raises(DatasetError, match=r'no result file .*3\.txt: .* 5 frames, 2 are missing'):
        load_results(tmp_path / 'results', frames, CLASSES)


def test_a_file_that_is_no_text_is_named(tmp_path):
    (tmp_path / 'bad.txt').write_bytes(bytes(range(128, 256)))
    with pytest.raises(DatasetError, match=r'bad\.txt:1: expected a type'):
        read_results(tmp_path / 'bad.txt', CLASSES)
