"""Which masks a budget is spent on: a coded design, and uniform masks for the rest.

Uniform masks come from one stream for each seed and coded designs nest, so a larger budget asks
for every mask of a smaller one again wherever the method's shares allow it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from spex._typing import WordArray
from spex.f2.packing import n_words
from spex.fourier.design import Design, plan_design

# Stream numbers that keep the generators of one seed apart (groups of a design take 0, 1, 2).
_UNIFORM_STREAM = 1_000_000


@dataclass(frozen=True)
class Shares:
    """How a method divides its budget.

    Args:
        coded: Largest share of coded masks; the rest is uniform, for they alone measure R2.
        least_bins: log2 of the fewest bins with which a design of full order is worth its masks.
        lower_order: Whether a smaller budget may buy a design for a lower order instead.
    """

    coded: float
    least_bins: int
    lower_order: bool


# Message passing is all that `spex` has, so most masks go there. For the other candidates of `auto`
# a coded mask is as good as a uniform one, but only uniform ones measure R2; and decoding fewer
# than sixteen bins a group has not won anything that we measured.
SHARES = {
    "spex": Shares(coded=0.8, least_bins=2, lower_order=True),
    "auto": Shares(coded=0.7, least_bins=4, lower_order=False),
}


def coded_design(
    method: str, n: int, budget: int, reserved: int, max_degree: int, seed: int
) -> Design | None:
    """The coded part of a budget, or None where the method has none or cannot afford it.

    Args:
        method: Name of the method.
        n: Number of features.
        budget: Number of distinct masks in all.
        reserved: Masks that are evaluated already and belong to the budget.
        max_degree: Highest order to decode.
        seed: Of the random matrices.
    """
    shares = SHARES.get(method)
    if shares is None:
        return None
    affordable = min(int(shares.coded * budget), budget - reserved)
    for t in range(min(max_degree, n), 0, -1):
        design = plan_design(n, affordable, t, seed)
        if design is not None and design.log2_bins >= (shares.least_bins if t > 1 else 1):
            return design
        if not shares.lower_order:
            return None
    return None


def uniform_masks(n: int, seed: int) -> Iterator[WordArray]:
    """An endless stream (for small n: one random order) of uniform masks, a row at a time.

    Rows may repeat; the caller skips what it has.
    """
    rng = np.random.default_rng([seed, _UNIFORM_STREAM])
    if n <= 16:
        yield from rng.permutation(1 << n).astype(np.uint64)[:, None]
        return
    words = n_words(n)
    tail = np.uint64((1 << (n % 64)) - 1) if n % 64 else np.uint64(0xFFFFFFFFFFFFFFFF)
    while True:
        block = rng.integers(0, 1 << 64, size=(256, words), dtype=np.uint64)
        block[:, -1] &= tail
        yield from block


def all_masks(n: int) -> WordArray:
    """(2^n, 1) uint64: every mask; feature j is present in mask number l when bit j of l is set."""
    return np.arange(1 << n, dtype=np.uint64)[:, None]
