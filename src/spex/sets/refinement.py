"""A surrogate corrected by values that were measured around its proposals."""

from dataclasses import dataclass

import numpy as np

from spex._typing import BoolArray, FloatArray

# Share of noise in the errors: what no constant and no single feature accounts for.
_NOISE = 0.05


@dataclass(frozen=True, eq=False)
class Correction:
    """A constant and one number for each feature, added to a surrogate.

    Args:
        offset: Added to every value.
        linear: (n,) added for each feature that is in the set.
        error: Root mean square of the errors of corrected predictions, each by a correction that
            has not seen its value; in the unit of the value.
    """

    offset: float
    linear: FloatArray
    error: float


def correction(inside: BoolArray, errors: FloatArray) -> Correction:
    """Ridge regression of the surrogate's errors on the features of the sets.

    A Gaussian process with a linear kernel, centred at the empty set, where sets are searched for.
    The errors of those left out are in closed form (Rasmussen and Williams 2006, equation 5.12).

    Args:
        inside: (c, n) bool, which features are in each measured set; c is 1 or more.
        errors: (c,) measured less predicted.
    """
    members = inside.astype(np.float64)
    share = 1.0 / max(1.0, float(members.sum(axis=1).mean()))
    kernel = 1.0 + share * members @ members.T
    inverse = np.linalg.inv(kernel + _NOISE * np.eye(len(kernel)))
    weights = inverse @ errors
    left_out = weights / np.diag(inverse)
    return Correction(
        offset=float(weights.sum()),
        linear=share * (members.T @ weights),
        error=float(np.sqrt(np.mean(left_out**2))),
    )
