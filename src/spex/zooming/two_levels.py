"""Two levels in one explanation: coarse units first, then finer ones inside those that matter.

A long input has more sentences than a budget can tell apart, but few paragraphs that matter. Both
levels are explained by the same value function over the fine units. A coarse unit is absent if all
its fine units are absent.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from spex._typing import BoolArray, FloatArray, IntArray
from spex.context import Context
from spex.errors import ArgumentError
from spex.explaining import explain
from spex.explanation import Explanation
from spex.interactions.index import InteractionIndex
from spex.prior import NO_PRIOR, Prior
from spex.saving import Found, Saved
from spex.values.limiting.limits import LimitReached
from spex.values.source import ValueSource, Wrapped, as_source
from spex.values.store import Store

# The chosen coarse units alone account for this share of the coarse surrogate's variance. So
# holding the others fixed loses little.
_HELD = 0.9


@dataclass(frozen=True)
class Zoom(Saved):
    r"""An explanation on two levels.

    Attributes:
        coarse: over the coarse units.
        fine: over the fine units inside the chosen ones, the others held fixed.
        chosen: the numbers of the chosen coarse units, in order.

    Example:
        >>> import spex
        >>> text = spex.Text("It rusts. It is old.\n\nNice.", unit="sentence")
        >>> f = spex.PredictFunction(text, lambda texts: [float("rusts" in t) for t in texts])
        >>> spex.zoom(f, "paragraph", budget=40, top=1).chosen
        (0,)
    """

    coarse: Explanation
    fine: Explanation
    chosen: tuple[int, ...]

    def to_html(
        self,
        path: str | Path,
        index: str | InteractionIndex | None = None,
        order: int | None = None,
    ) -> None:
        """Write one self-contained page with both levels; see `Explanation.to_html`."""
        from spex.files import write_text
        from spex.report.html import render_html

        titles = (_title("Overview", self.coarse), _title("Close up", self.fine))
        both = [self.coarse, self.fine]
        write_text(Path(path), render_html(both, index=index, order=order, titles=titles))

    FORMAT = "spex-zoom"
    FORMAT_VERSION = None

    def _content(self) -> dict[str, Any]:
        coarse, fine = self.coarse.to_dict(), self.fine.to_dict()
        return {"coarse": coarse, "fine": fine, "chosen": list(self.chosen)}

    @classmethod
    def _read(cls, found: Found) -> "Zoom":
        coarse, fine = (found[level].read_as(Explanation) for level in ("coarse", "fine"))
        most = coarse.n_features
        chosen = tuple(number.whole(most=most - 1) for number in found["chosen"].list(1, most))
        return cls(coarse, fine, chosen)

    def __repr__(self) -> str:
        return f"Overview: {self.coarse!r}\n\nClose up: {self.fine!r}"


def zoom_once(
    f: Callable[[BoolArray], Any] | ValueSource,
    groups: str | Sequence[int],
    budget: int,
    *,
    top: int | None,
    rest: str,
    store: str | Path | Store | None,
    **settings: Any,
) -> Zoom | Explanation:
    """Explain coarse units, then the finer ones inside those that matter; see `spex.zoom`.

    The explanation of the coarse units alone, where a limit leaves no more.

    Raises:
        ArgumentError: an argument is wrong, or a level has nothing to attribute.
    """
    if getattr(f, "features", None) is None:
        raise ArgumentError("f has no features; zoom needs a spex.ValueFunction, or one like it")
    source = as_source(f)
    if source.outputs is not None:
        raise ArgumentError("zoom explains one output; choose one")
    labels = source.features
    numbers, coarse_labels = coarse_units(groups, len(labels), getattr(f, "masker", None))
    n_coarse = len(coarse_labels)
    if top is not None and not 1 <= top <= n_coarse:
        raise ArgumentError(f"top={top}; there are {n_coarse} coarse units: give 1 to {n_coarse}")
    if rest not in ("present", "absent"):
        raise ArgumentError(f"rest={rest!r} is unknown; use 'present' or 'absent'")
    # Both levels have masks in common, so without the user's store use one in memory.
    with Store(":memory:") if store is None else nullcontext(store) as shared:

        def explained(level: _View, budget: int) -> Explanation:
            found: Explanation = explain(level, budget=budget, store=shared, **settings)
            return found

        none = np.zeros(len(labels), dtype=np.bool_)
        overview = _View(source, coarse_labels, numbers, none, store is not None)
        coarse = explained(overview, budget // 2)
        if coarse.stopped is not None:
            return coarse
        chosen = _chosen(coarse, top, np.bincount(numbers))
        inside = np.nonzero(np.isin(numbers, chosen))[0]
        if len(inside) < 2:
            raise ArgumentError(
                f"the chosen coarse unit {coarse_labels[chosen[0]]!r} has one unit; raise top"
            )
        fixed = ~np.isin(numbers, chosen) & (rest == "present")
        places = np.full(len(labels), -1)
        places[inside] = np.arange(len(inside))
        near = [labels[number] for number in inside]
        close_up = _View(source, near, places, fixed, store is not None)
        try:
            fine = explained(close_up, budget - coarse.n_evaluations)
        except ArgumentError as error:
            if not isinstance(error.__cause__, LimitReached):
                raise
            stopped = str(error.__cause__)
            note = f"Partial: {stopped}, so that no unit inside of these was explained."
            return replace(coarse, notes=(note, *coarse.notes), stopped=stopped)
    return Zoom(coarse, fine, tuple(chosen))


class _View(Wrapped):
    """A source over groups of another source's features: those of a group come and go together.

    Args:
        source: over m features.
        features: the label of each group.
        groups: (m,) the group of each feature of the source; -1 if it is fixed.
        fixed: (m,) whether a fixed feature is present.
        is_stored: whether values go to a store of the user's, under the source's identities.
    """

    def __init__(
        self,
        source: ValueSource,
        features: Sequence[str],
        groups: IntArray,
        fixed: BoolArray,
        is_stored: bool,
    ) -> None:
        super().__init__(source)
        self._is_stored = is_stored
        self._groups = groups
        self._fixed = fixed
        self._features = tuple(features)

    @property
    def features(self) -> tuple[str, ...]:
        return self._features

    @property
    def prior(self) -> Prior:
        return NO_PRIOR

    @property
    def may_vary(self) -> bool:
        return False  # the noise of one level is not measured

    @property
    def identities(self) -> tuple[str, ...] | None:
        return self._source.identities if self._is_stored else ("",)

    def contexts(self) -> tuple[Context, ...]:
        numbers = [None if group < 0 else group for group in self._groups.tolist()]
        return tuple(
            context
            if context.parts is None
            else replace(context, parts=tuple(part.grouped(numbers) for part in context.parts))
            for context in self._source.contexts()
        )

    def stream(self, masks: BoolArray) -> Iterator[tuple[IntArray, FloatArray]]:
        return self._source.stream(self.stored_masks(masks))

    def stored_masks(self, masks: BoolArray) -> BoolArray:
        """The masks of the source: values are stored under them, for both levels and `explain`."""
        return np.where(self._groups >= 0, masks[:, self._groups], self._fixed)


def coarse_units(groups: Any, n_features: int, masker: Any) -> tuple[IntArray, list[str]]:
    """The coarse unit of each feature, and the labels of the coarse units.

    Args:
        groups: See `spex.zoom`.
        n_features: n.
        masker: Masker of the fine units; None if there is none.

    Returns:
        (n,) int64 numbers, and the labels.

    Raises:
        ArgumentError: the groups are wrong, or there is one coarse unit.
    """
    if isinstance(groups, str):
        find = getattr(masker, "groups", None)
        if not callable(find):  # in a table they are columns
            raise ArgumentError(
                f"groups={groups!r}: f has no masker that knows coarser units; give the number of "
                "the coarse unit of each feature"
            )
        found, labels = find(groups)
        numbers = np.asarray(found, dtype=np.int64)
    else:
        numbers = np.asarray(groups)
        if numbers.shape != (n_features,) or numbers.dtype.kind not in "iu":
            raise ArgumentError(
                f"groups has shape {numbers.shape} and type {numbers.dtype}; give a whole number "
                f"for each of {n_features} features"
            )
        if n_features and numbers.min() < 0:
            raise ArgumentError("groups holds a negative number; count the coarse units from 0")
        labels = [f"group {number}" for number in range(int(numbers.max()) + 1)]
    # A coarse unit without fine units, such as a pinned message, does not count.
    kept, numbers = np.unique(numbers, return_inverse=True)
    if len(kept) < 2:
        raise ArgumentError("there is one coarse unit; nothing to choose from; use explain")
    return numbers, [labels[number] for number in kept]


def _chosen(coarse: Explanation, top: int | None, sizes: IntArray) -> list[int]:
    """The coarse units to look into, by the variance that they take part in.

    Args:
        coarse: the overview.
        top: how many; None for as many as hold enough of the variance, and two fine units.
        sizes: the number of fine units in each.
    """
    squares = {k: value * value for k, value in coarse.spectrum.items() if k}
    takes_part = np.zeros(coarse.n_features)
    for members, square in squares.items():
        takes_part[list(members)] += square
    ranked = np.argsort(-takes_part, kind="stable").tolist()
    total = sum(squares.values())
    for count in range(1, len(ranked) + 1):
        among = set(ranked[:count])
        held = sum(square for members, square in squares.items() if among.issuperset(members))
        enough = held >= _HELD * total and sizes[ranked[:count]].sum() > 1
        if count == top or (top is None and enough):
            return sorted(among)
    return sorted(ranked)


def _title(level: str, explanation: Explanation) -> str:
    score = explanation.context.score
    return level if score is None else f"{level}: {score}"
