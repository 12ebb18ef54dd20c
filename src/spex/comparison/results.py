"""How two explanations differ, as users see it."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from spex._typing import Interaction
from spex.explanation import Explanation
from spex.interactions.index import InteractionIndex
from spex.wording import distinct

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Difference:
    """An interaction in both explanations.

    Args:
        interaction: Its features, numbered as in the first explanation.
        labels: Their labels.
        a: Its value in the first, in that one's unit; 0 if it is not listed there.
        b: Its value in the second.
        low: Lower bound of the 90 % interval of a - b, the errors of both taken as independent;
            NaN if they are unknown.
        high: Upper bound.
    """

    interaction: Interaction
    labels: tuple[str, ...]
    a: float
    b: float
    low: float
    high: float

    @property
    def value(self) -> float:
        """The difference a - b."""
        return self.a - self.b


@dataclass(frozen=True, eq=False)
class Comparison:
    """How two explanations differ in the features that both have.

    Args:
        first: Explanation a.
        second: Explanation b.
        names: What the two are called.
        pairs: (feature of a, feature of b) that were matched.
        index: The index that is compared.
        order: Its highest order, the same for both.
        differences: The interactions of matched features, the largest difference first.

    Example:
        >>> import spex
        >>> a = spex.explain(lambda m: 1.0 * m[:, 0], ["good", "film"], budget=4)
        >>> b = spex.explain(lambda m: 1.0 * m[:, 0], ["good", "book"], budget=4)
        >>> spex.compare(a, b).unmatched
        (('film',), ('book',))
    """

    first: Explanation
    second: Explanation
    names: tuple[str, str]
    pairs: tuple[tuple[int, int], ...]
    index: InteractionIndex
    order: int
    differences: tuple[Difference, ...]

    @property
    def unmatched(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The labels of the features that only a has, and of those that only b has."""
        sides = ((self.first, 0), (self.second, 1))
        only_a, only_b = (
            tuple(
                label
                for number, label in enumerate(distinct(one.features))
                if number not in {pair[side] for pair in self.pairs}
            )
            for one, side in sides
        )
        return only_a, only_b

    def to_frame(self) -> "pd.DataFrame":
        """One row for each difference, with the columns interaction, features, a, b, difference,
        low and high; the largest difference first."""  # noqa: D205, D209 - one sentence
        import pandas as pd

        rows = [
            (d.interaction, d.labels, d.a, d.b, d.value, d.low, d.high) for d in self.differences
        ]
        names = ["interaction", "features", "a", "b", "difference", "low", "high"]
        return pd.DataFrame(rows, columns=names)

    def to_html(self, path: str | Path) -> None:
        """Write one self-contained page with a switch: the difference, a and b."""
        from spex.files import write_text
        from spex.report.html import render_comparison

        write_text(Path(path), render_comparison(self))

    def _repr_html_(self) -> str:
        from spex.report.notebook import comparison_html

        return comparison_html(self)

    def __repr__(self) -> str:
        from spex.report.compared import as_text

        return as_text(self)
