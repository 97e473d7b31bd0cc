import numpy as np
import pytest
from squeezedet_ros.detections import Detections


def columns(count, ids=None):
    return np.zeros((count, 4), np.float32), np.zeros(count, np.float32), np.arange(count), ids


def test_rows_are_selected_with_their_ids():
    found = Detections(*columns(3, np.array([5, 0, 9])))
    assert found.select(np.array([2, 0])).ids.tolist() == [9, 5]
    assert found.select(np.array([False, True, True])).labels.tolist() == [1, 2]
    assert Detections(*columns(3)).select(np.array([1])).ids is None


def test_columns_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r'ids \(N,\) or None, got .*\(2,\)$'):
        Detections(*columns(3, np.array([5, 0])))
    with pytest.raises(ValueError, match=r'expected boxes \(N, 4\)'):
        Detections(*columns(3)[:2], np.zeros(2, int))
