"""Which row goes with which column, so that all pairs together are worth the most."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


def assign(values: Floats) -> tuple[Indices, Indices]:
    """
    Pair rows with columns so that the sum over all pairs is the largest possible.

    ``scipy.optimize.linear_sum_assignment`` does the same; for the few boxes of an image that
    would be a large package to put on a car.

    :param values: (R, C), at least 0; a pair worth 0 is never made.
    :returns: rows and columns of the pairs, by ascending row.
    """
    rows, columns = np.flatnonzero(values.any(1)), np.flatnonzero(values.any(0))
    if not len(rows):
        return rows, columns
    useful = values[np.ix_(rows, columns)]
    if len(rows) <= len(columns):
        column_of = _cheapest(useful.max() - useful)
        row_of = np.arange(len(rows))
    else:
        row_of = _cheapest((useful.max() - useful).T)
        column_of = np.arange(len(columns))
    order = np.argsort(row_of)
    row_of, column_of = row_of[order], column_of[order]
    worth = useful[row_of, column_of] > 0
    return rows[row_of[worth]], columns[column_of[worth]]


def _cheapest(costs: Floats) -> Indices:
    """
    Return the column of each row in the cheapest complete assignment.

    Shortest augmenting paths with dual prices, row after row (R. Jonker and A. Volgenant,
    Computing 38, 1987, without their preparatory steps).

    :param costs: (R, C), at least 0, R at most C.
    """
    rows, columns = costs.shape
    # The last column stands for the row that is being placed.
    row_price, column_price = np.zeros(rows), np.zeros(columns + 1)
    owner = np.full(columns + 1, -1)
    for row in range(rows):
        owner[columns] = row
        column = columns
        came_from = np.full(columns, columns)
        distance = np.full(columns, np.inf)
        reached = np.zeros(columns + 1, bool)
        while owner[column] >= 0:
            reached[column] = True
            current = owner[column]
            beyond = costs[current] - row_price[current] - column_price[:columns]
            nearer = ~reached[:columns] & (beyond < distance)
            distance[nearer] = beyond[nearer]
            came_from[nearer] = column
            column = int(np.argmin(np.where(reached[:columns], np.inf, distance)))
            step = distance[column]
            row_price[owner[reached]] += step
            column_price[reached] -= step
            distance[~reached[:columns]] -= step
        while column != columns:
            owner[column] = owner[came_from[column]]
            column = came_from[column]
    placed = np.flatnonzero(owner[:columns] >= 0)
    result = np.empty(rows, np.int64)
    result[owner[placed]] = placed
    return result
