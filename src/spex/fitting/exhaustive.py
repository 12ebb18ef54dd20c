"""Spectra from the values of all 2^n masks, or of most of them."""

from dataclasses import replace

import numpy as np

from spex._typing import FloatArray
from spex.f2.packing import unpack
from spex.fitting.fidelity import PERFECT, Fidelity
from spex.fitting.selection import Fit
from spex.fourier.mask_design import all_masks
from spex.fourier.spectrum import Spectrum
from spex.fourier.wht import walsh_hadamard
from spex.surrogates.base import Samples

# Rounding error of a coefficient that is zero, relative to the largest value.
_ROUNDING = 1e-14
# A surrogate is completed if at least this share of all masks is known, and there are at most this
# many features, because its spectrum is then no longer sparse.
_MOST, _COMPLETED_FEATURES = 0.5, 16


def fit_all_masks(n: int, values: FloatArray, only_first_order: bool = False) -> Fit:
    """The Walsh-Hadamard transform of all values.

    Args:
        n: Number of features.
        values: (2^n,) float64, by mask number.
        only_first_order: Keep orders 0 and 1, the best surrogate of order 1; R2 is then the share
            of the variance that they hold.
    """
    spectrum = _transform(n, values)
    if not only_first_order:
        return Fit("exact", spectrum, PERFECT, {"exact": 1.0}, np.zeros(len(spectrum)), 0.0)
    linear = spectrum.keep(spectrum.orders <= 1)
    total = float((spectrum.coefficients[spectrum.orders > 0] ** 2).sum())
    part = float((linear.coefficients[linear.orders > 0] ** 2).sum())
    r2 = part / total if total > 0 else 1.0
    errors = np.zeros(len(linear.coefficients))
    unexplained = max(total - part, 0.0)
    return Fit("linear", linear, Fidelity(r2, (r2, r2)), {"linear": r2}, errors, unexplained)


def completed(fit: Fit, samples: Samples, by_size: bool) -> Fit:
    """Make a surrogate exact where values are known, if these are most of the 2^n masks.

    Its spectrum becomes the transform of a table: the known values, and its own predictions of the
    others. Errors are left at unknown masks alone, and R2 over all masks rises by their share.

    Args:
        fit: The surrogate.
        samples: Evaluated masks.
        by_size: Whether R2 is about masks of every size alike; else, about uniform ones.

    Returns:
        The completed fit, or the same one where less than half of the masks are known.
    """
    n, total = samples.n_features, 1 << samples.n_features
    share = len(samples) / total
    if n > _COMPLETED_FEATURES or share < _MOST or fit.unexplained is None:
        return fit
    every = all_masks(n)
    numbers = samples.words[:, 0].astype(np.int64)
    values = fit.spectrum.evaluate(every)
    values[numbers] = samples.values
    spectrum = _transform(n, values)
    left = share_left = 1 - share
    if by_size:
        sizes = unpack(every, n).sum(axis=1)
        known = np.bincount(sizes[numbers], minlength=n + 1) / np.bincount(sizes, minlength=n + 1)
        left = 1 - float(known[1:n].mean()) if n > 1 else 0.0
    r2, interval = fit.fidelity.r2, fit.fidelity.interval
    low, high = (1 - left * (1 - x) for x in interval)
    # Each coefficient is the mean over all masks of values with signs.
    error = np.sqrt(fit.unexplained * share_left / total)
    return replace(
        fit,
        spectrum=spectrum,
        fidelity=Fidelity(1 - left * (1 - r2), (low, high)),
        standard_errors=np.full(len(spectrum), error),
        unexplained=fit.unexplained * left,
    )


def _transform(n: int, values: FloatArray) -> Spectrum:
    """The spectrum of (2^n,) values by mask number, without what is rounding alone."""
    coefficients = walsh_hadamard(values)
    kept = np.abs(coefficients) > _ROUNDING * float(np.abs(values).max(initial=0.0))
    kept[0] = True
    return Spectrum(n, all_masks(n)[kept], coefficients[kept])
