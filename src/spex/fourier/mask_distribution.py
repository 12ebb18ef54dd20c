"""The distribution of masks: how masks are drawn, and under which distribution R2 is measured.

Drawing, cross-validation and R2 share one object, so that another distribution is another class.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
from scipy.special import betaincinv, gammaln

from spex._typing import FloatArray, IntArray, WordArray
from spex.f2.packing import DistinctRows, n_words, pack, unpack

# Stream number that keeps the generator of drawn masks apart from those of a design (0, 1, 2).
_STREAM = 1_000_000
# Small spaces are drawn as one random order of all masks, so that none repeats.
_PERMUTED_FEATURES = 16
_BLOCK = 256
# Standard deviations by which a statistic may exceed its mean under the distribution.
_TOLERANCE = 3.0
# Accepted probability that chance alone makes a feature or a pair look like other masks.
_RARE = 1e-4
# Each mask by size is the one, of this many candidates, that is farthest from the earlier masks.
# There are fewer candidates if there are many features. With 10 instead of 60, the error of Shapley
# values was a fifth larger (two networks and two forests of 14 features, 60 to 400 masks; so are
# the figures below).
_CANDIDATES, _CANDIDATE_CELLS = 60, 1 << 14
# How much more strongly close masks repel each other. 6 and 10 do as well, 3 is a tenth worse.
_REPULSION = 8.0
# Only this many earlier pairs repel: with more, drawing would take longer than fitting.
_REPELLING = 512
_ONE_IN = 4  # one pair of masks in four measures R2
_COUNTED = 32  # sizes up to this may run out of masks; larger ones of more features never do
_GOLDEN = (math.sqrt(5) - 1) / 2
# With n features, the first n minus this many pairs have sizes nearer to half, drawn by Beta(2, 2).
# With fewer masks than features, these tell most. For trees on 30, 60 and 100 features with 60, 150
# and 400 masks, the error of Shapley values was .53 to .99 of that without (six seeds). With 14 and
# 16 features it would be up to .4 larger.
_MANY_FEATURES = 16
_NEARER = 2.0
_FARTHEST = 0.1  # most by which the distribution functions of Beta(2, 2) and of all alike differ


class MaskDistribution(Protocol):
    """How masks are drawn, and what a sample of them says of R2."""

    @property
    def name(self) -> str:
        """A word for settings, files and reports."""
        ...

    @property
    def masks(self) -> str:
        """What its masks are, in words."""
        ...

    @property
    def joins_coded(self) -> bool:
        """Whether the coded masks of `auto`, which are uniform, help the fit."""
        ...

    @property
    def corrects(self) -> bool:
        """Whether indices of the Shapley family are corrected by what the surrogate leaves."""
        ...

    @property
    def least_measuring(self) -> int:
        """With fewer masks that measure R2 than this, all masks do."""
        ...

    def stream(self, n: int, seed: int) -> Iterator[tuple[WordArray, bool]]:
        """Masks without end, or all there are, and whether they measure R2.

        Rows may repeat; the caller skips what it has. The same seed gives the same masks.

        Yields:
            (m, n_words) uint64; and whether they are independent draws of the distribution.
        """
        ...

    def may_have_drawn(self, words: WordArray, n: int) -> bool:
        """Whether (m, n_words) distinct masks look like a sample of the distribution."""
        ...

    def weights(self, words: WordArray, n: int) -> FloatArray | None:
        """(m,) density of the distribution over that of a sample without repetition.

        Up to a factor; None if it is one number for all.
        """
        ...

    def groups(self, words: WordArray, n: int) -> IntArray | None:
        """(m,) numbers of masks that were drawn together, in the order of the first of them.

        Cross-validation leaves them out together. None if each was drawn alone.
        """
        ...


class Drawn:
    """The stream of a distribution, which can be pickled: it goes on where it was.

    Args:
        distribution: What masks are drawn from.
        n: Number of features.
        seed: See `MaskDistribution.stream`.
        skipped: How many blocks were taken before.
    """

    def __init__(self, distribution: MaskDistribution, n: int, seed: int, skipped: int = 0) -> None:
        self._of = (distribution, n, seed)
        self._n_taken = skipped
        self._stream = islice(distribution.stream(n, seed), skipped, None)

    def take(self) -> tuple[WordArray, bool] | None:
        """The next block; None if there are no more masks."""
        block = next(self._stream, None)
        self._n_taken += block is not None
        return block

    def __reduce__(self) -> tuple[Any, ...]:
        return Drawn, (*self._of, self._n_taken)


@dataclass(frozen=True)
class Uniform:
    """Every mask alike: each feature is present with probability 1/2, independently."""

    name: str = "uniform"
    masks: str = "uniform masks"
    joins_coded: bool = True
    corrects: bool = False
    least_measuring: int = 2  # R2 is a ratio of variances

    def stream(self, n: int, seed: int) -> Iterator[tuple[WordArray, bool]]:
        """Endless masks; for small n all of them once."""
        rng = np.random.default_rng([seed, _STREAM])
        if n <= _PERMUTED_FEATURES:
            yield rng.permutation(1 << n).astype(np.uint64)[:, None], True
            return
        words = n_words(n)
        tail = np.uint64((1 << (n % 64)) - 1) if n % 64 else np.uint64(0xFFFFFFFFFFFFFFFF)
        while True:
            block = rng.integers(0, 1 << 64, size=(_BLOCK, words), dtype=np.uint64)
            block[:, -1] &= tail
            yield block, True

    def may_have_drawn(self, words: WordArray, n: int) -> bool:
        """Whether (m, n_words) distinct masks look like a sample of the distribution.

        Tests first and second moments of the signs s = 2m - 1, which are independent and +-1. The
        sums over masks of s_i, of s_i s_j and of sum_i s_i must not exceed what chance allows. This
        is tested for all features together, and for each feature and pair (by Hoeffding's
        inequality).
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

    def weights(self, words: WordArray, n: int) -> None:
        """All alike."""

    def groups(self, words: WordArray, n: int) -> None:
        """Each was drawn alone."""


@dataclass(frozen=True)
class BySize:
    """Every size from 1 to n - 1 alike, and of each size every mask: as Shapley values weigh.

    Masks come in pairs of a mask and its complement. Such pairs separate odd orders from even ones
    (Covert & Lee, Improving KernelSHAP, 2021), and only odd orders count for Shapley values. No
    mask repeats. Sizes are skipped once all their masks are drawn.

    One pair of four is drawn independently, and measures R2. The others cover the space evenly: of
    several random candidates, each is the one farthest from those before. Their sizes follow a
    sequence of low discrepancy. If there are many features, the first masks have sizes nearer to
    half. Compared with independent pairs, Shapley values have about half of the squared error. But
    these masks do not measure R2: a mask left out of them leaves a hole, and a fit does worse there
    than at other masks.
    """

    name: str = "shapley"
    masks: str = "masks of all sizes"
    joins_coded: bool = False
    corrects: bool = True
    least_measuring: int = 10  # five pairs

    def stream(self, n: int, seed: int) -> Iterator[tuple[WordArray, bool]]:
        """Pairs of a mask and its complement, until all masks but the two ends are drawn."""
        rng = np.random.default_rng([seed, _STREAM + 1])
        everything = pack(np.ones((1, n), dtype=np.bool_))
        seen = DistinctRows(n_words(n))
        seen.add(np.concatenate([everything, np.zeros_like(everything)]))
        # How many pairs are left, by the smaller size of the pair. Larger sizes always have enough.
        left = dict(enumerate(_pairs_of_size(n)))
        repulsion = np.cosh(_REPULSION * (1 - 2 * np.arange(n + 1) / n))
        n_candidates = min(max(_CANDIDATE_CELLS // n, 1), _CANDIDATES)
        earlier = everything  # one of each pair
        begin, step, n_pairs = rng.random(), 0, 0
        while n > 2 * len(left) or any(left.values()):
            measures = n_pairs % _ONE_IN == 0
            step += not measures
            place = rng.random() if measures else (begin + step * _GOLDEN) % 1
            if not measures and n_pairs < n - _MANY_FEATURES:
                place = float(betaincinv(_NEARER, _NEARER, place))
            size = 1 + int((n - 1) * place)
            smaller = min(size, n - size)
            if left.get(smaller) == 0:
                continue
            candidates = _of_size(n, size, 1 if measures else n_candidates, rng)
            differing = np.bitwise_count(candidates[:, None] ^ earlier[-_REPELLING:])
            closeness = repulsion[differing.sum(axis=2, dtype=np.int64)].sum(axis=1)
            for number in np.argsort(closeness, kind="stable"):
                chosen, n_seen = candidates[number, None], len(seen)
                if seen.add(chosen)[0] == n_seen:
                    seen.add(chosen ^ everything)
                    if not measures:
                        earlier = np.concatenate([earlier[-_REPELLING:], chosen])
                    if smaller in left:
                        left[smaller] -= 1
                    n_pairs += 1
                    yield np.concatenate([chosen, chosen ^ everything]), measures
                    break

    def may_have_drawn(self, words: WordArray, n: int) -> bool:
        """Whether sizes, and of each size the features, look like a sample without repetition.

        The share of masks up to each size must be as expected (by the inequality of Dvoretzky,
        Kiefer and Wolfowitz). No feature may be present more often than chance allows (by
        Hoeffding's inequality).
        """
        masks = unpack(words, n)
        sizes = masks.sum(axis=1)
        inner = (sizes > 0) & (sizes < n)
        m = int(inner.sum())
        if m < 2:
            return False
        expected = np.cumsum(_expected_sizes(n, m)) / m
        found = np.cumsum(np.bincount(sizes[inner], minlength=n)[1:n]) / m
        nearer = min(1.0, 2 * max(n - _MANY_FEATURES, 0) / m)
        chance = np.sqrt(np.log(2 / _RARE) / (2 * m))
        if np.abs(found - expected).max() > chance + _FARTHEST * nearer:
            return False
        excess = (masks[inner] - sizes[inner, None] / n).sum(axis=0)
        return bool(np.abs(excess).max() <= np.sqrt(m * np.log(2 * n / _RARE) / 2))

    def weights(self, words: WordArray, n: int) -> FloatArray:
        """Of sizes whose masks are all drawn more; zero for the masks of none and all features.

        That of the masks that measure R2: those drawn nearer to half of the size count alike.
        """
        sizes = np.bitwise_count(words).sum(axis=1, dtype=np.int64)
        inner = (sizes > 0) & (sizes < n)
        expected = _expected_sizes(n, max(int(inner.sum()), 1))
        weights = np.zeros(len(words))
        weights[inner] = expected.max(initial=1.0) / expected[sizes[inner] - 1]
        return weights

    def groups(self, words: WordArray, n: int) -> IntArray:
        """A mask and its complement have one number."""
        everything = pack(np.ones((1, n), dtype=np.bool_))
        has_first = (words[:, :1] & np.uint64(1)) > 0
        return DistinctRows(words.shape[1]).add(np.where(has_first, words ^ everything, words))


def _pairs_of_size(n: int) -> list[int]:
    """By the smaller size of a pair from 0 to 32, how many there are, without the two ends."""
    counts = [math.comb(n, s) // (1 + (2 * s == n)) for s in range(min(n // 2, _COUNTED) + 1)]
    return [0, *counts[1:]]


def _of_size(n: int, size: int, how_many: int, rng: np.random.Generator) -> WordArray:
    """(how_many, n_words) random masks of a size."""
    members = np.argpartition(rng.random((how_many, n)), size - 1, axis=1)[:, :size]
    masks = np.zeros((how_many, n), dtype=np.bool_)
    np.put_along_axis(masks, members, True, axis=1)
    return pack(masks)


def _expected_sizes(n: int, m: int) -> FloatArray:
    """(n - 1,) how many of m masks have size 1 to n - 1, where none repeats.

    All alike, but no more than there are.
    """
    s = np.arange(1, n)
    logs = gammaln(n + 1) - gammaln(s + 1) - gammaln(n - s + 1)
    available = np.exp(np.minimum(logs, np.log(m) + 1.0))
    ascending = np.sort(available)
    before = np.concatenate([[0.0], np.cumsum(ascending)[:-1]])
    each = (m - before) / np.arange(n - 1, 0, -1)  # assuming that all smaller sizes are used up
    enough = each <= ascending
    return np.minimum(available, each[enough.argmax()] if enough.any() else np.inf)


UNIFORM = Uniform()
SHAPLEY = BySize()
WEIGHTINGS: Mapping[str, MaskDistribution] = MappingProxyType(
    {each.name: each for each in (UNIFORM, SHAPLEY)}
)
