"""Sanity checks of a method: what must hold of any explanation that is about the function."""

import hashlib
import math

import numpy as np

from spex._typing import BoolArray, FloatArray
from spex.evaluate.measures.ranking import feature_scores, rank_correlation
from spex.evaluate.method import Method, ValueFunctionOnMasks


def sanity(
    method: Method,
    function: ValueFunctionOnMasks,
    n_features: int,
    budget: int,
    seed: int,
    scores: FloatArray,
) -> dict[str, float]:
    """Explain noise, and the function with two features more: one unused, one symmetric.

    The symmetric one is a twin of the feature with the largest score: the function sees that
    feature where both are present. The dummy and symmetry axioms (Shapley 1953) then fix the right
    result. That noise must get another explanation is the check of Adebayo et al. (2018) by
    randomised models.

    Args:
        method: What is checked.
        function: The user's.
        n_features: n.
        budget: The budget of each of the two explanations.
        seed: The method's seed.
        scores: (n,) scores of the features in the explanation of the function itself.

    Returns:
        `unused` is the score of the unused feature, and `asymmetry` the difference of the twins'
        scores. Both are shares of the largest score: 0 is right, NaN if all scores are 0.
        `noise_similarity` is Spearman's correlation of the scores with those of noise. It should be
        near 0; for two random rankings its standard deviation is 1/sqrt(n - 1).
    """
    twin = int(np.abs(scores).argmax())

    def extended(masks: BoolArray) -> FloatArray:
        inner = masks[:, :n_features].copy()
        inner[:, twin] &= masks[:, n_features]
        return function(inner)

    more = method.attribute(extended, n_features + 2, budget, seed)
    found = feature_scores(more.spectrum)
    # If no feature has a score, as for a constant, there is nothing to compare with.
    largest = float(np.abs(found).max()) or math.nan
    of_noise = method.attribute(Noise(seed), n_features, budget, seed)
    return {
        "unused": abs(float(found[n_features + 1])) / largest,
        "asymmetry": abs(float(found[twin] - found[n_features])) / largest,
        "noise_similarity": rank_correlation(scores, feature_scores(of_noise.spectrum)),
    }


class Noise:
    """A model without weights: each mask gets its own normal number, always the same.

    Args:
        seed: Random seed.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def __call__(self, masks: BoolArray) -> FloatArray:
        """The values of masks (m, n)."""
        return np.array([self._value(row) for row in np.asarray(masks, dtype=np.bool_)])

    def _value(self, mask: BoolArray) -> float:
        digest = hashlib.blake2b(mask.tobytes(), digest_size=8, salt=self._seed.to_bytes(16, "big"))
        return float(np.random.default_rng(int.from_bytes(digest.digest())).standard_normal())
