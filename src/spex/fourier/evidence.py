"""The evidence for a frequency: a log-likelihood ratio from all groups together.

A frequency k falls into one bin of every group. The entries of that bin are F(k) times the signs
of k at the offsets, plus noise, plus other frequencies. The evidence for k compares two models of
its bins: with k, at the amplitude F that fits all groups best, and without k. In both models all
else in a bin is Gaussian noise, with a separate variance for each bin. The variance is estimated as
the mean square left over, but not below a share of the noise of the samples. The evidence is the
log-likelihood ratio of the two,

    sum_c (P/2) ln( v_c / v_c(F) ),      v_c(F) = E_c - 2 F t_c + F^2.

Here v_c is the variance without k, E_c the mean square of the bin's entries, and t_c the mean of
the entries times the signs of k. A bin that another frequency dominates counts little, a clean bin
fully.
"""

from dataclasses import dataclass
from functools import cached_property

import numba as nb
import numpy as np
from scipy.special import gammaln

from spex._typing import Float32Array, FloatArray, IntArray, WordArray
from spex.f2.packing import pack, unpack
from spex.fourier.design import Design

# The least variance of a bin, as a share of the noise in the bins of least energy. Without it, a
# bin that is quiet by chance would count too much. With the whole noise instead of this share, up
# to a third less is found: if all bins hold several frequencies, these pass for noise.
NOISE_FLOOR = 0.3
# Rows are padded with zeros to multiples of this: a loop's remainder costs as much as a vector.
_VECTOR = 8
# Fixed-point steps for the common amplitude; the variances hardly change after two.
_AMPLITUDE_STEPS = 3


@dataclass(frozen=True, eq=False)
class Geometry:
    """The signs and bin numbers of each feature in a design; computed once for each design.

    Args:
        signs: (n, P + 1) float32, (-1)^<p_i,{a}>.
        numbers: (C, n) int64, M_c {a}: the bin numbers of single features. That of a frequency is
            the exclusive or of those of its features.
        start: (C,) int64, the first row of the bins of each group.
        n_bins: (C,) int64, 2^b_c.
    """

    signs: Float32Array
    numbers: IntArray
    start: IntArray
    n_bins: IntArray

    @classmethod
    def of(cls, design: Design) -> "Geometry":
        """The geometry of a design."""
        n_bins = 1 << np.array(design.log2_bins, dtype=np.int64)
        signs = np.ones((design.n_features, design.n_offsets), dtype=np.float32)
        signs[:, 1:] -= 2 * design.code.parity_rows.T
        powers = [1 << np.arange(b, dtype=np.int64) for b in design.log2_bins]
        numbers = [
            unpack(rows, design.n_features).T @ power
            for rows, power in zip(design.matrices, powers, strict=True)
        ]
        return cls(signs, np.stack(numbers), np.cumsum(n_bins) - n_bins, n_bins)

    @property
    def n_features(self) -> int:
        """Number of features n."""
        return len(self.signs)

    @property
    def n_offsets(self) -> int:
        """P + 1."""
        return self.signs.shape[1]

    @cached_property
    def filled_signs(self) -> Float32Array:
        """(n, width) float32: `signs`, padded with zeros to whole vectors of the processor."""
        return _filled(self.signs)

    def signs_of(self, members: IntArray) -> Float32Array:
        """(k, P + 1) float32 signs of frequencies: (k, d) int64 features, filled with -1."""
        signs = np.ones((len(members), self.n_offsets), dtype=np.float32)
        for column in members.T:
            signs *= np.where(column[:, None] >= 0, self.signs[column], 1)
        return signs

    def rows_of(self, members: IntArray) -> IntArray:
        """(k, C) int64 rows of the bins of frequencies: (k, d) int64 features, filled with -1."""
        numbers = np.zeros((len(members), len(self.start)), dtype=np.int64)
        for column in members.T:
            numbers ^= np.where(column[:, None] >= 0, self.numbers[:, column].T, 0)
        return numbers + self.start


@dataclass(frozen=True, eq=False)
class Residual:
    """The bins without the decoded coefficients, and the noise of each bin.

    Args:
        geometry: Geometry of the design.
        rows: (sum of 2^b_c, P + 1) float32, the bins of all groups.
        noise: Variance of the noise of one sample; that of a bin's entry is noise / 2^b_c.
    """

    geometry: Geometry
    rows: Float32Array
    noise: float

    @classmethod
    def of(cls, geometry: Geometry, rows: FloatArray, rounding: float) -> "Residual":
        """Estimate the noise from the emptier bins.

        Args:
            geometry: Geometry of the design.
            rows: (sum of 2^b_c, P + 1) float64, the residual bins.
            rounding: Least variance of the noise of one sample: that of rounding errors.
        """
        energy = (rows**2).mean(axis=1) * np.repeat(geometry.n_bins, geometry.n_bins)
        noise = noise_of_bins(energy, geometry.n_offsets)
        return cls(geometry, rows.astype(np.float32), max(noise, rounding))

    @cached_property
    def filled_rows(self) -> Float32Array:
        """`rows`, float32, padded with zeros to whole vectors of the processor."""
        return _filled(self.rows)

    @cached_property
    def scale(self) -> Float32Array:
        """(rows,) float32: square of a sum over the offsets times this = share of the energy."""
        scale = 1.0 / (np.maximum(self.energy, self.floor) * self.geometry.n_offsets**2)
        return scale.astype(np.float32)

    @cached_property
    def energy(self) -> FloatArray:
        """(rows,) float64: the mean square of each bin's entries."""
        return np.asarray((self.rows.astype(np.float64) ** 2).mean(axis=1))

    @cached_property
    def floor(self) -> FloatArray:
        """(rows,) float64: the least variance of each bin's entries."""
        return np.repeat(NOISE_FLOOR * self.noise / self.geometry.n_bins, self.geometry.n_bins)

    @cached_property
    def potential(self) -> FloatArray:
        """(rows,) float64: the most evidence that each bin can give for a frequency."""
        return np.asarray(self.weight * np.log(np.maximum(self.energy, self.floor) / self.floor))

    @property
    def weight(self) -> float:
        """P/2: half the degrees of freedom of a bin besides the amplitude."""
        return max(self.geometry.n_offsets - 1, 1) / 2

    def evidence(self, members: IntArray) -> FloatArray:
        """(k,) float64 log-likelihood ratios of frequencies (k, d) int64, filled with -1."""
        geometry, ratio = self.geometry, np.zeros(len(members))
        _evidence(
            np.ascontiguousarray(members, dtype=np.int64), geometry.signs, geometry.numbers,
            geometry.start, self.rows, self.energy, self.floor, ratio,
        )  # fmt: skip
        return self.weight * ratio


def _filled(rows: Float32Array) -> Float32Array:
    width = rows.shape[1] + -rows.shape[1] % _VECTOR
    filled = np.zeros((len(rows), width), dtype=np.float32)
    filled[:, : rows.shape[1]] = rows
    return filled


def noise_of_bins(energy: FloatArray, n_offsets: int) -> float:
    """The variance of the noise of one sample.

    From the lower quartile of the bins, so three bins in four may hold a frequency. The quartile of
    chi-squared with P degrees of freedom over its mean is
    (1 - 2/(9 P) - 0.6745 sqrt(2/(9 P)))^3 (Wilson & Hilferty 1931).

    Args:
        energy: (bins,) float64, the mean square of the entries of each bin times 2^b_c.
        n_offsets: The number of entries of a bin, taken as P.
    """
    p = n_offsets
    quartile = (1 - 2 / (9 * p) - 0.6745 * np.sqrt(2 / (9 * p))) ** 3
    return float(np.quantile(energy, 0.25)) / float(quartile)


@nb.njit(cache=True, fastmath={"reassoc", "contract", "nsz"})
def _evidence(members, signs, numbers, start, rows, energy, floor, ratio):  # type: ignore[no-untyped-def]
    """Log-likelihood ratios without the factor P/2.

    Args:
        members: (k, d) int64 features, filled with -1.
        signs: (n, P + 1) float32.
        numbers: (C, n) int64.
        start: (C,) int64.
        rows: (sum of 2^b_c, P + 1) float32.
        energy: (rows,) float64.
        floor: (rows,) float64.
        ratio: (k,) float64, zeros; written.
    """
    n_groups, n_offsets = len(start), signs.shape[1]
    of_all = np.empty(n_offsets, np.float32)
    mean, variance = np.empty(n_groups), np.empty(n_groups)
    row = np.empty(n_groups, np.int64)
    for k in range(len(members)):
        of_all[:] = 1
        row[:] = 0
        for feature in members[k]:
            if feature >= 0:
                for i in range(n_offsets):
                    of_all[i] *= signs[feature, i]
                for c in range(n_groups):
                    row[c] ^= numbers[c, feature]
        for c in range(n_groups):
            row[c] += start[c]
            total = np.float32(0)
            for i in range(n_offsets):
                total += of_all[i] * rows[row[c], i]
            mean[c] = total / n_offsets
            variance[c] = max(energy[row[c]] - mean[c] ** 2, floor[row[c]])
        for _ in range(_AMPLITUDE_STEPS):
            weighted, weights = 0.0, 0.0
            for c in range(n_groups):
                weighted += mean[c] / variance[c]
                weights += 1 / variance[c]
            common = weighted / weights
            for c in range(n_groups):
                left = energy[row[c]] - 2 * common * mean[c] + common**2
                variance[c] = max(left, floor[row[c]])
        for c in range(n_groups):
            ratio[k] += np.log(max(energy[row[c]], floor[row[c]]) / variance[c])


@nb.njit(cache=True)
def subtract(rows, numbers, signs, coefficients):  # type: ignore[no-untyped-def]
    """Subtract coefficients from their bins.

    Args:
        rows: (sum of 2^b_c, P + 1) float64 bins, changed.
        numbers: (k, C) int64, `Geometry.rows_of` the frequencies.
        signs: (k, P + 1) float64, `Geometry.signs_of` the frequencies.
        coefficients: (k,) float64.
    """
    for k in range(len(signs)):
        for row in numbers[k]:
            for i in range(signs.shape[1]):
                rows[row, i] -= coefficients[k] * signs[k, i]


@nb.njit(cache=True, fastmath={"reassoc", "contract", "nsz"})
def normal_equations(rows, n_bins, numbers, signs):  # type: ignore[no-untyped-def]
    """The normal equations of least squares of the bins on frequencies.

    Args:
        rows: (sum of 2^b_c, P + 1) float64 bins.
        n_bins: (C,) int64, the weight of each group.
        numbers: (k, C) int64, `Geometry.rows_of` the frequencies.
        signs: (k, P + 1) float64, `Geometry.signs_of` the frequencies.

    Returns:
        (k, k) float64 symmetric matrix and (k,) float64 right side.
    """
    n_frequencies, n_offsets = signs.shape
    gram = np.zeros((n_frequencies, n_frequencies))
    moment = np.zeros(n_frequencies)
    for k in range(n_frequencies):
        for c in range(len(n_bins)):
            total = 0.0
            for i in range(n_offsets):
                total += signs[k, i] * rows[numbers[k, c], i]
            moment[k] += n_bins[c] * total
        for j in range(k + 1):
            weight = 0
            for c in range(len(n_bins)):
                if numbers[j, c] == numbers[k, c]:
                    weight += n_bins[c]
            if weight:
                total = 0.0
                for i in range(n_offsets):
                    total += signs[k, i] * signs[j, i]
                gram[k, j] = gram[j, k] = weight * total
    return gram, moment


def log_count(n: int, orders: IntArray) -> FloatArray:
    """(k,) float64: ln of the number of frequencies of each order d, binom(n, d)."""
    d = np.asarray(orders, dtype=np.float64)
    return np.asarray(gammaln(n + 1) - gammaln(d + 1) - gammaln(n - d + 1))


def orders_of(members: IntArray) -> IntArray:
    """(k,) int64: the number of features in each row; (k, d) int64, filled with -1."""
    return np.asarray((members >= 0).sum(axis=1), dtype=np.int64)


def frequencies_of(members: IntArray, n: int) -> WordArray:
    """(k, n_words) uint64 packed frequencies of (k, d) int64 features, filled with -1."""
    bits = np.zeros((len(members), n + 1), dtype=np.bool_)
    bits[np.arange(len(bits))[:, None], members] = True  # -1 fills the spare last column
    return pack(bits[:, :-1])
