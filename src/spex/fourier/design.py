"""Which masks to evaluate: subsampled Walsh-Hadamard transforms with coded offsets.

For each group c a random full-rank matrix M_c (b x n over F2), and offsets p_0 = 0, p_1 .. p_P, the
parity rows of a BCH code: the value function is asked for u_{c,i}(l) = f(M_c^T l + p_i) for every l
in F2^b. The transform over l aliases the spectrum into 2^b bins,

    U_{c,i}(j) = sum over k with M_c k = j of (-1)^<p_i,k> F(k)

(Kang, Butler et al. 2025, section 4.1). Rows of M_c are drawn one after another and the offsets of
a smaller t are among those of a larger, so that with one seed the masks of a smaller design are
masks of every larger one.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from spex._typing import FloatArray, IntArray, WordArray
from spex.errors import ArgumentError
from spex.f2.bch import BCHCode, bch_code
from spex.f2.linalg import multiply, random_independent_rows, span
from spex.f2.packing import pack
from spex.fourier.wht import walsh_hadamard

N_GROUPS = 3  # three groups peel up to 0.82 coefficients per bin, two only 0.5 (DESIGN, section 3)


@dataclass(frozen=True, eq=False)
class Design:
    """Coded masks, and how their values become bins.

    Args:
        code: The BCH code whose parity rows are the offsets.
        matrices: (C, b, n_words) uint64, M_c for each group.
    """

    code: BCHCode
    matrices: WordArray

    @property
    def n_features(self) -> int:
        """Number of features n."""
        return self.code.n

    @property
    def n_groups(self) -> int:
        """Number of groups C."""
        return len(self.matrices)

    @property
    def log2_bins(self) -> int:
        """b: every group has 2^b bins."""
        return self.matrices.shape[1]

    @cached_property
    def offsets(self) -> WordArray:
        """(P + 1, n_words) uint64: p_0 = 0, then the parity rows."""
        return np.concatenate([np.zeros_like(self.matrices[0, :1]), pack(self.code.parity_rows)])

    @cached_property
    def _positions(self) -> tuple[WordArray, IntArray]:
        spans = np.stack([span(rows) for rows in self.matrices])
        queries = spans[:, None, :, :] ^ self.offsets[None, :, None, :]
        words = queries.reshape(-1, queries.shape[-1])
        # Duplicates (all groups share l = 0) are asked for once; the order is that of first use.
        _, first, inverse = np.unique(words, axis=0, return_index=True, return_inverse=True)
        rank = np.empty(len(first), dtype=np.int64)
        rank[np.argsort(first)] = np.arange(len(first))
        return words[np.sort(first)], rank[inverse.reshape(-1)].reshape(queries.shape[:-1])

    @property
    def masks(self) -> WordArray:
        """(n_masks, n_words) uint64: the different masks to evaluate, in a fixed order."""
        return self._positions[0]

    def bins(self, values: FloatArray) -> FloatArray:
        """The bins U_{c,i}(j) from the values of `masks`.

        Args:
            values: (n_masks,) float64, f at each of `masks`.

        Returns:
            (C, P + 1, 2^b) float64.
        """
        return walsh_hadamard(values[self._positions[1]])

    def bin_numbers(self, frequencies: WordArray) -> IntArray:
        """M_c k for each group: (k, n_words) to (C, k)."""
        return np.stack([multiply(rows, frequencies) for rows in self.matrices])


def design_cost(n_parity: int, log2_bins: int, n_groups: int = N_GROUPS) -> int:
    """Number of different masks that a design evaluates, at most.

    C (P + 1) 2^b, less the P + 1 masks of l = 0 that all groups share.
    """
    return (n_parity + 1) * (n_groups * ((1 << log2_bins) - 1) + 1)


def plan_design(n: int, budget: int, t: int, seed: int) -> Design | None:
    """The design of most bins that corrects t errors and costs no more than a budget.

    Args:
        n: Number of features.
        budget: Limit on the number of different masks.
        t: Highest order of interaction to be decoded; reduced to n.
        seed: Of the random matrices.

    Returns:
        The design, or None where even two bins a group cost more than the budget.
    """
    if n < 1 or t < 1:
        raise ArgumentError(f"a design for n={n} features and order t={t}; both must be at least 1")
    code = bch_code(n, min(t, n))
    log2_bins = 0
    while log2_bins < n and design_cost(code.n_parity, log2_bins + 1) <= budget:
        log2_bins += 1
    if log2_bins == 0:
        return None
    # One generator per group: more bins add rows and leave those before them as they are.
    matrices = [
        random_independent_rows(n, log2_bins, np.random.default_rng([seed, group]))
        for group in range(N_GROUPS)
    ]
    return Design(code, np.stack(matrices))
