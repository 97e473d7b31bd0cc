from itertools import permutations

import numpy as np
import pytest
from squeezedet_ros.assignment import assign


def pairs(values):
    rows, columns = assign(np.array(values, float))
    return list(zip(rows.tolist(), columns.tolist(), strict=True))


def test_the_sum_counts_and_not_the_best_pair():
    # Taking 0.9 first would leave 0.1: 1.0 together, and the other way is worth 1.6.
    assert pairs([[0.9, 0.8], [0.8, 0.1]]) == [(0, 1), (1, 0)]


def test_a_pair_worth_nothing_is_not_made():
    assert pairs([[0.5, 0.0], [0.4, 0.0]]) == [(0, 0)]
    assert pairs([[0.0, 0.0]]) == []
    assert pairs(np.zeros((0, 3))) == []
    assert pairs(np.zeros((3, 0))) == []


def test_more_rows_than_columns_and_the_other_way():
    assert pairs([[0.2], [0.7], [0.5]]) == [(1, 0)]
    assert pairs([[0.2, 0.7, 0.5]]) == [(0, 1)]
    assert pairs([[0.0, 0.6], [0.0, 0.0], [0.3, 0.5]]) == [(0, 1), (2, 0)]


@pytest.mark.parametrize('shape', [(1, 1), (2, 5), (5, 2), (4, 4), (6, 5), (3, 6)])
def test_it_is_as_good_as_the_best_of_all_ways(shape):
    rng = np.random.default_rng(7)
    for _ in range(40):
        values = rng.random(shape) * (rng.random(shape) < 0.6)
        wide = values if shape[0] <= shape[1] else values.T
        best = max(
            sum(wide[row, column] for row, column in enumerate(order))
            for order in permutations(range(wide.shape[1]), wide.shape[0])
        )
        rows, columns = assign(values)
        assert len(set(rows.tolist())) == len(rows)
        assert len(set(columns.tolist())) == len(columns)
        assert (values[rows, columns] > 0).all()
        assert values[rows, columns].sum() == pytest.approx(best)
