"""Checks of masks: rows of booleans, one per feature, where True means present (kept)."""

from typing import Any

import numpy as np
import numpy.typing as npt

from spex._typing import BoolArray
from spex.errors import ArgumentError
from spex.wording import counted


def check_masks(masks: npt.ArrayLike, n_features: int) -> BoolArray:
    """Masks as booleans.

    Args:
        masks: (m, n_features) of bool, or of numbers that are 0 or 1.
        n_features: Number of features.

    Returns:
        (m, n_features) bool.

    Raises:
        ArgumentError: the shape or a value is wrong.
    """
    array = np.asarray(masks)
    if array.ndim != 2 or array.shape[1] != n_features:
        remedy = "; for one mask: mask[None]" if array.shape == (n_features,) else ""
        raise ArgumentError(
            f"masks has shape {array.shape}; for {counted(n_features, 'feature')}, give an array "
            f"of shape (m, {n_features}){remedy}"
        )
    return _as_bool(array, "masks")


def check_mask(mask: npt.ArrayLike, n_features: int) -> BoolArray:
    """One mask as booleans.

    Args:
        mask: (n_features,) of bool, or of numbers that are 0 or 1.
        n_features: Number of features.

    Returns:
        (n_features,) bool.

    Raises:
        ArgumentError: the shape or a value is wrong.
    """
    array = np.asarray(mask)
    if array.shape != (n_features,):
        raise ArgumentError(
            f"mask has shape {array.shape}; for {counted(n_features, 'feature')}, "
            f"give an array of shape ({n_features},)"
        )
    return _as_bool(array, "mask")


def _as_bool(array: npt.NDArray[Any], name: str) -> BoolArray:
    if array.dtype == np.bool_:
        return array
    kinds = (bool, int, float, np.bool_, np.number)
    if array.dtype == object and all(isinstance(cell, kinds) for cell in array.flat):
        array = array.astype(np.float64)  # such as pandas makes of mixed columns
    if array.dtype.kind not in "iuf" or not np.isin(array, (0, 1)).all():
        raise ArgumentError(
            f"{name} holds values of type {array.dtype} other than 0 and 1; "
            "give booleans, where True means that the feature is present"
        )
    return array.astype(np.bool_)
