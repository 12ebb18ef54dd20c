"""How far two explanations of one value function agree."""

import math
from dataclasses import dataclass

import numpy as np

from spex.errors import ArgumentError
from spex.evaluate.measures.ranking import jaccard, top_interactions
from spex.explanation import Explanation
from spex.fourier.spectrum import Spectrum, weighted_sum


@dataclass(frozen=True)
class Agreement:
    """How far two explanations agree over all masks.

    Args:
        r2: 1 - ||a - b||^2 / ||a - mean(a)||^2 over all 2^n masks: how well b predicts a. Exact: by
            Parseval it is a sum over coefficients. NaN if a does not vary.
        correlation: Pearson's, over all masks; NaN if one of both does not vary.
        overlap: |A n B| / |A u B| of the k interactions of largest Faith-Banzhaf value.
        k: That number.
    """

    r2: float
    correlation: float
    overlap: float
    k: int


def agreement(a: Explanation | Spectrum, b: Explanation | Spectrum, k: int = 10) -> Agreement:
    """Compare two explanations of one value function.

    Args:
        a: The one that is predicted.
        b: The one that predicts.
        k: How many of the largest interactions are compared.

    Raises:
        ArgumentError: they have other numbers of features.
    """
    first, second = (one.spectrum if isinstance(one, Explanation) else one for one in (a, b))
    if first.n_features != second.n_features:
        raise ArgumentError(
            f"explanations of {first.n_features} and {second.n_features} features cannot agree; "
            "give two of one value function"
        )
    difference = weighted_sum([first, second], np.array([1.0, -1.0]))
    together = weighted_sum([first, second], np.ones(2))
    variances = [_variance(one) for one in (first, second)]
    mean_square = float((difference.coefficients**2).sum())
    covariance = (_variance(together) - _variance(difference)) / 4
    product = math.sqrt(variances[0] * variances[1])
    tops = [top_interactions(one, k) for one in (first, second)]
    return Agreement(
        1 - mean_square / variances[0] if variances[0] > 0 else math.nan,
        covariance / product if product > 0 else math.nan,
        jaccard(*tops),
        k,
    )


def _variance(spectrum: Spectrum) -> float:
    """Over all masks: the energy of every coefficient but the constant."""
    return float((spectrum.coefficients[spectrum.orders > 0] ** 2).sum())
