"""The pipeline: features -> masks -> values -> spectrum -> explanation.

This is the only module that joins all stages.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from spex._typing import BoolArray, FloatArray, IntArray, WordArray
from spex.arguments import MAX_EXACT_FEATURES, MAX_FEATURES, is_exhaustive, whole_number
from spex.errors import ArgumentError
from spex.evaluation.evaluator import Evaluator, Progress
from spex.evaluation.store import Store
from spex.explanation import Explanation
from spex.f2.packing import DistinctRows, n_words
from spex.fitting.fidelity import PERFECT, Fidelity, same_folds
from spex.fitting.learning_curve import Forecast, expected_r2, fall
from spex.fitting.selection import Fit, fit_all, join
from spex.fourier.design import Design
from spex.fourier.mask_design import all_masks, coded_design, least_budget, uniform_masks
from spex.fourier.peeling import DECODINGS
from spex.fourier.search import enumerable_order
from spex.fourier.spectrum import Spectrum
from spex.fourier.wht import walsh_hadamard
from spex.prior import NO_PRIOR, Prior
from spex.surrogates.base import CodedValues, Fitted, Samples, Surrogate
from spex.surrogates.boosted_trees import BoostedTrees
from spex.surrogates.coded import Spex
from spex.surrogates.gaussian_process import GaussianProcess
from spex.surrogates.linear import Linear
from spex.surrogates.pairwise import Pairwise

METHODS = ("auto", "exact", "gp", "linear", "pairwise", "proxyspex", "spex")
_LEAST_BUDGET = 4  # R2 needs a few masks to be measured on
# Masks times features beyond which `auto` grows no trees: they would take many minutes.
_TREE_CELLS = 1 << 21
# With target_r2 the first fit sees at least this many masks, and each next one twice as many.
_FIRST_STAGE = 64


def explain(
    f: Callable[[BoolArray], Any],
    features: int | Sequence[str] | None = None,
    budget: int = 2000,
    *,
    method: str = "auto",
    max_degree: int = 5,
    decoding: str = "auto",
    seed: int = 0,
    target_r2: float | None = None,
    store: str | Path | Store | None = None,
    progress: bool | Callable[[Progress], None] = False,
) -> Explanation:
    """Explain a value function: which features drive it, and which of them only together.

    Args:
        f: Callable from bool masks (m, n), True = present, to m real numbers; called in batches.
            Or a `spex.ValueFunction`, a `spex.PredictFunction`, or a `shapiq.Game`, whose values
            are then explained as the game gives them: normalised where it normalises.
        features: n, or n labels. May be left out where f knows them, as those three do.
        budget: Cap on the number of distinct masks evaluated, those that measure R2 included. At
            2^n or above, all 2^n are evaluated and the spectrum is exact.
        method: `auto` (the best of the others that the budget allows, or several joined, by
            cross-validation; boosted trees up to 2 million masks times features), `exact` (all 2^n
            masks), `gp` (Gaussian process on the hypercube), `linear` (order 1), `pairwise` (order
            1 and screened pairs), `proxyspex` (boosted trees, their exact Fourier transform),
            `spex` (coded masks, decoded by message passing).
        max_degree: Highest order of interaction that is searched for. An exact spectrum has all
            orders, whatever this says.
        decoding: Where message passing looks for coefficients: `hard` (codewords of the bins'
            signs), `soft` (also of signs that are a little wrong), `exhaustive` (every frequency of
            a low order), `auto` (soft and exhaustive, and neighbours of what was found).
        seed: Of all random choices; the same seed, budget and f give the same result.
        target_r2: Stop once the lower bound of the held-out R2 reaches this.
        store: Path of a sample store, or a `Store`: values found there are not evaluated again,
            new ones are kept there as they come. Needs an f with an `identity`.
        progress: True for a progress bar on standard error, or a function called with a
            `Progress` after every batch.

    Returns:
        The explanation.

    Raises:
        ArgumentError: an argument is wrong.
        ValueFunctionError: f did not return one finite real number per mask.
        StoreError: the store cannot be used.
    """
    labels = _labels(f, features)
    n = len(labels)
    budget = whole_number("budget", budget, 1)
    max_degree = whole_number("max_degree", max_degree, 1)
    seed = whole_number("seed", seed, 0)
    if method not in METHODS:
        raise ArgumentError(f"method={method!r} is unknown; choose one of {', '.join(METHODS)}")
    if decoding not in DECODINGS:
        raise ArgumentError(
            f"decoding={decoding!r} is unknown; choose one of {', '.join(DECODINGS)}"
        )
    if target_r2 is not None and not 0 < target_r2 <= 1:
        raise ArgumentError(f"target_r2={target_r2}; it must be above 0 and at most 1")
    exhaustive = is_exhaustive(n, budget)
    total = 1 << n if exhaustive else budget
    if method == "exact" and not exhaustive:
        limit = f"2^{n} = {1 << n}" if n <= 64 else f"2^{n}"
        raise ArgumentError(
            f"method 'exact' evaluates all {limit} masks, and the budget is {budget}; raise the "
            f"budget (up to n = {MAX_EXACT_FEATURES}), choose coarser features or another method"
        )
    if total < min(_LEAST_BUDGET, 1 << n):
        raise ArgumentError(
            f"budget={budget} is too small to fit anything and measure it; give at least "
            f"{_LEAST_BUDGET}, better a few times the number of features ({n})"
        )

    with ExitStack() as stack:
        if store is not None and not isinstance(store, str | Path | Store):
            raise ArgumentError(f"store={store!r}; give the path of a file, or a spex.Store")
        if isinstance(store, str | Path):
            store = stack.enter_context(Store(store))
        report = stack.enter_context(_reporter(progress))
        evaluate = Evaluator(f, n, total, store, report)
        is_sequence = bool(getattr(f, "is_sequence", False))
        settings = _Settings(n, method, max_degree, decoding, seed, is_sequence)
        run = _Run(evaluate, settings)
        stages = _stages(total, n) if target_r2 is not None and method != "exact" else [total]
        for size in stages:
            fit = run.fit_exhaustively() if size == 1 << n else run.fit(size)
            evaluate.tell_r2(fit.fidelity.r2)
            if target_r2 is not None and fit.fidelity.interval[0] >= target_r2:
                break

    describe = getattr(f, "describe", None)
    return Explanation(
        features=labels,
        spectrum=fit.spectrum,
        r2=fit.fidelity.r2,
        r2_interval=fit.fidelity.interval,
        n_evaluations=run.n_evaluations,
        method=fit.method,
        budget=budget,
        seed=seed,
        scores=fit.scores,
        standard_errors=fit.standard_errors,
        unexplained=fit.unexplained,
        forecast=Forecast(partial(_forecast, fit, run.samples, settings)),
        notes=run.notes,
        context=dict(describe()) if callable(describe) else {},
    )


@dataclass(frozen=True)
class _Settings:
    """What `explain` was told, less the value function and the budget."""

    n: int
    method: str
    max_degree: int
    decoding: str
    seed: int
    is_sequence: bool

    def design(self, budget: int, reserved: int = 0) -> Design | None:
        """See `coded_design`."""
        return coded_design(self.method, self.n, budget, reserved, self.max_degree, self.seed)

    def samples(
        self,
        words: WordArray,
        values: FloatArray,
        uniform: BoolArray,
        design: Design | None,
        coded: IntArray,
    ) -> Samples:
        """Evaluated masks; `coded` are the places among them of a design's masks."""
        designed = np.zeros(len(words), dtype=np.bool_)
        of_design = None
        if design is not None:
            designed[coded] = True
            of_design = CodedValues(design, values[coded], self.max_degree, self.decoding)
        return Samples(
            words,
            self.n,
            values,
            uniform & ~designed,
            of_design,
            designed,
            Prior(sequence=tuple(range(self.n))) if self.is_sequence else NO_PRIOR,
        )

    def candidates(self, samples: Samples) -> list[Surrogate]:
        """The surrogates that the method chooses from, the cheapest first."""
        if self.method == "linear":
            return [Linear()]
        if self.method == "spex":
            return [Spex()]
        if self.method == "gp":
            return [GaussianProcess(self.max_degree)]
        if self.method == "pairwise":
            return [Pairwise()]
        if self.method == "proxyspex":
            return [BoostedTrees(self.max_degree)]
        decodes = samples.coded is not None
        candidates: list[Surrogate] = [Linear(), *([Spex()] if decodes else [])]
        candidates.append(GaussianProcess(self.max_degree))
        if len(samples) * self.n <= _TREE_CELLS:
            candidates.append(BoostedTrees(self.max_degree))
        return candidates


class _Run:
    """The masks evaluated so far, and the fits made of them.

    Attributes:
        samples: Of the last fit; None where all masks were evaluated.
        notes: What a user should know about it.
        n_evaluations: Distinct masks evaluated.
    """

    def __init__(self, evaluate: Evaluator, settings: _Settings) -> None:
        self._evaluate = evaluate
        self._settings = settings
        self._stream = uniform_masks(settings.n, settings.seed)
        words = n_words(settings.n)
        self._drawn: WordArray = np.zeros((0, words), dtype=np.uint64)  # and not yet used
        self._masks = DistinctRows(words)
        self._values: FloatArray = np.zeros(0)
        self._uniform: BoolArray = np.zeros(0, dtype=np.bool_)
        self._fitted: dict[str, Fitted] = {}  # to the samples
        self.samples: Samples | None = None
        self.notes: tuple[str, ...] = ()
        self.n_evaluations = 0

    def fit(self, budget: int) -> Fit:
        """Grow the sample to a budget and fit it."""
        settings = self._settings
        design = settings.design(budget, len(self._masks))
        if settings.method == "spex":
            self._note_design(design, budget)
        rows = self._grow(None if design is None else design.masks, budget)
        if design is not None:
            self._uniform[rows] = False  # decoding has seen them
        fewer = self.samples
        samples = settings.samples(self._masks.rows, self._values, self._uniform, design, rows)
        self.samples = samples
        if fewer is not None and same_folds(fewer, samples):
            samples = replace(samples, earlier=self._fitted)
        self._fitted = fit_all(settings.candidates(samples), samples)
        return join(self._fitted, samples)

    def fit_exhaustively(self) -> Fit:
        """Evaluate all 2^n masks; their transform is the spectrum."""
        masks = all_masks(self._settings.n)
        known = self._masks.rows[:, 0].astype(np.int64)
        values = np.empty(len(masks))
        values[known] = self._values
        missing = np.ones(len(masks), dtype=np.bool_)
        missing[known] = False
        values[missing] = self._evaluate(masks[missing])
        self.n_evaluations = len(masks)
        self.notes = ()
        self.samples = None
        coefficients = walsh_hadamard(values)
        # What rounding leaves of a coefficient that is zero.
        kept = np.abs(coefficients) > 1e-14 * float(np.abs(values).max(initial=0.0))
        kept[0] = True
        spectrum = Spectrum(self._settings.n, masks[kept], coefficients[kept])
        if self._settings.method != "linear":
            return Fit("exact", spectrum, PERFECT, {"exact": 1.0}, np.zeros(kept.sum()), 0.0)
        # The best surrogate of order 1 is the part of order 1, and over all masks its R2 is known.
        linear = spectrum.keep(spectrum.orders <= 1)
        total = float((spectrum.coefficients[spectrum.orders > 0] ** 2).sum())
        part = float((linear.coefficients[linear.orders > 0] ** 2).sum())
        r2 = part / total if total > 0 else 1.0
        errors = np.zeros(len(linear.coefficients))
        fidelity = Fidelity(r2, (r2, r2))
        return Fit("linear", linear, fidelity, {"linear": r2}, errors, max(total - part, 0.0))

    def _grow(self, coded: WordArray | None, budget: int) -> IntArray:
        """Evaluate the coded masks that are new, and uniform ones up to the budget.

        Returns:
            The row numbers of the coded masks.
        """
        before = len(self._masks)
        coded_rows = self._masks.add(self._drawn[:0] if coded is None else coded)
        n_designed = len(self._masks)
        while (missing := budget - len(self._masks)) > 0:
            if not len(self._drawn):
                self._drawn = next(self._stream)
            self._masks.add(self._drawn[:missing])
            self._drawn = self._drawn[missing:]
        if len(self._masks) > before:
            self._values = np.concatenate([self._values, self._evaluate(self._masks.rows[before:])])
            drawn = np.arange(before, len(self._masks)) >= n_designed
            self._uniform = np.concatenate([self._uniform, drawn])
        self.n_evaluations = len(self._values)
        return coded_rows

    def _note_design(self, design: Design | None, budget: int) -> None:
        n, decoding = self._settings.n, self._settings.decoding
        if design is None:
            raise ArgumentError(
                f"budget={budget} buys no coded masks for {n} features; give at least "
                f"{least_budget('spex', n)}, or use method 'auto', which takes any budget"
            )
        wanted = min(self._settings.max_degree, n)
        by_code = 0 if decoding == "exhaustive" else design.code.t
        by_search = 0 if decoding in ("hard", "soft") else enumerable_order(n, wanted)
        reached = max(by_code, by_search)
        self.notes = ()
        if reached < wanted:
            self.notes = (
                f"With {budget} evaluations, interactions of order above {reached} are found only "
                "where parts of them are found as well; raise the budget to find others.",
            )


def _forecast(fit: Fit, samples: Samples | None, settings: _Settings) -> dict[int, float]:
    """The R2 to expect at two and four times the evaluations, {evaluations: R2}."""
    if samples is None or not 0 < 1 - fit.fidelity.r2 < np.inf:
        return {}
    m = len(samples)
    part = _part(samples, m // 2, "spex" in fit.weights, settings)
    if part is None:
        return {}
    measured = fall(fit, settings.candidates(part[0]), samples, *part)
    if measured is None:
        return {}
    return {
        times * m: 1.0
        if is_exhaustive(settings.n, times * m)
        else float(expected_r2(fit.fidelity.r2, measured, math.log2(times)))
        for times in (2, 4)
    }


def _part(
    samples: Samples, size: int, decodes: bool, settings: _Settings
) -> tuple[Samples, IntArray] | None:
    """A smaller sample within another, and its rows; None where there is none.

    Args:
        samples: The larger one.
        size: How many masks.
        decodes: Whether it must have a coded design; its masks may not all be there.
        settings: Of both.
    """
    m = len(samples)

    def part(rows: IntArray, design: Design | None, coded: IntArray) -> tuple[Samples, IntArray]:
        words, values, uniform = samples.words[rows], samples.values[rows], samples.drawn[rows]
        return settings.samples(words, values, uniform, design, coded), rows

    if not decodes:
        rows = np.sort(np.random.default_rng([settings.seed, size]).permutation(m)[:size])
        return part(rows, None, rows[:0])
    design = settings.design(size)
    if design is None:
        return None
    known = DistinctRows(n_words(settings.n))
    known.add(samples.words)
    coded = known.add(design.masks)
    if coded.max() >= m:
        return None
    uniform = np.flatnonzero(samples.drawn)[: max(size - len(np.unique(coded)), 0)]
    rows = np.union1d(coded, uniform)
    return part(rows, design, np.searchsorted(rows, coded))


def _labels(f: object, features: int | Sequence[str] | None) -> tuple[str, ...]:
    own = getattr(f, "features", None)
    if own is None and hasattr(f, "n_players"):
        own = _players(f)
    if features is None:
        if own is None:
            raise ArgumentError(
                "features is missing: give the number of features or their labels (only a "
                "spex.ValueFunction, a spex.PredictFunction and a shapiq.Game know their own)"
            )
        features = own
    if isinstance(features, str):
        raise ArgumentError(
            f"features={features!r} is one string; give a list of labels, or explain a text with "
            "spex.ValueFunction(spex.Text(...), model, score)"
        )
    if isinstance(features, Sequence | np.ndarray):
        labels = tuple(str(label) for label in features)
    else:
        labels = tuple(str(number) for number in range(whole_number("features", features, 1)))
    if not 1 <= len(labels) <= MAX_FEATURES:
        raise ArgumentError(
            f"{len(labels)} features; the number must be 1 to {MAX_FEATURES}: choose coarser units"
        )
    if own is not None and len(own) != len(labels):
        raise ArgumentError(
            f"{len(labels)} labels for a value function of {len(own)} features; leave features out"
        )
    return labels


def _players(game: Any) -> tuple[str, ...]:
    """The labels of the players of a `shapiq.Game`: their names, or else their numbers."""
    n = whole_number("n_players of the game", game.n_players, 1)
    numbers = getattr(game, "player_name_lookup", None) or {}
    names = {number: str(name) for name, number in numbers.items()}
    return tuple(names.get(number, str(number)) for number in range(n))


def _stages(total: int, n: int) -> Iterator[int]:
    size = max(_FIRST_STAGE, 2 * n)
    while size < total:
        yield size
        size *= 2
    yield total


def _reporter(progress: bool | Callable[[Progress], None]) -> Any:
    from spex.evaluation.progress import reporter

    return reporter(progress)
