"""The exact spectrum, from the values of all 2^n masks."""

import numpy as np

from spex._typing import FloatArray
from spex.fitting.fidelity import PERFECT, Fidelity
from spex.fitting.selection import Fit
from spex.fourier.mask_design import all_masks
from spex.fourier.spectrum import Spectrum
from spex.fourier.wht import walsh_hadamard

# What rounding leaves of a coefficient that is zero, relative to the largest value.
_ROUNDING = 1e-14


def fit_all_masks(n: int, values: FloatArray, only_first_order: bool = False) -> Fit:
    """The Walsh-Hadamard transform of all values.

    Args:
        n: Number of features.
        values: (2^n,) float64, by mask number.
        only_first_order: Keep orders 0 and 1, the best surrogate of order 1; R2 is then the share
            of the variance that they hold.
    """
    coefficients = walsh_hadamard(values)
    kept = np.abs(coefficients) > _ROUNDING * float(np.abs(values).max(initial=0.0))
    kept[0] = True
    spectrum = Spectrum(n, all_masks(n)[kept], coefficients[kept])
    if not only_first_order:
        return Fit("exact", spectrum, PERFECT, {"exact": 1.0}, np.zeros(kept.sum()), 0.0)
    linear = spectrum.keep(spectrum.orders <= 1)
    total = float((spectrum.coefficients[spectrum.orders > 0] ** 2).sum())
    part = float((linear.coefficients[linear.orders > 0] ** 2).sum())
    r2 = part / total if total > 0 else 1.0
    errors = np.zeros(len(linear.coefficients))
    unexplained = max(total - part, 0.0)
    return Fit("linear", linear, Fidelity(r2, (r2, r2)), {"linear": r2}, errors, unexplained)
