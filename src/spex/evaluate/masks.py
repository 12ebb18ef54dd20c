"""Fresh masks: random ablations on which explanations are tested, drawn apart from any fit."""

import numpy as np

from spex._typing import BoolArray
from spex.errors import ArgumentError
from spex.wording import did_you_mean

UNIFORM, BY_SIZE, NEAR_FULL = "uniform", "size", "near-full"
DISTRIBUTIONS = (UNIFORM, BY_SIZE, NEAR_FULL)
# Near the whole input means that at most this share of the features is left out.
_NEAR = 0.125


def check_distribution(name: str) -> None:
    """Refuse a name that is not in `DISTRIBUTIONS`.

    Raises:
        ArgumentError: it is none.
    """
    if name not in DISTRIBUTIONS:
        close = did_you_mean(name, DISTRIBUTIONS)
        raise ArgumentError(
            f"distribution {name!r} is unknown{close}; use {', '.join(DISTRIBUTIONS)}"
        )


def fresh_masks(
    n_features: int, count: int, distribution: str, rng: np.random.Generator
) -> BoolArray:
    """Draw masks.

    Args:
        n_features: n.
        count: How many. For `uniform`, all 2^n masks if there are no more than that.
        distribution: `uniform`: each feature is present with probability 1/2. `size`: the number of
            present features is 0 to n with equal probability, and each set of that size alike.
            `near-full`: 1 to max(2, n / 8) features are left out, each number alike.
        rng: Source of randomness.

    Returns:
        (m, n) bool, True = present; rows may repeat, but for the complete enumeration.

    Raises:
        ArgumentError: there is no such distribution.
    """
    check_distribution(distribution)
    n = n_features
    if distribution == UNIFORM:
        if n < 31 and 1 << n <= count:
            return (np.arange(1 << n)[:, None] >> np.arange(n) & 1).astype(np.bool_)
        return rng.random((count, n)) < 0.5
    if distribution == BY_SIZE:
        sizes = rng.integers(0, n + 1, count)
    else:
        sizes = n - rng.integers(1, min(n, max(2, int(n * _NEAR))) + 1, count)
    ranks = rng.random((count, n)).argsort(axis=1).argsort(axis=1)
    return ranks < sizes[:, None]
