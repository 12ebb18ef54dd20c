"""Which masks to evaluate: subsampled Walsh-Hadamard transforms with coded offsets.

Each group c has a random full-rank matrix M_c (b_c x n over F2). The offsets are p_0 = 0 and p_1 ..
p_P, the parity rows of a BCH code. The value function is evaluated as u_{c,i}(l) = f(M_c^T l + p_i)
for every l in F2^b_c. The transform over l aliases the spectrum into 2^b_c bins,

    U_{c,i}(j) = sum over k with M_c k = j of (-1)^<p_i,k> F(k)

(Kang, Butler et al. 2025, arXiv 2502.13870, section 4.1). Deviation: groups may differ by one in
b_c, to spend budgets between two powers of two.

Designs nest: with one seed, the masks of a smaller design are masks of every larger one. Rows of
M_c are drawn one after another, and the offsets of a smaller t are among those of a larger one.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from spex._typing import FloatArray, IntArray, WordArray
from spex.errors import ArgumentError
from spex.f2.bch import BCHCode, bch_code
from spex.f2.linalg import multiply, random_independent_rows, span
from spex.f2.packing import DistinctRows, pack, signs
from spex.fourier.wht import walsh_hadamard

# Three groups peel up to 0.82 coefficients for each bin, two only 0.5 (Li, Bradley, Pawar,
# Ramchandran 2015, arXiv 1508.06336).
N_GROUPS = 3


@dataclass(frozen=True, eq=False)
class Design:
    """Coded masks, and the transform of their values into bins.

    Args:
        code: The BCH code whose parity rows are the offsets.
        matrices: For each group c, (b_c, n_words) uint64: M_c.
    """

    code: BCHCode
    matrices: tuple[WordArray, ...]

    @property
    def n_features(self) -> int:
        """Number of features n."""
        return self.code.n

    @property
    def n_groups(self) -> int:
        """Number of groups C."""
        return len(self.matrices)

    @property
    def log2_bins(self) -> tuple[int, ...]:
        """b_c: group c has 2^b_c bins."""
        return tuple(len(rows) for rows in self.matrices)

    @property
    def n_offsets(self) -> int:
        """P + 1, the offset p_0 = 0 included."""
        return self.code.n_parity + 1

    @cached_property
    def offsets(self) -> WordArray:
        """(P + 1, n_words) uint64: p_0 = 0, then the parity rows."""
        parity = pack(self.code.parity_rows)
        return np.concatenate([np.zeros((1, parity.shape[1]), dtype=np.uint64), parity])

    @cached_property
    def _positions(self) -> tuple[WordArray, IntArray]:
        words = self.offsets.shape[1]
        queries = [
            (span(rows)[None, :, :] ^ self.offsets[:, None, :]).reshape(-1, words)
            for rows in self.matrices
        ]
        # Evaluate duplicates once: all groups share l = 0.
        distinct = DistinctRows(words)
        number = distinct.add(np.concatenate(queries))
        return distinct.rows, number

    @property
    def masks(self) -> WordArray:
        """(n_masks, n_words) uint64: the distinct masks to evaluate, in a fixed order."""
        return self._positions[0]

    def bins(self, values: FloatArray) -> list[FloatArray]:
        """The bins U_{c,i}(j) from the values of `masks`.

        Args:
            values: (n_masks,) float64, f at each of `masks`.

        Returns:
            For each group c, (2^b_c, P + 1) float64.
        """
        asked = values[self._positions[1]]
        found, start = [], 0
        for b in self.log2_bins:
            stop = start + (self.n_offsets << b)
            of_group = asked[start:stop].reshape(self.n_offsets, 1 << b)
            found.append(np.ascontiguousarray(walsh_hadamard(of_group).T))
            start = stop
        return found

    def moments(self, frequencies: WordArray, values: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Sums over `masks` for least squares, computed from the bins.

        Over the masks of group c at offset i, the sum of (-1)^<k+k',m> is 2^b_c (-1)^<p_i,k+k'> if
        k and k' fall into the same bin. Otherwise it is zero.

        Args:
            frequencies: (k, n_words) uint64.
            values: (n_masks,) float64, f at each of `masks`.

        Returns:
            (k, k) float64 sums of (-1)^<k,m> (-1)^<k',m>, and (k,) float64 of (-1)^<k,m> f(m).
        """
        at_offsets = signs(frequencies, self.offsets).astype(np.float64)
        products = at_offsets @ at_offsets.T
        gram, cross = np.zeros_like(products), np.zeros(len(frequencies))
        for numbers, bins in zip(self.bin_numbers(frequencies), self.bins(values), strict=True):
            gram += len(bins) * products * (numbers[:, None] == numbers)
            cross += len(bins) * (at_offsets * bins[numbers]).sum(axis=1)
        # Bins count some masks several times: count these once.
        surplus = np.bincount(self._positions[1]) - 1
        again = np.nonzero(surplus)[0]
        at_again = signs(frequencies, self.masks[again]).astype(np.float64)
        gram -= (at_again * surplus[again]) @ at_again.T
        cross -= at_again @ (surplus[again] * values[again])
        return gram, cross

    def bin_numbers(self, frequencies: WordArray) -> IntArray:
        """M_c k for each group: (k, n_words) uint64 to (C, k) int64."""
        return np.stack([multiply(rows, frequencies) for rows in self.matrices])


def design_cost(n_offsets: int, log2_bins: tuple[int, ...]) -> int:
    """Number of distinct masks that a design evaluates, at most.

    (P + 1) sum_c 2^b_c, with the P + 1 masks of l = 0 counted once: all groups share them. Fewer
    only if n is so small that groups overlap by chance.
    """
    return n_offsets * (sum(1 << b for b in log2_bins) - len(log2_bins) + 1)


def plan_bins(n: int, budget: int, n_offsets: int) -> tuple[int, ...]:
    """The b_c of the most bins that a budget buys, one for each group.

    Returns:
        N_GROUPS groups of at least two bins each, or fewer groups if these cost too much. If even
        one such group costs too much, one group of one bin. If that costs too much, empty.
    """
    for n_groups in range(N_GROUPS, 0, -1):
        bins = [0] * n_groups
        # Double the bins of one group after another, the smallest first.
        while True:
            smallest = bins.index(min(bins))
            larger = [b + (group == smallest) for group, b in enumerate(bins)]
            if larger[smallest] > n or design_cost(n_offsets, tuple(larger)) > budget:
                break
            bins = larger
        if min(bins) > 0:
            return tuple(bins)
    return (0,) if design_cost(n_offsets, (0,)) <= budget else ()


def plan_design(n: int, budget: int, t: int, seed: int) -> Design | None:
    """The design of most bins that corrects t errors within a budget.

    Args:
        n: Number of features.
        budget: Most distinct masks.
        t: Highest order that the code decodes; reduced to n.
        seed: Seed of the random matrices.

    Returns:
        The design, or None if the offsets alone cost more than the budget.

    Raises:
        ArgumentError: n or t is below 1, or n too large for the codes.
    """
    if n < 1 or t < 1:
        raise ArgumentError(f"a design for n={n} features and order t={t}; both must be at least 1")
    code = bch_code(n, min(t, n))
    log2_bins = plan_bins(n, budget, code.n_parity + 1)
    if not log2_bins:
        return None
    # One generator for each group: more bins only add rows.
    matrices = (
        random_independent_rows(n, b, np.random.default_rng([seed, group]))
        for group, b in enumerate(log2_bins)
    )
    return Design(code, tuple(matrices))
