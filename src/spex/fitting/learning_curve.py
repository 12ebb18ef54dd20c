"""What more evaluations would buy: the R2 to expect, from how it has grown over nested samples.

Unexplained variance mostly falls as a power of the number of evaluations. The last step, from half
of the sample to all of it, is measured on masks that the smaller fit has not seen. It predicts the
next step. A fit to a quarter of the sample would add nothing. If the larger fit is better than the
smaller one, but no better than the mean, the step does not count: fits of noise do that.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from spex._typing import IntArray
from spex.checks.arguments import is_exhaustive
from spex.f2.packing import DistinctRows
from spex.fitting.fidelity import FALL, folds
from spex.fitting.selection import Fit, fit_candidate
from spex.fourier.design import Design
from spex.fourier.spectrum import weighted_sum
from spex.surrogates.base import Samples, Surrogate
from spex.surrogates.coded import Spex

# With fewer masks, errors cannot be compared.
_LEAST_TEST_MASKS = 8
# Unexplained variance falls as a power of the number of masks. This is the standard deviation of
# that power across functions, if most variance is explained.
_FALL_SD = 0.3


@dataclass(frozen=True)
class Fall:
    """How much less is unexplained with all samples than with a part.

    Args:
        doublings: log2 of the sizes' ratio.
        log2: log2 of the ratio of what is unexplained, at most all of the variance; positive where
            more samples explain more.
        deviation: Standard error of that.
    """

    doublings: float
    log2: float
    deviation: float


def fall(
    fit: Fit, candidates: Sequence[Surrogate], samples: Samples, part: Samples, rows: IntArray
) -> Fall | None:
    """Fit what was chosen for all samples to a part of them, and compare.

    Args:
        fit: The fit of all samples.
        candidates: The surrogates that it was chosen from.
        samples: All of them.
        part: Some of them.
        rows: (len(part),) their row numbers.

    Returns:
        None if too few masks are left to compare on.
    """
    outside = samples.drawn.copy()
    outside[rows] = False
    test = np.flatnonzero(outside)
    if len(test) < _LEAST_TEST_MASKS or part.drawn.sum() < _LEAST_TEST_MASKS:
        return None
    used = [candidate for candidate in candidates if candidate.name in fit.weights]
    parts = folds(part)[:2]
    spectra = [fit_candidate(candidate, part, parts).spectrum for candidate in used]
    weights = np.array([fit.weights[candidate.name] for candidate in used])
    found = weighted_sum(spectra, weights).evaluate(samples.words[test])
    values = samples.values[test]
    smaller, all_ = (values - found) ** 2, (values - fit.predictions[test]) ** 2
    variance = float(values.var())
    if min(smaller.mean(), all_.mean(), variance) == 0.0:
        return None
    influence = smaller / smaller.mean() - all_ / all_.mean()
    deviation = float(np.sqrt((influence**2).mean() / len(test)))
    return Fall(
        float(np.log2(len(samples) / len(part))),
        float(np.log2(min(smaller.mean(), variance) / min(all_.mean(), variance))),
        deviation / np.log(2),
    )


def expected_r2(r2: float, measured: Fall, doublings: float) -> float:
    """The R2 to expect of a larger sample.

    Args:
        r2: R2 of the current sample.
        measured: How it came about.
        doublings: log2 of the sizes' ratio.
    """
    # Bayes with a normal prior for the fall per doubling. If hardly anything is explained, there
    # may be nothing to find. So expect little then, unless a fall was measured.
    explained = min(max(r2, 1e-3), 1.0)
    expected, usual = FALL * min(2 * explained, 1.0), (_FALL_SD * explained) ** -2
    weight = measured.doublings**2 / max(measured.deviation, 0.05) ** 2
    total = expected * usual + weight * measured.log2 / measured.doublings
    slope = max(total / (usual + weight), 0.0)
    return 1 - (1 - r2) * 2 ** (-slope * doublings)


def forecast(
    fit: Fit,
    samples: Samples,
    candidates: Callable[[Samples], Sequence[Surrogate]],
    design: Callable[[int], Design | None],
    seed: int,
) -> dict[int, float]:
    """The R2 to expect at two and four times the evaluations.

    Args:
        fit: The fit of the samples.
        samples: All of them.
        candidates: The surrogates that a sample is fitted with.
        design: The coded design of a budget, for fits that decode.
        seed: Random seed of the part.

    Returns:
        {evaluations: R2}; empty if it is unknown, or nothing is left to explain.
    """
    if not 0 < 1 - fit.fidelity.r2 < np.inf:
        return {}
    m, n = len(samples), samples.n_features
    found = _half(samples, design if Spex().name in fit.weights else None, seed)
    if found is None:
        return {}
    part, rows = found
    measured = fall(fit, candidates(part), samples, part, rows)
    if measured is None:
        return {}
    return {
        times * m: 1.0
        if is_exhaustive(n, times * m)
        else float(expected_r2(fit.fidelity.r2, measured, math.log2(times)))
        for times in (2, 4)
    }


def _half(
    samples: Samples, design: Callable[[int], Design | None] | None, seed: int
) -> tuple[Samples, IntArray] | None:
    """Half of a sample, and its rows; with its own coded design if one is asked for.

    None if not all masks of that design are among the samples.
    """
    m = len(samples)
    size = m // 2
    coded, smaller = None, None if design is None else design(size)
    if design is None:
        # Half of the masks, or of their groups, each whole.
        groups = np.arange(m) if samples.groups is None else samples.groups
        numbers = np.unique(groups)
        chosen = np.random.default_rng([seed, size]).permutation(numbers)[: len(numbers) // 2]
        rows = np.flatnonzero(np.isin(groups, chosen)).astype(np.int64)
        designed = np.zeros(len(rows), dtype=np.bool_)
    else:
        if smaller is None or samples.coded is None:
            return None
        known = DistinctRows(samples.words.shape[1])
        known.add(samples.words)
        of_design = known.add(smaller.masks)
        if of_design.max() >= m:
            return None
        drawn = np.flatnonzero(samples.drawn)[: max(size - len(np.unique(of_design)), 0)]
        rows = np.union1d(of_design, drawn)
        designed = np.isin(rows, of_design)
        coded = replace(samples.coded, design=smaller, values=samples.values[of_design])
    measuring = samples.drawn[rows] & ~designed
    part = samples.at(rows, drawn=measuring, coded=coded, designed=designed, earlier={})
    return part, rows
