"""The surrogate of order 1: every feature on its own."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spex._typing import IntArray
from spex.f2.packing import n_words
from spex.fourier.spectrum import Spectrum
from spex.surrogates.base import Fitted, Samples, predict_folds
from spex.surrogates.refit import leave_one_out_ridge, ridge_path, signs, singletons

# Up to here the Gram matrix of the features, which serves all folds, is small (8 MB).
_GRAM_FEATURES = 1000
_PENALTIES = np.concatenate([[1e-12], np.logspace(-6, 1, 29)])


@dataclass(frozen=True)
class Linear:
    """Ridge regression on the features, its penalty by cross-validation."""

    name: str = "linear"

    def fit(self, samples: Samples, folds: Sequence[IntArray]) -> Fitted:
        """Fit the constant and the n coefficients of order 1."""
        n = samples.n_features
        if n <= _GRAM_FEATURES:
            return ridge_path(samples, singletons(n), [n], folds)
        left_out = len(folds[0]) / len(samples)
        return Fitted(_wide(samples), predict_folds(_wide, samples, folds), left_out)


def _wide(samples: Samples) -> Spectrum:
    """Ridge regression for more features than a Gram matrix is made for."""
    n = samples.n_features
    constant = np.zeros((1, n_words(n)), dtype=np.uint64)
    centre, spread = float(samples.values.mean()), float(samples.values.std())
    if spread == 0.0:
        return Spectrum(n, constant, np.array([centre]))
    support = singletons(n)
    design = signs(samples.words, support).astype(np.float64)
    means = design.mean(axis=0)
    coefficients, _ = leave_one_out_ridge(
        design - means, (samples.values - centre) / spread, _PENALTIES * len(samples)
    )
    coefficients *= spread
    intercept = centre - float(means @ coefficients)
    return Spectrum(
        n, np.concatenate([constant, support]), np.concatenate([[intercept], coefficients])
    )
