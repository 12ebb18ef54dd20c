"""How faithful a surrogate is: R2 on masks that its fit has not seen, with an interval."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from spex._typing import FloatArray, IntArray
from spex.surrogates.base import Samples

CONFIDENCE = 0.9
_FOLDS = 10  # a fit to 9 in 10 masks is nearly as good as the one to all
# When little variance is left unexplained, it falls about as this power of the number of masks.
FALL = 0.7
# The fits of cross-validation share most of their masks, so their errors are not independent, and
# intervals must be wider (Bates, Hastie & Tibshirani, Cross-validation: what does it estimate and
# how well does it do it?, 2021). The standard error is multiplied by 1 + this / sqrt(masks).
# Measured on 51 functions: for 90 % of intervals to contain the truth, `auto` and `linear` needed a
# factor of 1.7 at 100 masks, 1.5 to 1.7 at 300 and 1.0 to 1.2 at 1,000.
SHARED_MASKS = 7.0


@dataclass(frozen=True)
class Fidelity:
    """R2 over the masks of a distribution (`spex.fourier.mask_distribution`).

    Args:
        r2: 1 - ||f - f_hat||^2 / ||f - mean(f)||^2; 1 is perfect, 0 as good as the mean; NaN where
            it is unknown.
        interval: 90 % confidence interval of it; NaN if unknown.
    """

    r2: float
    interval: tuple[float, float]


PERFECT = Fidelity(1.0, (1.0, 1.0))
# Equal values have no variance to explain, although another mask may have another value.
UNKNOWN = Fidelity(math.nan, (math.nan, math.nan))


def lowest(of_outputs: Iterable[Fidelity]) -> Fidelity:
    """The lowest that is known, of several outputs; unknown if none is."""
    known = (one for one in of_outputs if not math.isnan(one.r2))
    return min(known, key=lambda one: one.r2, default=UNKNOWN)


def folds(samples: Samples) -> list[IntArray]:
    """Split the rows of the drawn masks into at most ten parts of about equal size.

    Masks of one group are in one part, unless there are so few that two parts may be all masks.
    """
    rows = np.nonzero(samples.drawn)[0]
    places = np.arange(len(rows))
    if samples.groups is not None:
        _, first, group = np.unique(samples.groups[rows], return_index=True, return_inverse=True)
        if len(first) > 2:
            places = np.argsort(np.argsort(first))[group]
    parts = min(_FOLDS, int(places.max(initial=-1)) + 1)
    return [rows[places % parts == part] for part in range(parts)]


def variance(values: FloatArray, weights: FloatArray | None) -> float:
    """The variance of (m,) values over the masks that (m,) weights stand for."""
    if weights is None:
        return float(values.var(ddof=1))
    m, share = len(values), weights / weights.sum()
    return float(share @ (values - share @ values) ** 2) * m / (m - 1)


def is_constant(values: FloatArray, spread: float) -> bool:
    """Whether (m,) values of a variance are all the same, to 12 digits: rounding may differ."""
    return spread <= (1e-12 * float(np.abs(values).max(initial=0.0))) ** 2


def same_folds(fewer: Samples, samples: Samples) -> bool:
    """Whether the masks of a smaller sample are in the same folds in a larger one.

    Args:
        fewer: The smaller sample, whose masks are the first of the larger one.
        samples: The larger one.
    """
    uniform = np.nonzero(fewer.drawn)[0]
    return len(uniform) >= _FOLDS and np.array_equal(
        uniform, np.nonzero(samples.drawn)[0][: len(uniform)]
    )


def fidelity(
    values: FloatArray,
    predictions: FloatArray,
    share_left_out: float = 0.0,
    n_masks: float = np.inf,
    weights: FloatArray | None = None,
) -> Fidelity:
    """R2 and its interval from values and predictions at drawn masks.

    The interval is the delta method's for log(1 - R2), a ratio of two means, with Student's t. Two
    values have one deviation from their mean, so that nothing says how uncertain it is. Where all
    values are equal, R2 is unknown.

    Args:
        values: (m,) float64, m >= 2.
        predictions: (m,) float64, each of a fit that has not seen this value.
        share_left_out: Share of all masks that such a fit has not seen and the fit to be measured
            has. Scales the unexplained variance by (1 - share)^(0.7 R2); no correction at R2 = 0.
        n_masks: Number of all masks, where the predictions are of several fits that share most of
            them; default: they are of one fit.
        weights: (m,) what the masks stand for, up to a factor; default: all alike.
    """
    m = len(values)
    share = 1.0 if weights is None else weights / weights.mean()
    deviation = share * (values - (share * values).mean()) ** 2 * (m / (m - 1))
    error = share * (values - predictions) ** 2
    spread = float(deviation.mean())
    if is_constant(values, spread):
        return UNKNOWN
    unexplained = float(error.mean()) / spread
    unexplained *= (1 - share_left_out) ** (FALL * max(1 - unexplained, 0.0))
    if m == 2:
        return Fidelity(1 - unexplained, UNKNOWN.interval)
    if unexplained <= 1e-20:
        return PERFECT
    influence = error / error.mean() - deviation / spread
    widening = 1 + SHARED_MASKS / np.sqrt(n_masks)
    standard_error = widening * float(np.sqrt((influence**2).sum() / (m * (m - 1))))
    width = float(stdtrit(m - 1, 0.5 + CONFIDENCE / 2)) * standard_error
    worst = unexplained * float(np.exp(min(width, 50.0)))
    return Fidelity(1 - unexplained, (1 - worst, 1 - unexplained * float(np.exp(-width))))
