"""A run over a long input: it asks at one level, opens the parts that matter, and asks on.

It is the loop of `spex.Run` with one difference: between two rounds the features change. A mask of
coarse parts is one of finer parts as well, in which what belongs together comes and goes together.
So every value is a row of all later rounds, and of the surrogate at the end.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
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

# This share of the budget, at most, is for finding what to open; the rest is asked of the last
# parts, and measures R2.
_LOOKING = 0.6
# In each round so many masks for each part: with fewer, parts with an effect are passed over.
_MASKS_PER_PART = 4
_LEAST_ROOM = 4
# `ask` returns at most so many booleans at once: 16 MB.
_CELLS_ASKED = 1 << 24
_MOST_UNITS = 1 << 20
_LABEL = 60


class ZoomRun:
    """Asks for masks of a long input, is told values, opens what matters, and fits.

    The same loop as that of a `spex.Run`. Masks are over the finest units. The explanation is over
    parts: units of several levels, those that matter opened down to the finest.

    Args:
        features: N, or N labels, of the finest units, up to 1,048,576.
        levels: By name of the level, the coarsest first, the number of the unit that each of the N
            features lies in. Units are runs of features, and each lies in one of the level before.
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
        whole = [(0, len(self.features))]
        self._parts: list[Part] = whole
        if is_exhaustive(len(self.features), budget):
            self._parts = [(number, number + 1) for number in range(len(self.features))]
        elif len(self.features) > 1:
            self._parts, _ = refined(self._levels, whole, [0], max(self._room_each - 1, 1))
        self._rounds: list[tuple[int, int]] = []  # parts and masks of the rounds that are over
        self._is_last = not any(stop - start > 1 for start, stop in self._parts)
        self._run = self._begun(0)

    def _each(self, n_rounds: int) -> int:
        return max(int(_LOOKING * self._budget) // n_rounds, LEAST_BUDGET)

    def _room(self, n_rounds: int) -> int:
        return max(self._each(n_rounds) // _MASKS_PER_PART, _LEAST_ROOM)

    def _begun(self, n_told: int) -> Run:
        """A run over the parts: of all that is left, or of one more portion."""
        n, budget = len(self._parts), self._budget
        if not self._is_last:
            budget = min(n_told + self._masks_each, budget)
        # The row of the finest units is a row of parts, too.
        in_row = len(self._prior.sequence) == len(self.features)
        prior = Prior(sequence=tuple(range(n))) if in_row else NO_PRIOR
        return Run(self._part_labels(), budget, **self._settings, prior=prior)

    # ---- asking ----------------------------------------------------------------------------------

    def ask(self) -> BoolArray:
        """The masks that are wanted next, over the finest units.

        Asked again before it is told more, it returns the same masks. Between two rounds it fits,
        which takes as long as `fit`.

        Returns:
            (k, N) bool, True = present, at most 16 MB of them at once; k = 0 when the run is done.
        """
        while not len(masks := self._run.ask()) and not self._is_last:
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
        self._run.tell(self._joined(checked), values)

    def skip(self, masks: BoolArray) -> None:
        """Ask for (k, N) masks no more: they cannot have a value. The fit goes on without them."""
        self._run.skip(self._joined(masks))

    @property
    def n_told(self) -> int:
        """Distinct masks that have a value."""
        return self._run.n_told

    @property
    def total(self) -> int:
        """The most distinct masks that are asked for."""
        return self._run.total if self._is_last else self._budget

    @property
    def r2(self) -> float | None:
        """R2 of the latest fit; None before the first."""
        return self._run.r2

    @property
    def settings(self) -> Settings:
        """The settings of the present round."""
        return self._run.settings

    @property
    def level_names(self) -> tuple[str, ...]:
        """The levels, the coarsest first."""
        return self._levels.names

    @property
    def groups(self) -> IntArray:
        """(N,) the present part that each of the finest units lies in."""
        return np.repeat(np.arange(len(self._parts)), [stop - start for start, stop in self._parts])

    def some_told(self, count: int) -> tuple[BoolArray, FloatArray]:
        """Some masks that have a value; see `spex.Run.some_told`."""
        masks, values = self._run.some_told(count)
        return self._spread(masks), values

    def _spread(self, masks: BoolArray) -> BoolArray:
        """(k, N) masks from masks of parts."""
        spread: BoolArray = masks[:, self.groups]
        return spread

    def _joined(self, masks: BoolArray) -> BoolArray:
        """Masks of parts from (k, N) masks."""
        joined: BoolArray = masks[:, [start for start, _ in self._parts]]
        if not np.array_equal(self._spread(joined), masks):
            raise ArgumentError(
                "a mask leaves out a piece of a part that is not opened yet; tell the masks that "
                "were asked for"
            )
        return joined

    def _next_round(self) -> None:
        """All masks of the round are told: open what matters, and begin the next round."""
        run, n_told = self._run, self._run.n_told
        self._rounds.append((len(self._parts), n_told))
        left = int(_LOOKING * self._budget) - n_told
        inside = np.arange(len(self._parts))
        if n_told >= LEAST_BUDGET:
            fitted = run.fit()
            # Where every mask is known, more of them would not tell noise from effects.
            unexplained = 0.0 if run.settings.is_exhaustive else fitted.unexplained
            noise = np.sqrt((unexplained or 0.0) / n_told)
            can_open = [stop - start > 1 for start, stop in self._parts]
            chosen = worth_opening(fitted.spectrum, noise, can_open)
            if chosen:
                self._parts, inside = refined(self._levels, self._parts, chosen, self._room_each)
        are_known = n_told == 1 << min(len(self._parts), MAX_EXACT_FEATURES)
        are_units = all(stop - start == 1 for start, stop in self._parts)
        is_stuck = n_told <= sum(told for _, told in self._rounds[-2:-1])  # all were skipped
        self._is_last = left < self._masks_each or are_units or are_known or is_stuck
        told, values = run.some_told(n_told)
        self._run = self._begun(n_told)
        if n_told:
            self._run.tell(told[:, inside], values[:, 0])

    # ---- fitting ---------------------------------------------------------------------------------

    def fits(self) -> Any:
        """See `spex.Run.fits`."""
        return self._run.fits()

    def fit(self) -> Explanation:
        """Fit what was told so far over the present parts; at any time, from 4 values on.

        R2 is about masks of these parts, and is measured on those that were drawn after the last
        part was opened.

        Raises:
            ArgumentError: there are too few values.
        """
        found: Explanation = self._run.fit()
        return replace(found, budget=self._budget, notes=(*found.notes, self._said()))

    def _said(self) -> str:
        # By number of parts: rounds that opened nothing count with the next.
        n_told = dict([*self._rounds, (len(self._parts), self.n_told)])
        before = [0, *n_told.values()]
        told = [
            f"{parts:,} ({counted(until - since, 'evaluation')})"
            for (parts, until), since in zip(n_told.items(), before, strict=False)
        ]
        return (
            f"{counted(len(self.features), self._levels.names[-1])} in parts, of which those that "
            f"matter were opened: {', then '.join(told)}. Later fits use all evaluations. R2 is "
            f"about leaving out any of the {counted(len(self._parts), 'part')} at the end."
        )

    def _part_labels(self) -> list[str]:
        return [self._label(part) for part in self._parts]

    def _label(self, part: Part) -> str:
        start, stop = part
        level, count = self._levels.kind(part)
        names = self._levels.names
        if level == len(names) - 1:
            text = " ".join(self.features[start:stop])
            return text if count == 1 else f"{_short(text)} ({counted(count, names[level])})"
        text = " ".join(self.features[start : min(stop, start + _LABEL)])
        if names[level] in self._labels:
            text = self._labels[names[level]][self._numbers[names[level]][start]]
        what = names[level] if count == 1 else counted(count, names[level])
        return f"{_short(text)} ({what})"


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


def _short(text: str) -> str:
    return shorten(" ".join(text[: 10 * _LABEL].split()), _LABEL)


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
