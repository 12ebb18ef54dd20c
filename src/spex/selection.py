"""Choose among surrogates by cross-validation on the same evaluated masks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from threadpoolctl import ThreadpoolController

from spex._typing import FloatArray
from spex.errors import ArgumentError
from spex.fidelity import Fidelity, fidelity, folds
from spex.fourier.spectrum import Spectrum
from spex.surrogates.base import Samples, Surrogate

# An R2 that no other candidate could improve on visibly.
_NOTHING_TO_GAIN = 0.9999


@dataclass(frozen=True)
class Fit:
    """A fitted surrogate and how faithful it is.

    Args:
        method: Name of the surrogate chosen.
        spectrum: Its fit to all samples.
        fidelity: Cross-fitted R2 of the whole pipeline, the choice included.
        scores: Cross-fitted R2 of every candidate.
        standard_errors: Of the spectrum's coefficients, given its support; None where unknown.
    """

    method: str
    spectrum: Spectrum
    fidelity: Fidelity
    scores: Mapping[str, float]
    standard_errors: FloatArray | None = None


def fit_best(candidates: Sequence[Surrogate], samples: Samples) -> Fit:
    """Fit the candidate whose predictions of masks left out are best.

    R2 is measured on predictions that have seen neither the fitting nor the choice: each fold is
    predicted by the candidate that the *other* folds prefer.

    Args:
        candidates: At least one, the cheapest first: once one leaves nothing to gain, those after
            it are not tried.
        samples: Evaluated masks, at least two of them uniform.
    """
    uniform = np.nonzero(samples.uniform)[0]
    if len(uniform) < 2:
        raise ArgumentError(
            f"{len(uniform)} uniform masks are too few to measure R2; raise the budget"
        )
    values = samples.values
    parts = folds(samples)
    fitted, errors, scores = {}, {}, {}
    for candidate in candidates:
        name = candidate.name
        # Threads of linear algebra wait for each other on a machine that also runs a model, and
        # on small matrices they cost more than they win.
        with _libraries().limit(limits=1, user_api="blas"):
            fitted[name] = candidate.fit(samples, parts)
        predictions = fitted[name].predictions
        errors[name] = (values - predictions) ** 2
        scores[name] = fidelity(values[uniform], predictions[uniform]).r2
        if scores[name] > _NOTHING_TO_GAIN:
            break

    chosen: FloatArray = np.full(len(samples), np.nan)
    for rows in parts:
        others = samples.uniform.copy()
        others[rows] = False
        best = min(errors, key=lambda name: float(errors[name][others].mean()))
        chosen[rows] = fitted[best].predictions[rows]
    best = min(errors, key=lambda name: float(errors[name][uniform].mean()))
    return Fit(
        best,
        fitted[best].spectrum,
        fidelity(values[uniform], chosen[uniform]),
        scores,
        fitted[best].standard_errors,
    )


@cache
def _libraries() -> ThreadpoolController:
    """The libraries of linear algebra; to find them takes longer than many a fit."""
    return ThreadpoolController()
