"""How to spend a budget: a coded design, and uniform masks for the rest.

Uniform masks come from one stream for each seed. Coded designs of one order nest, so a larger
budget includes every coded mask of a smaller one. Not so where it buys a design of higher order:
that has fewer bins at first, and keeping the other masks would cost a third of the budget.
"""

from collections.abc import Iterator

import numpy as np

from spex._typing import WordArray
from spex.f2.bch import bch_code
from spex.f2.packing import n_words
from spex.fourier.design import N_GROUPS, Design, plan_design

# Stream numbers that keep the generators of one seed apart (groups of a design take 0, 1, 2).
_UNIFORM_STREAM = 1_000_000

# Share of the budget for uniform masks, which measure R2. `spex` needs coded masks for all else.
# The other candidates of `auto` fit coded masks as well as uniform ones: with 70 % coded masks, R2
# on fresh masks was .01 higher at 100 and 300 masks than without any (mean of 13 functions).
_UNIFORM_SHARE = {"spex": 0.2, "auto": 0.3}
# `auto` takes at least so many, up to half the budget; 1,000 measure R2 to about .01.
_FEW_UNIFORM, _ENOUGH_UNIFORM = 50, 1000
# The order is raised only while every group keeps 2^this bins. With less, a lower order and more
# bins recover more (measured on LLM spectra, VADER and random sparse functions).
_LEAST_LOG2_BINS = 3


def coded_design(
    method: str, n: int, budget: int, reserved: int, max_degree: int, seed: int
) -> Design | None:
    """The coded part of a budget.

    Args:
        method: Name of the method.
        n: Number of features.
        budget: Number of distinct masks in all.
        reserved: Number of masks already evaluated, which the budget includes.
        max_degree: Highest order to decode.
        seed: Seed of the random matrices.

    Returns:
        The design of the highest order that leaves enough bins; None if the method uses no coded
        masks or the budget is too small.
    """
    if method not in _UNIFORM_SHARE:
        return None
    affordable = budget - max(_least_uniform(method, budget), reserved)
    enough = min(_LEAST_LOG2_BINS, n)
    for t in range(min(max_degree, n), 0, -1):
        design = plan_design(n, affordable, t, seed)
        if t == 1 or (
            design is not None and design.n_groups == N_GROUPS and min(design.log2_bins) >= enough
        ):
            return design
    return None


def least_budget(method: str, n: int) -> int:
    """The smallest budget that buys coded masks, for a method that uses them."""
    budget = cost = bch_code(n, 1).n_parity + 1
    while budget - _least_uniform(method, budget) < cost:
        budget += 1
    return budget


def _least_uniform(method: str, budget: int) -> int:
    share = int(np.ceil(_UNIFORM_SHARE[method] * budget))
    if method == "auto":
        share = max(share, min(budget // 2, _FEW_UNIFORM))
    return max(min(share, _ENOUGH_UNIFORM), 2)  # two, for R2 is a ratio of variances


def uniform_masks(n: int, seed: int) -> Iterator[WordArray]:
    """Uniform masks, a block at a time.

    Yields:
        (m, n_words) uint64. Up to 16 features: all masks once, in random order. Beyond: an endless
        stream in which masks may repeat.
    """
    rng = np.random.default_rng([seed, _UNIFORM_STREAM])
    if n <= 16:
        yield rng.permutation(1 << n).astype(np.uint64)[:, None]
        return
    words = n_words(n)
    tail = np.uint64((1 << (n % 64)) - 1) if n % 64 else np.uint64(0xFFFFFFFFFFFFFFFF)
    while True:
        block = rng.integers(0, 1 << 64, size=(256, words), dtype=np.uint64)
        block[:, -1] &= tail
        yield block


def all_masks(n: int) -> WordArray:
    """(2^n, 1) uint64: every mask; feature j is present in mask number l when bit j of l is set."""
    return np.arange(1 << n, dtype=np.uint64)[:, None]
