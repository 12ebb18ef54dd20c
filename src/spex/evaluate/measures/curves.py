"""Curves: the value as features are removed, or added, in the order of their scores."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from spex._typing import FloatArray, IntArray
from spex.checks.arguments import whole_number
from spex.evaluate.gradients import OfModel
from spex.evaluate.measures.measure import Cell, Measure, Metric
from spex.evaluate.measures.ranking import (
    feature_scores,
    is_negligible,
    jaccard,
    rank_correlation,
    top_interactions,
)
from spex.evaluate.measures.sanity import sanity

_STEPS = 20  # of a curve, fewer where features are
_RETAINED = (0.25, 0.5, 0.75)
_DRAWS = 40  # masks for each share retained
_TOP = 10
_STREAM = 7901


@dataclass(frozen=True)
class Curves(Measure):
    """Deletion and insertion, soft sufficiency and necessity, stability between seeds.

    Values are v(x) = (f(x) - f(none)) / (f(N) - f(none)): 1 for the whole input, 0 for none of it.
    `range` is f(N) - f(none). If it is small compared with what masks change, the other numbers say
    little. If it is 0, areas, sufficiency and necessity are NaN. Features go and come by their
    score (Banzhaf value of the surrogate) times the sign of `range`, the highest first.

    `deletion` and `insertion` are v when a share of the features is absent or present, in steps of
    1/20, interpolated linearly between measured points. `_area` is the area under each curve: lower
    is better for deletion, higher for insertion. `sufficiency` and `necessity` are measured at a
    share retained (see `soft_masks`); higher is better. `stability` (rank correlation of scores)
    and `stability_top` (Jaccard index of the 10 largest interactions) compare a seed with the first
    one.

    Args:
        sanity: Whether the checks of `spex.evaluate.measures.sanity` are made too.
        test_seed: Seed of the drawn masks.

    Raises:
        ArgumentError: the seed is negative.
    """

    sanity: bool = False
    test_seed: int = 0
    name = "curves"
    main = (
        "deletion_area",
        "insertion_area",
        "sufficiency",
        "necessity",
        "stability",
        "stability_top",
        "unused",
        "asymmetry",
        "noise_similarity",
    )

    def __post_init__(self) -> None:
        whole_number("test_seed", self.test_seed, 0)

    def measure(self, cell: Cell) -> list[Metric]:
        """All of these."""
        n, spectrum = cell.item.n_features, cell.attribution.spectrum
        ends = cell.values(np.array([[True] * n, [False] * n]))
        whole, none = map(float, ends)
        change = whole - none
        metrics = [Metric("range", change)]
        scores = feature_scores(spectrum)
        if not is_negligible(change, float(np.abs(ends).max())):
            towards = math.copysign(1.0, change) * scores

            def shares(masks: Any) -> FloatArray:
                return (cell.values(masks) - none) / change

            metrics += _hard(towards, shares) + self._soft(towards, shares)
        else:
            metrics += [Metric(f"{name}_area", math.nan) for name in ("deletion", "insertion")]
            metrics += [
                Metric(name, math.nan, retained)
                for retained in _RETAINED
                for name in ("sufficiency", "necessity")
            ]
        if cell.seed != cell.first_seed:
            other = cell.explain(cell.first_seed).spectrum
            same = rank_correlation(scores, feature_scores(other))
            tops = jaccard(top_interactions(spectrum, _TOP), top_interactions(other, _TOP))
            metrics += [Metric("stability", same), Metric("stability_top", tops)]
        # A method that needs the model itself cannot explain other functions.
        if self.sanity and not isinstance(cell.method, OfModel):
            found = sanity(cell.method, cell.values, n, cell.budget, cell.seed, scores)
            metrics += [Metric(name, value) for name, value in found.items()]
        return metrics

    def _soft(self, towards: FloatArray, shares: Any) -> list[Metric]:
        rng = np.random.default_rng([self.test_seed, _STREAM])
        # Use the same draws for every method, so that methods differ only by their probabilities.
        uniform = rng.random((_DRAWS, len(towards)))
        metrics = []
        for retained in _RETAINED:
            keep = soft_masks(towards, retained)
            go = soft_masks(towards, 1 - retained)
            metrics += [
                Metric("sufficiency", float(shares(uniform < keep).mean()), retained),
                Metric("necessity", 1 - float(shares(uniform >= go).mean()), retained),
            ]
        return metrics


def _hard(towards: FloatArray, shares: Any) -> list[Metric]:
    n = len(towards)
    counts = step_counts(n)
    order = np.argsort(-towards, kind="stable")
    places = np.empty(n, dtype=np.int64)
    places[order] = np.arange(n)
    gone = places < counts[:, None]
    metrics = []
    for name, masks in (("deletion", ~gone), ("insertion", gone)):
        values = shares(masks)
        at = counts / n
        # At the same shares for every n, so that curves of several items have a mean.
        grid = np.linspace(0, 1, _STEPS + 1).round(9)
        drawn = zip(np.interp(grid, at, values).tolist(), grid.tolist(), strict=True)
        metrics += [Metric(name, value, where) for value, where in drawn]
        metrics.append(Metric(f"{name}_area", float(np.trapezoid(values, at))))
    return metrics


def step_counts(n: int) -> IntArray:
    """The number of absent features at each point of a curve: 0 to n, at most 21 points."""
    return np.unique(np.round(np.linspace(0, n, min(n, _STEPS) + 1)).astype(np.int64))


def soft_masks(towards: FloatArray, share: float) -> FloatArray:
    """The probability that each feature is chosen, in proportion to its score.

    Zhao and Aletras (ACL 2023) keep or drop features at random by their scores. Here the
    probabilities sum to the same number for every method, so that no method wins by keeping more.
    They are p_i = min(1, c s_i), where s_i is the positive part of the score and c makes sum p_i =
    share n. If all features with a positive score are chosen, the rest of the sum is spread evenly
    over the others.

    Args:
        towards: (n,) scores.
        share: Mean share of the features that are chosen, 0 to 1.

    Returns:
        (n,) float64.
    """
    n = len(towards)
    wanted = share * n
    scores = np.maximum(towards, 0.0)
    positive = scores > 0
    if positive.sum() <= wanted:
        rest = n - int(positive.sum())
        return np.where(positive, 1.0, (wanted - positive.sum()) / max(rest, 1))
    chosen = np.zeros(n, dtype=np.bool_)  # features kept with certainty
    while True:
        factor = (wanted - chosen.sum()) / scores[~chosen].sum()
        over = ~chosen & (factor * scores > 1)
        if not over.any():
            return np.where(chosen, 1.0, factor * scores)
        chosen |= over
