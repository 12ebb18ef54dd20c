"""From a spectrum to the values of an index: equation (2) of `spex.interactions.index`.

The sparse expansion lists the terms of (2) and adds those of equal subsets. Where nearly all of 2^n
frequencies are in the support, the dense one is faster: sums over supersets in arrays of length
2^n.
"""

import math
from collections.abc import Iterator
from itertools import chain, combinations
from typing import TypeAlias

import numpy as np

from spex._typing import FloatArray, IntArray, Interaction
from spex.errors import ArgumentError
from spex.f2.packing import set_bits
from spex.fourier.spectrum import Spectrum
from spex.interactions.index import InteractionIndex, exact_weight, highest_of_baseline

# Most terms W F(k) of one conversion: 20 s and 2 GB if hardly any subsets are equal.
_MAX_TERMS = 1 << 22
# Most features of the dense expansion: arrays of 2^n are 8 MB each.
_DENSE_FEATURES = 20
# A term costs this many times more in the sparse expansion, which sorts, than in the dense one.
_DENSE_ADVANTAGE = 4
# Values below this share of the largest that one coefficient could cause are rounding errors.
_DUST = 1e-12

# (k, s) int64 features of k interactions of order s, and (k,) float64 values.
_Block: TypeAlias = tuple[IntArray, FloatArray]


def expand(spectrum: Spectrum, index: InteractionIndex, order: int) -> dict[Interaction, float]:
    """The values of an index, without those that are zero up to rounding.

    Returns:
        {interaction: value} of orders 1 to `order`; for Fourier and Moebius also of the empty set.

    Raises:
        ArgumentError: too many terms to list, or a value that no float can hold.
    """
    n_features = spectrum.n_features
    weights, n_terms = _plan(spectrum, index, order)
    largest = float(np.abs(spectrum.coefficients).max(initial=0.0))
    if n_features <= _DENSE_FEATURES and n_terms * _DENSE_ADVANTAGE > n_features << n_features:
        blocks = _dense(spectrum, weights)
    else:
        blocks = _sparse(spectrum, weights)
    values: dict[Interaction, float] = {}
    # Overflow is an error with a remedy below, not a warning.
    with np.errstate(over="ignore", invalid="ignore"):
        for members, found in blocks:
            s = members.shape[1]
            if not np.isfinite(found).all():
                raise ArgumentError(_overflow(index, s))
            scale = max(abs(weight) for weight in weights[s].values())
            kept = np.abs(found) > _DUST * scale * largest
            listed = map(tuple, members[kept].tolist())
            values.update(zip(listed, found[kept].tolist(), strict=True))
    baseline = baseline_value(spectrum, index, order)
    if index.is_transform and abs(baseline) > _DUST * largest:
        values[()] = baseline
    return values


def baseline_value(spectrum: Spectrum, index: InteractionIndex, order: int) -> float:
    """The value of the empty set; see the head of `spex.interactions.index`."""
    highest = highest_of_baseline(index, order, spectrum.degree)
    return math.fsum(spectrum.coefficients[spectrum.orders <= highest].tolist())


def _plan(
    spectrum: Spectrum, index: InteractionIndex, order: int
) -> tuple[dict[int, dict[int, float]], int]:
    """The nonzero weights {s: {d: W(s, d)}}, and the number of terms of (2) with them.

    Raises:
        ArgumentError: too many terms to list, or a weight that no float can hold.
    """
    sizes, counts = np.unique(spectrum.orders, return_counts=True)
    population = [(d, m) for d, m in zip(sizes.tolist(), counts.tolist(), strict=True) if d > 0]
    dense = spectrum.n_features <= _DENSE_FEATURES
    weights: dict[int, dict[int, float]] = {}
    n_terms = 0
    # Low orders first: too large an expansion is refused before its costly weights are computed.
    for s in range(1, min(order, spectrum.degree) + 1):
        for d, m in population:
            if d < s:
                continue
            weight = exact_weight(index, order, s, d)
            if not weight:
                continue
            n_terms += m * math.comb(d, s)
            if n_terms > _MAX_TERMS and not dense:
                raise ArgumentError(_too_many(population, index, order))
            try:
                weights.setdefault(s, {})[d] = float(weight)
            except OverflowError:
                raise ArgumentError(_overflow(index, s)) from None
    return weights, n_terms


def _too_many(population: list[tuple[int, int]], index: InteractionIndex, order: int) -> str:
    def up_to(highest: int) -> int:
        return sum(m * math.comb(d, s) for d, m in population for s in range(1, highest + 1))

    feasible = 0
    while feasible < order and up_to(feasible + 1) <= _MAX_TERMS:
        feasible += 1
    # For high orders the number takes seconds to compute and is too large for a float.
    few = max(d for d, _ in population) <= 200
    terms = f"up to {float(up_to(order)):.3g}" if few else "to too many"
    smaller = f"order={feasible} or less, or " if feasible else ""
    return (
        f"index={str(index)!r} with order={order} would expand {terms} terms, the limit is "
        f"{_MAX_TERMS}; use {smaller}index='Fourier', 'BII' or 'SV', which need no expansion"
    )


def _overflow(index: InteractionIndex, s: int) -> str:
    return (
        f"index={str(index)!r}: values of order {s} exceed the largest float, 1.8e308; "
        "use a smaller order or index='Fourier'"
    )


def _sparse(spectrum: Spectrum, weights: dict[int, dict[int, float]]) -> Iterator[_Block]:
    """Equation (2), term by term; terms of equal subsets are added."""
    groups: dict[int, _Block] = {}
    for d in sorted(set().union(*weights.values())):
        rows = np.nonzero(spectrum.orders == d)[0]
        members = set_bits(spectrum.support[rows], spectrum.n_features)[1]
        groups[d] = members.reshape(len(rows), d), spectrum.coefficients[rows]
    for s, of_size in weights.items():
        parts = [(*groups[d], _choices(d, s), weight) for d, weight in of_size.items()]
        columns = (
            np.concatenate([members[:, chosen[:, j]].ravel() for members, _, chosen, _ in parts])
            for j in range(s)
        )
        first, which = _distinct(columns, spectrum.n_features)
        terms = np.concatenate([np.repeat(w * f, len(chosen)) for _, f, chosen, w in parts])
        # astype for the type checker only: with weights, bincount returns floats.
        values = np.bincount(which, weights=terms).astype(np.float64, copy=False)
        # Write out the subsets only now: one row for each distinct one.
        subsets = np.empty((len(first), s), dtype=np.int64)
        start = 0
        for members, _, chosen, _ in parts:
            end = start + len(members) * len(chosen)
            here = (first >= start) & (first < end)
            row, choice = np.divmod(first[here] - start, len(chosen))
            subsets[here] = members[row[:, None], chosen[choice]]
            start = end
        yield subsets, values


def _choices(d: int, s: int) -> IntArray:
    """(binom(d, s), s) int64: every choice of s out of d positions."""
    n_choices = math.comb(d, s)
    flat = chain.from_iterable(combinations(range(d), s))
    return np.fromiter(flat, dtype=np.int64, count=n_choices * s).reshape(n_choices, s)


def _distinct(columns: Iterator[IntArray], n_features: int) -> tuple[IntArray, IntArray]:
    """Find equal rows of a table of features.

    Args:
        columns: (rows,) int64 each, 0 to n - 1.
        n_features: n.

    Returns:
        first: (distinct,) int64, the first of each set of equal rows.
        which: (rows,) int64, the number of its set for each row.
    """
    key = next(columns)
    bound = n_features
    for column in columns:
        if bound * n_features >= 1 << 63:
            # One more base-n digit would overflow. Ranks distinguish the columns so far just as
            # well.
            key = np.unique(key, return_inverse=True)[1]
            bound = len(key)
        key = key * n_features + column
        bound *= n_features
    _, first, which = np.unique(key, return_index=True, return_inverse=True)
    return first, which


def _dense(spectrum: Spectrum, weights: dict[int, dict[int, float]]) -> Iterator[_Block]:
    """Equation (2) for all 2^n subsets: for each order d, sums over supersets of order d."""
    n_features = spectrum.n_features
    size = 1 << n_features
    every = np.arange(size, dtype=np.uint64)
    orders = np.bitwise_count(every)
    position = spectrum.support[:, 0].astype(np.int64)
    values = np.zeros(size)
    for d in sorted(set().union(*weights.values())):
        rows = spectrum.orders == d
        sums = np.bincount(position[rows], weights=spectrum.coefficients[rows], minlength=size)
        for feature in range(n_features):
            pairs = sums.reshape(-1, 2, 1 << feature)
            pairs[:, 0] += pairs[:, 1]
        by_order = np.zeros(n_features + 1)
        for s, of_size in weights.items():
            by_order[s] = of_size.get(d, 0.0)
        values += by_order[orders] * sums
    for s in weights:
        chosen = np.nonzero(orders == s)[0]
        members = set_bits(every[chosen, None], n_features)[1]
        yield members.reshape(len(chosen), s), values[chosen]
