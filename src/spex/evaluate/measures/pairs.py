"""An exact audit: every single and pair effect around an input, measured and not estimated."""

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.special import ndtri

from spex._typing import BoolArray, FloatArray, Interaction
from spex.checks.arguments import whole_number
from spex.evaluate.items import Item
from spex.evaluate.measures.measure import Cell, Measure, Metric
from spex.evaluate.measures.ranking import without_rounding
from spex.explanation import Explanation
from spex.extras import require
from spex.f2.packing import pack
from spex.interactions.uncertainty import error_of_sum, share_containing, spectrum_errors

_LARGEST = 10  # effects counted by NDCG and the agreement of signs
_LEVEL = 0.9
_STREAM = 7907


@dataclass(frozen=True)
class Pairs(Measure):
    """Single and pair effects around inputs by a method, compared with their measured values.

    Around a base x, the effect of feature i is f(x with i) - f(x without i). The effect of a pair
    is f(both) - f(only i) - f(only j) + f(neither), the rest as in x. For `single` and `pair` each:
    NDCG@10 of the ranking by absolute value (ties averaged); how many of the 10 largest effects
    have the right sign, as a share; the mean absolute error; and the mean absolute effect
    (`_size`). For methods of spex also the share of 90 % intervals that contain the measured effect
    (`_covered`).

    Args:
        random_bases: How many uniformly random inputs to audit in addition to the whole one. Each
            costs 1 + n + n(n - 1)/2 evaluations, once for all methods.
        test_seed: Seed of the random inputs.

    Raises:
        ArgumentError: a number is negative.
    """

    random_bases: int = 0
    test_seed: int = 0
    name = "pairs"
    main = ("pair_ndcg", "pair_signs", "pair_error", "single_ndcg", "single_error")

    def __post_init__(self) -> None:
        whole_number("random_bases", self.random_bases, 0)
        whole_number("test_seed", self.test_seed, 0)

    def check(self, item: Item) -> None:
        """Accept every item; the ranking needs scikit-learn."""
        require("sklearn.metrics", "evaluate")

    def measure(self, cell: Cell) -> list[Metric]:
        """The metrics, `at` the number of the base: 0 for the whole input."""
        n = cell.item.n_features
        rng = np.random.default_rng([self.test_seed, _STREAM])
        bases = np.concatenate(
            [np.ones((1, n), dtype=np.bool_), rng.random((self.random_bases, n)) < 0.5]
        )
        metrics = []
        for number, base in enumerate(bases):
            masks = audit_masks(base)
            actual = effects(base, cell.values(masks))
            said = effects(base, cell.attribution.spectrum.predict(masks))
            for kind, members, true, told in zip(
                ("single", "pair"), _members(n), actual, said, strict=True
            ):
                found = compare(true, told)
                explanation = cell.attribution.explanation
                if explanation is not None and explanation.standard_errors is not None:
                    found["covered"] = _coverage(explanation, members, true, told)
                metrics += [
                    Metric(f"{kind}_{name}", value, number) for name, value in found.items()
                ]
        return metrics


def audit_masks(base: BoolArray) -> BoolArray:
    """The masks that an audit around a base asks for.

    Args:
        base: (n,) bool.

    Returns:
        (1 + n + n(n-1)/2, n) bool: the base; each feature flipped; each pair flipped, in the order
        of `itertools.combinations`.
    """
    n = len(base)
    flips = np.zeros((1 + n + n * (n - 1) // 2, n), dtype=np.bool_)
    flips[np.arange(1, n + 1), np.arange(n)] = True
    for row, pair in enumerate(combinations(range(n), 2), n + 1):
        flips[row, pair] = True
    return flips ^ base


def effects(base: BoolArray, values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Single and pair effects around a base: discrete derivatives.

    Args:
        base: (n,) bool.
        values: Values of the masks of `audit_masks`.

    Returns:
        (n,) and (n(n-1)/2,) float64. Effects within the rounding of the values are 0, so that they
        have no sign and no rank.
    """
    n = len(base)
    rounding = 1e-9 * float(np.abs(values).max())
    signs = np.where(base, 1.0, -1.0)
    i, j = np.triu_indices(n, 1)
    at, flipped, both = values[0], values[1 : n + 1], values[n + 1 :]
    singles = signs * (at - flipped)
    pairs = signs[i] * signs[j] * (at - flipped[i] - flipped[j] + both)
    return np.where(np.abs(singles) > rounding, singles, 0.0), np.where(
        np.abs(pairs) > rounding, pairs, 0.0
    )


def compare(true: FloatArray, told: FloatArray) -> dict[str, float]:
    """Effects by a method, compared with their measured values.

    Args:
        true: (k,) measured.
        told: (k,) by the method.

    Returns:
        ndcg, signs, error and size. ndcg is NaN for fewer than two effects, ndcg and signs if all
        effects are 0, and all four without effects.
    """
    largest = np.argsort(-np.abs(true), kind="stable")[:_LARGEST]
    scale = float(np.abs(true).max(initial=0.0))
    found = {"ndcg": math.nan, "signs": math.nan}
    if scale > 0:
        clear = [one for one in largest if true[one]]
        found["signs"] = float(np.mean(np.sign(told[clear]) == np.sign(true[clear])))
    if scale > 0 and len(true) > 1:
        from sklearn.metrics import ndcg_score

        sizes = without_rounding(np.abs(told))
        found["ndcg"] = float(ndcg_score([np.abs(true)], [sizes], k=_LARGEST))
    found["error"] = float(np.abs(true - told).mean()) if len(true) else math.nan
    found["size"] = float(np.abs(true).mean()) if len(true) else math.nan
    return found


def _members(n: int) -> tuple[list[Interaction], list[Interaction]]:
    return [(i,) for i in range(n)], list(combinations(range(n), 2))


def _coverage(
    explanation: Explanation, members: list[Interaction], true: FloatArray, told: FloatArray
) -> float:
    """The share of the method's intervals that contain the measured effect."""
    if not members:
        return math.nan
    width = float(ndtri((1 + _LEVEL) / 2)) * effect_errors(explanation, members)
    rounding = 1e-9 * max(float(np.abs(true).max()), float(np.abs(told).max()))
    return float(np.mean(np.abs(true - told) <= width + rounding))


def effect_errors(explanation: Explanation, members: list[Interaction]) -> FloatArray:
    """Standard errors of discrete derivatives, alike at every base.

    The effect of S at a base is the sum of +-2^|S| F(k) over all k that contain S. Up to signs,
    these are the weights of a Moebius coefficient, the effect at the empty input. Its errors follow
    in the same way; see `spex.interactions.uncertainty`.

    Args:
        explanation: With standard errors.
        members: Each S.

    Returns:
        (len(members),) float64.
    """
    assert explanation.standard_errors is not None and explanation.unexplained is not None
    spectrum = explanation.spectrum
    errors = spectrum_errors(spectrum, explanation.standard_errors, explanation.unexplained)
    found = []
    for interaction in members:
        mask = np.zeros((1, spectrum.n_features), dtype=np.bool_)
        mask[0, list(interaction)] = True
        word = pack(mask)
        weight = 2.0 ** len(interaction)
        rows = ((spectrum.support & word) == word).all(axis=1)
        inside = error_of_sum(weight * errors.standard_errors[rows])
        orders = np.arange(len(errors.outside)) >= len(interaction)
        energy = errors.outside * share_containing(errors, interaction) * orders
        found.append(math.hypot(inside, error_of_sum(weight * np.sqrt(energy))))
    return np.array(found)
