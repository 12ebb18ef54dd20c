"""A surrogate corrected by values that were measured around its proposals."""

import math
from dataclasses import dataclass

import numpy as np

from spex._typing import BoolArray, FloatArray

# Share of noise in the errors, which neither the constant nor a single feature explains.
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
    wide = np.hstack([np.ones((len(members), 1)), math.sqrt(share) * members])
    if len(wide) <= wide.shape[1]:
        inverse = np.linalg.inv(wide @ wide.T + _NOISE * np.eye(len(wide)))
        weights, diagonal = inverse @ errors, np.diag(inverse)
    else:  # the same in n + 1 dimensions (Woodbury): there may be thousands of values
        solved = np.linalg.solve(wide.T @ wide + _NOISE * np.eye(wide.shape[1]), wide.T)
        weights = (errors - wide @ (solved @ errors)) / _NOISE
        diagonal = (1.0 - np.einsum("ij,ji->i", wide, solved)) / _NOISE
    residual = weights / diagonal
    return Correction(
        offset=float(weights.sum()),
        linear=share * (members.T @ weights),
        error=float(np.sqrt(np.mean(residual**2))),
    )
