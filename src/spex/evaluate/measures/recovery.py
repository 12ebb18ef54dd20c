"""Recovery: whether the largest interactions consist of what people have marked."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from spex._typing import Interaction
from spex.checks.arguments import whole_number
from spex.errors import ArgumentError
from spex.evaluate.items import Item
from spex.evaluate.measures.measure import Cell, Measure, Metric
from spex.evaluate.measures.ranking import top_interactions


@dataclass(frozen=True)
class Recovery(Measure):
    """Recovery@r of annotated features (SPEX, arXiv 2502.13870, on HotpotQA).

    For r from 1 to R: `recovery` (see `recovery_at`), and `precision` and `recall` of the features
    of the r largest interactions taken together. `chance` is the share of annotated features:
    what recovery is of interactions drawn at random.

    Args:
        r: R, the most interactions; of marginal methods, features.

    Raises:
        ArgumentError: r is not positive.
    """

    r: int = 10
    name = "recovery"
    main = ("recovery", "precision", "recall")

    def __post_init__(self) -> None:
        whole_number("r", self.r, 1)

    def check(self, item: Item) -> None:
        """Refuse an item without annotations.

        Raises:
            ArgumentError: it has none.
        """
        if not item.annotated:
            raise ArgumentError(
                f"item {item.name!r} has no annotated features; recovery needs data with them, "
                "such as HotpotQA by sentences, or leave the item out with --items"
            )

    def measure(self, cell: Cell) -> list[Metric]:
        """Recovery, precision and recall, r by r."""
        marked = set(cell.item.annotated or ())
        ranked = top_interactions(cell.attribution.spectrum, self.r)
        metrics = [Metric("chance", len(marked) / cell.item.n_features)]
        for r in range(1, self.r + 1):
            named = {feature for interaction in ranked[:r] for feature in interaction}
            hits = len(named & marked)
            metrics += [
                Metric("recovery", recovery_at(ranked, marked, r), r),
                Metric("precision", hits / len(named) if named else 0.0, r),
                Metric("recall", hits / len(marked), r),
            ]
        return metrics


def recovery_at(ranked: Sequence[Interaction], marked: Collection[int], r: int) -> float:
    """Recovery@r = (1/r) sum over i <= r of |S* n S_i| / |S_i|.

    S_i is the i-th largest interaction and S* the set of marked features. Interactions that a
    method does not list recover nothing.

    Args:
        ranked: Interactions, the largest first.
        marked: S*.
        r: How many count.
    """
    wanted = set(marked)
    return sum(len(wanted & set(one)) / len(one) for one in ranked[:r]) / r
