"""A run over a long input: it asks at one level, opens the parts that matter, and asks on.

It is the loop of `spex.Run` with one difference: between two rounds the features change. A mask of
coarse parts is one of finer parts as well, in which what belongs together comes and goes together.
So every value is a row of all later rounds, and of the surrogate at the end.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from spex._typing import BoolArray, FloatArray, IntArray
from spex.checks.arguments import MAX_EXACT_FEATURES, is_exhaustive
from spex.checks.masks import check_masks
from spex.checks.values import checked_values
from spex.errors import ArgumentError
from spex.explanation import Explanation
from spex.fourier.mask_distribution import UNIFORM
from spex.prior import NO_PRIOR, Prior
from spex.run import Run
from spex.settings import LEAST_BUDGET, Settings
from spex.wording import counted, shorten
from spex.zooming.partition import Levels, Part, refined, worth_opening

# At most this share of the budget finds the parts to open. The rest evaluates masks of the last
# parts, and measures R2.
_LOOKING = 0.6
# Masks for each part in each round. With fewer, parts with an effect are missed.
_MASKS_PER_PART = 4
_LEAST_ROOM = 4
# `ask` returns at most this many booleans at once: 16 MB.
_CELLS_ASKED = 1 << 24
_MOST_UNITS = 1 << 20
# Terminals and pages show this many characters of a label, enough to recognise it.
_LABEL = 40


@dataclass(frozen=True, eq=False)
class _Round:
    """Parts, and the run that asks about them.

    Args:
        parts: That cover all units.
        run: Over the parts.
        n_before: Values that it had from the rounds before.
    """

    parts: list[Part]
    run: Run
    n_before: int

    @property
    def groups(self) -> IntArray:
        """(N,) the part that each of the finest units lies in."""
        return np.repeat(np.arange(len(self.parts)), [stop - start for start, stop in self.parts])

    @property
    def is_measured(self) -> bool:
        """Whether R2 can be measured on masks of these parts."""
        return self.run.n_told >= self.run.total or self.run.can_measure


class ZoomRun:
    """Asks for masks of a long input, is told values, opens what matters, and fits.

    The same loop as that of a `spex.Run`. Masks are over the finest units. The explanation is over
    parts: units of several levels, those that matter opened down to the finest.

    Args:
        features: N, or N labels, of the finest units, up to 1,048,576.
        levels: By name of the level, the coarsest first, the number of the unit that each of the N
            features lies in. Units are runs of features, and each lies in one of the level before.
            With no level, parts are runs of features alone.
        budget: Cap on the number of distinct masks asked for, of all levels together.
        method: See `spex.explain`; not `exact` and `spex`, which ask for masks of their own.
        max_degree: See `spex.explain`.
        seed: Random seed.
        weighting: See `spex.explain`.
        prior: What is known of the finest units; of it, whether they stand in a row is used.
        labels: By name of the level, a label for each of its units, by number; default: the first
            words of the features in it.
        finest: The name of the finest units.

    Raises:
        ArgumentError: an argument is wrong.

    Example:
        >>> import numpy as np
        >>> import spex
        >>> run = spex.ZoomRun(4096, {"page": np.arange(4096) // 64}, budget=600)
        >>> while len(masks := run.ask()):
        ...     run.tell(masks, 2.0 * masks[:, 100] * masks[:, 3000])
        >>> e = run.fit()
        >>> [e.features[i] for i in e.interactions("Moebius").top(1)[0][0]]
        ['100', '3000']
    """

    def __init__(
        self,
        features: int | Sequence[str],
        levels: Mapping[str, Sequence[int] | IntArray],
        budget: int = 2000,
        method: str = "auto",
        max_degree: int = 5,
        seed: int = 0,
        *,
        weighting: str = UNIFORM.name,
        prior: Prior = NO_PRIOR,
        labels: Mapping[str, Sequence[str]] | None = None,
        finest: str = "unit",
    ) -> None:
        self.features = _features(features)
        if not isinstance(levels, Mapping):
            raise ArgumentError(
                f"levels of type {type(levels).__name__}; give numbers by the name of their level, "
                "such as {'page': [0, 0, 1, 1]}"
            )
        self._numbers = {name: np.asarray(numbers) for name, numbers in levels.items()}
        self._levels = _nested(self._numbers, len(self.features), finest)
        self._labels = dict(labels or {})
        self._prior = prior
        self._budget = budget
        self._settings: dict[str, Any] = {
            "method": method,
            "max_degree": max_degree,
            "seed": seed,
            "weighting": weighting,
        }
        check_settings(budget, **self._settings)
        n_rounds = next(
            rounds
            for rounds in range(1, 64)
            if self._levels.n_rounds(self._room(rounds)) <= rounds or rounds == 63
        )
        self._masks_each, self._room_each = self._each(n_rounds), self._room(n_rounds)
        parts: list[Part] = [(0, len(self.features))]
        if is_exhaustive(len(self.features), budget):
            parts = [(number, number + 1) for number in range(len(self.features))]
        elif len(self.features) > 1:
            parts, _ = refined(self._levels, parts, [0], max(self._room_each - 1, 1))
        n_bytes = -(-len(self.features) // 8)
        self._skipped = np.zeros((0, n_bytes), dtype=np.uint8)  # packed masks; they count as asked
        self._over: list[tuple[int, int]] = []  # number of parts and masks of each finished round
        self._is_last = not any(stop - start > 1 for start, stop in parts)
        self._before: _Round | None = None
        self._round = self._begun(parts, 0)

    def _each(self, n_rounds: int) -> int:
        return max(int(_LOOKING * self._budget) // n_rounds, LEAST_BUDGET)

    def _room(self, n_rounds: int) -> int:
        return max(self._each(n_rounds) // _MASKS_PER_PART, _LEAST_ROOM)

    def _begun(self, parts: list[Part], n_told: int) -> _Round:
        """A round over parts, with the rest of the budget or with one more portion."""
        n, budget = len(parts), max(self._budget - len(self._skipped), LEAST_BUDGET)
        if not self._is_last:
            budget = min(n_told + self._masks_each, budget)
        # If the finest units form a sequence, so do the parts.
        in_row = len(self._prior.sequence) == len(self.features)
        prior = Prior(sequence=tuple(range(n))) if in_row else NO_PRIOR
        labels = [self._label(part) for part in parts]
        return _Round(parts, Run(labels, budget, **self._settings, prior=prior), n_told)

    # ---- asking ----------------------------------------------------------------------------------

    def ask(self) -> BoolArray:
        """The masks that are wanted next, over the finest units.

        Asked again before it is told more, it returns the same masks. Between two rounds it fits,
        which takes as long as `fit`.

        Returns:
            (k, N) bool, True = present, at most 16 MB of them at once; k = 0 when the run is done.
        """
        while not len(masks := self._round.run.ask()) and not self._is_last:
            self._next_round()
        return self._spread(masks[: max(1, _CELLS_ASKED // len(self.features))])

    def tell(self, masks: npt.ArrayLike, values: npt.ArrayLike) -> None:
        """Give the values of masks that were asked for: in any order, any part.

        Args:
            masks: (k, N) of bool or 0/1, True = present.
            values: (k,) real numbers.

        Raises:
            ArgumentError: the masks have another shape, or leave out a piece of a part that is not
                opened yet; or there are several values for each.
            ValueFunctionError: a value is not a finite real number, or exceeds 1e100.
        """
        checked = check_masks(masks, len(self.features))
        checked_values(values, checked, "tell was given")
        if np.ndim(values) != 1:
            raise ArgumentError("values of several outputs; zoom explains one output; choose one")
        self._round.run.tell(self._joined(checked), values)

    def skip(self, masks: BoolArray) -> None:
        """Ask for (k, N) masks no more: they cannot have a value. The fit goes on without them."""
        self._round.run.skip(self._joined(masks))
        self._skipped = np.unique(
            np.concatenate([self._skipped, np.packbits(masks, axis=1)]), axis=0
        )

    @property
    def n_told(self) -> int:
        """Distinct masks that have a value."""
        return self._round.run.n_told

    @property
    def total(self) -> int:
        """The most distinct masks that are asked for."""
        run = self._round.run
        if not self._is_last:
            return self._budget
        return (
            run.total
            if run.settings.is_exhaustive
            else min(run.total + len(self._skipped), self._budget)
        )

    @property
    def r2(self) -> float | None:
        """R2 of the latest fit; None before the first."""
        return self._fitted.run.r2

    @property
    def settings(self) -> Settings:
        """The settings of the present round."""
        return self._round.run.settings

    @property
    def level_names(self) -> tuple[str, ...]:
        """The levels, the coarsest first."""
        return self._levels.names

    @property
    def groups(self) -> IntArray:
        """(N,) the part of `fit` that each of the finest units lies in."""
        return self._fitted.groups

    def some_told(self, count: int) -> tuple[BoolArray, FloatArray]:
        """Some masks that have a value; see `spex.Run.some_told`."""
        masks, values = self._round.run.some_told(count)
        return self._spread(masks), values

    def _spread(self, masks: BoolArray) -> BoolArray:
        """(k, N) masks from masks of parts."""
        spread: BoolArray = masks[:, self._round.groups]
        return spread

    def _joined(self, masks: BoolArray) -> BoolArray:
        """Masks of parts from (k, N) masks."""
        joined: BoolArray = masks[:, [start for start, _ in self._round.parts]]
        if not np.array_equal(self._spread(joined), masks):
            raise ArgumentError(
                "a mask leaves out a piece of a part that is not opened yet; tell the masks that "
                "were asked for"
            )
        return joined

    def _next_round(self) -> None:
        """End the round: open parts that matter, and begin the next round."""
        run, parts, n_told = self._round.run, self._round.parts, self.n_told
        self._over.append((len(parts), n_told))
        left = int(_LOOKING * self._budget) - n_told - len(self._skipped)
        inside = np.arange(len(parts))
        if n_told >= LEAST_BUDGET:
            fitted = run.fit()
            # If every mask is known, more of them would not separate noise from effects.
            unexplained = 0.0 if run.settings.is_exhaustive else fitted.unexplained
            noise = np.sqrt((unexplained or 0.0) / n_told)
            can_open = [stop - start > 1 for start, stop in parts]
            chosen = worth_opening(fitted.spectrum, noise, can_open)
            if chosen:
                parts, inside = refined(self._levels, parts, chosen, self._room_each)
        are_known = n_told == 1 << min(len(parts), MAX_EXACT_FEATURES)
        are_units = all(stop - start == 1 for start, stop in parts)
        is_stuck = n_told <= sum(told for _, told in self._over[-2:-1])  # all masks were skipped
        self._is_last = left < self._masks_each or are_units or are_known or is_stuck
        told, values = run.some_told(n_told)
        self._before, self._round = self._round, self._begun(parts, n_told)
        if n_told:
            self._round.run.tell(told[:, inside], values[:, 0])
        if len(self._skipped):
            # A mask of the earlier parts is also a mask of these parts.
            skipped = np.unpackbits(self._skipped, axis=1, count=len(self.features))
            self._round.run.skip(self._joined(skipped.astype(np.bool_)))

    # ---- fitting ---------------------------------------------------------------------------------

    @property
    def _fitted(self) -> _Round:
        """The round whose parts a fit is over: the one before, until R2 can be measured."""
        if self._before is None or self._round.is_measured:
            return self._round
        return self._before

    def fits(self) -> Any:
        """See `spex.Run.fits`."""
        return self._fitted.run.fits()

    def fit(self) -> Explanation:
        """Fit what was told so far over the present parts; at any time, from 4 values on.

        R2 is about masks of these parts, and is measured on those that were drawn after the last
        part was opened. While these are too few, the fit is over the parts before.

        Raises:
            ArgumentError: there are too few values.
        """
        found: Explanation = self._fitted.run.fit()
        return replace(found, budget=self._budget, notes=(*found.notes, self._said()))

    def _said(self) -> str:
        fitted = self._fitted
        n_fitted = fitted.run.n_told
        # Count by number of parts: rounds that opened nothing count with the next round.
        over = [pair for pair in self._over if pair[1] <= n_fitted]
        n_told = dict([*over, (len(fitted.parts), n_fitted)])
        before = [0, *n_told.values()]
        cost = [
            counted(until - since, "evaluation")
            for until, since in zip(n_told.values(), before, strict=False)
        ]
        (first, *opened), units = n_told, counted(len(self.features), self._levels.names[-1])
        told = f"{units} in {counted(first, 'part')} ({cost[0]})."
        if opened:
            steps = [f"{parts:,} ({of})" for parts, of in zip(opened, cost[1:], strict=True)]
            told += (
                f" Those that mattered were opened, into {', then '.join(steps)}. Later fits use "
                "all evaluations."
            )
        elif self._is_last and any(stop - start > 1 for start, stop in fitted.parts):
            told += " None was opened: none was seen to matter in time."
        if late := self.n_told - n_fitted:
            of = counted(late, "later evaluation")
            told += f" {of}, of parts opened last, cannot measure R2 yet: left out."
        return f"{told} R2 is about leaving out any of the {counted(len(fitted.parts), 'part')}."

    def _label(self, part: Part) -> str:
        start, stop = part
        level, count = self._levels.kind(part)
        names = self._levels.names
        text = " ".join(self.features[start : min(stop, start + _LABEL)])
        if level == len(names) - 1 and count == 1:
            return text
        if names[level] in self._labels:
            text = self._labels[names[level]][self._numbers[names[level]][start]]
        what = names[level] if count == 1 else counted(count, names[level])
        short = shorten(" ".join(text[: 10 * _LABEL].split()), _LABEL - len(f" ({what})"))
        return f"{short} ({what})"


def check_settings(budget: int, method: str, **settings: Any) -> None:
    """Check the settings of a run before anything is asked.

    Raises:
        ArgumentError: a setting is wrong, or the method does not go with several levels.
    """
    if method in ("exact", "spex"):
        raise ArgumentError(
            f"method {method!r} asks for masks of its own, and a zoom fits those of all levels "
            "together; use 'auto', 'gp', 'proxyspex' or 'linear'"
        )
    Settings(2, budget, method, **settings)


def _features(features: int | Sequence[str]) -> tuple[str, ...]:
    """The labels of the finest units.

    Raises:
        ArgumentError: they are none, or too many.
    """
    labels = map(str, range(features) if isinstance(features, int) else features)
    found = tuple(labels)
    if not 1 <= len(found) <= _MOST_UNITS:
        raise ArgumentError(f"{len(found)} features; the number must be 1 to {_MOST_UNITS:,}")
    return found


def _nested(numbers: Mapping[str, IntArray], n: int, finest: str) -> Levels:
    """The levels, checked.

    Raises:
        ArgumentError: there are none, or they are not nested runs.
    """
    starts: list[IntArray] = []
    for name, given in numbers.items():
        if given.shape != (n,) or given.dtype.kind not in "iu":
            raise ArgumentError(
                f"level {name!r} has shape {given.shape} and type {given.dtype}; give a whole "
                f"number for each of {n} features"
            )
        found = np.flatnonzero(np.diff(given, prepend=given[:1] - 1))
        if len(found) != len(np.unique(given)):
            raise ArgumentError(
                f"level {name!r}: a unit is not a run of features; sort the features by unit"
            )
        if starts and len(np.setdiff1d(starts[-1], found)):
            before = list(numbers)[len(starts) - 1]
            raise ArgumentError(
                f"level {name!r} is not inside of level {before!r}: name levels from coarse to fine"
            )
        starts.append(found)
    return Levels(n, (*numbers, finest), tuple(starts))
