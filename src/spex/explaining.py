"""Explain a source of values: a `spex.Run`, and the loop around it."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from spex._typing import BoolArray, FloatArray
from spex.context import Context
from spex.engines.ray import RayEngine, engine_of
from spex.errors import ArgumentError
from spex.explanation import Explanation
from spex.explanations import Explanations
from spex.run import Run
from spex.settings import LEAST_BUDGET
from spex.values.evaluator import Progress, evaluate
from spex.values.faults import Faults
from spex.values.limiting.limited import Limited
from spex.values.limiting.limits import Ledger, LimitReached, Limits
from spex.values.progress import reporter
from spex.values.repeatability import noise, told
from spex.values.source import ValueSource, as_source
from spex.values.store import Store
from spex.wording import counted

# Up to this many masks, and booleans in them, a forecast takes less than a second.
_FORECAST_MASKS, _FORECAST_CELLS = 500, 1 << 16


def explain(
    f: Callable[[BoolArray], Any] | ValueSource,
    features: int | Sequence[str] | None = None,
    budget: int = 2000,
    *,
    method: str = "auto",
    max_degree: int = 5,
    seed: int = 0,
    target_r2: float | None = None,
    weighting: str = "uniform",
    store: str | Path | Store | None = None,
    progress: bool | Callable[[Progress], None] = False,
    limits: Limits | None = None,
    faults: Faults | None = None,
    engine: str | RayEngine | None = None,
) -> Any:
    """Explain a value function: which features drive it, alone or only together.

    Args:
        f: Callable from bool masks (m, n), True = present, to m real numbers, or to (m, q) for q
            outputs; called in batches. Or a `spex.ValueFunction`, a `spex.PredictFunction`, or a
            `shapiq.Game`, with the values that the game gives (normalised if it normalises).
        features: n, or n labels. Not needed for these three, which know their features.
        budget: Cap on the number of distinct masks, including those that measure R2. At 2^n or
            above, all 2^n are evaluated and the spectrum is exact.
        method: One of these:

            - `auto`: the best of the others for the budget, or a mean of several, chosen by
              cross-validation. Uses boosted trees up to 2 million masks times features.
            - `exact`: all 2^n masks.
            - `gp`: a Gaussian process on the hypercube.
            - `linear`: order 1.
            - `proxyspex`: boosted trees and their exact Fourier transform.
            - `spex`: coded masks, decoded by message passing.
        max_degree: Highest order of interactions to search for. An exact spectrum has all orders.
        seed: Random seed; the same seed, budget and f give the same result.
        target_r2: Stop once the lower bound of the held-out R2 reaches this, for every output.
        weighting: Distribution of the masks, and of R2. `uniform`: all masks are equally probable;
            for the spectrum and the Banzhaf indices. `shapley`: all sizes are equally probable, and
            so are all masks of one size; for SV, SII, k-SII, STII and FSII, which give more weight
            to small and large sets. These indices are then corrected for the residuals of the
            surrogate (`spex.fitting.correction`), and Shapley values sum to f(all) - f(none).
        store: Path of a sample store, or a `Store`. Values found there are not evaluated again, and
            new values are kept at once. Needs an f with an `identity`.
        progress: True for a progress bar on standard error, or a function called with a
            `Progress` after every batch.
        limits: Stop before one of these is exceeded (`spex.Limits`), and explain the values so far;
            `stopped` of the result says which limit it was.
        faults: How many failures of f to tolerate (`spex.Faults`); default: none, the first error
            or value that is not finite is raised.
        engine: Where f runs: "ray" (on the cores or GPUs of this machine), "ray:ADDRESS" (on a Ray
            cluster), or a `spex.RayEngine`; default: in this process. The result is the same.

    Returns:
        An `Explanation`; if f gives (m, q), `Explanations` by name of the output.

    Raises:
        ArgumentError: an argument is wrong.
        ValueFunctionError: f did not return finite real numbers, as many for each mask.
        StoreError: the store cannot be used.

    Example:
        >>> import spex
        >>> e = spex.explain(lambda masks: 1.0 * masks[:, 0] * masks[:, 1], 40, budget=300)
        >>> e.interactions("Moebius").top(1)[0][0]
        (0, 1)
    """
    check_objects(store, limits, faults)
    if not isinstance(progress, bool | np.bool_) and not callable(progress):
        raise ArgumentError(f"progress={progress!r}; give True, False, or a function")
    source = as_source(f, features)
    run = run_of(
        source,
        budget,
        method=method,
        max_degree=max_degree,
        seed=seed,
        target_r2=target_r2,
        weighting=weighting,
    )
    with ExitStack() as stack:
        if engine is not None:
            source = stack.enter_context(engine_of(engine).running(source))
        if isinstance(store, str | Path):
            store = stack.enter_context(Store(store))
        limited = source if not limits else Limited(source, Ledger(limits))
        report = stack.enter_context(reporter(progress))
        stopped, n_gaps = until_limit(run, limited, store, report, faults)
        variance = noise(run, limited, store) if stopped is None else None
    found = result(run, source, forecast=is_forecast_fast(run), variance=variance)
    return noted(found, stopped, n_gaps, run)


def check_objects(store: object, limits: object, faults: object) -> None:
    """What `explain`, `explain_many` and `zoom` take, before anything is called.

    Raises:
        ArgumentError: one of them is of another type.
    """
    if not isinstance(store, str | Path | Store | None):
        raise ArgumentError(f"store={store!r}; give the path of a file, or a spex.Store")
    if not isinstance(limits, Limits | None):
        raise ArgumentError(f"limits={limits!r}; give a spex.Limits, such as Limits(calls=500)")
    if not isinstance(faults, Faults | None):
        raise ArgumentError(f"faults={faults!r}; give a spex.Faults, such as Faults(gaps=0.05)")


def is_forecast_fast(run: Run) -> bool:
    """Whether the R2 to expect of larger budgets is computed in less than a second."""
    cells = run.n_told * len(run.features)
    return run.n_told <= _FORECAST_MASKS and cells <= _FORECAST_CELLS


def until_limit(
    run: Run,
    source: ValueSource,
    store: Store | None,
    report: Callable[[Progress], None],
    faults: Faults | None = None,
) -> tuple[str | None, int]:
    """Evaluate what a run asks for.

    Returns:
        Which limit stopped it, None if none did; and how many masks have no value.

    Raises:
        ArgumentError: the limit leaves too few values to explain.
        SpexError: see `spex.values.evaluator.evaluate`.
    """
    try:
        return None, evaluate(run, source, store, report, faults)
    except LimitReached as reached:
        if run.n_told < LEAST_BUDGET:
            raise ArgumentError(
                f"{reached} after {counted(run.n_told, 'value')}, and a fit needs {LEAST_BUDGET}; "
                "raise it"
            ) from reached
        try:
            run.fits()
        except ArgumentError:  # method spex decodes whole designs only
            raise ArgumentError(
                f"{reached} after {run.n_told:,} of {counted(run.total, 'evaluation')}, too few "
                f"for method {run.settings.method!r}: raise the limit (with a store, the "
                "same call then continues), or use method 'auto'"
            ) from reached
        return str(reached), 0


def noted(
    found: Explanation | Explanations, stopped: str | None, n_gaps: int, run: Run
) -> Explanation | Explanations:
    """An explanation that says what stopped it, and how many masks have no value."""
    notes: tuple[str, ...] = ()
    if stopped is not None:
        notes += (
            f"Partial: {stopped} after {run.n_told:,} of {counted(run.total, 'evaluation')}. The "
            "same call with a store goes on from there.",
        )
    if n_gaps:
        notes += (
            f"{counted(n_gaps, 'mask')} of {run.total:,} failed each time and have no value; the "
            "explanation is made without.",
        )
    if not notes:
        return found

    def with_notes(one: Explanation) -> Explanation:
        return replace(one, notes=(*notes, *one.notes), stopped=stopped)

    if isinstance(found, Explanation):
        return with_notes(found)
    return found.changed(lambda _, one: with_notes(one))


def run_of(source: ValueSource, budget: int, **settings: Any) -> Run:
    """A run over the features of a source, with what it knows of them.

    A `spex.DatasetValue` has runs of its own kind, which ask for calls on its items.

    Raises:
        ArgumentError: a setting is wrong.
    """
    begin = getattr(source, "begin", None)
    if begin is not None:
        run: Run = begin(budget, prior=source.prior, **settings)
        return run
    return Run(source.features, budget, prior=source.prior, outputs=source.outputs, **settings)


def result(
    run: Run, source: ValueSource, *, forecast: bool, variance: FloatArray | None = None
) -> Explanation | Explanations:
    """The fit of a run, with the context of its source.

    Args:
        run: With enough values.
        source: Where they come from.
        forecast: Whether to compute the R2 to expect of larger budgets.
        variance: (q,) of a value when its mask is asked again, where that is known.

    Raises:
        ArgumentError: the run has too few values.
    """
    found: Explanation | Explanations = run.fit()
    contexts = source.contexts()
    count = 1 if isinstance(found, Explanation) else len(found)
    again = [None] * count if variance is None else variance.tolist()
    if isinstance(found, Explanation):
        return _completed(found, contexts[0], run.forecast() if forecast else {}, again[0])
    forecasts = run.forecast() if forecast else [{}] * len(found)
    if source.outputs is None:  # only the values showed how many there are
        (one,) = contexts
        contexts = tuple(
            replace(one, score=name if one.score is None else f"{one.score}: {name}")
            for name in found
        )
    return found.changed(
        lambda number, one: _completed(one, contexts[number], forecasts[number], again[number])
    )


def _completed(
    one: Explanation, context: Context, forecast: Mapping[int, float], variance: float | None
) -> Explanation:
    notes = (*one.notes, *context.notes)
    found = replace(one, context=replace(context, notes=()), notes=notes, forecast=forecast)
    return found if variance is None else told(found, variance)
