"""The smallest sets of an explanation, as users see and save them."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from spex._typing import BoolArray, Interaction
from spex.checks.arguments import seconds_of
from spex.errors import ArgumentError
from spex.fourier.spectrum import Spectrum
from spex.saving import Found
from spex.sets.asking import Asker
from spex.sets.goal import Goal, change_goal, keep_goal
from spex.sets.optimiser import Optimiser
from spex.sets.roles import Roles
from spex.sets.smallest import (
    CALLS,
    DONE,
    PROPOSALS,
    SURROGATE,
    TIME,
    UNKNOWN,
    find_smallest,
)
from spex.wording import counted

CHANGE, SUFFICIENT = "change", "sufficient"
_ENDS = {
    DONE: "the search is done",
    CALLS: "the calls ended first (max_calls)",
    TIME: "the time ended first (time_limit)",
    PROPOSALS: "the surrogate proposes no more",
}


@dataclass(frozen=True)
class Smallest:
    """The smallest set found whose removal changes an answer, or which alone keeps it.

    Args:
        kind: "change" (the set is removed) or "sufficient" (all else is removed).
        features: The set: sorted feature numbers. Where none reached the goal, the measured set
            that came closest.
        labels: The labels of its features.
        value: The value function's own value with the set removed, or with it alone.
        predicted: What the explanation's surrogate says of that value.
        start: The value with everything.
        wanted: The goal in words, such as "below 0".
        origin: Where its threshold comes from, in words.
        is_verified: Whether `value` reaches the goal.
        smaller: How smaller sets are excluded. "calls": all were measured and fail, so that there
            is truly none; where `is_verified` is false, all sets were, so that none reaches the
            goal. "surrogate": some were measured and failed, and by the surrogate, corrected by
            what was measured, no other reaches the goal; the value function may know one.
            "unknown": the search ended before that was clear.
        ended: What ended a search whose `smaller` is "unknown": "calls" (`max_calls`), "time"
            (`time_limit`) or "proposals" (the surrogate had no more); else "done".
        is_irreducible: Whether each set with one member less was measured and fails.
        n_calls: Distinct masks that the value function was asked for, everything and nothing
            included.
        n_known: Masks that were measured before, such as by `roles`.
        n_calls_to_verified: Those up to the first set that reached the goal, and up to this set;
            None if there is none.
        n_proposals: Sets that the surrogate proposed and that were measured.
        is_first: Whether the first proposal reached the goal.
        n_features: n of the explanation.

    Example:
        >>> import spex
        >>> def f(masks):
        ...     return 4.0 * masks[:, 0] * masks[:, 1]
        >>> change = spex.explain(f, ["a", "b", "c"], budget=8).smallest_change(f)
        >>> len(change.features), change.value, change.is_verified
        (1, 0.0, True)
    """

    kind: str
    features: Interaction
    labels: tuple[str, ...]
    value: float
    predicted: float
    start: float
    wanted: str
    origin: str
    is_verified: bool
    smaller: str
    ended: str
    is_irreducible: bool
    n_calls: int
    n_known: int
    n_calls_to_verified: tuple[int, int] | None
    n_proposals: int
    is_first: bool
    n_features: int

    @property
    def says(self) -> str:
        """The result and its certainty, in a few sentences."""
        size = counted(len(self.features), "unit")
        with_it = f"Without {size}" if self.kind == CHANGE else f"With only {size}"
        if not self.features:
            with_it = "With nothing removed" if self.kind == CHANGE else "With nothing kept"
        told = f"{with_it} the value is {self.value:.4g} ({self.start:.4g} with all), "
        asked = f"the model was asked {counted(self.n_calls, 'time')}"
        if self.n_known:
            asked += f" beside {self.n_known:,} values measured before"
        if not self.is_verified:
            none = f"No set has a value {self.wanted}: all were measured"
            if self.smaller != CALLS:
                none = f"No set was found with a value {self.wanted}: {_ENDS[self.ended]}"
            return f"{none}; {asked}. {told}the closest that was measured."
        told += f"{self.wanted} as wanted. "
        if not self.features:
            why = "No set is smaller"
        elif self.smaller == CALLS:
            why = "No smaller set does: all smaller ones were measured"
        elif self.smaller == SURROGATE:
            why = "By the surrogate no smaller set does, which is no proof"
        else:
            why = f"A smaller set may do: {_ENDS[self.ended]}"
        less = ", and without any one of its members it fails" if self.is_irreducible else ""
        return f"{told}{why}{less if self.smaller != CALLS else ''}; {asked}."

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON content, without the labels."""
        content = asdict(self)
        del content["labels"]
        calls = self.n_calls_to_verified
        return content | {
            "features": list(self.features),
            "n_calls_to_verified": None if calls is None else list(calls),
        }

    @classmethod
    def from_json(cls, found: Found, labels: Sequence[str]) -> "Smallest":
        """Read what `to_json` gave.

        Raises:
            FileFormatError: a field is missing or is something else.
        """
        n = len(labels)
        members = tuple(each.whole(0, n - 1) for each in found["features"].list(0, n))
        if list(members) != sorted(set(members)):
            raise found["features"].error("sorted feature numbers")
        calls = found["n_calls_to_verified"]
        return cls(
            kind=found["kind"].one_of((CHANGE, SUFFICIENT)),
            features=members,
            labels=tuple(labels[i] for i in members),
            value=found["value"].number(),
            predicted=found["predicted"].number(),
            start=found["start"].number(),
            wanted=found["wanted"].text(),
            origin=found["origin"].text(),
            is_verified=found["is_verified"].flag(),
            smaller=found["smaller"].one_of((CALLS, SURROGATE, UNKNOWN)),
            ended=found["ended"].one_of(tuple(_ENDS)),
            is_irreducible=found["is_irreducible"].flag(),
            n_calls=found["n_calls"].whole(),
            n_known=found["n_known"].whole(),
            n_calls_to_verified=None if calls.value is None else _two(calls),
            n_proposals=found["n_proposals"].whole(),
            is_first=found["is_first"].flag(),
            n_features=found["n_features"].whole(n, n),
        )


@dataclass(frozen=True)
class Sets:
    """The sets of an explanation; None for what was not asked.

    Raises `ArgumentError` where a field is something else.

    Args:
        change: See `spex.Explanation.smallest_change`.
        sufficient: See `spex.Explanation.smallest_sufficient`.
        roles: See `spex.Explanation.roles`.

    Example:
        >>> import dataclasses
        >>> import spex
        >>> def f(masks):
        ...     return 4.0 * masks[:, 0] * masks[:, 1]
        >>> e = spex.explain(f, ["a", "b", "c"], budget=8)
        >>> kept = dataclasses.replace(e, sets=spex.Sets(change=e.smallest_change(f)))
        >>> kept.sets.change.value
        0.0
    """

    change: Smallest | None = None
    sufficient: Smallest | None = None
    roles: Roles | None = None

    def __post_init__(self) -> None:
        kinds: tuple[tuple[str, type], ...] = (
            ("change", Smallest),
            ("sufficient", Smallest),
            ("roles", Roles),
        )
        for name, kind in kinds:
            each = getattr(self, name)
            if each is not None and not isinstance(each, kind):
                raise ArgumentError(
                    f"{name} is of type {type(each).__name__}; give a spex.{kind.__name__}"
                )
        for name, one in ((CHANGE, self.change), (SUFFICIENT, self.sufficient)):
            if one is not None and one.kind != name:
                raise ArgumentError(f"{name} is a set of kind {one.kind!r}; give it as {one.kind}")

    def check_features(self, n_features: int) -> None:
        """Refuse sets of another number of features.

        Raises:
            ArgumentError: one of them is.
        """
        sizes = {
            "change": None if self.change is None else self.change.n_features,
            "sufficient": None if self.sufficient is None else self.sufficient.n_features,
            "roles": None if self.roles is None else len(self.roles.units),
        }
        for name, size in sizes.items():
            if size is not None and size != n_features:
                raise ArgumentError(
                    f"sets.{name} is of {counted(size, 'feature')}, and the explanation has "
                    f"{n_features:,}; give what was found with this explanation"
                )

    def to_json(self) -> dict[str, Any]:
        """As JSON content."""
        parts = {"change": self.change, "sufficient": self.sufficient, "roles": self.roles}
        return {name: each.to_json() for name, each in parts.items() if each is not None}

    @classmethod
    def from_json(cls, found: Found, labels: Sequence[str]) -> "Sets":
        """Read what `to_json` gave.

        Raises:
            FileFormatError: it is something else.
        """
        parts = {name: found.get(name) for name in ("change", "sufficient", "roles")}
        change, sufficient, roles = (
            None if each.value is None else each for each in parts.values()
        )
        return cls(
            change=None if change is None else Smallest.from_json(change, labels),
            sufficient=None if sufficient is None else Smallest.from_json(sufficient, labels),
            roles=None if roles is None else Roles.from_json(roles, labels),
        )


def smallest_set(
    kind: str,
    function: Callable[[BoolArray], Any],
    spectrum: Spectrum,
    labels: Sequence[str],
    flip: float | None,
    max_calls: int,
    time_limit: float,
    roles: Roles | None = None,
    **thresholds: float | None,
) -> Smallest:
    """Propose sets by a spectrum, verify them by calls.

    Args:
        kind: "change" or "sufficient".
        function: The value function; see `Asker`.
        spectrum: Its surrogate.
        labels: The n labels.
        flip: The value at which the answer flips; see `spex.sets.goal.default_threshold`.
        max_calls: The most distinct masks asked for.
        time_limit: Seconds of computing.
        roles: What was measured before.
        **thresholds: `to` and `by` of a change, `keep` of a sufficient set.

    Raises:
        ArgumentError: an argument is wrong, or the spectrum has too many interactions.
        ValueFunctionError: a value is not one finite real number.
    """
    n = spectrum.n_features
    seconds = seconds_of("time_limit", time_limit)
    if roles is not None and not isinstance(roles, Roles):
        raise ArgumentError(
            f"roles is of type {type(roles).__name__}; give what e.roles(f) returned"
        )
    if roles is not None and len(roles.units) != n:
        raise ArgumentError(
            f"roles are of {counted(len(roles.units), 'unit')}, and the explanation has "
            f"{counted(n, 'feature')}; give those of the same explanation"
        )
    asker = Asker(function, n, max_calls, None if roles is None else roles.measured())
    if roles is not None:
        roles.check_ends(asker.whole, asker.nothing)
    make: Callable[..., Goal] = change_goal if kind == CHANGE else keep_goal
    goal = make(flip, asker.whole, asker.nothing, **thresholds)
    found = find_smallest(asker, Optimiser(spectrum), goal, kind == SUFFICIENT, seconds)
    mask = np.full((1, n), kind == CHANGE)
    mask[0, list(found.features)] = kind == SUFFICIENT
    return Smallest(
        kind=kind,
        labels=tuple(labels[i] for i in found.features),
        predicted=float(spectrum.predict(mask)[0]),
        start=asker.whole,
        n_features=n,
        wanted=goal.wanted,
        origin=goal.origin,
        **asdict(found),
    )


def _two(found: Found) -> tuple[int, int]:
    first, second = (each.whole() for each in found.list(2, 2))
    return first, second
