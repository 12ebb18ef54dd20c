"""Faithfulness: how well a surrogate predicts masks that it has not seen."""

import math
from dataclasses import dataclass

import numpy as np

from spex._typing import FloatArray
from spex.checks.arguments import whole_number
from spex.evaluate.items import Item
from spex.evaluate.masks import UNIFORM, check_distribution, fresh_masks
from spex.evaluate.measures.measure import Cell, Measure, Metric
from spex.evaluate.measures.ranking import rank_correlation
from spex.fitting.fidelity import Fidelity, fidelity

# Values that differ by rounding alone are the same.
_ROUNDING = 1e-9
_STREAM = 7919  # keeps test masks apart from those that a method draws with the same seed


@dataclass(frozen=True)
class Faithfulness(Measure):
    """R2 and LDS on fresh masks.

    Args:
        test_masks: How many.
        distribution: See `spex.evaluate.masks.fresh_masks`.
        test_seed: Seed of the masks, the same for all methods, budgets and seeds.

    Raises:
        ArgumentError: an argument is wrong.
    """

    test_masks: int = 1000
    distribution: str = UNIFORM
    test_seed: int = 0
    name = "faithfulness"
    main = ("r2", "lds")

    def __post_init__(self) -> None:
        whole_number("test_masks", self.test_masks, 2)
        whole_number("test_seed", self.test_seed, 0)
        check_distribution(self.distribution)

    def measure(self, cell: Cell) -> list[Metric]:
        """R2 and LDS. Also the R2 that the method reports, if any, and whether its interval holds.

        NaN if the function does not vary, because R2 is then undefined. Whether the interval holds
        is also NaN if the method reports R2 for another distribution of masks.
        """
        rng = np.random.default_rng([self.test_seed, _STREAM])
        masks = fresh_masks(cell.item.n_features, self.test_masks, self.distribution, rng)
        actual = cell.values(masks)
        attribution = cell.attribution
        predicted = attribution.spectrum.predict(masks)
        found = r2(actual, predicted)
        metrics = [Metric("r2", found), Metric("lds", lds(actual, predicted))]
        if math.isfinite(attribution.r2):
            reported = attribution.r2 if math.isfinite(found) else math.nan
            metrics.append(Metric("r2_reported", reported))
            explanation = attribution.explanation
            of_these = explanation is None or explanation.r2_distribution == self.distribution
            covered = math.nan
            if of_these and math.isfinite(found):
                told = Fidelity(attribution.r2, attribution.r2_interval)
                covered = _covered(told, self._measured(cell.item, actual, predicted))
            metrics.append(Metric("r2_covered", covered))
        return metrics

    def _measured(self, item: Item, actual: FloatArray, predicted: FloatArray) -> Fidelity:
        """R2 on the test masks, with an interval unless these are all masks."""
        if self.distribution == UNIFORM and 1 << item.n_features <= self.test_masks:
            found = r2(actual, predicted)
            return Fidelity(found, (found, found))
        return fidelity(actual, predicted)


def _covered(told: Fidelity, measured: Fidelity) -> float:
    """Whether reported and measured R2 differ by no more than both intervals allow.

    The errors of both are independent, so the squares of their widths add up. 1 or 0; NaN if the
    reported interval is unknown.
    """
    if not all(map(math.isfinite, (told.r2, *told.interval))):
        return math.nan
    difference = measured.r2 - told.r2
    above = int(difference > 0)  # the side of each interval that faces the other value
    width = math.hypot(told.interval[above] - told.r2, measured.interval[1 - above] - measured.r2)
    slack = _ROUNDING * max(1.0, abs(measured.r2))  # the scale of R2 is 1
    return float(abs(difference) <= width + slack)


def r2(actual: FloatArray, predicted: FloatArray) -> float:
    """1 - ||f - f_hat||^2 / ||f - mean(f)||^2; NaN where f does not vary.

    Faithfulness in the SPEX paper (arXiv 2502.13870).

    Args:
        actual: (m,) values of the function.
        predicted: (m,) values of the surrogate at the same masks.
    """
    centred = actual - actual.mean()
    # Rounding errors of a constant are not variance.
    if np.abs(centred).max(initial=0.0) <= 1e-12 * np.abs(actual).max(initial=0.0):
        return math.nan
    return 1.0 - float(((actual - predicted) ** 2).sum() / (centred**2).sum())


def lds(actual: FloatArray, predicted: FloatArray) -> float:
    """Linear datamodelling score: Spearman's rank correlation of predicted and actual values.

    Park et al., TRAK (2023), section 2; for context attribution Cohen-Wang et al., ContextCite
    (2024), section 3. A constant prediction ranks nothing and scores 0; NaN if the function
    itself does not vary.

    Args:
        actual: (m,) values of the function.
        predicted: (m,) values of the surrogate at the same masks.
    """
    if math.isnan(r2(actual, predicted)):
        return math.nan
    if math.isnan(r2(predicted, predicted)):
        return 0.0
    return rank_correlation(actual, predicted)
