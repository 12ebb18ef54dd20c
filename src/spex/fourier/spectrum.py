"""A sparse Fourier spectrum: the surrogate from which all interactions are read.

With masks m in {0,1}^n (1 = the feature is present),

    f(m) = sum_k F(k) (-1)^<k,m>,        F(k) = 2^-n sum_m (-1)^<k,m> f(m).

The SPEX poster writes m_i = 1 for a *masked* feature; the two differ by (-1)^|k| on F(k).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import numpy as np

from spex._typing import BoolArray, FloatArray, IntArray, Interaction, WordArray
from spex.errors import ArgumentError
from spex.f2.packing import n_words, pack, set_bits, signs
from spex.wording import shorten

# Masks times coefficients evaluated at once: 16 MB of signs.
_BLOCK = 1 << 21


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Fourier coefficients on a support of frequencies; every other coefficient is zero.

    Args:
        n_features: n, the number of features.
        support: (k, n_words) uint64, the frequencies, packed and pairwise different.
        coefficients: (k,) float64, F at each of them, in the unit of the value function.

    Example:
        >>> import numpy as np
        >>> import spex
        >>> spectrum = spex.Spectrum.from_mapping({(): 1.0, (0, 2): 0.5}, n_features=3)
        >>> spectrum.predict(np.array([[True, True, True], [True, True, False]])).tolist()
        [1.5, 0.5]
    """

    n_features: int
    support: WordArray
    coefficients: FloatArray

    def __post_init__(self) -> None:
        expected = (len(self.coefficients), n_words(self.n_features))
        if self.support.shape != expected:
            raise ArgumentError(
                f"support has shape {self.support.shape}; {len(self.coefficients)} coefficients "
                f"over {self.n_features} features need {expected}"
            )
        self.support.flags.writeable = False
        self.coefficients.flags.writeable = False

    @classmethod
    def from_mapping(cls, coefficients: Mapping[Interaction, float], n_features: int) -> "Spectrum":
        """Make a spectrum from {interaction: coefficient}.

        Raises:
            ArgumentError: an interaction names a feature outside 0 .. n_features - 1 or is not
                sorted without repetition.
        """
        for interaction in coefficients:
            members = list(interaction)
            if members != sorted(set(members)) or (
                members and not 0 <= members[0] <= members[-1] < n_features
            ):
                raise ArgumentError(
                    f"{shorten(str(interaction))} is not a sorted tuple of different features "
                    f"between 0 and {n_features - 1}"
                )
        orders = np.fromiter(map(len, coefficients), np.int64, count=len(coefficients))
        rows = np.repeat(np.arange(len(orders)), orders)
        columns = np.fromiter(chain.from_iterable(coefficients), np.int64, count=len(rows))
        # Packed at once: rows of booleans would take eight times the memory.
        support = np.zeros((len(orders), n_words(n_features)), dtype=np.uint64)
        bits = np.uint64(1) << (columns % 64).astype(np.uint64)
        np.bitwise_or.at(support, (rows, columns // 64), bits)
        values = np.fromiter(coefficients.values(), dtype=np.float64, count=len(coefficients))
        return cls(n_features, support, values)

    def __len__(self) -> int:
        return len(self.coefficients)

    @cached_property
    def orders(self) -> IntArray:
        """(k,) int64, the order of each frequency: its number of features."""
        return np.bitwise_count(self.support).sum(axis=1, dtype=np.int64)

    @property
    def degree(self) -> int:
        """The highest order in the support; 0 if it is empty."""
        return int(self.orders.max(initial=0))

    @classmethod
    def constant(cls, value: float, n_features: int) -> "Spectrum":
        """The spectrum of a constant function."""
        return cls(n_features, np.zeros((1, n_words(n_features)), np.uint64), np.array([value]))

    @cached_property
    def interactions(self) -> tuple[Interaction, ...]:
        """The frequencies as sorted tuples of feature numbers."""
        features = set_bits(self.support, self.n_features)[1].tolist()
        ends = np.cumsum(self.orders).tolist()
        starts = [0, *ends]
        return tuple(tuple(features[a:b]) for a, b in zip(starts, ends, strict=False))

    def items(self) -> Iterator[tuple[Interaction, float]]:
        """Pairs of interaction and coefficient."""
        return zip(self.interactions, self.coefficients.tolist(), strict=True)

    def predict(self, masks: BoolArray) -> FloatArray:
        """Evaluate sum_k F(k) (-1)^<k,m>.

        Args:
            masks: (m, n) bool, True = present.

        Returns:
            (m,) float64.
        """
        return self.evaluate(pack(masks))

    def evaluate(self, words: WordArray) -> FloatArray:
        """`predict` for packed masks: (m, n_words) uint64 to (m,) float64."""
        values = np.empty(len(words))
        step = max(1, _BLOCK // max(1, self.support.size))
        for start in range(0, len(words), step):
            # Row sums, not a matrix product, so that a value does not depend on the other masks.
            terms = signs(words[start : start + step], self.support) * self.coefficients
            values[start : start + step] = terms.sum(axis=1)
        return values

    def keep(self, selected: BoolArray | IntArray) -> "Spectrum":
        """The spectrum of the selected coefficients: (k,) bool or int64 positions."""
        return Spectrum(self.n_features, self.support[selected], self.coefficients[selected])


def weighted_sum(spectra: Sequence[Spectrum], weights: FloatArray) -> Spectrum:
    """The spectrum of a weighted sum of functions: the weighted sum of their spectra.

    Args:
        spectra: One or more, of the same features.
        weights: (len(spectra),) float64.
    """
    if len(spectra) == 1 and weights[0] == 1.0:
        return spectra[0]
    everything = np.concatenate([spectrum.support for spectrum in spectra])
    _, first, group = np.unique(everything, axis=0, return_index=True, return_inverse=True)
    parts = [w * spectrum.coefficients for w, spectrum in zip(weights, spectra, strict=True)]
    sums = np.bincount(group.ravel(), np.concatenate(parts), len(first)).astype(np.float64)
    order = np.argsort(first)
    return Spectrum(spectra[0].n_features, everything[first[order]], sums[order])
