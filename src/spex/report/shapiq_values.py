"""An explanation as `shapiq.InteractionValues`."""

import math
from itertools import chain, combinations
from typing import TYPE_CHECKING

import numpy as np

from spex._typing import Interaction
from spex.errors import ArgumentError
from spex.extras import require
from spex.fourier.spectrum import Spectrum, weighted_sum
from spex.interactions.index import InteractionIndex
from spex.interactions.values import InteractionValues

if TYPE_CHECKING:
    import shapiq

    from spex.explanation import Explanation

# Some of shapiq's plots (beeswarm, network) look up interactions that are zero, too. Up to this
# many interactions, zeros are listed; beyond, of first order only.
_ALL_LISTED = 1000


def interaction_values(
    explanation: "Explanation", index: str | InteractionIndex, order: int | None
) -> "shapiq.InteractionValues":
    """See `Explanation.to_shapiq`."""
    shapiq = require("shapiq", "shapiq")
    index = InteractionIndex.parse(index)
    if index is InteractionIndex.FOURIER:
        raise ArgumentError(
            "index='Fourier' does not exist in shapiq; use 'Moebius', or "
            "explanation.to_frame() for the Fourier coefficients"
        )
    values = explanation.interactions(index, order)
    n = explanation.n_features
    listed: dict[Interaction, float] = {(): _at_empty_set(values, _spectrum(explanation, index))}
    complete = sum(math.comb(n, size) for size in range(1, values.order + 1)) <= _ALL_LISTED
    sizes = range(1, values.order + 1 if complete else 2)
    listed |= dict.fromkeys(chain.from_iterable(combinations(range(n), s) for s in sizes), 0.0)
    found = sorted((key for key in values if key), key=lambda key: (len(key), key))
    listed |= {key: values[key] for key in found}
    return shapiq.InteractionValues(
        values=listed,
        index=str(index),
        min_order=0,
        max_order=values.order,
        n_players=n,
        estimated=explanation.method != "exact",
        estimation_budget=explanation.n_evaluations,
        baseline_value=values.baseline,
    )


def _spectrum(explanation: "Explanation", index: InteractionIndex) -> Spectrum:
    correction = explanation.correction.get(index.corrected_as)
    spectra = [explanation.spectrum] + ([] if correction is None else [correction])
    return weighted_sum(spectra, np.ones(len(spectra)))


def _at_empty_set(values: InteractionValues, spectrum: Spectrum) -> float:
    """The value of shapiq at the empty set: the index's own formula for SII, BII and BV.

    For SII this is the integral over p of the mean of f, with each feature present with probability
    p. Then (-1)^<k,m> has the mean (1 - 2p)^|k|. For BII and BV it is the mean of f. For all other
    indices it is the baseline; shapiq calls SII of order 1 SV.
    """
    match values.index:
        case InteractionIndex.SII if values.order > 1:
            even = spectrum.orders % 2 == 0
            return float((spectrum.coefficients / (spectrum.orders + 1))[even].sum())
        case InteractionIndex.BII | InteractionIndex.BV:
            return float(spectrum.coefficients[spectrum.orders == 0].sum())
    return values.baseline
