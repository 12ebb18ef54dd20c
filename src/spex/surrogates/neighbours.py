"""Indicators of new neighbours in a sequence whose units are left out.

Deleting words makes new neighbours, and a language model reacts to them. For positions i < j, the
indicator

    g_ij(m) = [m_i = m_j = 1, and m_l = 0 for all i < l < j],

says that j follows i. One end before the first feature and one after the last are always present.
The indicator depends only on a window of features, so its Walsh transform is exact and short. With
L features in the window (ends do not count), F(k) = 2^-L (-1)^|k n {i, j}| for every k inside it.
The indicator is 1 in a share 2^-L of the masks, so windows of more than a few features hardly
count.
"""

from dataclasses import dataclass

import numpy as np
import scipy.sparse

from spex._typing import BoolArray, Float32Array, IntArray

# Most features in a window.
_WINDOW = 7


def neighbour_indicators(masks: BoolArray) -> Float32Array:
    """(m, p) float32 of zeros and ones, for masks (m, n); columns in the order of `_windows`."""
    m, n = masks.shape
    present = np.ones((m, n + 2), dtype=np.bool_)
    present[:, 1:-1] = masks
    columns = []
    for distance, count in _windows(n):
        between = np.zeros((m, count), dtype=np.bool_)
        for step in range(1, distance):
            between |= present[:, step : step + count]
        columns.append(present[:, :count] & present[:, distance : distance + count] & ~between)
    return np.concatenate(columns, axis=1).astype(np.float32)


def _windows(n: int) -> list[tuple[int, int]]:
    """Distances j - i, and how many pairs of positions 0 .. n + 1 have each."""
    # A window without features, or over all features from end to end, carries no information.
    longest = min(_WINDOW - 1, n)
    return [(distance, n + 2 - distance) for distance in range(1, longest + 1)]


@dataclass(frozen=True, eq=False)
class NeighbourTransform:
    """The Walsh transform of every indicator, the constant left out.

    Args:
        n_features: n.
        sequence: (l,) the features that stand in a row.
        names: (f,) int64, increasing: the frequencies, as `name` gives them.
        coefficients: (f, p) sparse, of each indicator at each frequency.
    """

    n_features: int
    sequence: IntArray
    names: IntArray
    coefficients: scipy.sparse.csr_matrix

    def frequencies(self, rows: IntArray) -> BoolArray:
        """(len(rows), n) bool, the members of some of the frequencies."""
        length = len(self.sequence)
        positions = np.zeros((len(rows), length + _WINDOW), dtype=np.bool_)
        names = self.names[rows]
        for bit in range(_WINDOW):
            there = np.flatnonzero(names >> bit & 1)
            positions[there, (names[there] >> _WINDOW) + bit] = True
        members = np.zeros((len(rows), self.n_features), dtype=np.bool_)
        members[:, self.sequence] = positions[:, :length]
        return members

    def at(self, members: BoolArray) -> scipy.sparse.csr_matrix:
        """(k, p) sparse coefficients of each indicator at frequencies (k, n), zero if none."""
        positions = members[:, self.sequence]
        inside = positions.sum(axis=1) == members.sum(axis=1)
        wanted = np.where(inside, _names(positions), -1)
        rows = np.minimum(np.searchsorted(self.names, wanted), len(self.names) - 1)
        known = (self.names[rows] == wanted).astype(np.float64)
        return scipy.sparse.diags(known) @ self.coefficients[rows]


def neighbour_transform(
    n: int, max_degree: int, sequence: IntArray | None = None
) -> NeighbourTransform:
    """The transform of all indicators up to an order.

    Args:
        n: Number of features.
        max_degree: Highest order kept.
        sequence: (l,) the features that stand in a row, first to last; default: all, as numbered.
    """
    if sequence is None:
        sequence = np.arange(n)
    names, indicators, values = [], [], []
    column = 0
    for distance, count in _windows(len(sequence)):
        # Bit b of a subset is position i + b; the features are the positions 1 .. n.
        subsets = np.arange(1, 1 << (distance + 1), dtype=np.int64)
        subsets = subsets[np.bitwise_count(subsets) <= max_degree]
        first, last = subsets & 1 == 1, subsets >> distance & 1 == 1
        position = np.arange(count, dtype=np.int64)
        at_start, at_end = position == 0, position == count - 1
        with_an_end = (at_start[:, None] & first) | (at_end[:, None] & last)
        i, s = np.nonzero(~with_an_end)
        lowest = np.bitwise_count((subsets & -subsets) - 1).astype(np.int64)
        names.append((i + lowest[s] - 1) << _WINDOW | (subsets >> lowest)[s])
        indicators.append(column + i)
        length = distance + 1 - at_start.astype(np.int64) - at_end
        values.append(np.where(first ^ last, -1.0, 1.0)[s] * 0.5 ** length[i])
        column += count
    found, rows = np.unique(np.concatenate(names), return_inverse=True)
    coefficients = scipy.sparse.csr_matrix(
        (np.concatenate(values), (rows, np.concatenate(indicators))), shape=(len(found), column)
    )
    return NeighbourTransform(n, sequence, found, coefficients)


def _names(members: BoolArray) -> IntArray:
    """A number for each frequency inside a window; -1 for others.

    Its lowest feature, and which of the features from there on belong to it.
    """
    k, n = members.shape
    lowest = members.argmax(axis=1)
    highest = n - 1 - members[:, ::-1].argmax(axis=1)
    padded = np.zeros((k, n + _WINDOW), dtype=np.bool_)
    padded[:, :n] = members
    names = lowest << _WINDOW
    for bit in range(_WINDOW):
        names |= padded[np.arange(k), lowest + bit].astype(np.int64) << bit
    local = members.any(axis=1) & (highest - lowest < _WINDOW)
    return np.where(local, names, -1)
