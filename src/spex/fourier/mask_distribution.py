"""The distribution of masks: how masks are drawn, and under which distribution R2 is measured.

Drawing, cross-validation and R2 share one object, so that another distribution is another class.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from spex._typing import WordArray
from spex.f2.packing import n_words, unpack

# Stream number that keeps the generator of drawn masks apart from those of a design (0, 1, 2).
_STREAM = 1_000_000
# Small spaces are drawn as one random order of all masks, so that none repeats.
_PERMUTED_FEATURES = 16
_BLOCK = 256
# Standard deviations by which a statistic may exceed its mean under the distribution.
_TOLERANCE = 3.0
# How rarely a uniform sample may have a feature, or a pair, that looks as if it were not.
_RARE = 1e-4


@dataclass(frozen=True)
class Uniform:
    """Every mask alike: each feature is present with probability 1/2, independently.

    Args:
        name: A word for files and reports.
    """

    name: str = "uniform"

    def stream(self, n: int, seed: int) -> Iterator[WordArray]:
        """Endless masks (for small n: all of them once), (m, n_words) uint64 at a time.

        Rows may repeat; the caller skips what it has. The same seed gives the same masks.
        """
        rng = np.random.default_rng([seed, _STREAM])
        if n <= _PERMUTED_FEATURES:
            yield rng.permutation(1 << n).astype(np.uint64)[:, None]
            return
        words = n_words(n)
        tail = np.uint64((1 << (n % 64)) - 1) if n % 64 else np.uint64(0xFFFFFFFFFFFFFFFF)
        while True:
            block = rng.integers(0, 1 << 64, size=(_BLOCK, words), dtype=np.uint64)
            block[:, -1] &= tail
            yield block

    def may_have_drawn(self, words: WordArray, n: int) -> bool:
        """Whether (m, n_words) distinct masks look like a sample of the distribution.

        Tests first and second moments of the signs s = 2m - 1, which are independent and +-1. The
        sums over masks of s_i, of s_i s_j and of sum_i s_i must not exceed what chance allows, for
        all features together and for each feature and pair (by Hoeffding's inequality).
        """
        m = len(words)
        signs = np.where(unpack(words, n), np.float32(1), np.float32(-1))
        first = float((signs.sum(axis=0, dtype=np.float64) ** 2).sum() / m)  # mean n, variance 2n
        if first > n + _TOLERANCE * np.sqrt(2 * n) + _TOLERANCE**2:
            return False
        if np.abs(signs.sum(axis=0)).max() > np.sqrt(2 * m * np.log(2 * n / _RARE)):
            return False
        sizes = signs.sum(axis=1, dtype=np.float64)
        # (sum_i s_i)^2 has mean n and variance 2n(n - 1).
        spread = float((sizes**2).mean())
        if spread > n + _TOLERANCE * np.sqrt(2 * n * max(n - 1, 1) / m) + _TOLERANCE**2 * n / m:
            return False
        if n < 2:
            return True
        # sum over i < j of (sum_m s_i s_j)^2 / m has mean n(n-1)/2 and variance about n(n-1).
        gram = signs.T @ signs if n <= m else signs @ signs.T
        energy = float((gram.astype(np.float64) ** 2).sum())
        np.fill_diagonal(gram, 0)
        if n <= m and np.abs(gram).max() > np.sqrt(2 * m * np.log(n * n / _RARE)):
            return False
        pairs = (energy - n * float(m) ** 2) / (2 * m)
        mean = n * (n - 1) / 2
        return pairs <= mean + _TOLERANCE * np.sqrt(2 * mean) + _TOLERANCE**2


UNIFORM = Uniform()
