"""Which index and which order are shown if none is asked for: decided here, for all.

Python, the terminal, the page, the plots and the command line read it from
`spex.Explanation.interactions`.
"""

import itertools

import numpy as np

from spex.fourier.spectrum import Spectrum
from spex.interactions.index import FIRST_ORDER, InteractionIndex

_NEARLY_ALL = 0.95
# Coefficients below this share of the sum of all are rounding errors.
_ROUNDING = 1e-12
# A coefficient of a higher order has more subsets than an expansion lists, 2^22.
LISTABLE = 22
# The values of these indices depend on the highest order. For others it only limits the listing.
BY_ORDER = (
    InteractionIndex.FBII,
    InteractionIndex.FSII,
    InteractionIndex.STII,
    InteractionIndex.K_SII,
)


def default_index(is_corrected: bool) -> InteractionIndex:
    """FSII if masks were weighted as for Shapley values, else FBII."""
    return InteractionIndex.FSII if is_corrected else InteractionIndex.FBII


def default_order(spectrum: Spectrum, index: InteractionIndex) -> int:
    """The highest order if none is asked for.

    Returns:
        1 for SV and BV. For FBII, FSII, STII and k-SII `telling_order`: the full order would say
        the same in more, smaller and less certain pieces. For the others the spectrum's degree.
    """
    if index in FIRST_ORDER:
        return 1
    return telling_order(spectrum) if index in BY_ORDER else max(1, spectrum.degree)


def telling_order(spectrum: Spectrum) -> int:
    """The lowest order up to which the coefficients hold 95 % of the variance over all masks."""
    sizes = np.abs(spectrum.coefficients)
    varying = (spectrum.orders > 0) & (sizes > _ROUNDING * sizes.sum())
    energies = np.bincount(spectrum.orders[varying], sizes[varying] ** 2)
    held = itertools.accumulate(energies.tolist())
    enough = _NEARLY_ALL * float(energies.sum())
    # A constant has no energy, so order 1 is enough.
    return max(1, next((order for order, part in enumerate(held) if part >= enough), 1))
