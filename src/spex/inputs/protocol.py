"""Checks of mask arrays, and what every masker must offer.

A mask is a row of booleans, one per feature; `True` means that the feature is present (kept).
"""

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from spex._typing import BoolArray
from spex.errors import ArgumentError
from spex.inputs.parts import Part
from spex.models.protocol import Prompt


class Masker(Protocol):
    """Splits an input into features.

    Law: what a mask gives is pure, and a mask of all `True` gives the whole input, unchanged.
    """

    @property
    def features(self) -> tuple[str, ...]:
        """The label of each feature, in the order of the mask's columns."""
        ...

    @property
    def n_features(self) -> int:
        """The number of features."""
        ...

    @property
    def parts(self) -> tuple[Part, ...]:
        """What a report shows of the input."""
        ...

    def describe(self) -> dict[str, Any]:
        """All that determines what masks give, as JSON values; the identity hash is of it."""
        ...


class PromptMasker(Masker, Protocol):
    """A masker for language models."""

    def render(self, mask: npt.ArrayLike) -> Prompt:
        """What the model is given: mask is (n_features,) of bool or 0/1."""
        ...


class InputMasker(Masker, Protocol):
    """A masker for predict functions, which take many inputs at once."""

    @property
    def inputs_per_mask(self) -> int:
        """How many inputs stand for one mask; the predictions of them are averaged."""
        ...

    def apply(self, masks: npt.ArrayLike) -> Any:
        """What a predict function is given for (m, n_features) masks of bool or 0/1.

        Returns:
            m * inputs_per_mask inputs, those of one mask next to each other: anything that the
            function takes, such as an array or a list.
        """
        ...


def check_masks(masks: npt.ArrayLike, n_features: int) -> BoolArray:
    """Masks as booleans.

    Args:
        masks: (m, n_features) of bool, or of numbers that are 0 or 1.
        n_features: the number of features.

    Returns:
        (m, n_features) bool.

    Raises:
        ArgumentError: the shape or a value is wrong.
    """
    array = np.asarray(masks)
    if array.ndim != 2 or array.shape[1] != n_features:
        raise ArgumentError(
            f"masks has shape {array.shape}, but there are {n_features} features; "
            f"give an array of shape (m, {n_features})"
        )
    return _as_bool(array, "masks")


def check_mask(mask: npt.ArrayLike, n_features: int) -> BoolArray:
    """One mask as booleans: (n_features,) of bool or 0/1; raises ArgumentError otherwise."""
    array = np.asarray(mask)
    if array.shape != (n_features,):
        raise ArgumentError(
            f"mask has shape {array.shape}, but there are {n_features} features; "
            f"give an array of shape ({n_features},)"
        )
    return _as_bool(array, "mask")


def _as_bool(array: npt.NDArray[Any], name: str) -> BoolArray:
    if array.dtype == np.bool_:
        return array
    if array.dtype.kind not in "iuf" or not np.isin(array, (0, 1)).all():
        raise ArgumentError(
            f"{name} holds values of type {array.dtype} other than 0 and 1; "
            "give booleans, where True means that the feature is present"
        )
    return array.astype(np.bool_)
