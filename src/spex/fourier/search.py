"""Searches for frequencies: all of a low order, and neighbours of those found.

Each search proposes frequencies as rows of features, filled with -1, which `evidence` then judges.
May return false candidates, which are rejected later; should miss none. Neighbours are frequencies
whose sets of features differ by one feature.

The kernels share these arguments of `Geometry` and `Residual`: signs (n, width) float32, numbers
(C, n) int64, start (C,) int64, rows (bins, width) float32, scale (bins,) float32 and potential
(bins,) float64. Here bins = sum of 2^b_c, and width is P + 1, padded with zeros. They write the
frequencies found into found (capacity, columns) int64 and their shares of the energy into shares
(capacity,) float64. They return how many were found.
"""

from collections.abc import Iterator
from typing import TypeVar

import numba as nb
import numpy as np

from spex._typing import BoolArray, FloatArray, IntArray
from spex.fourier.evidence import Residual, log_count, orders_of

_Number = TypeVar("_Number", float, FloatArray)

# All frequencies of an order above two are tried if there are at most this many: half a second.
MAX_ENUMERATED = 5_000_000
# Up to this many features every pair is tried; beyond, half as many pairs for each feature.
ALL_PAIRS = 4000
# Most proposals of one search, more than are ever right.
_CAPACITY = 20_000
# Potentials as whole numbers: steps for each nat, and low bits that count the changed bins.
_STEPS = 256
_COUNT_BITS = 8
_COUNT = (1 << _COUNT_BITS) - 1
_TAILS = 1024  # in one block of lookups
_BLOCK_CELLS = 1 << 22  # numbers in a block of neighbours: 32 MB


def enumerable_order(n: int, max_degree: int) -> int:
    """The highest order of which every frequency is tried."""
    order = min(2, max_degree, n)
    while order < min(max_degree, n) and np.exp(log_count(n, np.array([order + 1])))[0] <= (
        MAX_ENUMERATED
    ):
        order += 1
    return order


def enumerate_order(
    residual: Residual, order: int, least: float, changed: BoolArray | None = None
) -> IntArray:
    """All frequencies of an order whose evidence may exceed a threshold.

    Of more than `ALL_PAIRS` features not all pairs are tried; see `_hottest_pairs`.

    Args:
        residual: The bins.
        order: d, at least 1.
        least: The threshold, a log-likelihood ratio.
        changed: (bins,) bool; a frequency must fall into one of these bins. Default: all bins.

    Returns:
        (k, d) int64 features.
    """
    geometry = residual.geometry
    n = geometry.n_features
    if order == 2 and n > ALL_PAIRS:
        return _hottest_pairs(residual, least)
    found, shares = np.empty((_CAPACITY, order), dtype=np.int64), np.empty(_CAPACITY)
    tails, signs, numbers = np.arange(n)[:, None], geometry.filled_signs, geometry.numbers
    if order > 3:  # pairs of features as tails make the innermost loop long
        tails = np.stack(np.triu_indices(n, 1), axis=1)
        signs = np.prod(signs[tails], axis=1)
        numbers = np.bitwise_xor.reduce(numbers[:, tails], axis=2)
    first = np.searchsorted(tails[:, 0], np.arange(n + 1))
    # Whole numbers, so that one sum over the groups tells both how many bins have changed (low
    # bits) and the evidence that they can give (high bits, rounded up, cut at the threshold).
    potential = np.ceil(np.minimum(residual.potential, least) * _STEPS)
    promise = potential.astype(np.int32) << _COUNT_BITS
    promise += 1 if changed is None else changed
    count = _enumerate(
        geometry.filled_signs, geometry.numbers, geometry.start, residual.filled_rows,
        residual.scale, tails, signs, numbers.astype(np.int32), first, promise,
        int(least * _STEPS), _least_share(residual, least), found, shares,
    )  # fmt: skip
    return found[:count].copy()


def _least_share(residual: Residual, least: _Number) -> _Number:
    """The share of the bins' energy that a frequency must explain; float or (k,) float64.

    With shares rho_c the evidence is at most -weight ln(1 - sum rho_c), whatever the amplitude.
    """
    needed: _Number = 1.0 - np.exp(-least / residual.weight)
    return needed


def _hottest_pairs(residual: Residual, least: float) -> IntArray:
    """(k, 2) int64: pairs in the bins of highest potential whose evidence may exceed a threshold.

    All n^2 / 2 pairs are too many. A pair is tried if one of its bins is among those of highest
    potential. The number of these bins is such that the number of pairs grows with n. A pair adds
    to the energy of each of its bins. It is missed only if that hardly shows in any of them, and
    then its evidence is little above the threshold.
    """
    geometry = residual.geometry
    n = geometry.n_features
    # A bin of group c holds about n^2 / 2 / 2^b_c pairs.
    per_bin = np.repeat(n**2 / 2 / geometry.n_bins, geometry.n_bins)
    hottest = np.argsort(-residual.potential, kind="stable")
    n_tried = int(np.searchsorted(np.cumsum(per_bin[hottest]), n * ALL_PAIRS / 2))
    tried = np.zeros(len(per_bin), dtype=np.bool_)
    tried[hottest[: max(n_tried, 1)]] = True

    found, shares = np.empty((_CAPACITY, 2), dtype=np.int64), np.empty(_CAPACITY)
    needed = _least_share(residual, least)
    count = 0
    for group, start in enumerate(geometry.start):
        n_bins = geometry.n_bins[group]
        # The features of each bin number: those of bin j are by_number[first[j] : first[j + 1]].
        by_number = np.argsort(geometry.numbers[group], kind="stable")
        first = np.searchsorted(geometry.numbers[group][by_number], np.arange(n_bins + 1))
        count, needed = _enumerate_pairs(
            geometry.filled_signs, geometry.numbers, geometry.start, residual.filled_rows,
            residual.scale, residual.potential, tried, group,
            np.nonzero(tried[start : start + n_bins])[0], by_number, first, least, needed, found,
            shares, count,
        )  # fmt: skip
    return found[:count].copy()


@nb.njit(cache=True, fastmath={"reassoc", "contract", "nsz"})
def _enumerate(  # type: ignore[no-untyped-def]
    signs, numbers, start, rows, scale, tails, tail_signs, tail_numbers, first, promise, least,
    needed, found, shares,
):  # fmt: skip
    """Go through all frequencies: a prefix of features, then a tail of larger ones.

    The share of energy is written out here and in the other searches: a function of its own took a
    third longer.

    Args (see also the head of this module):
        tails: (T, 1 or 2) int64 features, sorted.
        tail_signs: (T, width) float32.
        tail_numbers: (C, T) int32.
        first: (n + 1,) int64; tails of features from a on begin at first[a].
        promise: (bins,) int32, potential and whether a bin has changed.
        least: int, the potential that is needed.
        needed: float, the share of energy that is needed.
    """
    n, n_offsets = signs.shape
    n_groups, n_last = len(start), tails.shape[1]
    capacity, order = found.shape
    n_before = order - n_last
    # Signs and bin numbers of the first d features of the prefix.
    prefix = np.ones((n_before + 1, n_offsets), np.float32)
    prefix_number = np.zeros((n_before + 1, n_groups), np.int64)
    chosen = np.arange(n_before)
    promised = np.empty(_TAILS, np.int32)
    count = 0
    depth = 0  # the prefix is up to date before this position
    while True:
        for d in range(depth, n_before):
            for i in range(n_offsets):
                prefix[d + 1, i] = prefix[d, i] * signs[chosen[d], i]
            for c in range(n_groups):
                prefix_number[d + 1, c] = prefix_number[d, c] ^ numbers[c, chosen[d]]
        last = prefix[n_before]
        begin = first[chosen[n_before - 1] + 1] if n_before else 0
        for block in range(begin, len(tails), _TAILS):
            size = min(_TAILS, len(tails) - block)
            promised[:size] = 0
            for c in range(n_groups):
                from_row, number = start[c], prefix_number[n_before, c]
                for t in range(size):
                    promised[t] += promise[from_row + (number ^ tail_numbers[c, block + t])]
            for t in range(size):
                if promised[t] & _COUNT == 0 or promised[t] >> _COUNT_BITS < least:
                    continue
                tail = block + t
                share = np.float32(0)
                for c in range(n_groups):
                    row = start[c] + (prefix_number[n_before, c] ^ tail_numbers[c, tail])
                    total = np.float32(0)
                    for i in range(n_offsets):
                        total += last[i] * tail_signs[tail, i] * rows[row, i]
                    share += total * total * scale[row]
                if share < needed:
                    continue
                if count == capacity:
                    count, needed = _better_half(found, shares)
                    if share <= needed or count == capacity:
                        continue
                for d in range(n_before):
                    found[count, d] = chosen[d]
                for d in range(n_last):
                    found[count, n_before + d] = tails[tail, d]
                shares[count] = share
                count += 1
        depth = _next_prefix(chosen, n - order)
        if depth < 0:
            return count


@nb.njit(cache=True)
def _next_prefix(chosen, most):  # type: ignore[no-untyped-def]
    """Advance a prefix, (d,) int64 features, to the next one that leaves features for a tail.

    Position i holds `most` + i at most.

    Returns:
        The first position that has changed, or -1 after the last prefix.
    """
    depth = len(chosen) - 1
    while depth >= 0 and chosen[depth] == most + depth:
        depth -= 1
    if depth >= 0:
        chosen[depth] += 1
        for d in range(depth + 1, len(chosen)):
            chosen[d] = chosen[d - 1] + 1
    return depth


@nb.njit(cache=True)
def _better_half(found, shares):  # type: ignore[no-untyped-def]
    """Keep the rows of found (capacity, columns) whose shares (capacity,) are above the median.

    Returns:
        How many are kept, and the median: the share that is needed from now on.
    """
    # numba's own median, and slices, take seconds to compile.
    ascending = np.sort(shares)
    half = len(shares) // 2
    needed = (ascending[half - 1] + ascending[half]) / 2
    kept = 0
    for k in range(len(shares)):
        if shares[k] > needed:
            for d in range(found.shape[1]):
                found[kept, d] = found[k, d]
            shares[kept] = shares[k]
            kept += 1
    return kept, needed


@nb.njit(cache=True, fastmath={"reassoc", "contract", "nsz"})
def _enumerate_pairs(  # type: ignore[no-untyped-def]
    signs, numbers, start, rows, scale, potential, tried, group, bins, by_number, first, least,
    needed, found, shares, count,
):  # fmt: skip
    """Go through the pairs in some bins of a group, without those tried in earlier groups.

    Args (see also the head of this module):
        tried: (bins,) bool, the bins whose pairs are tried.
        group: c.
        bins: (j,) int64, the numbers of such bins in the group.
        by_number: (n,) int64, features sorted by their bin number in the group.
        first: (2^b_c + 1,) int64; features of number j begin at first[j] of `by_number`.
        least: float, the potential that is needed.
        needed: float, the share of energy that is needed.
        count: Number of pairs found in earlier groups.

    Returns:
        How many were found so far, and the share of energy that is needed from now on.
    """
    n_offsets = signs.shape[1]
    n_groups, capacity = len(start), len(found)
    row = np.zeros(n_groups, np.int64)
    for number in bins:
        for low in range(len(first) - 1):
            high = low ^ number  # two features with these numbers fall into the bin
            if high < low:
                continue
            for i in range(first[low], first[low + 1]):
                a = by_number[i]
                for j in range(max(first[high], i + 1), first[high + 1]):
                    b = by_number[j]
                    possible, before = 0.0, False
                    for c in range(n_groups):
                        row[c] = start[c] + (numbers[c, a] ^ numbers[c, b])
                        possible += potential[row[c]]
                        before |= c < group and tried[row[c]]
                    if before or possible < least:
                        continue
                    share = np.float32(0)
                    for c in range(n_groups):
                        total = np.float32(0)
                        for k in range(n_offsets):
                            total += signs[a, k] * signs[b, k] * rows[row[c], k]
                        share += total * total * scale[row[c]]
                    if share < needed:
                        continue
                    if count == capacity:
                        count, needed = _better_half(found, shares)
                        if share <= needed or count == capacity:
                            continue
                    found[count, 0], found[count, 1] = min(a, b), max(a, b)
                    shares[count] = share
                    count += 1
    return count, needed


@nb.njit(cache=True, fastmath={"reassoc", "contract", "nsz"})
def _extend(  # type: ignore[no-untyped-def]
    signs, numbers, start, rows, scale, potential, members, member_signs, member_numbers, least,
    needed, found, shares,
):  # fmt: skip
    """Go through all frequencies with one feature more than given ones.

    Args (see also the head of this module):
        members: (k, d) int64 features, filled with -1.
        member_signs: (k, width) float32.
        member_numbers: (k, C) int64 bin numbers.
        least: (k,) float64, the potential that is needed.
        needed: (k,) float64, the share of energy that is needed.

    `found` gets the number of a row of `members` and the feature that is added.
    """
    n, n_offsets = signs.shape
    n_groups, capacity = len(start), len(found)
    row = np.zeros(n_groups, np.int64)
    count, raised = 0, 0.0
    for member in range(len(members)):
        for feature in range(n):
            possible = 0.0
            for c in range(n_groups):
                row[c] = start[c] + (member_numbers[member, c] ^ numbers[c, feature])
                possible += potential[row[c]]
            if possible < least[member]:
                continue
            share = np.float32(0)
            for c in range(n_groups):
                total = np.float32(0)
                for i in range(n_offsets):
                    total += member_signs[member, i] * signs[feature, i] * rows[row[c], i]
                share += total * total * scale[row[c]]
            known = False
            for d in range(members.shape[1]):
                known |= members[member, d] == feature
            if known or share < max(needed[member], raised):
                continue
            if count == capacity:
                count, raised = _better_half(found, shares)
                if share <= raised or count == capacity:
                    continue
            found[count, 0], found[count, 1] = member, feature
            shares[count] = share
            count += 1
    return count


def neighbours(members: IntArray, n: int, max_degree: int) -> Iterator[IntArray]:
    """Frequencies with one feature more or less than given ones.

    Args:
        members: (k, d) int64 features, filled with -1.
        n: Number of features.
        max_degree: Highest order returned.

    Yields:
        (j, max_degree) int64 features, sorted and filled with -1, in blocks of bounded size. A
        neighbour of several is repeated. `count_neighbours` returns the number of all rows.
    """
    orders = orders_of(members)
    features = np.arange(n)
    # One feature more.
    step = max(1, _BLOCK_CELLS // (n * (max_degree + 1)))
    narrow = members[orders < max_degree]
    for begin in range(0, len(narrow), step):
        short = narrow[begin : begin + step]
        longer = np.full((len(short), n, max_degree + 1), -1, dtype=np.int64)
        longer[:, :, 1 : 1 + short.shape[1]] = short[:, None]
        longer[:, :, 0] = features
        is_new = (short[:, :, None] != features).all(axis=1)
        yield _sorted(longer[is_new])[:, :max_degree]
    yield shortened(members, max_degree)


def shortened(members: IntArray, max_degree: int) -> IntArray:
    """Frequencies with one feature less than given ones, without the empty one.

    Args:
        members: (k, d) int64 features, filled with -1.
        max_degree: Highest order returned.

    Returns:
        (j, max_degree) int64 features, sorted and filled with -1.
    """
    wide = members[orders_of(members) > 1]
    shorter = np.repeat(wide[:, None], wide.shape[1], axis=1)
    each = np.arange(wide.shape[1])
    shorter[:, each, each] = -1
    shorter = shorter[wide >= 0]
    found = np.full((len(shorter), max_degree + 1), -1, dtype=np.int64)
    found[:, : shorter.shape[1]] = shorter
    return _sorted(found)[:, :max_degree]


def extended(residual: Residual, members: IntArray, least: FloatArray) -> IntArray:
    """Frequencies with one feature more than given ones whose evidence may exceed a threshold.

    Args:
        residual: The bins.
        members: (k, d) int64 features, filled with -1.
        least: (k,) float64, the thresholds, log-likelihood ratios.

    Returns:
        (j, d + 1) int64 features, sorted and filled with -1.
    """
    geometry = residual.geometry
    found, shares = np.empty((_CAPACITY, 2), dtype=np.int64), np.empty(_CAPACITY)
    signs = geometry.filled_signs
    member_signs = np.zeros((len(members), signs.shape[1]), dtype=np.float32)
    member_signs[:, : geometry.n_offsets] = geometry.signs_of(members)
    count = _extend(
        signs, geometry.numbers, geometry.start, residual.filled_rows, residual.scale,
        residual.potential, members, member_signs, geometry.rows_of(members) - geometry.start,
        least, _least_share(residual, least), found, shares,
    )  # fmt: skip
    of, feature = found[:count].T
    return _sorted(np.concatenate([members[of], feature[:, None]], axis=1))


def count_neighbours(members: IntArray, n: int, max_degree: int) -> int:
    """The number of rows that `neighbours` yields."""
    orders = orders_of(members)
    return int((n - orders[orders < max_degree]).sum() + orders[orders > 1].sum())


def normalised(members: IntArray) -> IntArray:
    """(j, d) int64: each row sorted, -1 last; rows without repetition."""
    rows = _sorted(members)
    if not len(rows):
        return rows
    order = np.lexsort(rows.T)
    rows = rows[order]
    first = np.ones(len(rows), dtype=np.bool_)
    first[1:] = (rows[1:] != rows[:-1]).any(axis=1)
    return rows[first]


def _sorted(members: IntArray) -> IntArray:
    # As unsigned numbers the -1 are the largest.
    return np.sort(members.view(np.uint64), axis=1).view(np.int64)
