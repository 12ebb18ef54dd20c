"""How to spend a budget: a coded design, and drawn masks for the rest.

Drawn masks come from one stream for each seed (`spex.fourier.mask_distribution`). Coded designs of
one order nest, so a larger budget includes every coded mask of a smaller one. A budget that buys a
design of higher order does not include them. That design has fewer bins at first, and keeping the
other masks would cost a third of the budget.
"""

from dataclasses import dataclass

import numpy as np

from spex._typing import WordArray
from spex.f2.bch import bch_code
from spex.fourier.design import N_GROUPS, Design, plan_design

# This many drawn masks measure R2 to about .01. No method needs more.
_ENOUGH_DRAWN = 1000
# The order is raised only while every group keeps 2^this bins. With less, a lower order and more
# bins recover more (measured on LLM spectra, VADER and random sparse functions).
_LEAST_LOG2_BINS = 3


@dataclass(frozen=True)
class DrawnShare:
    """How much of a budget is for drawn masks, which measure R2, where the rest is coded.

    Args:
        share: Share of the budget.
        few: At least this many, up to half of the budget.
    """

    share: float
    few: int = 0

    def least(self, budget: int) -> int:
        """The least number of drawn masks in a budget."""
        count = int(np.ceil(self.share * budget))
        if self.few:
            count = max(count, min(budget // 2, self.few))
        # Two because R2 is a ratio of variances, and one for the full mask.
        return max(min(count, _ENOUGH_DRAWN), 3)


# `spex` needs coded masks for all else. The other candidates of `auto` fit coded masks as well as
# drawn ones: with 70 % coded masks, R2 on fresh masks was .01 higher at 100 and 300 masks than
# without any (mean of 13 functions).
DRAWN_OF_SPEX = DrawnShare(0.2)
DRAWN_OF_AUTO = DrawnShare(0.3, few=50)


def coded_design(
    drawn: DrawnShare, n: int, budget: int, reserved: int, max_degree: int, seed: int
) -> Design | None:
    """The coded part of a budget.

    Args:
        drawn: How much of the budget is for drawn masks.
        n: Number of features.
        budget: Number of distinct masks in all.
        reserved: Number of masks already evaluated, which the budget includes.
        max_degree: Highest order to decode.
        seed: Seed of the random matrices.

    Returns:
        The design of the highest order that leaves enough bins; None if the budget is too small.
    """
    affordable = budget - max(drawn.least(budget), reserved)
    enough = min(_LEAST_LOG2_BINS, n)
    for t in range(min(max_degree, n), 0, -1):
        design = plan_design(n, affordable, t, seed)
        if t == 1 or (
            design is not None and design.n_groups == N_GROUPS and min(design.log2_bins) >= enough
        ):
            return design
    return None


def least_budget(drawn: DrawnShare, n: int) -> int:
    """The smallest budget that buys coded masks."""
    budget = cost = bch_code(n, 1).n_parity + 1
    while budget - drawn.least(budget) < cost:
        budget += 1
    return budget


def all_masks(n: int) -> WordArray:
    """(2^n, 1) uint64: every mask; feature j is present in mask number l when bit j of l is set."""
    return np.arange(1 << n, dtype=np.uint64)[:, None]
