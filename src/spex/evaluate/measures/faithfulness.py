"""Faithfulness: how well a surrogate predicts what it has not seen."""

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from spex._typing import FloatArray
from spex.checks.arguments import whole_number
from spex.evaluate.items import Item
from spex.evaluate.masks import UNIFORM, check_distribution, fresh_masks
from spex.evaluate.measures.measure import Cell, Metric
from spex.evaluate.measures.ranking import rank_correlation

# An interval that ends at the measured value but for rounding holds it.
_ROUNDING = 1e-9
_STREAM = 7919  # keeps test masks apart from those that a method draws with the same seed


@dataclass(frozen=True)
class Faithfulness:
    """R2 and LDS on fresh masks.

    Args:
        test_masks: How many.
        distribution: See `spex.evaluate.masks.fresh_masks`.
        test_seed: Seed of the masks, the same for all methods, budgets and seeds of theirs.

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

    def describe(self) -> dict[str, Any]:
        """See `Measure.describe`."""
        return asdict(self)

    def check(self, item: Item) -> None:
        """Every item will do."""

    def measure(self, cell: Cell) -> list[Metric]:
        """R2, LDS, and where the method tells its R2 that too, with whether its interval holds.

        NaN where the function does not vary: there is no R2 to tell. Whether the interval holds is
        NaN too where the method tells R2 over masks of another distribution.
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
            covered = _covered(found, attribution.r2_interval) if of_these else math.nan
            metrics.append(Metric("r2_covered", covered))
        return metrics


def _covered(value: float, interval: tuple[float, float]) -> float:
    """1 where the interval holds the value, 0 where not; NaN where one of both is undefined."""
    if not all(map(math.isfinite, (value, *interval))):
        return math.nan
    slack = _ROUNDING * max(1.0, abs(value))  # the scale of R2 is 1
    return float(interval[0] - slack <= value <= interval[1] + slack)


def r2(actual: FloatArray, predicted: FloatArray) -> float:
    """1 - ||f - f_hat||^2 / ||f - mean(f)||^2; NaN where f does not vary.

    Faithfulness in the SPEX paper (arXiv 2502.13870).

    Args:
        actual: (m,) values of the function.
        predicted: (m,) values of the surrogate at the same masks.
    """
    centred = actual - actual.mean()
    # What rounding leaves of a constant is no variance.
    if np.abs(centred).max(initial=0.0) <= 1e-12 * np.abs(actual).max(initial=0.0):
        return math.nan
    return 1.0 - float(((actual - predicted) ** 2).sum() / (centred**2).sum())


def lds(actual: FloatArray, predicted: FloatArray) -> float:
    """Linear datamodelling score: Spearman's rank correlation of predicted and actual values.

    Park et al., TRAK (2023), section 2; for context attribution Cohen-Wang et al., ContextCite
    (2024), section 3. A constant prediction ranks nothing and scores 0; NaN where the function
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
