"""Removal: what becomes of the model's score when what matters most by the surrogate goes."""

import math
from dataclasses import dataclass

import numpy as np

from spex.checks.arguments import whole_number
from spex.evaluate.measures.measure import Cell, Measure, Metric
from spex.evaluate.measures.ranking import feature_scores
from spex.sets.removal import removals

_SECONDS = 30.0  # for HiGHS, for each r


@dataclass(frozen=True)
class Removal(Measure):
    """Top-r removal (SPEX, arXiv 2502.13870) and top-k drop (ContextCite, Cohen-Wang et al. 2024).

    For r from 1 to R, S_r is the set of r features whose removal changes the surrogate most.
    `absolute` is |f(N) - f(N without S_r)|, and `relative` that over |f(N)|. `surrogate` is the
    surrogate's change, and `exact` is 1 if S_r is proven to be that set. `drop` is f(N) - f(N
    without the r features of highest score).

    Args:
        r: R, the most features removed; n where that is less.

    Raises:
        ArgumentError: r is not positive.
    """

    r: int = 10
    name = "removal"
    main = ("relative", "absolute", "drop")

    def __post_init__(self) -> None:
        whole_number("r", self.r, 1)

    def measure(self, cell: Cell) -> list[Metric]:
        """The model's own change, r by r."""
        spectrum, n = cell.attribution.spectrum, cell.item.n_features
        largest = min(self.r, n)
        sets = removals(spectrum, largest, time_limit=_SECONDS)
        ranked = np.argsort(-feature_scores(spectrum), kind="stable")
        masks = np.ones((1 + 2 * largest, n), dtype=np.bool_)
        for number, removal in enumerate(sets):
            masks[1 + number, list(removal.features)] = False
            masks[1 + largest + number, ranked[: number + 1]] = False
        values = cell.values(masks)
        whole = float(values[0])
        metrics = []
        for r, removal in enumerate(sets, 1):
            change = abs(whole - float(values[r]))
            metrics += [
                Metric("absolute", change, r),
                Metric("relative", change / abs(whole) if whole else math.nan, r),
                Metric("surrogate", abs(removal.change), r),
                Metric("exact", float(removal.is_exact), r),
                Metric("drop", whole - float(values[largest + r]), r),
            ]
        return metrics
