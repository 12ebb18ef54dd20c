"""Choose among surrogates, or join them, by cross-validation on the same evaluated masks."""

import math
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import scipy.optimize
from threadpoolctl import ThreadpoolController

from spex._typing import BoolArray, FloatArray, IntArray
from spex.errors import ArgumentError
from spex.fitting.fidelity import Fidelity, fidelity, folds, variance
from spex.fourier.spectrum import Spectrum, weighted_sum
from spex.surrogates.base import Fitted, Samples, Surrogate
from spex.surrogates.refit import coefficient_errors

# Above this R2 no other candidate could be visibly better.
_NOTHING_TO_GAIN = 0.9999
# Several surrogates together must have an error smaller by this share than the best alone.
_WORTH_JOINING = 0.02
# A surrogate with a smaller weight is not worth its coefficients.
_LEAST_WEIGHT = 0.05
# Coefficients dropped from the end may hold this share of the variance left unexplained.
_DISPENSABLE = 0.002


@dataclass(frozen=True)
class Fit:
    """A fitted surrogate and how faithful it is.

    Args:
        method: Name of the surrogate chosen, or of those joined, the weightiest first.
        spectrum: Its fit to all samples; of several joined, less what prediction does not need.
        fidelity: Cross-fitted R2 of the whole pipeline, the choice included.
        scores: Cross-fitted R2 of every candidate; empty if unknown.
        standard_errors: Those of the coefficients, given the support; None if unknown.
        unexplained: Mean squared error at drawn masks, cross-fitted; None if unknown.
        weights: Weights of the surrogates chosen or joined.
        predictions: (m,) cross-fitted, of the drawn masks; NaN elsewhere.
    """

    method: str
    spectrum: Spectrum
    fidelity: Fidelity
    scores: Mapping[str, float]
    standard_errors: FloatArray | None = None
    unexplained: float | None = None
    weights: Mapping[str, float] = field(default_factory=dict)
    predictions: FloatArray = field(default_factory=lambda: np.zeros(0))


def fit_candidate(candidate: Surrogate, samples: Samples, folds: Sequence[IntArray]) -> Fitted:
    """Fit one surrogate."""
    with _single_threaded():
        return candidate.fit(samples, folds)


def fit_all(candidates: Sequence[Surrogate], samples: Sequence[Samples]) -> list[dict[str, Fitted]]:
    """Fit one candidate after the other, for each output until one leaves nothing to gain.

    Args:
        candidates: At least one, the cheapest first.
        samples: Evaluated masks, one item for each output; they differ in their values only. At
            least two masks are drawn.

    Returns:
        For each output the fits by name of the candidate.

    Raises:
        ArgumentError: fewer than two masks are drawn, so that R2 cannot be measured.
    """
    drawn = np.nonzero(samples[0].drawn)[0]
    if len(drawn) < 2:
        raise ArgumentError(f"{len(drawn)} drawn masks are too few to measure R2; raise the budget")
    parts = folds(samples[0])
    fitted: list[dict[str, Fitted]] = [{} for _ in samples]
    unfinished = list(range(len(samples)))
    counts = _of(samples[0].weights, drawn)
    for candidate in candidates:
        with _single_threaded():
            fits = candidate.fit_outputs([samples[j] for j in unfinished], parts)
        for j, fit in zip(unfinished, fits, strict=True):
            fitted[j][candidate.name] = fit
        unfinished = [
            j
            for j, fit in zip(unfinished, fits, strict=True)
            if fidelity(samples[j].values[drawn], fit.predictions[drawn], weights=counts).r2
            <= _NOTHING_TO_GAIN
        ]
        if not unfinished:
            break
    return fitted


def join(fitted: Mapping[str, Fitted], samples: Samples) -> Fit:
    """Choose the surrogate, or the convex combination, that predicts held-out masks best.

    Spectra add, so a combination is one spectrum as well. Nested cross-validation: for each fold
    the choice is made on the other folds, by fits that have not seen them.

    Args:
        fitted: Fits to the same samples, by name.
        samples: These samples.
    """
    values = samples.values
    drawn = np.nonzero(samples.drawn)[0]
    names = list(fitted)
    counts = _of(samples.weights, drawn)

    def measure(predictions: FloatArray, share_left_out: float) -> Fidelity:
        return fidelity(values[drawn], predictions[drawn], share_left_out, len(samples), counts)

    scores = {name: measure(fit.predictions, fit.share_left_out).r2 for name, fit in fitted.items()}
    scores = {name: r2 for name, r2 in scores.items() if not math.isnan(r2)}
    predictions = np.stack([fitted[name].predictions for name in names], axis=1)
    if len(names) == 1:
        of_fold, weights = predictions[:, 0], np.ones(1)
    else:
        of_fold = np.full(len(samples), np.nan)
        for rows in folds(samples):
            others = samples.drawn.copy()
            others[rows] = False
            chosen = _weights(predictions[others], values[others], _of(samples.weights, others))
            of_fold[rows] = predictions[rows] @ chosen
        weights = _weights(predictions[drawn], values[drawn], counts)
    share_left_out = float(weights @ [fitted[name].share_left_out for name in names])
    measured = measure(of_fold, share_left_out)
    used = [i for i in np.argsort(-weights, kind="stable") if weights[i] > 0]
    spectrum = weighted_sum([fitted[names[i]].spectrum for i in used], weights[used])
    unexplained = (1 - measured.r2) * variance(values[drawn], counts)
    if math.isnan(measured.r2):  # it is unknown whether anything is explained
        unexplained = variance(values, None)
    if len(used) > 1:
        # A coefficient of only one surrogate has a small weight. A single surrogate has already
        # chosen its support.
        spectrum = spectrum.keep(_needed(spectrum, _DISPENSABLE * unexplained))
    with _single_threaded():
        errors = coefficient_errors(samples, spectrum, unexplained)
    name = " + ".join(names[i] for i in used)
    used_weights = {names[i]: float(weights[i]) for i in used}
    is_unknown = math.isnan(measured.r2) and not unexplained  # other masks may have other values
    left = None if is_unknown else unexplained
    return Fit(name, spectrum, measured, scores, errors, left, used_weights, of_fold)


def _of(weights: FloatArray | None, rows: BoolArray | IntArray) -> FloatArray | None:
    return None if weights is None else weights[rows]


def _weights(
    predictions: FloatArray, values: FloatArray, counts: FloatArray | None = None
) -> FloatArray:
    """(c,) weights, not negative and of sum one, of predictions (m, c).

    Least squares; a single candidate where the others do not make it clearly better (Breiman,
    Stacked regressions, 1996).

    Args:
        predictions: (m, c) float64.
        values: (m,) float64.
        counts: (m,) how much each error counts; default: all alike.
    """
    if counts is not None:
        root = np.sqrt(counts / counts.mean())
        predictions, values = predictions * root[:, None], values * root
    squared = ((predictions - values[:, None]) ** 2).mean(axis=0)
    best = int(squared.argmin())
    single = np.zeros(len(squared))
    single[best] = 1.0
    if squared[best] == 0.0:
        return single
    weights = _convex(predictions, values, np.ones(len(squared), dtype=np.bool_))
    weights = _convex(predictions, values, weights >= _LEAST_WEIGHT)
    joined = float(((predictions @ weights - values) ** 2).mean())
    return weights if joined < (1 - _WORTH_JOINING) * squared[best] else single


def _convex(predictions: FloatArray, values: FloatArray, used: BoolArray) -> FloatArray:
    """Weights of least squared error among those that are not negative and have sum one."""
    weights = np.zeros(len(used))
    if used.sum() == 1:
        weights[used] = 1.0
        return weights
    off = predictions[:, used] - values[:, None]
    # If the weights sum to one, the combined error is the same combination of the errors. A heavy
    # row enforces this nearly, and the scale then exactly.
    heavy = 1e3 * float(np.abs(off).max()) * np.ones((1, int(used.sum())))
    found, _ = scipy.optimize.nnls(
        np.concatenate([off, heavy]), np.concatenate([np.zeros(len(off)), heavy[0, :1]])
    )
    weights[used] = found / found.sum()
    return weights


def _needed(spectrum: Spectrum, dispensable: float) -> IntArray:
    """The coefficients that stay when the smallest are dropped, as many as a variance allows."""
    energies = np.where(spectrum.orders > 0, spectrum.coefficients**2, np.inf)
    smallest = np.argsort(energies, kind="stable")
    dropped = int(np.searchsorted(np.cumsum(energies[smallest]), dispensable, side="right"))
    return np.sort(smallest[dropped:])


def _single_threaded() -> AbstractContextManager[object]:
    """Run linear algebra in one thread.

    On a machine that also runs a model its threads wait for each other, and on small matrices they
    cost more than they gain.
    """
    return _libraries().limit(limits=1, user_api="blas")


@cache
def _libraries() -> ThreadpoolController:
    """The libraries of linear algebra; to find them takes longer than many a fit."""
    return ThreadpoolController()
