"""Functions whose smallest sets are known or found by brute force."""

from itertools import combinations

import numpy as np


def table_game(n, seed, order=3, count=12):
    """A sparse random polynomial of the present features."""
    rng = np.random.default_rng(seed)
    terms = [
        (rng.choice(n, int(rng.integers(1, order + 1)), replace=False), rng.normal())
        for _ in range(count)
    ]
    return lambda m: sum((v * m[:, list(t)].all(axis=1) for t, v in terms), np.zeros(len(m)))


def spare(m):
    """Either of 0 and 1, and 2 as well; 3 is in the way."""
    return 4.0 * ((m[:, 0] | m[:, 1]) & m[:, 2]) - 3.0 * (m[:, 3] & ~m[:, 2]) - 1.0 * m[:, 3]


def true_smallest(f, n, good, keeps):
    """The size of the smallest set whose removal (or which alone) has a good value."""
    for size in range(n + 1):
        sets = list(combinations(range(n), size))
        masks = np.full((len(sets), n), not keeps)
        for row, members in enumerate(sets):
            masks[row, list(members)] = keeps
        if good(f(masks)).any():
            return size
    return None
