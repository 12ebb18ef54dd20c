"""The surrogate of order 1: every feature on its own."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.linalg

from spex._typing import FloatArray, IntArray
from spex.f2.packing import signs
from spex.fourier.spectrum import Spectrum
from spex.surrogates.base import Fitted, Samples, Surrogate, cross_fit
from spex.surrogates.refit import first_order, ridge_path, with_constant

# Up to this many features, their Gram matrix, which serves all folds, is small (8 MB).
_GRAM_FEATURES = 1000
_PENALTIES = np.concatenate([[1e-12], np.logspace(-6, 1, 29)])


@dataclass(frozen=True)
class Linear(Surrogate):
    """Ridge regression on the features, its penalty by cross-validation."""

    name: str = "linear"

    def fit(self, samples: Samples, folds: Sequence[IntArray]) -> Fitted:
        """Fit the constant and the n coefficients of order 1."""
        n = samples.n_features
        if n <= _GRAM_FEATURES:
            return ridge_path(samples, first_order(n), [n], folds)
        return cross_fit(_wide, samples, folds)


def _wide(samples: Samples) -> Spectrum:
    """Ridge regression for more features than a Gram matrix is made for."""
    n = samples.n_features
    centre, spread = float(samples.values.mean()), float(samples.values.std())
    if spread == 0.0:
        return Spectrum.constant(centre, n)
    support = first_order(n)
    design = signs(samples.words, support).astype(np.float64)
    means = design.mean(axis=0)
    coefficients = _leave_one_out_ridge(
        design - means, (samples.values - centre) / spread, _PENALTIES * len(samples)
    )
    coefficients *= spread
    intercept = centre - float(means @ coefficients)
    return Spectrum(n, with_constant(support), np.concatenate([[intercept], coefficients]))


def _leave_one_out_ridge(
    design: FloatArray, values: FloatArray, penalties: FloatArray
) -> FloatArray:
    """Ridge regression of centred data with the penalty of least leave-one-out error.

    With X = U D V^T the fit for a penalty a is U diag(d^2 / (d^2 + a)) U^T y. Leaving a row out
    divides its residual by one minus its leverage (Hastie et al., The Elements of Statistical
    Learning, 2nd ed., eq. 7.64). So one decomposition serves all penalties.

    Args:
        design: (m, k) with columns of mean zero.
        values: (m,) of mean zero.
        penalties: (p,) that are tried.

    Returns:
        (k,) coefficients.
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
    # A row that the fit reproduces exactly says nothing about rows left out.
    outside = residuals / np.maximum(1.0 - leverage, 1e-9)
    best = int((outside**2).mean(axis=0).argmin())
    scaled = shrunk[:, best] * projected / energies
    # V = X^T U / d, so V (scaled / d) is X^T U (scaled) where V itself was not computed.
    return design.T @ (left @ scaled) if wide else vectors @ (scaled * np.sqrt(energies))
