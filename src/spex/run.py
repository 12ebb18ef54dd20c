"""A run asks for masks, is told their values, and fits them: the core, without input or output.

    run = Run(n, budget=500)
    while len(masks := run.ask()):
        run.tell(masks, f(masks))
    explanation = run.fit()

It knows no model, file, clock or progress bar. `spex.explain` is this loop around a source of
values.

With `target_r2` a run has stages, each twice as large as the one before and holding all its masks;
between two stages it fits, and stops where R2 is good enough. Without, it has one stage.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from spex._typing import BoolArray, FloatArray, IntArray, WordArray
from spex.checks.masks import check_masks
from spex.checks.values import check_resolution, checked_values
from spex.errors import ArgumentError
from spex.explanation import Explanation
from spex.explanations import Explanations, OutputMoments
from spex.f2.packing import n_words, pack, unpack
from spex.fitting.correction import correction
from spex.fitting.exhaustive import completed, fit_all_masks
from spex.fitting.fidelity import is_constant, lowest, same_folds
from spex.fitting.learning_curve import forecast
from spex.fitting.selection import Fit, fit_all, join
from spex.fourier.design import Design
from spex.fourier.mask_design import coded_design
from spex.fourier.mask_distribution import SHAPLEY, UNIFORM, Drawn
from spex.fourier.search import enumerable_order
from spex.fourier.spectrum import Spectrum
from spex.prior import NO_PRIOR, Prior
from spex.settings import LEAST_BUDGET, Settings, feature_labels
from spex.surrogates.base import CodedValues, Fitted, Samples
from spex.told import OrderedRows, Told
from spex.wording import counted

# The first stage has at least so many masks.
_FIRST_STAGE = 64
# `ask` returns at most so many booleans at once: 64 MB.
_CELLS_ASKED = 1 << 26
# Fewer drawn masks than this do not measure R2 where other masks may serve.
_FEW_DRAWN = 10
# R2 is a ratio of variances.
_LEAST_DRAWN = 2
# Standard deviations by which the share of features that are present is off by more than chance.
_FAR_OFF = 3.0
# The name of the distribution of masks that somebody else has chosen.
_GIVEN = "given"
_NO_ENDS = (
    "The masks of all features and of none are not both among those with a value: Shapley values "
    "are not corrected, and need not sum to the difference."
)
# Exhaustive runs up to here ask in random order, so that a part of the masks is a fair sample.
_SHUFFLED_FEATURES = 16


class Run:
    """Asks for masks, is told values, and fits them at any time.

    The masks of all features and of none are always asked for, and first unless all masks are; the
    budget includes them.

    The same settings and the same values give bit-identical explanations, in whatever order and
    portions the values are told.

    Args:
        features: n, or n labels.
        budget: Cap on the number of distinct masks that are asked for. Masks told without being
            asked for count. At 2^n or above, all 2^n are asked for and the fit is exact.
        method: See `spex.explain`.
        max_degree: See `spex.explain`.
        seed: Random seed.
        target_r2: Ask for no more masks once the lower bound of R2 reaches this, for every output.
        weighting: See `spex.explain`.
        prior: What is known of the features.
        outputs: Names of the q outputs where values are (k, q); default "0" to str(q - 1).
        is_noisy: Whether values are estimates: none is taken as exact then, even if all masks have
            one.

    Raises:
        ArgumentError: an argument is wrong.

    Example:
        >>> import spex
        >>> run = spex.Run(4, budget=16)
        >>> while len(masks := run.ask()):
        ...     run.tell(masks, 1.0 * masks[:, 0] * masks[:, 3])
        >>> run.fit().interactions("Moebius").top(1)
        [((0, 3), 1.0)]
    """

    def __init__(
        self,
        features: int | Sequence[str],
        budget: int = 2000,
        method: str = "auto",
        max_degree: int = 5,
        seed: int = 0,
        *,
        target_r2: float | None = None,
        weighting: str = UNIFORM.name,
        prior: Prior = NO_PRIOR,
        outputs: Sequence[str] | None = None,
        is_noisy: bool = False,
    ) -> None:
        self._is_noisy = is_noisy
        self.features = feature_labels(features)
        n = len(self.features)
        self.settings = Settings(n, budget, method, max_degree, seed, target_r2, weighting)
        if not isinstance(prior, Prior):
            raise ArgumentError(f"prior={prior!r}; give a spex.Prior")
        prior.check(n)
        self._prior = prior
        self._outputs = None if outputs is None else tuple(map(str, outputs))
        if (
            isinstance(outputs, str)
            or self._outputs == ()
            or len(set(self._outputs or ())) != len(self._outputs or ())
        ):
            raise ArgumentError(f"outputs={outputs!r}; give a different name for each output")
        self._is_single: bool | None = None  # whether values are one number per mask; None: unknown
        self._told = Told(n, self.settings.is_exhaustive)
        self._stages = iter(tuple(_stages(self.settings)))  # of a tuple, so that a run is pickled
        self._stage: _Stage | None = None
        self._stream = Drawn(self.settings.distribution, n, seed)
        self._drawn_ahead: WordArray = np.zeros((0, n_words(n)), dtype=np.uint64)
        self._ahead_measures = True
        self._earlier: list[_OutputFit] = []  # the fits of the stage before
        self._latest: tuple[tuple[int, int], list[_OutputFit]] | None = None
        self._is_done = False
        self._skipped: IntArray = np.zeros(0, dtype=np.int64)
        self._weights: FloatArray | None = None  # by number of the mask, where they are given

    # ---- asking ----------------------------------------------------------------------------------

    def ask(self) -> BoolArray:
        """The masks that are wanted next: all those of this stage that have no value yet.

        Asked again before it is told more, it returns the same masks. With `target_r2` it may fit
        what is there, which takes as long as `fit`.

        Returns:
            (k, n) bool, True = present, at most 64 MB of them at once; k = 0 when the run is done.
        """
        if self._stage is None:
            self._begin_stage(next(self._stages))
        while not self._is_done:
            assert self._stage is not None
            order = self._stage.order
            left = max(self.settings.total - self._told.count, 0)
            missing = order[~self._told.is_told(order)]
            missing = missing[~np.isin(missing, self._skipped)][:left]
            if len(missing):
                missing = missing[: max(1, _CELLS_ASKED // len(self.features))]
                return unpack(self._told.words(missing), len(self.features))
            self._end_stage()
        return np.zeros((0, len(self.features)), dtype=np.bool_)

    def tell(self, masks: npt.ArrayLike, values: npt.ArrayLike) -> None:
        """Give the values of masks: in any order, any part, also of masks never asked for.

        Masks that were never asked for are fitted as well, and count towards the budget. R2 is
        measured on masks that the run drew itself, where there are some. A mask told again has the
        mean of its values.

        Args:
            masks: (k, n) of bool or 0/1, True = present.
            values: (k,) real numbers, or (k, q) for q outputs.

        Raises:
            ArgumentError: the masks have another shape or other entries, or the values have
                another number of outputs than before.
            ValueFunctionError: a value is not a finite real number, or exceeds 1e100.
        """
        checked = check_masks(masks, len(self.features))
        found = checked_values(values, checked, "tell was given")
        is_single = np.ndim(values) == 1
        if not len(found):
            return
        q = found.shape[1]
        names = self._outputs
        if names is not None and (is_single or len(names) != q):
            shown = "one number" if is_single else counted(q, "output")
            raise ArgumentError(f"{shown} per mask, and outputs= has {counted(len(names), 'name')}")
        if self._is_single not in (None, is_single) or self._told.n_outputs not in (None, q):
            before = "(k,)" if self._is_single else f"(k, {self._told.n_outputs})"
            raise ArgumentError(
                f"values of shape {np.shape(values)}; those before had shape {before}: tell the "
                "same number of outputs, in the same form, each time"
            )
        self._is_single = is_single
        self._told.tell(self._told.numbers(pack(checked)), found)

    def skip(self, masks: npt.ArrayLike) -> None:
        """Ask for (k, n) masks no more: they cannot have a value. The fit goes on without them.

        Raises:
            ArgumentError: the masks have another shape or other entries.
        """
        checked = check_masks(masks, len(self.features))
        self._skipped = np.union1d(self._skipped, self._told.numbers(pack(checked)))

    @property
    def n_told(self) -> int:
        """Distinct masks that have a value."""
        return self._told.count

    def some_told(self, count: int) -> tuple[BoolArray, FloatArray]:
        """Some masks that have a value, the mask of all features first if it has one.

        Args:
            count: The most masks.

        Returns:
            (k, n) bool and their values (k, q) float64; the same ones for the same masks told.
        """
        told = self._told
        whole = self._ends()[:1]
        whole = whole[told.is_told(whole)]
        others = np.setdiff1d(told.all_told(), whole)
        places = np.linspace(0, len(others), count - len(whole) + 2)[1:-1].astype(np.int64)
        numbers = np.concatenate([whole, others[np.unique(places)[: len(others)]]])
        return unpack(told.words(numbers), len(self.features)), told.values(numbers)

    @property
    def can_measure(self) -> bool:
        """Whether enough of the masks that it drew have a value for R2 to be measured on them."""
        stage = self._stage
        if stage is None:
            return False
        return int(self._told.is_told(stage.rows[stage.drawn]).sum()) >= _FEW_DRAWN

    @property
    def total(self) -> int:
        """The most distinct masks that are asked for; more may be told (`n_told`)."""
        return self.settings.total

    @property
    def r2(self) -> float | None:
        """R2 of the latest fit, the lowest of all outputs; None where none is known."""
        if self._latest is None:
            return None
        r2 = lowest(one.fit.fidelity for one in self._latest[1]).r2
        return None if math.isnan(r2) else r2

    def _begin_stage(self, size: int) -> None:
        settings, told = self.settings, self._told
        n = settings.n_features
        if settings.is_exhaustive and size == 1 << n:
            order = everything = np.arange(size)
            if n <= _SHUFFLED_FEATURES:
                order = next(UNIFORM.stream(n, settings.seed))[0][:, 0].astype(np.int64)
            drawn = np.full(size, n <= _SHUFFLED_FEATURES)
            self._stage = _Stage(size, None, everything, drawn, everything[:0], order)
            return
        before = self._stage
        self._stage = self._planned(size, before)
        # Masks told without being asked for take their place in the budget.
        surplus = told.count - int(told.is_told(self._stage.rows).sum())
        if surplus and before is None:
            self._stream = Drawn(settings.distribution, n, settings.seed)
            self._drawn_ahead = self._drawn_ahead[:0]
            self._stage = self._planned(max(size - surplus, 0), None)

    def _planned(self, size: int, before: "_Stage | None") -> "_Stage":
        """A stage of a size: the masks of the stage before, coded masks, and drawn ones."""
        settings = self.settings
        rows = OrderedRows() if before is None else OrderedRows(before.rows, before.drawn)
        ends = self._ends()[:size]
        rows.add(ends, False)
        design = self._design(size, len(rows))
        coded = np.zeros(0, dtype=np.int64)
        if design is not None:
            coded = self._told.numbers(design.masks)
            rows.add(coded, False)
            rows.mark(coded, False)  # decoding sees them
        while (missing := size - len(rows)) > 0:
            if not len(self._drawn_ahead):
                ahead = self._stream.take()
                if ahead is None:
                    break
                self._drawn_ahead, self._ahead_measures = ahead
            rows.add(self._told.numbers(self._drawn_ahead[:missing]), self._ahead_measures)
            self._drawn_ahead = self._drawn_ahead[missing:]
        numbers, drawn = rows.arrays()
        # Drawn masks before coded ones: R2 can then be measured from the beginning.
        order = np.concatenate([ends, numbers[drawn], numbers[~drawn][len(ends) :]])
        return _Stage(min(size, settings.total), design, numbers, drawn, coded, order)

    def _ends(self) -> IntArray:
        """The numbers of the masks with all features and with none."""
        n = self.settings.n_features
        return self._told.numbers(pack(np.array([[True] * n, [False] * n])))

    def want_nothing(self) -> None:
        """Take all masks as given: for evaluations that exist already."""
        none = np.zeros(0, dtype=np.int64)
        self._stage = _Stage(0, None, none, none.astype(np.bool_), none, none)

    def weigh(self, masks: BoolArray, weights: npt.ArrayLike) -> None:
        """Take (m,) weights of (m, n) masks that were told; of one told again, the mean."""
        try:
            given = np.asarray(weights, dtype=np.float64)
        except (TypeError, ValueError):
            given = np.zeros(0)
        usable = given.shape == (len(masks),) and np.isfinite(given).all() and (given >= 0).all()
        if not usable or (given > 0).sum() < 2:
            raise ArgumentError(
                f"weights: give {len(masks)} finite numbers, one for each mask, none of them "
                "negative and at least two above 0"
            )
        numbers = self._told.numbers(pack(masks))
        self._weights = np.bincount(numbers, given / given.max()) / np.bincount(numbers)

    def _design(self, size: int, reserved: int = 0) -> Design | None:
        s = self.settings
        if s.drawn_share is None:
            return None
        return coded_design(s.drawn_share, s.n_features, size, reserved, s.max_degree, s.seed)

    def _end_stage(self) -> None:
        """All masks of the stage are told: fit and decide, where another stage may follow."""
        target, size = self.settings.target_r2, next(self._stages, None)
        self._is_done = True
        if target is None or size is None or self._told.count >= self.settings.total:
            return
        fits = self.fits()
        # An output of one value so far has nothing to explain, and does not hold up the others.
        values = self._told.values(self._told.all_told()).T
        varies = [not is_constant(column, float(column.var())) for column in values]
        lower = [
            one.fit.fidelity.interval[0]
            for one, is_varying in zip(fits, varies, strict=True)
            if is_varying
        ]
        if lower and all(bound >= target for bound in lower):
            return
        self._is_done = False
        self._earlier = fits
        self._begin_stage(size)

    # ---- fitting ---------------------------------------------------------------------------------

    def fit(self) -> Any:
        """Fit what was told so far; at any time, from 4 values on.

        Returns:
            An `Explanation`; for values (k, q), `Explanations` by name of the output.

        Raises:
            ArgumentError: there are too few values, or method `spex` lacks coded masks.
            ValueFunctionError: the values are so small that their squares underflow.
        """
        explanations = [self._explanation(j, one) for j, one in enumerate(self.fits())]
        if self._is_single:
            return explanations[0]
        names = self._outputs or tuple(map(str, range(len(explanations))))
        moments = _moments(self.fits())
        return Explanations(dict(zip(names, explanations, strict=True)), moments)

    def forecast(self) -> Any:
        """The R2 to expect of larger budgets, by a fit to half of the masks.

        Takes a fourth to a half of the time of `fit`.

        Returns:
            {evaluations: R2} at two and four times the masks told; empty where it cannot be said.
            For values (k, q), a list of these, one per output.
        """
        found = [self._forecast(one) for one in self.fits()]
        return found[0] if self._is_single else found

    def _forecast(self, one: "_OutputFit") -> Mapping[int, float]:
        if one.samples is None or one.distribution == _GIVEN:
            return {}
        settings = self.settings
        return forecast(
            one.fit, one.samples, partial(_candidates, settings), self._design, settings.seed
        )

    def fits(self) -> "list[_OutputFit]":
        """The fit of each output to what was told; kept until more is told."""
        key = (self._told.count, self._told.n_changes)
        if self._latest is None or self._latest[0] != key:
            self._latest = (key, self._fresh_fits())
        return self._latest[1]

    def _fresh_fits(self) -> "list[_OutputFit]":
        settings, told = self.settings, self._told
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
            return [_OutputFit(fit, None, {}, UNIFORM.name, ()) for fit in fits]
        if self._stage is None:
            self._begin_stage(next(self._stages))
        samples, distribution, notes, is_stage = self._samples()
        before = self._earlier[0].samples if self._earlier and is_stage else None
        if before is not None and same_folds(before, samples[0]):
            earlier = (one.fitted for one in self._earlier)
            samples = [replace(one, earlier=of) for one, of in zip(samples, earlier, strict=True)]
        fitted = fit_all(_candidates(settings, samples[0]), samples)
        found = []
        for one, of in zip(samples, fitted, strict=True):
            fit = self._joined(of, one, distribution)
            said = notes + _on_unknown(fit, one)
            found.append(_OutputFit(fit, one, of, distribution, said))
        return found

    def _joined(self, fitted: Mapping[str, Fitted], samples: Samples, distribution: str) -> Fit:
        """The choice among the fits; of `auto` completed where most masks are known."""
        fit = join(fitted, samples)
        if self.settings.method != "auto" or distribution == _GIVEN or self._is_noisy:
            return fit
        return completed(fit, samples, distribution == SHAPLEY.name)

    def _samples(self) -> tuple[list[Samples], str, tuple[str, ...], bool]:
        """The masks told, in an order that does not depend on the order of telling.

        Returns:
            The samples of each output; the distribution of masks that R2 is about; notes; and
            whether these are the masks of the stage, all of them and no others.
        """
        told, stage, settings = self._told, self._stage, self.settings
        assert stage is not None
        is_told = told.is_told(stage.rows)
        others = told.others(stage.rows)
        rows = np.concatenate([stage.rows[is_told], others])
        drawn = np.concatenate([stage.drawn[is_told], np.zeros(len(others), dtype=np.bool_)])
        design, coded = self._told_design(rows)
        notes = self._notes(design)
        designed = np.zeros(len(rows), dtype=np.bool_)
        if design is not None:
            designed[coded] = True
            drawn &= ~designed
        words = told.words(rows)
        is_complete, is_own = bool(is_told.all()) and not len(others), True
        if settings.of_method.needs_coded:  # these see the coded masks, which then measure nothing
            if drawn.sum() < _LEAST_DRAWN:
                drawn = ~designed
            if drawn.sum() < _LEAST_DRAWN:
                raise ArgumentError(
                    f"{counted(int(drawn.sum()), 'mask')} with a value can measure R2, and method "
                    f"'spex' needs {_LEAST_DRAWN} beside the coded ones: tell more of those that "
                    "were asked for, or use method 'auto'"
                )
        elif drawn.sum() < (settings.distribution.least_measuring if is_complete else _FEW_DRAWN):
            design, drawn = None, np.ones(len(rows), dtype=np.bool_)
            designed[:], is_own = False, False
        measured = self._measured(words, drawn, is_own)
        distribution, weights, groups = measured.distribution, measured.weights, measured.groups
        notes += measured.notes
        if told.count < _FEW_DRAWN:
            few = f"{told.count} evaluations say little: effects may be chance; evaluate more."
            notes = (*notes, few)
        values = told.values(rows)
        samples = [
            Samples(
                words,
                settings.n_features,
                column,
                drawn,
                None if design is None else CodedValues(design, column[coded], settings.max_degree),
                designed,
                self._prior,
                weights,
                groups,
            )
            for column in np.ascontiguousarray(values.T)
        ]
        return samples, distribution, notes, is_complete

    def _measured(self, words: WordArray, drawn: BoolArray, is_own: bool) -> "_Measured":
        """Which masks R2 is about, and how much each drawn one counts.

        Args:
            words: (m, n_words), all masks.
            drawn: (m,) those that measure R2.
            is_own: Whether the run has drawn these itself.
        """
        asked, n = self.settings.distribution, self.settings.n_features
        if self._weights is not None:
            numbers = self._told.numbers(words)
            weights = self._weights[numbers]
            effective = float(weights.sum() ** 2 / (weights**2).sum())
            note = (
                f"The weights are unequal: R2 is as uncertain as from {effective:,.0f} masks of "
                f"{len(weights):,}."
            )
            return _Measured(asked.name, weights, None, (note,) * (effective < len(weights) / 2))
        if not is_own and not asked.may_have_drawn(words, n):
            share = float(unpack(words, n).mean())
            # By chance alone it is off by .5 / sqrt(masks times features).
            is_off = abs(share - 0.5) > _FAR_OFF * 0.5 / math.sqrt(len(words) * n)
            why = "their sizes, or which features are present together, are not those of chance"
            if is_off and round(100 * share) != 50:
                why = f"{100 * share:.0f} % of the features are present on average"
            note = (
                f"The masks are no sample of {asked.masks}: {why}. R2 is measured by "
                f"cross-validation over masks like these. What it is over {asked.masks}, and how "
                "far values may be off, cannot be said."
            )
            return _Measured(_GIVEN, None, None, (note,))
        return _Measured(asked.name, asked.weights(words, n), asked.groups(words, n), ())

    def _told_design(self, rows: IntArray) -> tuple[Design | None, IntArray]:
        """The largest design all of whose masks have a value, and their places among rows."""
        stage, told = self._stage, self._told
        assert stage is not None
        design, coded = stage.design, stage.coded
        size = stage.size
        while design is not None and not told.is_told(coded).all():
            # Designs of smaller budgets are parts of those of larger ones.
            size //= 2
            design = self._design(size)
            if design is not None:
                coded = told.numbers(design.masks)
        if design is None:
            if self.settings.of_method.needs_coded:
                raise ArgumentError(
                    "method 'spex' decodes coded masks, and too few of them have a value: tell "
                    "those that were asked for, or use method 'auto'"
                )
            return None, rows[:0]
        places = np.argsort(rows, kind="stable")
        return design, places[np.searchsorted(rows, coded, sorter=places)]

    def _notes(self, design: Design | None) -> tuple[str, ...]:
        settings = self.settings
        if not settings.of_method.needs_coded or design is None:
            return ()
        wanted = min(settings.max_degree, settings.n_features)
        reached = max(design.code.t, enumerable_order(settings.n_features, wanted))
        if reached >= wanted:
            return ()
        return (
            f"With {self._told.count} evaluations, interactions of order above {reached} are found "
            "only where parts of them are found as well; raise the budget to find others.",
        )

    def _explanation(self, output: int, one: "_OutputFit") -> Explanation:
        fit, settings, told, ends = one.fit, self.settings, self._told, self._ends()
        known_ends = told.is_told(ends).tolist()
        values = told.values(ends)[:, output].tolist()
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
        known = one.distribution != _GIVEN
        return Explanation(
            features=self.features,
            spectrum=fit.spectrum,
            r2=fit.fidelity.r2,
            r2_interval=fit.fidelity.interval,
            n_evaluations=self._told.count,
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


@dataclass(frozen=True, eq=False)
class _Measured:
    """Which masks R2 is about.

    Args:
        distribution: Its name.
        weights: (m,) how much each drawn mask counts; None for all alike.
        groups: (m,) numbers of masks that are left out together; None for each alone.
        notes: What a user should know.
    """

    distribution: str
    weights: FloatArray | None
    groups: IntArray | None
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _Stage:
    """The masks that a run wants.

    Args:
        size: How many.
        design: The coded design among them.
        rows: (w,) their numbers, in the order in which they are fitted.
        drawn: (w,) whether each was drawn at random.
        coded: The numbers of the design's masks, in its order.
        order: (w,) their numbers in the order in which they are asked for.
    """

    size: int
    design: Design | None
    rows: IntArray
    drawn: BoolArray
    coded: IntArray
    order: IntArray


@dataclass(frozen=True, eq=False)
class _OutputFit:
    """The fit of one output; samples are None where all masks were evaluated."""

    fit: Fit
    samples: Samples | None
    fitted: Mapping[str, Fitted]
    distribution: str
    notes: tuple[str, ...]


def _on_unknown(fit: Fit, samples: Samples) -> tuple[str, ...]:
    """Why R2 is unknown, where it is."""
    if not math.isnan(fit.fidelity.r2):
        return ()
    if is_constant(samples.values, float(samples.values.var())):
        return (
            f"All {len(samples):,} masks have the same value, to 12 digits. R2 cannot be said: a "
            "mask that was not evaluated may have another one.",
        )
    return (
        f"The {counted(int(samples.drawn.sum()), 'mask')} that measure R2 have the same value, to "
        "12 digits, and others have not. R2 cannot be said: evaluate more.",
    )


def _on_repeats(count: int, deviation: float) -> tuple[str, ...]:
    """What is known of masks that were told different values."""
    if not count:
        return ()
    return (
        f"{counted(count, 'mask')} told several times had different values, with a standard "
        f"deviation of about {deviation:.2g}: each counts with their mean.",
    )


def _candidates(settings: Settings, samples: Samples) -> Any:
    return settings.of_method.candidates(samples, settings.max_degree)


def _stages(settings: Settings) -> Iterator[int]:
    """The sizes of the stages."""
    if settings.target_r2 is not None and settings.method != "exact":
        size = max(_FIRST_STAGE, 2 * settings.n_features)
        while size < settings.total:
            yield size
            size *= 2
    yield settings.total


def _moments(fits: "Sequence[_OutputFit]") -> OutputMoments | None:
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
