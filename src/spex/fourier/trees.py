"""The exact Fourier transform of an ensemble of decision trees over binary features.

Let E_v be the mean of a tree over all masks that reach node v. Going to the left child, where the
node's feature e_v is absent, changes the mean by D_v = (E_left - E_right) / 2, going right by -D_v.
So

    f(m) = E_root + sum_v [m reaches v] D_v (-1)^{m_{e_v}},

For a node at depth d, [m reaches v] is the product of (1 +- (-1)^{m_e}) / 2 over its d ancestors,
with + if the path goes left. Multiplied out, the node adds +-D_v 2^-d to each of the 2^d
frequencies e_v + S. S is any set of features above it, and each right turn in S gives a minus.
"""

import math
from dataclasses import dataclass

import numba as nb
import numpy as np

from spex._typing import FloatArray, IntArray
from spex.errors import ArgumentError
from spex.f2.packing import n_words
from spex.fourier.spectrum import Spectrum

_MAX_SUBSETS = 1 << 22  # of the features above one node
_FIRST_SLOTS = 1 << 12


@dataclass(frozen=True, eq=False)
class Trees:
    """Decision trees whose values are added.

    A child is the number of an inner node, or ~leaf (below 0) for a leaf. Numbers run through all
    trees.

    Args:
        n_features: n, the number of features.
        roots: (t,) int64, the root of each tree, written as a child.
        feature: (nodes,) int64, the feature that each inner node splits on.
        left: (nodes,) int64, the child if it is absent.
        right: (nodes,) int64, the child if it is present.
        value: (leaves,) float64, in the unit of the value function.
    """

    n_features: int
    roots: IntArray
    feature: IntArray
    left: IntArray
    right: IntArray
    value: FloatArray


def tree_spectrum(trees: Trees, max_degree: int | None = None) -> Spectrum:
    """The Fourier transform of the sum of trees, up to an order.

    Where a path splits on a feature again, the branch that no mask takes is skipped.

    Args:
        trees: The ensemble.
        max_degree: Highest order of the coefficients returned; default all.

    Returns:
        The spectrum: the constant first, then the nonzero coefficients in no particular order.
        Without `max_degree` it equals the ensemble at every mask.

    Raises:
        ArgumentError: a feature or child does not exist, a node has two parents, or the trees are
            so deep that one node has more than 2^22 coefficients.
    """
    n, inner, leaves = trees.n_features, len(trees.feature), len(trees.value)
    children = np.concatenate([trees.roots, trees.left, trees.right])
    if not len(trees.left) == len(trees.right) == inner:
        raise ArgumentError(f"{inner} nodes need as many left and right children")
    if len(children) and not (-leaves <= children.min() and children.max() < inner):
        raise ArgumentError(f"a child is not among the {inner} nodes and {leaves} leaves")
    if inner and not 0 <= trees.feature.min() <= trees.feature.max() < n:
        raise ArgumentError(f"a node asks for a feature outside 0 .. {n - 1}")
    visits = _preorder(trees.roots, trees.feature, trees.left, trees.right)
    if not len(visits) and len(trees.roots):
        raise ArgumentError(
            "a node or leaf has two parents; each needs exactly one place in a tree"
        )
    depth = int((visits[visits[:, 0] >= 0, 1] + 1).max(initial=0))
    degree = depth if max_degree is None else min(max_degree, depth)
    # Sets of features above the lowest inner node.
    subsets = sum(math.comb(depth - 1, size) for size in range(degree))
    if subsets > _MAX_SUBSETS:
        raise ArgumentError(
            f"trees of depth {depth} have up to {subsets} coefficients a node; the limit is "
            f"{_MAX_SUBSETS}: give a smaller max_degree, or grow the trees less deep"
        )
    constant, halves = _half_differences(visits, trees.value, depth)
    table = _multiplied_out(visits, halves, trees.feature, n_words(n), depth, degree, subsets)
    values = table[:, -1].copy().view(np.float64)
    found = np.nonzero(values)[0]
    support = np.zeros((len(found) + 1, n_words(n)), dtype=np.uint64)
    support[1:] = table[found, :-1]
    return Spectrum(n, support, np.concatenate([[constant], values[found]]))


@nb.njit(cache=True, nogil=True)
def _preorder(roots, feature, left, right):  # type: ignore[no-untyped-def]
    """Go through all trees, the left side of a node before the right.

    Args:
        roots: (t,) int64.
        feature: (nodes,) int64.
        left: (nodes,) int64.
        right: (nodes,) int64.

    Returns:
        (visits, 3) int64: an inner node or ~leaf; its depth; 0 or 1 for a left or right child.
        Empty if a node or leaf is reached twice.
    """
    most = len(roots) + 2 * len(feature)  # links, each of which is followed once
    visits = np.empty((most, 3), dtype=np.int64)
    stack = np.empty((len(feature) + 2, 3), dtype=np.int64)
    asked = np.empty(len(feature) + 1, dtype=np.int64)  # features on the path, by depth
    answer = np.empty(len(feature) + 1, dtype=np.int64)
    count, followed = 0, 0
    for root in roots:
        stack[0, 0], stack[0, 1], stack[0, 2] = root, 0, 0
        size = 1
        while size > 0:
            size -= 1
            child, depth, side = stack[size, 0], stack[size, 1], stack[size, 2]
            if depth > 0:
                answer[depth - 1] = side
            followed += 1
            above = 0
            while child >= 0 and above < depth:
                if asked[above] == feature[child]:
                    child = right[child] if answer[above] else left[child]
                    followed += 1
                    above = 0
                else:
                    above += 1
                if followed > most:
                    return visits[:0]
            if followed > most:
                return visits[:0]
            visits[count, 0], visits[count, 1], visits[count, 2] = child, depth, side
            count += 1
            if child >= 0:
                asked[depth] = feature[child]
                stack[size, 0], stack[size, 1], stack[size, 2] = right[child], depth + 1, 1
                size += 1
                stack[size, 0], stack[size, 1], stack[size, 2] = left[child], depth + 1, 0
                size += 1
    return visits[:count]


@nb.njit(cache=True, nogil=True)
def _half_differences(visits, value, depth):  # type: ignore[no-untyped-def]
    """The sum of the trees' means, and D_v of each visit: (visits,) float64, 0 at leaves.

    Args:
        visits: (visits, 3) int64, of `_preorder`.
        value: (leaves,) float64.
        depth: The largest depth of a visit.
    """
    constant = 0.0
    halves = np.zeros(len(visits))
    mean = np.empty((depth + 1, 2))  # of the last left and right child met at each depth
    for i in range(len(visits) - 1, -1, -1):
        child, level, side = visits[i, 0], visits[i, 1], visits[i, 2]
        if child < 0:
            mean[level, side] = value[~child]
        else:
            halves[i] = 0.5 * (mean[level + 1, 0] - mean[level + 1, 1])
            mean[level, side] = 0.5 * (mean[level + 1, 0] + mean[level + 1, 1])
        if level == 0:
            constant += mean[0, 0]
    return constant, halves


@nb.njit(cache=True, nogil=True)
def _multiplied_out(  # type: ignore[no-untyped-def]
    visits, halves, feature, n_words, depth, degree, n_subsets
):
    """All coefficients but the constant, in a hash table with open addressing.

    Args:
        visits: (visits, 3) int64, of `_preorder`.
        halves: (visits,) float64, D_v.
        feature: (nodes,) int64.
        n_words: Number of words of a frequency.
        depth: The largest depth of a visit.
        degree: Highest order.
        n_subsets: Number of sets of features above the lowest inner node.

    Returns:
        (slots, n_words + 1) uint64: in each row a frequency and the bits of its float64
        coefficient; an empty row has a frequency of zeros.
    """
    table = np.zeros((_FIRST_SLOTS, n_words + 1), dtype=np.uint64)
    numbers = table.view(np.float64)
    used = 0
    # Sets of features on the path, those without the lowest feature first. The sets of features
    # above depth d end at `end[d]`, so going up again only drops the rest.
    subset = np.zeros((n_subsets, n_words), dtype=np.uint64)
    order = np.zeros(n_subsets, dtype=np.int64)
    amplitude = np.ones(n_subsets)
    end = np.ones(depth + 1, dtype=np.int64)
    asked = np.empty(depth + 1, dtype=np.int64)
    for i in range(len(visits)):
        node, level, side = visits[i, 0], visits[i, 1], visits[i, 2]
        if node < 0 or degree == 0:
            continue
        asked[level] = feature[node]
        size = 1
        if level > 0:
            old = end[level - 1]
            size = old
            word, bit = _bit(asked[level - 1])
            for j in range(old):
                if order[j] < degree - 1:
                    for w in range(n_words):
                        subset[size, w] = subset[j, w]
                    subset[size, word] ^= bit
                    order[size] = order[j] + 1
                    amplitude[size] = -amplitude[j] if side else amplitude[j]
                    size += 1
        end[level] = size
        scale = halves[i] * 0.5**level
        if scale == 0.0:
            continue
        while 2 * (used + size) > len(table):
            table = _twice_as_large(table)
            numbers = table.view(np.float64)
        word, bit = _bit(asked[level])
        for j in range(size):
            subset[j, word] ^= bit
            slot, empty = _slot(table, subset[j])
            if empty:
                table[slot, :n_words] = subset[j]
                used += 1
            numbers[slot, n_words] += scale * amplitude[j]
            subset[j, word] ^= bit
    return table


@nb.njit(cache=True, nogil=True)
def _twice_as_large(table):  # type: ignore[no-untyped-def]
    """The same table with twice as many slots; (slots, n_words + 1) uint64."""
    larger = np.zeros((2 * len(table), table.shape[1]), dtype=np.uint64)
    for row in table:
        slot, _ = _slot(larger, row[:-1])
        larger[slot] = row
    return larger


@nb.njit(cache=True, nogil=True)
def _slot(table, frequency):  # type: ignore[no-untyped-def]
    """The row of a frequency, (n_words,) uint64, in a table, and whether that row is empty."""
    last = len(table) - 1
    mixed = np.uint64(0)
    for word in frequency:
        mixed = (mixed ^ word) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(32)
    slot = np.int64(mixed & np.uint64(last))
    while True:
        filled, same = np.uint64(0), True
        for w in range(len(frequency)):
            filled |= table[slot, w]
            same &= table[slot, w] == frequency[w]
        if same or filled == 0:
            return slot, filled == 0
        slot = (slot + 1) & last


@nb.njit(cache=True, nogil=True)
def _bit(feature):  # type: ignore[no-untyped-def]
    """The number of the word of a feature, and its bit, uint64."""
    return feature >> 6, np.uint64(1) << np.uint64(feature & 63)
