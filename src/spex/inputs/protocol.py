"""What every masker must offer.

A mask is a row of booleans, one per feature; `True` means that the feature is present (kept).
"""

from typing import Any, Protocol

import numpy.typing as npt

from spex.inputs.parts import Part
from spex.models.protocol import Prompt
from spex.prior import Prior


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

    @property
    def prior(self) -> Prior:
        """What is known about the features before any call, such as their order."""
        ...

    @property
    def unit_name(self) -> str:
        """What a feature is, such as "word" or "grid:8x8"."""
        ...

    @property
    def operator_name(self) -> str:
        """What stands for an absent feature, such as "delete" or "mask:[MASK]"."""
        ...

    @property
    def system(self) -> str | None:
        """The system message beside the input; None for none."""
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
