"""Estimate the coefficients on a given support from all evaluated masks (DESIGN, step 3)."""

from dataclasses import dataclass

import numpy as np
import scipy.linalg

from spex._typing import FloatArray, WordArray
from spex.f2.packing import n_words, pack, parity
from spex.fourier.spectrum import Spectrum
from spex.surrogates.base import Samples

# Ridge penalties tried, per sample. Signs have unit variance and the values are standardised, so
# a penalty compares with noise variance / coefficient variance in any unit.
_PENALTIES = np.concatenate([[1e-12], np.logspace(-6, 1, 29)])


@dataclass(frozen=True)
class Refit:
    """A ridge regression on a support.

    Args:
        spectrum: The constant first, then the support.
        error: Mean squared leave-one-out error, in squared units of the value function.
        spread: Variance of the values.
    """

    spectrum: Spectrum
    error: float
    spread: float


def signs(masks: WordArray, support: WordArray) -> FloatArray:
    """(m, k) of (-1)^<k,m>."""
    columns = [np.where(parity(masks, row), -1.0, 1.0) for row in support]
    return np.stack(columns, axis=1) if columns else np.zeros((len(masks), 0))


def singletons(n: int) -> WordArray:
    """(n, n_words): the frequencies of order 1."""
    return pack(np.eye(n, dtype=np.bool_))


def ridge_refit(samples: Samples, support: WordArray) -> Refit:
    """Ridge regression on a support, its penalty by leave-one-out; the constant is free.

    Args:
        samples: Evaluated masks.
        support: (k, n_words) frequencies without the constant.
    """
    n = samples.n_features
    constant = np.zeros((1, n_words(n)), dtype=np.uint64)
    centre, spread = float(samples.values.mean()), float(samples.values.std())
    if len(support) == 0 or spread == 0.0:
        return Refit(Spectrum(n, constant, np.array([centre])), spread**2, spread**2)
    design = signs(pack(samples.masks), support)
    means = design.mean(axis=0)
    coefficients, error = leave_one_out_ridge(
        design - means, (samples.values - centre) / spread, _PENALTIES * len(samples)
    )
    coefficients *= spread
    intercept = centre - float(means @ coefficients)
    spectrum = Spectrum(
        n, np.concatenate([constant, support]), np.concatenate([[intercept], coefficients])
    )
    return Refit(spectrum, error * spread**2, spread**2)


def leave_one_out_ridge(
    design: FloatArray, values: FloatArray, penalties: FloatArray
) -> tuple[FloatArray, float]:
    """Ridge regression of centred data with the penalty of least leave-one-out error.

    With X = U D V^T the fit for a penalty a is U diag(d^2 / (d^2 + a)) U^T y, and leaving a row out
    divides its residual by one minus its leverage (Hastie et al., The Elements of Statistical
    Learning, 2nd ed., eq. 7.64), so one decomposition serves all penalties.

    Args:
        design: (m, k) with columns of mean zero.
        values: (m,) of mean zero.
        penalties: (p,) that are tried.

    Returns:
        (k,) coefficients and the mean squared leave-one-out error.
    """
    m, k = design.shape
    wide = k > m
    gram = design @ design.T if wide else design.T @ design
    energies, vectors = scipy.linalg.eigh(gram, driver="evd", overwrite_a=True)
    real = energies > 1e-12 * energies[-1]
    energies, vectors = energies[real], vectors[:, real]
    left = vectors if wide else (design @ vectors) / np.sqrt(energies)  # U, (m, rank)
    projected = left.T @ values
    shrunk = energies[:, None] / (energies[:, None] + penalties)  # (rank, penalties)
    residuals = values[:, None] - left @ (shrunk * projected[:, None])
    leverage = left**2 @ shrunk + 1.0 / m  # the free constant takes 1/m everywhere
    # A row that its own fit reproduces exactly says nothing about rows left out.
    outside = residuals / np.maximum(1.0 - leverage, 1e-9)
    errors = (outside**2).mean(axis=0)
    best = int(errors.argmin())
    scaled = shrunk[:, best] * projected / energies
    # V = X^T U / d, so V (scaled / d) is X^T U (scaled) where V itself was not computed.
    coefficients = design.T @ (left @ scaled) if wide else vectors @ (scaled * np.sqrt(energies))
    return coefficients, float(errors[best])
