"""An explanation from `shap.Explanation`: the way back of `Explanation.to_shap`.

Shapley values say of a function that it is the baseline and the sum of the values of the features
that are there. Interaction values of a tree (Lundberg et al., 2020) are a symmetric matrix. The
diagonal holds the values of single features, and each side of it holds half of k-SII of order 2.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from spex._typing import FloatArray
from spex.checks.arguments import MAX_FEATURES
from spex.errors import ArgumentError
from spex.explanation import Explanation
from spex.extras import require
from spex.interop.taken import explanation_of, labels_of

_ONE = (
    "give those of one row and one output: explanation[0] for the first row, explanation[0, :, 1] "
    "for its second output"
)


def from_shap(values: Any, features: Sequence[str] | None = None) -> Explanation:
    """An explanation whose values are those of a `shap.Explanation`.

    It predicts, is drawn, saved and compared as any other. The values are taken as the whole
    function: what they leave out is unknown, and so is R2 (NaN).

    Args:
        values: the `shap.Explanation` of one row and one output: values of shape (n,), or (n, n)
            of the interaction values of a tree, and one base value.
        features: n labels; default: its `feature_names`, else its texts, else "0", "1" and so on.

    Returns:
        The explanation: `interactions("SV")`, or `interactions("k-SII", 2)`, gives the values back;
        `n_evaluations` is 0, for shap does not say how many there were.

    Raises:
        ArgumentError: the values are of several rows or outputs, a matrix of interaction values
            is not symmetric, a value is not finite, or labels are missing.
        MissingExtraError: shap is not installed.

    Example:
        >>> import spex
        >>> e = spex.explain(lambda masks: 2.0 * masks[:, 0] - masks[:, 1], 2, budget=4)
        >>> spex.interop.from_shap(e.to_shap(), ["good", "bad"]).interactions("SV").top(1)
        [((0,), 2.0)]
    """
    shap = require("shap", "shap")
    if not isinstance(values, shap.Explanation):
        raise ArgumentError(f"values is a {type(values).__name__}; give a shap.Explanation")
    try:
        found = np.asarray(values.values, dtype=np.float64)
        base = np.asarray(np.nan if values.base_values is None else values.base_values, np.float64)
    except (TypeError, ValueError):  # such as texts of several lengths
        raise ArgumentError(f"the values are not an array of numbers; {_ONE}") from None
    n = len(found) if found.ndim else 0
    if found.shape not in ((n,), (n, n)) or base.size != 1:
        raise ArgumentError(f"the values have the shape {found.shape}; {_ONE}")
    if not 1 <= n <= MAX_FEATURES:
        raise ArgumentError(f"the values are of {n} features; use 1 to {MAX_FEATURES}")
    if not math.isfinite(base.item()) or not np.isfinite(found).all():
        raise ArgumentError("a value or the base value is missing or not a finite number")
    is_matrix = found.ndim == 2
    if is_matrix and not np.allclose(found, found.T, atol=1e-6 * np.abs(found).max()):
        raise ArgumentError(
            f"the {n} x {n} values are not symmetric, as those of pairs are; {_ONE}"
        )
    moebius = {(): base.item(), **(_of_pairs(found) if is_matrix else _of_features(found))}
    return explanation_of(
        moebius,
        labels_of(features if features is not None else _labels(values, n), n),
        method="shap k-SII" if is_matrix else "shap SV",
        spent=0,
        note=f"Read from shap: {'k-SII up to order 2' if is_matrix else 'Shapley values'} are",
    )


def _of_features(values: FloatArray) -> dict[tuple[int, ...], float]:
    return {(i,): float(value) for i, value in enumerate(values) if value}


def _of_pairs(values: FloatArray) -> dict[tuple[int, ...], float]:
    pairs = np.triu(values + values.T, 1)
    first, second = pairs.nonzero()
    found = zip(first.tolist(), second.tolist(), pairs[first, second].tolist(), strict=True)
    return _of_features(np.diag(values)) | {(i, j): value for i, j, value in found}


def _labels(values: Any, n: int) -> Sequence[str] | None:
    """Names of the features, or the texts that they are; None for neither."""
    for names in (values.feature_names, values.data):
        listed = [] if names is None or isinstance(names, str) else list(names)
        if len(listed) == n and all(isinstance(name, str) for name in listed):
            return listed
    return None
