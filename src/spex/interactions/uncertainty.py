"""Standard errors of the values read from a surrogate, against the value function's own values.

Every interaction value is a weighted sum of Fourier coefficients, I(S) = sum_{k >= S} W F(k)
(`spex.interactions.index`, eq. 2). It has two errors: coefficients in the support are estimated,
and coefficients outside it are taken to be zero. By Parseval, the mean squared error of the
surrogate over all masks is the sum of the squares of both. Cross-fitting measures it; subtracting
the errors in the support leaves the energy outside.

How that energy is spread is unknown. The model follows the coefficients found. Over the orders, the
energy is spread halfway between those found and those seen in language models. Over the features,
it is spread by the square root of the energy of the found coefficients that contain them. Errors
are not independent: shrinkage acts on many coefficients alike, and weights of one sign add that up.
So half of the covariance of full dependence is counted.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from spex._typing import BoolArray, FloatArray
from spex.f2.packing import set_bits
from spex.fourier.spectrum import Spectrum
from spex.interactions.index import InteractionIndex

# On 60 runs with a known spectrum (forests, networks, VADER, published and random spectra, 100 to
# 1,000 masks), the 90 % intervals of all indices contained the truth in 80 to 97 % of cases with
# these numbers. Only those of SV on small functions are too wide. See benchmarks/intervals.py.
_DEPENDENCE = 0.5
# Largest share of the squared error that is in the support.
_MOST_IN_SUPPORT = 0.7
# Share of the energy outside that is spread evenly: features without a found coefficient get some.
_EVEN = 0.1

# If a spectrum is fitted to masks of all sizes, the errors of these indices are this many times
# larger. Without the factors, their intervals contained the truth in 84 to 87 % (SII) and 73 to 80
# % of cases, and those of SV, k-SII, STII and FSII in 88 to 98 % (benchmarks/intervals.py
# --weighting shapley).
_BY_SIZE = {
    InteractionIndex.SII: 1.15,
    InteractionIndex.BII: 1.4,
    InteractionIndex.BV: 1.4,
    InteractionIndex.FOURIER: 1.4,
}

# Shares of energy by order from 0, in the spectra of language models that the authors of SPEX
# published.
_ORDER_SHARES = (0.0, 0.25, 0.45, 0.23, 0.06, 0.01)


@dataclass(frozen=True, eq=False)
class SpectrumErrors:
    """The errors of a sparse spectrum.

    Args:
        standard_errors: (k,) float64, of the coefficients in the support.
        outside: (d + 1,) float64, by order 0 to d: the energy (sum of squares) of the coefficients
            outside the support.
        shares: (n,) float64 of sum 1: how that energy is spread over the features.
    """

    standard_errors: FloatArray
    outside: FloatArray
    shares: FloatArray


def spectrum_errors(
    spectrum: Spectrum, standard_errors: FloatArray, unexplained: float
) -> SpectrumErrors:
    """The errors of a spectrum that was fitted to values.

    Args:
        spectrum: k coefficients.
        standard_errors: (k,) float64, of the coefficients.
        unexplained: Mean squared error over uniform masks that the fit has not seen.

    Returns:
        The errors. Those in the support are scaled down if they exceed their largest share of
        `unexplained`.
    """
    n, orders = spectrum.n_features, spectrum.orders
    varying = orders > 0
    energies = np.where(varying, spectrum.coefficients**2, 0.0)
    total = float((standard_errors[varying] ** 2).sum())
    most = _MOST_IN_SUPPORT * unexplained
    if total > most:
        standard_errors = np.where(varying, np.sqrt(most / total), 1.0) * standard_errors
    rest = max(unexplained - total, unexplained - most)

    highest = min(n, max(spectrum.degree, len(_ORDER_SHARES) - 1))
    found = np.bincount(orders, energies, highest + 1)
    expected = np.zeros(highest + 1)
    expected[: len(_ORDER_SHARES)] = _ORDER_SHARES[: highest + 1]
    by_order = 0.5 * (expected + found / max(float(found.sum()), 1e-300))
    # Orders that are complete in the support have no energy outside.
    counts = np.bincount(orders, minlength=highest + 1)
    by_order *= [1 - counts[d] / math.comb(n, d) for d in range(highest + 1)]
    by_order[0] = 0.0
    outside = rest * by_order / max(float(by_order.sum()), 1e-300)

    rows, features = set_bits(spectrum.support[varying], n)
    of_member = (energies[varying] / orders[varying])[rows]
    of_feature = np.sqrt(np.bincount(features, of_member, n))
    total = float(of_feature.sum())
    even = np.full(n, 1.0 / n)
    shares = _EVEN * even + (1 - _EVEN) * of_feature / total if total > 0 else even
    return SpectrumErrors(standard_errors, outside, shares)


def widened(errors: SpectrumErrors, index: InteractionIndex) -> SpectrumErrors:
    """The errors of an index if masks were drawn by size."""
    factor = _BY_SIZE.get(index, 1.0)
    standard_errors, outside = factor * errors.standard_errors, factor**2 * errors.outside
    return SpectrumErrors(standard_errors, outside, errors.shares)


def error_of_sum(deviations: FloatArray) -> float:
    """The standard error of a sum of dependent errors: (k,) float64 standard deviations to one."""
    alone, together = float((deviations**2).sum()), float(np.abs(deviations).sum()) ** 2
    return math.sqrt((1 - _DEPENDENCE) * alone + _DEPENDENCE * together)


def share_containing(errors: SpectrumErrors, interaction: tuple[int, ...]) -> FloatArray:
    """The share of the energy outside, by order, in frequencies that contain given features.

    Features are taken to be drawn one by one, each with its share as the probability. Where all
    shares are equal, this is comb(n - s, d - s) / comb(n, d) for s features.

    Returns:
        (d + 1,) float64, by order 0 to d.
    """
    n, s = len(errors.shares), len(interaction)
    product = math.prod(
        float(errors.shares[member]) * n / (n - place) for place, member in enumerate(interaction)
    )
    ways = np.array([math.perm(d, s) for d in range(len(errors.outside))], dtype=np.float64)
    return np.minimum(ways * product, 1.0)


def told_from_zero(
    values: FloatArray, errors: FloatArray, n_tested: int, rate: float = 0.1
) -> BoolArray:
    """Which values are surely not 0, tested together (Benjamini and Hochberg 1995, eq. 1).

    Args:
        values: (k,) float64, each with a Gaussian error.
        errors: (k,) float64, the standard errors; NaN if unknown.
        n_tested: How many values are looked at, at least k: those that are not given count as not
            told from 0.
        rate: The expected share of those returned that are 0 in truth, at most.

    Returns:
        (k,) bool; all `True` where an error is unknown.
    """
    if np.isnan(errors).any():
        return np.ones(len(values), dtype=np.bool_)
    with np.errstate(divide="ignore", invalid="ignore"):
        chances = 2 * ndtr(-np.abs(values) / errors)  # probability that noise alone is as large
    chances[np.isnan(chances)] = 1.0  # a value of 0 without error
    ranking = np.argsort(chances, kind="stable")
    allowed = rate * np.arange(1, len(values) + 1) / max(n_tested, 1)
    passed = np.flatnonzero(chances[ranking] <= allowed)
    told = np.zeros(len(values), dtype=np.bool_)
    told[ranking[: passed[-1] + 1 if len(passed) else 0]] = True
    return told
