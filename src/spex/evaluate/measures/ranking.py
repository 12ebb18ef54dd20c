"""Scores of features and ranked interactions of a spectrum, shared by all measures."""

import math

import numpy as np

from spex._typing import FloatArray, Interaction
from spex.fourier.spectrum import Spectrum
from spex.interactions.values import interactions

_NEGLIGIBLE, _DIGITS = 1e-9, 9
_ROUNDING = 1e-12


def feature_scores(spectrum: Spectrum) -> FloatArray:
    """(n,) Banzhaf values: the best additive summary of the surrogate over uniform masks.

    For an additive surrogate, such as that of LIME or of Shapley values, its own coefficients.
    What rounding leaves of a constant is 0, so that no rank is read from it.
    """
    scores = np.zeros(spectrum.n_features)
    for (feature,), value in interactions(spectrum, "BV").items():
        if abs(value) > _rounding(spectrum):
            scores[feature] = value
    return scores


def top_interactions(spectrum: Spectrum, count: int) -> list[Interaction]:
    """The interactions of largest absolute Faith-Banzhaf value (FBII), the largest first.

    For an additive surrogate these are its features. What is no more than rounding is left out.
    """
    top = interactions(spectrum, "FBII").top(count)
    return [interaction for interaction, value in top if abs(value) > _rounding(spectrum)]


def _rounding(spectrum: Spectrum) -> float:
    """What rounding may leave of values of this size."""
    return _ROUNDING * float(np.abs(spectrum.coefficients).max(initial=0.0))


def rank_correlation(a: FloatArray, b: FloatArray) -> float:
    """Spearman's correlation; NaN if one of both does not vary."""
    if min(np.ptp(a), np.ptp(b)) <= 1e-12 * max(np.abs(a).max(), np.abs(b).max()):
        return math.nan
    from scipy.stats import spearmanr

    return float(spearmanr(without_rounding(a), without_rounding(b)).statistic)


def without_rounding(values: FloatArray) -> FloatArray:
    """Values without their last digits: a sum in another order must not rank equal values."""
    return np.round(values / np.abs(values).max(initial=1e-300), _DIGITS)


def jaccard(a: list[Interaction], b: list[Interaction]) -> float:
    """|A n B| / |A u B|; NaN if both are empty."""
    union = set(a) | set(b)
    return len(set(a) & set(b)) / len(union) if union else math.nan


def is_negligible(change: float, scale: float) -> bool:
    """Whether a change is no more than rounding of values of this scale."""
    return abs(change) <= _NEGLIGIBLE * scale
