"""Masks that several methods share, and restoring global random states."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from spex._typing import BoolArray
from spex.f2.packing import DistinctRows, n_words, unpack
from spex.fourier.mask_distribution import UNIFORM


def uniform_masks(n_features: int, count: int, seed: int) -> BoolArray:
    """Distinct masks in which each feature is present with probability 1/2.

    They are the first ones that `spex` draws with this seed, so methods that take given masks can
    be compared on the same ones.

    Args:
        n_features: n.
        count: How many; all 2^n if that is fewer.
        seed: Random seed.

    Returns:
        (min(count, 2^n), n) bool.
    """
    if n_features < count.bit_length():
        count = min(count, 1 << n_features)
    drawn = DistinctRows(n_words(n_features))
    for block, _ in UNIFORM.stream(n_features, seed):
        drawn.add(block)
        if len(drawn) >= count:
            break
    return unpack(drawn.rows[:count], n_features)


@contextmanager
def own_randomness(seed: int) -> Iterator[None]:
    """Seed the global generators of numpy and of Python, and put back their states at the end.

    For packages that read them. Threads share these generators: use processes for parallel runs.
    """
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    random.seed(seed)
    np.random.seed(seed % (1 << 32))  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002
