"""Decoding by message passing: from bins to a sparse spectrum.

A bin with one dominant frequency k shows, in the signs of its entries, the syndrome of k (Kang,
Butler et al. 2025, section 4.2). Each round

1. searches for frequencies: codewords of the bins' signs, every frequency of a low order,
   neighbours of those found (`search`);
2. accepts those whose evidence from the bins of all groups (`evidence`) exceeds what the best of
   that many wrong frequencies would reach by chance. The strongest come first: one that shares bins
   with a stronger one waits until that is subtracted;
3. estimates all coefficients again, together, by least squares on the bins, and subtracts them.

When nothing more is found, coefficients that the joint estimate does not support are dropped, and
the search goes on without them.

Deviations from the source: A frequency is accepted by the evidence of all groups, not of one bin.
Every round estimates all coefficients again. The threshold follows from the noise and the number of
frequencies (extended Bayesian information criterion, Chen & Chen 2008).
"""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import scipy.linalg

from spex._typing import BoolArray, FloatArray, IntArray, WordArray
from spex.f2.packing import are_among
from spex.fourier import positive_definite
from spex.fourier.codewords import UNCHANGED, Codewords
from spex.fourier.design import Design
from spex.fourier.evidence import (
    Geometry,
    Residual,
    frequencies_of,
    log_count,
    normal_equations,
    orders_of,
    subtract,
)
from spex.fourier.search import (
    count_neighbours,
    enumerable_order,
    enumerate_order,
    extended,
    neighbours,
    normalised,
    shortened,
)
from spex.fourier.spectrum import Spectrum

# Proposes frequencies, and for each the logarithm of how many wrong ones there are per right one.
_Search: TypeAlias = Callable[[], tuple[IntArray, FloatArray]]

_MAX_ROUNDS = 100
# Up to this many features all pairs are tried in every round; beyond, only when nothing else helps.
_MANY_PAIRS = 2000
# Share of the best evidence that others accepted in the same round must have.
_SURE = 0.1
# Findings in unchanged bins stay valid while at least this share of the noise is left.
_LESS_NOISE = 0.9
# Energy below this share of the whole is rounding error of float32 bins.
_ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class DecodeResult:
    """What message passing found.

    Args:
        spectrum: The decoded coefficients.
        unexplained: Share of the energy of the bins (without the constant) left over, 0 to 1.
        further: (k, n_words) uint64 frequencies with some evidence, but too little to be accepted;
            the likeliest first.
    """

    spectrum: Spectrum
    unexplained: float
    further: WordArray


def decode(design: Design, values: FloatArray, max_degree: int, n_further: int = 0) -> DecodeResult:
    """Find the large Fourier coefficients of a function from the values of its coded masks.

    Args:
        design: The masking design.
        values: (n_masks,) float64, the function at `design.masks`.
        max_degree: Frequencies of higher order are not accepted.
        n_further: How many doubtful frequencies are named at most.

    Returns:
        The decoded spectrum and what was left.
    """
    # Bins are float32: in a unit near the values' spread they neither overflow nor vanish. As that
    # is a power of two, it changes no digit of the result.
    unit = 2.0 ** math.frexp(float(values.std()))[1]
    decoder = _Decoder(design, values / unit, max_degree)
    decoder.run()
    found = decoder.result(n_further)
    spectrum = replace(found.spectrum, coefficients=found.spectrum.coefficients * unit)
    return replace(found, spectrum=spectrum)


class _Decoder:
    """The state of message passing: a support, its coefficients and the residual bins."""

    def __init__(self, design: Design, values: FloatArray, max_degree: int) -> None:
        self._design = design
        self._geometry = Geometry.of(design)
        self._codewords = Codewords(self._geometry, design.code)
        self._max_degree = min(max_degree, design.n_features)
        self._enumerable = enumerable_order(design.n_features, self._max_degree)
        bins = design.bins(values)
        self._bins = np.concatenate(bins)
        # The weight of an entry in the joint estimate: its variance is noise / 2^b_c.
        self._weights = np.repeat(self._geometry.n_bins, self._geometry.n_bins).astype(np.float64)
        self._bins_rounding = _ROUNDING * float((self._bins**2).mean(axis=1) @ self._weights)
        orders = np.arange(self._max_degree + 1)
        self._log_count = log_count(design.n_features, orders)
        # The constant is always there.
        self._members = np.full((1, self._max_degree), -1, dtype=np.int64)
        self._dropped = self._members[:0]
        # Proposals from the enumeration of higher orders. They are judged again before the next
        # enumeration, which looks only at bins that have changed since, unless the noise has
        # fallen.
        self._pending = np.zeros((0, self._max_degree), dtype=np.int64)
        self._looked_at = np.full(self._bins.shape, np.inf, dtype=np.float32)
        self._noise_then = np.inf
        self._estimate()
        self._total = self._energy()
        self._rounding = _ROUNDING * float((values**2).mean())

    # ---- the rounds

    def run(self) -> None:
        """Pass messages until nothing changes."""
        for _ in range(_MAX_ROUNDS):
            if self._energy() <= self._rounding:
                return
            found = np.zeros((0, self._max_degree), dtype=np.int64)
            for together in self._searches():
                proposed = [search() for search in together]
                found = self._accept(
                    np.concatenate([members for members, _ in proposed]),
                    np.concatenate([log_numbers for _, log_numbers in proposed]),
                )
                if len(found):
                    break
            if len(found):
                self._members = np.concatenate([self._members, found])
                self._estimate()
            elif not self._drop():
                return

    def _searches(self) -> list[list[_Search]]:
        """Searches to be judged together, the cheap ones first.

        Each returns frequencies and, for each, ln of how many wrong ones there are to a right one.
        """
        residual = self._residual
        n = self._geometry.n_features
        low = min(2 if n <= _MANY_PAIRS else 1, self._enumerable)

        def codewords() -> tuple[IntArray, FloatArray]:
            least = self._threshold(np.array([min(3, self._max_degree)]))[0]
            found = self._codewords.propose(residual, least)
            found = self._filled(found[orders_of(found) <= self._max_degree])
            return found, self._log_odds(orders_of(found))

        def low_orders() -> tuple[IntArray, FloatArray]:
            return self._enumerated(residual, range(1, low + 1))

        def near() -> tuple[IntArray, FloatArray]:
            # Half of the prior probability is for neighbours: real functions have them often.
            count = count_neighbours(self._members, n, self._max_degree)
            number = np.log(2 * max(count, 1))

            def log_odds(orders: IntArray) -> FloatArray:
                return np.minimum(self._log_odds(orders), number)

            short = self._members[orders_of(self._members) < self._max_degree]
            least = self._penalty(log_odds(orders_of(short) + 1))
            longer = self._filled(extended(residual, short, least))
            found = np.concatenate([longer, shortened(self._members, self._max_degree)])
            return found, log_odds(orders_of(found))

        def higher_orders() -> tuple[IntArray, FloatArray]:
            rows = residual.rows
            if residual.noise < _LESS_NOISE * self._noise_then:
                self._looked_at[:], self._noise_then = np.inf, residual.noise
            change = ((rows - self._looked_at) ** 2).sum(axis=1)
            changed = change > UNCHANGED * (rows**2).sum(axis=1)
            self._looked_at[changed] = rows[changed]
            found, _ = self._enumerated(residual, range(low + 1, self._enumerable + 1), changed)
            self._pending = normalised(np.concatenate([self._pending, found]))
            return pending()

        def pending() -> tuple[IntArray, FloatArray]:
            return self._pending, self._log_odds(orders_of(self._pending))

        return [[codewords, low_orders, near], [pending], [higher_orders]]

    def _enumerated(
        self, residual: Residual, orders: range, changed: BoolArray | None = None
    ) -> tuple[IntArray, FloatArray]:
        found = [np.zeros((0, self._max_degree), dtype=np.int64)]
        for order in orders:
            least = float(self._threshold(np.array([order]))[0])
            found.append(self._filled(enumerate_order(residual, order, least, changed)))
        members = np.concatenate(found)
        return members, self._log_odds(orders_of(members))

    def _filled(self, members: IntArray) -> IntArray:
        filled = np.full((len(members), self._max_degree), -1, dtype=np.int64)
        filled[:, : members.shape[1]] = members[:, : self._max_degree]
        return filled

    def _penalty(self, log_numbers: FloatArray) -> FloatArray:
        """What the evidence for a frequency must exceed."""
        size = self._geometry.n_offsets * len(self._geometry.start)
        return np.asarray(log_numbers + 0.5 * np.log(size))

    def _log_odds(self, orders: IntArray) -> FloatArray:
        """Ln of how many wrong frequencies of an order there are to each right one.

        Those found so far tell how many right ones there are at least.
        """
        highest = self._max_degree
        found = np.bincount(orders_of(self._members), minlength=highest + 1)[: highest + 1]
        return np.asarray((self._log_count - np.log1p(found))[orders])

    def _threshold(self, orders: IntArray) -> FloatArray:
        return self._penalty(self._log_odds(orders))

    def _accept(self, members: IntArray, log_numbers: FloatArray) -> IntArray:
        """The frequencies that the bins support, the strongest first, few or none to a bin."""
        surplus = self._residual.evidence(members) - self._penalty(log_numbers)
        good = np.nonzero(surplus > 0)[0]
        good = good[self._are_new(members[good])]
        good = good[np.argsort(-surplus[good], kind="stable")]
        # Frequencies with far less evidence than the best wait until the best are subtracted.
        good = good[surplus[good] >= _SURE * surplus[good].max(initial=0.0)]
        rows = self._geometry.rows_of(members[good])
        used = np.zeros(len(self._residual.rows), dtype=np.bool_)
        # With more bins than frequencies, one bin of three may be shared with a stronger one.
        n_all = len(self._members) + len(good)
        shared = (len(self._geometry.start) - 1) // 2 if n_all < self._geometry.n_bins.min() else 0
        chosen = []
        for number, where in enumerate(rows):
            if used[where].sum() <= shared:
                used[where] = True
                chosen.append(number)
        room = max(0, self._bins.size // 4 - len(self._members))
        return members[good[chosen[:room]]]

    def _are_new(self, members: IntArray) -> BoolArray:
        known = np.concatenate([self._members, self._dropped])
        return ~are_among(members.view(np.uint64), known.view(np.uint64))

    def _drop(self) -> bool:
        """Drop coefficients that the joint estimate does not support; whether there were any."""
        orders = orders_of(self._members)
        inverse = positive_definite.inverse(self._factor.copy())
        errors = np.sqrt(self._noise * inverse.diagonal())
        ratio = (self._coefficients / np.maximum(errors, 1e-300)) ** 2 / 2
        number = np.minimum(
            self._log_odds(orders), np.log(2 * self._geometry.n_features * len(orders))
        )
        kept = (ratio > self._penalty(number)) | (orders == 0)
        if kept.all():
            return False
        self._dropped = np.concatenate([self._dropped, self._members[~kept]])
        self._members = self._members[kept]
        self._estimate()
        return True

    # ---- the joint estimate

    def _estimate(self) -> None:
        """Least squares of all bins on the support; then the residual.

        Two frequencies meet only in the bins that they share. So the normal equations need only the
        signs at the offsets and the bin numbers, not the masks.
        """
        geometry = self._geometry
        signs = geometry.signs_of(self._members).astype(np.float64)
        rows = geometry.rows_of(self._members)
        gram, moment = normal_equations(self._bins, geometry.n_bins, rows, signs)
        # Frequencies that these masks cannot tell apart share their coefficient (a tiny ridge).
        diagonal = np.diag_indices_from(gram)
        gram[diagonal] *= 1.0 + 1e-14
        try:
            self._factor = positive_definite.cholesky(gram.copy())
        except scipy.linalg.LinAlgError:
            gram[diagonal] *= 1.0 + 1e-8
            self._factor = positive_definite.cholesky(gram)
        self._coefficients = positive_definite.solve(self._factor, moment)
        residual = self._bins.copy()
        subtract(residual, rows, signs, self._coefficients)
        self._left = residual
        # Correct for the degrees of freedom of the fit.
        freedom = max(1 - len(signs) / residual.size, 0.1)
        adapted = residual / np.sqrt(freedom)
        self._residual = Residual.of(geometry, adapted, self._bins_rounding / len(residual))
        freedom = max(1, residual.size - len(signs))
        self._noise = float((residual**2).sum(axis=1) @ self._weights) / freedom

    def _energy(self) -> float:
        """Mean energy of a value around the decoded spectrum."""
        return float((self._left**2).mean(axis=1).sum()) / len(self._geometry.start)

    # ---- the result

    def result(self, n_further: int) -> DecodeResult:
        """What was found, as a spectrum."""
        n = self._geometry.n_features
        unexplained = self._energy() / self._total if self._total > self._rounding else 0.0
        largest = np.abs(self._coefficients).max(initial=0.0)
        kept = (np.abs(self._coefficients) > 1e-12 * largest) | (orders_of(self._members) == 0)
        spectrum = Spectrum(n, frequencies_of(self._members[kept], n), self._coefficients[kept])
        return DecodeResult(spectrum, min(unexplained, 1.0), self._further(n_further))

    def _further(self, count: int) -> WordArray:
        n = self._geometry.n_features
        if count == 0 or self._energy() <= self._rounding:
            return np.zeros((0, self._design.offsets.shape[1]), dtype=np.uint64)
        low = range(1, min(2 if n <= _MANY_PAIRS else 1, self._enumerable) + 1)
        blocks = itertools.chain(
            neighbours(self._members, n, self._max_degree),
            (self._filled(enumerate_order(self._residual, order, 1.0)) for order in low),
        )
        best = np.zeros((0, self._max_degree), dtype=np.int64)
        for block in blocks:
            members = normalised(np.concatenate([best, block]))
            members = members[self._are_new(members)]
            # The higher the order, the more frequencies could look like this by chance.
            chance = 0.5 * log_count(n, orders_of(members))
            surplus = self._residual.evidence(members) - chance
            best = members[np.argsort(-surplus, kind="stable")[:count]]
        return frequencies_of(best, n)
