"""How far the values read from a surrogate may be from those of the value function itself.

Every interaction value is a weighted sum of Fourier coefficients, I(S) = sum_{k >= S} W F(k)
(`spex.interactions`, eq. 2). What is wrong with it comes from two sides: the coefficients of the
support are estimated, and those outside it are taken to be zero. Over all masks the squared error
of the surrogate is the sum of both (Parseval), and cross-fitting has measured it; so what the
errors in the support leave of it belongs to the coefficients outside.

How these are spread is not known, and is taken from those that were found: by order halfway
between them and what language models have shown, by feature as the square root of the energy that
it has part in. Nor are errors independent: what shrinks one coefficient shrinks its neighbours as
well, and weights of one sign add that up. So half of the covariance that full dependence would have
is counted.
"""

import math
from dataclasses import dataclass

import numpy as np

from spex._typing import FloatArray
from spex.f2.packing import unpack
from spex.fourier.spectrum import Spectrum

# On 60 runs with a known spectrum (forests, networks, VADER, published and random spectra, 100 to
# 1,000 masks) these made 90 % intervals of all indices hold the truth in 80 to 97 % of cases, but
# for SV on small functions, whose intervals are too wide. See benchmarks/intervals.py.
_DEPENDENCE = 0.5
# Errors in the support have about this part of the whole, at most.
_MOST_IN_SUPPORT = 0.7
# Features without any found coefficient still have a part in what is left out.
_EVEN = 0.1

# Of the spectra of language models that the authors of SPEX published, by order from 0.
_ORDER_SHARES = (0.0, 0.25, 0.45, 0.23, 0.06, 0.01)


@dataclass(frozen=True, eq=False)
class SpectrumErrors:
    """The errors of a sparse spectrum.

    Args:
        standard_errors: (k,) float64, of the coefficients in the support.
        left_out: (d + 1,) float64: by order up to a highest one, the sum of the squares of the
            coefficients outside the support.
        shares: (n,) float64 of sum one: how these are spread over the features.
    """

    standard_errors: FloatArray
    left_out: FloatArray
    shares: FloatArray


def spectrum_errors(
    spectrum: Spectrum, standard_errors: FloatArray, unexplained: float
) -> SpectrumErrors:
    """The errors of a spectrum that was fitted to values.

    Args:
        spectrum: (k,) coefficients.
        standard_errors: (k,) of theirs.
        unexplained: Mean squared error over uniform masks that the fit has not seen.
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
    # Orders that are there as a whole have nothing left out.
    counts = np.bincount(orders, minlength=highest + 1)
    by_order *= [1 - counts[d] / math.comb(n, d) for d in range(highest + 1)]
    by_order[0] = 0.0
    left_out = rest * by_order / max(float(by_order.sum()), 1e-300)

    members = unpack(spectrum.support[varying], n)
    of_feature = np.sqrt((energies[varying] / orders[varying]) @ members)
    total = float(of_feature.sum())
    even = np.full(n, 1.0 / n)
    shares = _EVEN * even + (1 - _EVEN) * of_feature / total if total > 0 else even
    return SpectrumErrors(standard_errors, left_out, shares)


def error_of_sum(deviations: FloatArray) -> float:
    """The standard error of a sum of errors of known deviations that depend on each other."""
    alone, together = float((deviations**2).sum()), float(np.abs(deviations).sum()) ** 2
    return math.sqrt((1 - _DEPENDENCE) * alone + _DEPENDENCE * together)


def share_containing(errors: SpectrumErrors, members: tuple[int, ...]) -> FloatArray:
    """(d + 1,): of what is left out in each order, the share in frequencies with given members.

    Members are taken to be drawn one by one, each feature by its share; where all shares are equal
    this is comb(n - s, d - s) / comb(n, d).
    """
    n, s = len(errors.shares), len(members)
    product = math.prod(
        float(errors.shares[member]) * n / (n - place) for place, member in enumerate(members)
    )
    ways = np.array([math.perm(d, s) for d in range(len(errors.left_out))], dtype=np.float64)
    return np.minimum(ways * product, 1.0)
