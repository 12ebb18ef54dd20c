"""How strongly the bins speak for a frequency: likelihood ratios from all groups together.

A frequency k shows in one bin of every group, as its signs over the offsets times F(k), under
noise and under whatever else fell into that bin. Both differ from bin to bin, so each bin brings a
variance of its own: what is left of its energy without k, but no less than the noise that the
samples have anyway. The evidence for k is the logarithm of the likelihood ratio of "k with the best
common amplitude" against "nothing", each bin's variance being profiled out,

    sum_c (P/2) ln( v_c / v_c(F) ),      v_c(F) = E_c - 2 F t_c + F^2,

with E_c the mean energy of the bin's entries and t_c the mean of its entries times the signs of k.
A bin that another frequency dominates thus counts little, a clean one fully.
"""

from dataclasses import dataclass
from functools import cached_property

import numba as nb
import numpy as np
from scipy.special import gammaln

from spex._typing import Float32Array, FloatArray, IntArray, WordArray
from spex.f2.packing import pack, unpack
from spex.fourier.design import Design

# A bin's own variance is what counts; the noise that all bins share only keeps a bin that is quiet
# by chance from proving too much. Where bins hold several frequencies even the emptier ones show
# interference, which as a floor would hide all of them: so a part of it serves as the floor.
# Measured: a third or none finds the same, all of it up to a third less.
NOISE_FLOOR = 0.3
# Rows are filled with zeros up to multiples of this: the rest of a loop costs as much as a vector.
_VECTOR = 8
# Fixed-point steps for the common amplitude; the variances hardly change after two.
_AMPLITUDE_STEPS = 3


@dataclass(frozen=True, eq=False)
class Geometry:
    """Where each feature acts in a design; computed once for each design.

    Args:
        signs: (n, P + 1) float32, (-1)^<p_i,{a}>.
        numbers: (C, n) int64, M_c {a}: the bin numbers of single features. Those of a frequency
            are the exclusive or of its members'.
        start: (C,) int64, the row at which the bins of each group begin.
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
        """`signs`, each row filled with zeros up to whole vectors of the processor."""
        return _filled(self.signs)

    def signs_of(self, members: IntArray) -> Float32Array:
        """(k, P + 1) float32 signs of frequencies given as rows of features, filled with -1."""
        signs = np.ones((len(members), self.n_offsets), dtype=np.float32)
        for column in members.T:
            signs *= np.where(column[:, None] >= 0, self.signs[column], 1)
        return signs

    def rows_of(self, members: IntArray) -> IntArray:
        """(k, C) rows of all bins in which frequencies fall; members as in `signs_of`."""
        numbers = np.zeros((len(members), len(self.start)), dtype=np.int64)
        for column in members.T:
            numbers ^= np.where(column[:, None] >= 0, self.numbers[:, column].T, 0)
        return numbers + self.start


@dataclass(frozen=True, eq=False)
class Residual:
    """The bins without what has been decoded, and what is known of each bin's noise.

    Args:
        geometry: Of the design.
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
            geometry: Of the design.
            rows: The residual bins, float64.
            rounding: Variance of a sample below which it is rounding error.
        """
        energy = (rows**2).mean(axis=1) * np.repeat(geometry.n_bins, geometry.n_bins)
        noise = noise_of_bins(energy, geometry.n_offsets)
        return cls(geometry, rows.astype(np.float32), max(noise, rounding))

    @cached_property
    def filled_rows(self) -> Float32Array:
        """`rows`, each filled with zeros up to whole vectors of the processor."""
        return _filled(self.rows)

    @cached_property
    def scale(self) -> Float32Array:
        """(rows,) what makes the square of a sum over the offsets a share of the bin's energy."""
        scale = 1.0 / (np.maximum(self.energy, self.floor) * self.geometry.n_offsets**2)
        return scale.astype(np.float32)

    @cached_property
    def energy(self) -> FloatArray:
        """(rows,) mean energy of each bin's entries."""
        return np.asarray((self.rows.astype(np.float64) ** 2).mean(axis=1))

    @cached_property
    def floor(self) -> FloatArray:
        """(rows,) the least variance that the noise of each bin's entries is taken to have."""
        return np.repeat(NOISE_FLOOR * self.noise / self.geometry.n_bins, self.geometry.n_bins)

    @cached_property
    def potential(self) -> FloatArray:
        """(rows,) the most evidence that each bin can bring for a frequency."""
        return np.asarray(self.weight * np.log(np.maximum(self.energy, self.floor) / self.floor))

    @property
    def weight(self) -> float:
        """P/2: half the degrees of freedom that a bin has beside an amplitude."""
        return max(self.geometry.n_offsets - 1, 1) / 2

    def evidence(self, members: IntArray) -> tuple[FloatArray, FloatArray]:
        """Log-likelihood ratios and amplitudes of frequencies.

        Args:
            members: (k, d) int64, features of each frequency, filled with -1.

        Returns:
            (k,) float64 log-likelihood ratios and (k,) float64 amplitudes.
        """
        geometry = self.geometry
        ratio, amplitude = np.empty((2, len(members)))
        _evidence(
            np.ascontiguousarray(members, dtype=np.int64), geometry.signs, geometry.numbers,
            geometry.start, self.rows, self.energy, self.floor, ratio, amplitude,
        )  # fmt: skip
        return self.weight * ratio, amplitude


def _filled(rows: Float32Array) -> Float32Array:
    width = rows.shape[1] + -rows.shape[1] % _VECTOR
    filled = np.zeros((len(rows), width), dtype=np.float32)
    filled[:, : rows.shape[1]] = rows
    return filled


def noise_of_bins(energy: FloatArray, n_offsets: int) -> float:
    """The variance of the noise of one sample, from the mean energy of each bin times 2^b_c.

    From the lower quartile: up to three bins in four may hold a frequency. That of chi-squared over
    its mean is (1 - 2/(9 P) - 0.674 sqrt(2/(9 P)))^3 (Wilson & Hilferty).
    """
    p = n_offsets
    quartile = (1 - 2 / (9 * p) - 0.6745 * np.sqrt(2 / (9 * p))) ** 3
    return float(np.quantile(energy, 0.25)) / float(quartile)


@nb.njit(cache=True, fastmath={"reassoc", "contract", "nsz"})
def _evidence(  # type: ignore[no-untyped-def]
    members, signs, numbers, start, rows, energy, floor, ratio, amplitude
):
    n_groups, n_offsets = len(start), signs.shape[1]
    of_all = np.empty(n_offsets, np.float32)
    mean, variance = np.empty(n_groups), np.empty(n_groups)
    row = np.empty(n_groups, np.int64)
    for k in range(len(members)):
        of_all[:] = 1
        for c in range(n_groups):
            row[c] = start[c]
        number = np.zeros(n_groups, np.int64)
        for feature in members[k]:
            if feature >= 0:
                for i in range(n_offsets):
                    of_all[i] *= signs[feature, i]
                for c in range(n_groups):
                    number[c] ^= numbers[c, feature]
        for c in range(n_groups):
            row[c] += number[c]
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
        amplitude[k] = common
        ratio[k] = 0.0
        for c in range(n_groups):
            ratio[k] += np.log(max(energy[row[c]], floor[row[c]]) / variance[c])


@nb.njit(cache=True)
def subtract(rows, numbers, signs, coefficients):  # type: ignore[no-untyped-def]
    """Take coefficients out of the bins that they fall into.

    Args:
        rows: (sum of 2^b_c, P + 1) float64 bins, changed.
        numbers: (k, C) rows of each frequency, of `Geometry.rows_of`.
        signs: (k, P + 1) float64, of `Geometry.signs_of`.
        coefficients: (k,) float64.
    """
    for k in range(len(signs)):
        for row in numbers[k]:
            for i in range(signs.shape[1]):
                rows[row, i] -= coefficients[k] * signs[k, i]


@nb.njit(cache=True, fastmath={"reassoc", "contract", "nsz"})
def normal_equations(rows, n_bins, numbers, signs):  # type: ignore[no-untyped-def]
    """Those of least squares of the bins on some frequencies.

    Args:
        rows: (sum of 2^b_c, P + 1) float64 bins.
        n_bins: (C,) the weight of each group.
        numbers: (k, C) rows of each frequency, of `Geometry.rows_of`.
        signs: (k, P + 1) float64, of `Geometry.signs_of`.

    Returns:
        (k, k) float64 symmetric matrix and (k,) right side.
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
    """Ln of the number of frequencies of each order among n features, binom(n, d)."""
    d = np.asarray(orders, dtype=np.float64)
    return np.asarray(gammaln(n + 1) - gammaln(d + 1) - gammaln(n - d + 1))


def orders_of(members: IntArray) -> IntArray:
    """(k,) number of features in rows filled with -1."""
    return np.asarray((members >= 0).sum(axis=1), dtype=np.int64)


def frequencies_of(members: IntArray, n: int) -> WordArray:
    """Packed frequencies of rows of features, filled with -1."""
    bits = np.zeros((len(members), n + 1), dtype=np.bool_)
    bits[np.arange(len(bits))[:, None], members] = True  # -1 fills the spare last column
    return pack(bits[:, :-1])
