"""What more evaluations would buy: the R2 to expect, from how it has grown over nested samples.

Unexplained variance mostly falls as a power of the number of evaluations. Its last step, from half
of the sample to all of it, is measured on masks that the smaller fit has not seen, and says how it
goes on. A fit to a quarter as well tells no more.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from spex._typing import IntArray
from spex.fitting.fidelity import FALL, folds
from spex.fitting.selection import Fit, fit_candidate
from spex.fourier.spectrum import weighted_sum
from spex.surrogates.base import Samples, Surrogate

# Fewer masks say nothing of how errors compare.
_LEAST_TEST_MASKS = 8
# The standard deviation of the power with which unexplained variance falls, from one function to
# another.
_FALL_SD = 0.3


@dataclass(frozen=True)
class Fall:
    """How much less is unexplained with all samples than with a part.

    Args:
        doublings: log2 of the sizes' ratio.
        log2: log2 of the errors' ratio; positive where more samples explain more.
        deviation: Standard error of that.
    """

    doublings: float
    log2: float
    deviation: float


class Forecast(Mapping[int, float]):
    """{evaluations: R2 to expect}, computed when it is first looked at.

    To compute it takes a fit to half of the sample, a fourth to a half of the time of the fit that
    it belongs to.

    Args:
        compute: Says what it holds; called once.
    """

    def __init__(self, compute: Callable[[], Mapping[int, float]]) -> None:
        self._compute = compute

    @cached_property
    def _expected(self) -> dict[int, float]:
        expected = dict(self._compute())
        self._compute = expected.copy  # lets go of the sample
        return expected

    def __getitem__(self, evaluations: int) -> float:
        return self._expected[evaluations]

    def __iter__(self) -> Iterator[int]:
        return iter(self._expected)

    def __len__(self) -> int:
        return len(self._expected)

    def __repr__(self) -> str:
        return repr(self._expected)

    def __reduce__(self) -> tuple[type[dict[int, float]], tuple[dict[int, float]]]:
        return dict, (self._expected,)


def fall(
    fit: Fit, candidates: Sequence[Surrogate], samples: Samples, part: Samples, rows: IntArray
) -> Fall | None:
    """Fit what was chosen for all samples to a part of them, and compare.

    Args:
        fit: Of all samples.
        candidates: The surrogates that it was chosen from.
        samples: All of them.
        part: Some of them.
        rows: (len(part),) their row numbers.

    Returns:
        None where too few masks are left to compare on.
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
    if smaller.mean() == 0.0 or all_.mean() == 0.0:
        return None
    influence = smaller / smaller.mean() - all_ / all_.mean()
    deviation = float(np.sqrt((influence**2).mean() / len(test)))
    return Fall(
        float(np.log2(len(samples) / len(part))),
        float(np.log2(smaller.mean() / all_.mean())),
        deviation / np.log(2),
    )


def expected_r2(r2: float, measured: Fall, doublings: float) -> float:
    """The R2 to expect of a larger sample.

    Args:
        r2: Of the sample that there is.
        measured: How it came about.
        doublings: log2 of the sizes' ratio.
    """
    # Bayes with a normal prior for the fall per doubling.
    usual = _FALL_SD**-2
    weight = measured.doublings**2 / max(measured.deviation, 0.05) ** 2
    total = FALL * usual + weight * measured.log2 / measured.doublings
    slope = max(total / (usual + weight), 0.0)
    return 1 - (1 - r2) * 2 ** (-slope * doublings)
