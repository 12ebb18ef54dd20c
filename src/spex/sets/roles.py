"""The role of each unit for an answer, by measured calls: needed, redundant, harmful or unused."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from spex._typing import BoolArray, FloatArray
from spex.checks.arguments import real_number, whole_number
from spex.errors import ArgumentError
from spex.fourier.spectrum import Spectrum
from spex.saving import Found
from spex.sets.asking import Asker
from spex.sets.goal import FLIP, GIVEN, answer_side, default_threshold
from spex.sets.local_search import LocalSearch
from spex.wording import counted, short

if TYPE_CHECKING:
    import pandas as pd

NEEDED, REDUNDANT, HARMFUL, UNUSED = "needed", "redundant", "harmful", "unused"
_ROLES = (NEEDED, REDUNDANT, HARMFUL, UNUSED)
_HALF = "half of what separates everything from nothing"
# Pairs compared in one step. Each needs as many numbers as a feature has partners.
_PAIRS_A_BATCH = 16
_LARGEST = 1e300  # largest number in a file
# Two values of one mask may differ by this share of the largest: float32 models round by batch.
_SAME = 1e-5


@dataclass(frozen=True)
class Role:
    """The role of one unit.

    Args:
        feature: Its number.
        label: Its label.
        role: "needed": removing it alone moves the value by the threshold or more, away from the
            answer. "harmful": removing it alone moves the value as far the other way. "redundant":
            removing it alone does neither, and removing it together with one that is not needed
            either moves the value as a needed one does. "unused": none of these was measured.
        change: What removing it alone changed, f(all but it) - f(all).
        partners: For a redundant unit, the numbers of the others whose pair was measured.
        pair_change: Of a redundant unit, the furthest that removing it with a partner changed.
    """

    feature: int
    label: str
    role: str
    change: float
    partners: tuple[int, ...] = ()
    pair_change: float | None = None


@dataclass(frozen=True)
class Roles:
    """The roles of all units.

    Args:
        units: One for each feature, in order.
        threshold: The distance that a value has to move to count, in its unit; moving just as far
            is enough.
        origin: Where the threshold comes from, in words.
        start: The value with everything.
        n_calls: Distinct masks that the value function was asked for.
        pairs: Pairs that were measured, and what removing both changed. Redundancy of three and
            more units is not looked for.
        is_complete: Whether every pair that the surrogate proposed was measured.
        nothing: The value with nothing; None in files of before it was kept.
        values: The measured values without each unit, then without each pair, to the last digit;
            empty in files of before they were kept.

    Example:
        >>> import spex
        >>> def f(masks):
        ...     return 4.0 * masks[:, 0] - 3.0 * masks[:, 1]
        >>> roles = spex.explain(f, ["a", "b", "c"], budget=8).roles(f, by=1.0)
        >>> roles.to_frame()["role"].tolist()
        ['needed', 'harmful', 'unused']
    """

    units: tuple[Role, ...]
    threshold: float
    origin: str
    start: float
    n_calls: int
    pairs: tuple[tuple[int, int, float], ...]
    is_complete: bool
    nothing: float | None = None
    values: tuple[float, ...] = ()

    def check_ends(self, whole: float, nothing: float) -> None:
        """Refuse roles that were measured on another function.

        Args:
            whole: f(all), measured now.
            nothing: f(none), measured now.

        Raises:
            ArgumentError: it is not what it was, by more than rounding.
        """
        size = max(abs(whole), abs(nothing), *(abs(unit.change) for unit in self.units))
        pairs = (("everything", self.start, whole), ("nothing", self.nothing, nothing))
        for what, before, now in pairs:
            if before is not None and abs(before - now) > _SAME * size:
                raise ArgumentError(
                    f"roles are of another function: its value with {what} was {before:.6g}, and "
                    f"is {now:.6g} now; give e.roles(f) of the same f"
                )

    def measured(self) -> tuple[BoolArray, FloatArray]:
        """The masks (m, n) with one or two units removed that were asked for, and their values."""
        n = len(self.units)
        masks = np.ones((n + len(self.pairs), n), dtype=np.bool_)
        masks[np.arange(n), np.arange(n)] = False
        for row, (a, b, _) in enumerate(self.pairs, n):
            masks[row, [a, b]] = False
        if self.values:  # changes are rounded: their sums could cross a threshold
            return masks, np.array(self.values)
        changes = [unit.change for unit in self.units] + [change for *_, change in self.pairs]
        return masks, self.start + np.array(changes)

    def __getitem__(self, role: str) -> tuple[Role, ...]:
        """The units of a role.

        Raises:
            KeyError: there is no such role.
        """
        if role not in _ROLES:
            raise KeyError(f"no role {role!r}; the roles are {', '.join(_ROLES)}")
        return tuple(unit for unit in self.units if unit.role == role)

    def to_frame(self) -> "pd.DataFrame":
        """As a table.

        Returns:
            One row for each unit: `feature`, `label`, `role`, `change`, `partners` (tuple of
            feature numbers) and `pair_change` (NaN if there is none).
        """
        import pandas as pd

        frame = pd.DataFrame(list(map(asdict, self.units)))
        frame["pair_change"] = frame["pair_change"].astype(float)
        return frame

    def __repr__(self) -> str:
        lines = [
            f"Roles by removal, threshold {self.threshold:.4g} ({self.origin}), "
            f"{counted(self.n_calls, 'call')}:"
        ]
        for role in _ROLES:
            units = [short(unit.label) for unit in self[role]]
            lines.append(f"  {role:<9} {len(units):>4}  {', '.join(units[:12])}".rstrip())
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """As JSON content: the units by feature number, and how they were found."""
        return {
            "threshold": self.threshold,
            "origin": self.origin,
            "start": self.start,
            "nothing": self.nothing,
            "values": list(self.values),
            "n_calls": self.n_calls,
            "pairs": [list(pair) for pair in self.pairs],
            "is_complete": self.is_complete,
            "units": [asdict(unit) | {"partners": list(unit.partners)} for unit in self.units],
        }

    @classmethod
    def from_json(cls, found: Found, labels: Sequence[str]) -> "Roles":
        """Read what `to_json` gave.

        Raises:
            FileFormatError: it is something else.
        """
        n, units = len(labels), []
        for number, one in enumerate(found["units"].list(n, n)):
            partners = one["partners"].list(0, n)
            units.append(
                Role(
                    feature=number,
                    label=labels[number],
                    role=one["role"].one_of(_ROLES),
                    change=one["change"].number(),
                    partners=tuple(each.whole(0, n - 1) for each in partners),
                    pair_change=one["pair_change"].number_or_none(),
                )
            )
        pairs = []
        for one in found["pairs"].list():
            a, b, change = one.list(3, 3)
            pairs.append((a.whole(0, n - 1), b.whole(0, n - 1), change.number()))
        return cls(
            units=tuple(units),
            threshold=found["threshold"].number(0),
            origin=found["origin"].text(),
            start=found["start"].number(),
            n_calls=found["n_calls"].whole(),
            pairs=tuple(pairs),
            is_complete=found["is_complete"].flag(),
            nothing=found.get("nothing").number_or_none(),
            values=_values(found.get("values", []), n + len(pairs)),
        )


def find_roles(
    function: Callable[[BoolArray], Any],
    spectrum: Spectrum,
    labels: Sequence[str],
    flip: float | None,
    by: float | None,
    max_calls: int | None,
) -> Roles:
    """Measure each unit alone, and the pairs that a spectrum proposes.

    Args:
        function: The value function; see `Asker`.
        spectrum: Its surrogate.
        labels: The n labels.
        flip: The value at which the answer flips; see `spex.sets.goal.default_threshold`.
        by: How far a value has to move to count; default: from f(all) to the threshold at which
            the answer counts as changed.
        max_calls: The most distinct masks asked for, n + 2 or more; default: 4 n + 2.

    Raises:
        ArgumentError: an argument is wrong.
        ValueFunctionError: a value is not one finite real number.
    """
    n = spectrum.n_features
    most = whole_number("max_calls", 4 * n + 2 if max_calls is None else max_calls, 1)
    if most < n + 2:
        raise ArgumentError(
            f"max_calls={most}: each of {counted(n, 'unit')} is removed alone, which takes "
            f"{n + 2:,} calls; raise it to that, or explain coarser units"
        )
    if by is not None:
        wanted = "give how far the value has to move, a number above 0, 1e300 at most"
        by = real_number("by", by, wanted, lambda distance: 0 < distance <= _LARGEST)
    asker = Asker(function, n, most)
    threshold, side, origin = _threshold(asker, flip, by)
    changes = asker.ask(~np.eye(n, dtype=np.bool_)) - asker.whole
    # Up means towards the answer, whichever side of the threshold that is.
    moved = side * changes
    roles = np.where(moved <= -threshold, NEEDED, np.where(moved >= threshold, HARMFUL, UNUSED))
    pairs = _proposed(spectrum, changes, np.flatnonzero(roles != NEEDED), side, threshold)
    pair_changes = _measured(asker, pairs)
    far = {pair: change for pair, change in pair_changes.items() if side * change <= -threshold}
    removed: list[tuple[int, ...]] = [*((i,) for i in range(n)), *pair_changes]
    return Roles(
        units=_units(labels, roles.tolist(), changes.tolist(), far),
        threshold=threshold,
        origin=origin,
        start=asker.whole,
        n_calls=asker.n_calls,
        pairs=tuple((a, b, change) for (a, b), change in pair_changes.items()),
        is_complete=len(pair_changes) == len(pairs),
        nothing=asker.nothing,
        values=tuple(asker.ask(_without(removed, n)).tolist()),
    )


def _units(
    labels: Sequence[str],
    roles: Sequence[str],
    changes: Sequence[float],
    far: Mapping[tuple[int, int], float],
) -> tuple[Role, ...]:
    """The units with their partners, from pairs whose removal moves the value far enough."""
    partners: dict[int, dict[int, float]] = {}
    for (a, b), change in far.items():
        partners.setdefault(a, {})[b] = partners.setdefault(b, {})[a] = change
    units = []
    for i, role in enumerate(roles):
        others = partners.get(i, {}) if role == UNUSED else {}
        units.append(
            Role(
                feature=i,
                label=labels[i],
                role=REDUNDANT if others else role,
                change=changes[i],
                partners=tuple(sorted(others)),
                pair_change=max(others.values(), key=abs) if others else None,
            )
        )
    return tuple(units)


def _threshold(asker: Asker, flip: float | None, by: float | None) -> tuple[float, float, str]:
    """The distance that a value must move, the direction of the answer, and their origin."""
    side = answer_side(flip, asker.whole, asker.nothing)
    if by is not None:
        if asker.whole + by == asker.whole:
            raise ArgumentError(
                f"by={by!r} is lost in rounding next to the value with everything, "
                f"{asker.whole:g}; give a larger distance"
            )
        return by, side, GIVEN
    at, origin = default_threshold(flip, asker.whole, asker.nothing)
    # Reported as a distance, not as a level.
    told = f"the distance to {origin}" if origin == FLIP else _HALF
    return abs(asker.whole - at), side, told


def _proposed(
    spectrum: Spectrum, changes: FloatArray, free: np.ndarray, side: float, threshold: float
) -> list[tuple[int, int]]:
    """Pairs whose removal moves the value far enough by the surrogate, the furthest first.

    The measured changes of both alone, plus what the surrogate says they do only together.
    """
    n, search = spectrum.n_features, LocalSearch(spectrum)
    nothing = np.zeros(n, dtype=np.bool_)
    alone = search.gains(nothing)
    found = []
    for a in free.tolist():
        removed = nothing.copy()
        removed[a] = True
        # For each b: the effect of removing both, beyond both alone.
        joint = search.gains(removed) - alone
        moved = side * (changes[a] + changes + joint)
        later = free[free > a]
        found += [(float(moved[b]), a, int(b)) for b in later if moved[b] <= -threshold]
    return [(a, b) for _, a, b in sorted(found)]


def _measured(asker: Asker, pairs: Sequence[tuple[int, int]]) -> dict[tuple[int, int], float]:
    """The change by removing each pair, as far as the calls suffice."""
    pairs = pairs[: asker.left]
    found: dict[tuple[int, int], float] = {}
    for at in range(0, len(pairs), _PAIRS_A_BATCH):
        batch = pairs[at : at + _PAIRS_A_BATCH]
        values = asker.ask(_without(batch, asker.n_features)) - asker.whole
        found |= dict(zip(batch, values.tolist(), strict=True))
    return found


def _without(removed: Sequence[tuple[int, ...]], n_features: int) -> BoolArray:
    """(m, n) masks without each of the sets."""
    masks = np.ones((len(removed), n_features), dtype=np.bool_)
    for row, members in enumerate(removed):
        masks[row, list(members)] = False
    return masks


def _values(found: Found, count: int) -> tuple[float, ...]:
    return tuple(found.numbers(count).tolist()) if found.value != [] else ()
