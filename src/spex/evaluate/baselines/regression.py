"""Ridge and lasso on features or pairs, by scikit-learn, on masks shared by all such methods."""

from functools import partial
from itertools import combinations
from typing import Any

import numpy as np

from spex._typing import BoolArray, FloatArray
from spex.checks.counting import CountedFunction
from spex.evaluate.baselines.baseline import LARGEST_MATRIX, Baseline, n_pairs_and_below
from spex.evaluate.drawing import uniform_masks
from spex.extras import require
from spex.fourier.spectrum import Spectrum

# Penalties of the ridge that cross-validation chooses from.
_PENALTIES = np.logspace(-2, 6, 33)


def _fitted(asked: CountedFunction, seed: int, model: Any, order: int) -> Spectrum:
    """A linear model of the signs (-1)^<k,m> for all k of at most `order` features."""
    n = asked.n_features
    masks = uniform_masks(n, asked.budget, seed)
    support = [k for size in range(1, order + 1) for k in combinations(range(n), size)]
    model.fit(_columns(masks, order), asked(masks))
    found = zip(support, model.coef_.tolist(), strict=True)
    return Spectrum.from_mapping({(): float(model.intercept_), **dict(found)}, n)


def _columns(masks: BoolArray, order: int) -> FloatArray:
    signs: FloatArray = 1.0 - 2.0 * masks.astype(np.float64)
    if order == 1:
        return signs
    first, second = np.triu_indices(masks.shape[1], 1)
    return np.concatenate([signs, signs[:, first] * signs[:, second]], axis=1)


def _ridge(asked: CountedFunction, seed: int, *, order: int) -> Spectrum:
    """Penalty by generalised cross-validation: without one, pairs may outnumber masks."""
    linear_model = require("sklearn.linear_model", "evaluate")
    return _fitted(asked, seed, linear_model.RidgeCV(_PENALTIES), order)


def _lasso(asked: CountedFunction, seed: int) -> Spectrum:
    """Penalty by five-fold cross-validation."""
    linear_model = require("sklearn.linear_model", "evaluate")
    return _fitted(asked, seed, linear_model.LassoCV(random_state=seed, max_iter=10_000), 1)


_OF_SKLEARN: dict[str, Any] = {
    "package": "scikit-learn",
    "module": "sklearn.linear_model",
    "takes_masks": True,
    "gives": "surrogate",
}
METHODS = (
    Baseline(
        name="ridge",
        order=1,
        fit=partial(_ridge, order=1),
        least=lambda n: 2,
        limit="no limit",
        **_OF_SKLEARN,
    ),
    Baseline(
        name="lasso",
        order=1,
        fit=_lasso,
        least=lambda n: 5,
        least_features=3,
        limit="five-fold cross-validation: 5 masks",
        **_OF_SKLEARN,
    ),
    Baseline(
        name="faith-banzhaf-2",
        order=2,
        fit=partial(_ridge, order=2),
        least=lambda n: 2,
        most=lambda n, budget: n_pairs_and_below(n) * budget <= LARGEST_MATRIX,
        limit="a matrix of masks times pairs within 2 GB: 1,000 masks up to n = 732",
        **_OF_SKLEARN,
    ),
)
