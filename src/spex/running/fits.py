"""Fits of what a run was told, and the explanations that they give."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from spex._typing import FloatArray
from spex.checks.values import check_resolution
from spex.errors import ArgumentError
from spex.explanation import Explanation
from spex.explanations import Explanations, OutputMoments
from spex.fitting.correction import correction
from spex.fitting.exhaustive import completed, fit_all_masks
from spex.fitting.fidelity import is_constant, same_folds
from spex.fitting.learning_curve import forecast
from spex.fitting.selection import Fit, fit_all, join
from spex.fourier.mask_distribution import SHAPLEY, UNIFORM
from spex.fourier.spectrum import Spectrum
from spex.prior import NO_PRIOR, Prior
from spex.running.samples import GIVEN, sampled
from spex.running.stages import Stage, coded_part
from spex.running.told import Told
from spex.settings import LEAST_BUDGET, Settings, feature_labels
from spex.surrogates.base import Fitted, Samples
from spex.wording import counted

_NO_ENDS = (
    "The masks of all features and of none are not both among those with a value: Shapley values "
    "are not corrected, and need not sum to the difference."
)


@dataclass(frozen=True, eq=False)
class OutputFit:
    """The fit of one output; samples are None if all masks were evaluated."""

    fit: Fit
    samples: Samples | None
    fitted: Mapping[str, Fitted]
    distribution: str
    notes: tuple[str, ...]


class Problem:
    """What is explained.

    Args:
        features: n, or n labels.
        settings: Settings of the run.
        prior: What is known of the features.
        outputs: Names of the outputs; None for numbers.
        is_noisy: Whether values are estimates.

    Attributes:
        features: The labels.
        told: The masks told, and their values.

    Raises:
        ArgumentError: the prior or the outputs are wrong.
    """

    def __init__(
        self,
        features: int | Sequence[str],
        settings: Settings,
        prior: Prior = NO_PRIOR,
        outputs: Sequence[str] | None = None,
        is_noisy: bool = False,
    ) -> None:
        self.features = feature_labels(features)
        self.settings = settings
        if not isinstance(prior, Prior):
            raise ArgumentError(f"prior={prior!r}; give a spex.Prior")
        prior.check(len(self.features))
        self._prior = prior
        names = None if outputs is None else tuple(map(str, outputs))
        if isinstance(outputs, str) or names == () or len(set(names or ())) != len(names or ()):
            raise ArgumentError(f"outputs={outputs!r}; give a different name for each output")
        self._outputs = names
        self._is_noisy = is_noisy
        self.told = Told(len(self.features), settings.is_exhaustive, names)

    def fits(
        self,
        stage: Stage,
        earlier: Sequence[OutputFit] = (),
        weights: FloatArray | None = None,
    ) -> list[OutputFit]:
        """The fit of each output to what was told.

        Args:
            stage: The masks that were wanted.
            earlier: The fits of the stage before.
            weights: How much each mask counts, by its number, where that is given.

        Raises:
            ArgumentError: there are too few values, or method `spex` lacks coded masks.
            ValueFunctionError: the values are so small that their squares underflow.
        """
        settings, told = self.settings, self.told
        least = min(LEAST_BUDGET, 1 << settings.n_features)
        if told.count < least:
            raise ArgumentError(
                f"{counted(told.count, 'value')} told; a fit needs at least {least}"
            )
        for column in told.values(told.all_told()).T:
            check_resolution(column)
        is_complete = settings.is_exhaustive and told.count == 1 << settings.n_features
        if is_complete and not self._is_noisy:
            fits = (
                fit_all_masks(settings.n_features, column, settings.method == "linear")
                for column in told.values(np.arange(told.count)).T
            )
            return [OutputFit(fit, None, {}, UNIFORM.name, ()) for fit in fits]
        found = sampled(told, stage, settings, self._prior, weights)
        samples = found.samples
        before = earlier[0].samples if earlier and found.is_stage else None
        if before is not None and same_folds(before, samples[0]):
            fitted_before = (one.fitted for one in earlier)
            samples = [
                replace(one, earlier=of) for one, of in zip(samples, fitted_before, strict=True)
            ]
        fitted = fit_all(_candidates(settings, samples[0]), samples)
        about, each = found.distribution, []
        for one, of in zip(samples, fitted, strict=True):
            fit = self._joined(of, one, about)
            each.append(OutputFit(fit, one, of, about, found.notes + _on_unknown(fit, one)))
        return each

    def _joined(self, fitted: Mapping[str, Fitted], samples: Samples, distribution: str) -> Fit:
        """The choice among the fits; for `auto` completed if most masks are known."""
        fit = join(fitted, samples)
        if self.settings.method != "auto" or distribution == GIVEN or self._is_noisy:
            return fit
        return completed(fit, samples, distribution == SHAPLEY.name)

    def explained(self, fits: Sequence[OutputFit]) -> Any:
        """The explanation of each fit: an `Explanation`, or `Explanations` for values (k, q)."""
        found = [self._explanation(j, one) for j, one in enumerate(fits)]
        if self.told.is_single:
            return found[0]
        names = self._outputs or tuple(map(str, range(len(found))))
        return Explanations(dict(zip(names, found, strict=True)), _moments(fits))

    def _explanation(self, output: int, one: OutputFit) -> Explanation:
        fit, settings, told = one.fit, self.settings, self.told
        known_ends = told.is_told(told.ends).tolist()
        values = told.values(told.ends)[:, output].tolist()
        whole, nothing = (v if known else None for v, known in zip(values, known_ends, strict=True))
        corrected: Mapping[str, Spectrum] = {}
        notes = one.notes + _on_repeats(*told.repeats(output))
        if settings.method == "exact" and one.samples is not None and not self._is_noisy:
            notes += (
                f"{told.count:,} of {counted(settings.total, 'mask')} have a value: the fit is not "
                "exact, but that of method 'auto'.",
            )
        if one.samples is not None and settings.distribution.corrects:
            if all(known_ends):
                corrected = correction(one.samples, fit.spectrum, *values)
            else:
                notes += (_NO_ENDS,)
        # Over other masks Parseval's theorem does not hold: how far values may be off is unknown.
        known = one.distribution != GIVEN
        return Explanation(
            features=self.features,
            spectrum=fit.spectrum,
            r2=fit.fidelity.r2,
            r2_interval=fit.fidelity.interval,
            n_evaluations=told.count,
            method=fit.method,
            budget=settings.budget,
            seed=settings.seed,
            scores=fit.scores,
            standard_errors=fit.standard_errors if known else None,
            unexplained=fit.unexplained if known else None,
            r2_distribution=one.distribution,
            correction=corrected,
            observed=(whole, nothing),
            notes=notes,
        )

    def forecast(self, one: OutputFit) -> Mapping[int, float]:
        """The R2 to expect of larger budgets, by evaluations; empty if it is unknown."""
        settings = self.settings
        if one.samples is None or one.distribution == GIVEN:
            return {}
        design = partial(coded_part, settings)
        return forecast(one.fit, one.samples, partial(_candidates, settings), design, settings.seed)


def _on_unknown(fit: Fit, samples: Samples) -> tuple[str, ...]:
    """Why R2 is unknown, if it is."""
    if not math.isnan(fit.fidelity.r2):
        return ()
    if is_constant(samples.values, float(samples.values.var())):
        return (
            f"All {len(samples):,} masks have the same value, to 12 digits. R2 is unknown: a "
            "mask that was not evaluated may have another one.",
        )
    return (
        f"The {counted(int(samples.drawn.sum()), 'mask')} that measure R2 have the same value, to "
        "12 digits; other masks have other values. R2 is unknown: evaluate more masks.",
    )


def _on_repeats(count: int, deviation: float) -> tuple[str, ...]:
    """A note on masks that were told different values."""
    if not count:
        return ()
    return (
        f"{counted(count, 'mask')} told several times had different values, with a standard "
        f"deviation of about {deviation:.2g}: each counts with their mean.",
    )


def _candidates(settings: Settings, samples: Samples) -> Any:
    return settings.of_method.candidates(samples, settings.max_degree)


def _moments(fits: Sequence[OutputFit]) -> OutputMoments | None:
    """Second moments of values and errors of all outputs, for contrasts."""
    samples = fits[0].samples
    if samples is None:
        return None
    test = np.flatnonzero(samples.drawn)
    values = np.stack([one.samples.values[test] for one in fits if one.samples is not None])
    predictions = np.stack([one.fit.predictions[test] for one in fits])
    errors = values - predictions
    counts = np.ones(len(test)) if samples.weights is None else samples.weights[test]
    return OutputMoments(
        np.cov(values, aweights=counts), (errors * counts) @ errors.T / counts.sum()
    )
