"""Good sets fast: grow greedily, then exchange single features while that helps."""

from collections.abc import Collection

import numpy as np
from scipy import sparse

from spex._typing import BoolArray, FloatArray, IntArray
from spex.f2.packing import set_bits
from spex.fourier.spectrum import Spectrum

_MOST_EXCHANGES = 200


class LocalSearch:
    """Climbs from set to set of removed features.

    Args:
        spectrum: The function.
    """

    def __init__(self, spectrum: Spectrum) -> None:
        n = spectrum.n_features
        rows, columns = set_bits(spectrum.support, n)
        shape = (len(spectrum), n)
        self._members = sparse.csr_array((np.ones(len(rows)), (rows, columns)), shape=shape)
        self._by_feature = self._members.T.tocsr()
        self._coefficients = spectrum.coefficients
        self._orders = spectrum.orders

    def gains(self, removed: BoolArray, linear: FloatArray | None = None) -> FloatArray:
        """(n,) the gain in value if one more feature is removed, or put back.

        Args:
            removed: (n,) bool.
            linear: (n,) float64, added to the value for each removed feature.
        """
        return self._gains(self._terms(removed), removed, linear)

    def _terms(self, removed: BoolArray) -> FloatArray:
        odd = (self._members @ (~removed).astype(np.float64)).astype(np.int64) & 1
        return self._coefficients * (1 - 2 * odd)

    def _gains(
        self, terms: FloatArray, removed: BoolArray, linear: FloatArray | None
    ) -> FloatArray:
        gains: FloatArray = -2.0 * np.asarray(self._by_feature @ terms)
        return gains if linear is None else gains + np.where(removed, -linear, linear)

    def _flip(self, terms: FloatArray, removed: BoolArray, feature: int) -> None:
        start, stop = self._by_feature.indptr[feature : feature + 2]
        terms[self._by_feature.indices[start:stop]] *= -1
        removed[feature] = not removed[feature]

    def climb(
        self,
        size: int,
        sign: float,
        linear: FloatArray | None = None,
        start: Collection[int] = (),
    ) -> IntArray:
        """A set that no exchange of one feature improves (or after 200 exchanges).

        Args:
            size: Number of features removed, 0 to n.
            sign: 1.0 for a large value, -1.0 for a small one.
            linear: See `gains`.
            start: At most `size` features to begin with.

        Returns:
            (size,) int64, sorted.
        """
        removed = np.zeros(self._members.shape[1], dtype=np.bool_)
        removed[list(start)] = True
        terms = self._terms(removed)
        for _ in range(size - int(removed.sum())):
            gains = sign * self._gains(terms, removed, linear)
            gains[removed] = -np.inf
            self._flip(terms, removed, int(np.argmax(gains)))
        least = 1e-12 * float(np.abs(self._coefficients).sum())
        exchanges = 0
        while exchanges < _MOST_EXCHANGES and self._exchange(terms, removed, sign, linear, least):
            exchanges += 1
        return np.flatnonzero(removed)

    def _exchange(
        self,
        terms: FloatArray,
        removed: BoolArray,
        sign: float,
        linear: FloatArray | None,
        least: float,
    ) -> bool:
        """Put one feature back and remove another one, if that improves the value."""
        gains = sign * self._gains(terms, removed, linear)
        inside = np.flatnonzero(removed)
        for out in inside[np.argsort(-gains[inside], kind="stable")].tolist():
            lost = gains[out]
            self._flip(terms, removed, out)
            after = sign * self._gains(terms, removed, linear)
            after[removed] = -np.inf
            after[out] = -np.inf
            into = int(np.argmax(after))
            if lost + after[into] > least:
                self._flip(terms, removed, into)
                return True
            self._flip(terms, removed, out)
        return False
