"""The protocol of maskers.

A mask is a row of booleans, one per feature; `True` means that the feature is present (kept).
"""

from typing import Any, Protocol

import numpy.typing as npt

from spex.errors import ArgumentError
from spex.inputs.parts import Part
from spex.models.protocol import LanguageModel, Prompt
from spex.prior import Prior


class Masker(Protocol):
    """Splits an input into features.

    Laws: the same mask gives the same input; a mask of all `True` gives the whole input, unchanged.
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
        """The parts of the input that a report shows."""
        ...

    @property
    def prior(self) -> Prior:
        """What is known about the features before any call, such as their order."""
        ...

    @property
    def unit_name(self) -> str:
        """The kind of the features, such as "word" or "grid:8x8"."""
        ...

    @property
    def operator_name(self) -> str:
        """How absent features are replaced, such as "delete" or "mask:[MASK]"."""
        ...

    @property
    def system(self) -> str | None:
        """The separate system message; None for none."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes for users about the masked inputs, a sentence each; mostly none."""
        ...

    def describe(self) -> dict[str, Any]:
        """All that determines the masked inputs, as JSON values; its hash names stored values."""
        ...


class PromptMasker(Masker, Protocol):
    """A masker for language models.

    It may have an attribute `answers`: the answer that is explained where the input knows it, and
    perhaps another one that it is compared with.
    """

    def render(self, mask: npt.ArrayLike) -> Prompt:
        """Render the prompt of a mask, (n_features,) of bool or 0/1."""
        ...


class InputMasker(Masker, Protocol):
    """A masker for predict functions, which take many inputs at once."""

    @property
    def inputs_per_mask(self) -> int:
        """The number of inputs per mask; their predictions are averaged."""
        ...

    def apply(self, masks: npt.ArrayLike) -> Any:
        """The inputs of a predict function for (m, n_features) masks of bool or 0/1.

        Returns:
            m * inputs_per_mask inputs, such as an array or a list; those of one mask stand next to
            each other. A tuple holds one such argument per masker of a `Composite`.
        """
        ...


def bound(masker: Any, model: LanguageModel) -> Any:
    """The masker with what only the model can tell: the trace that it writes, its tokens."""
    for method in ("with_trace_of", "with_tokenizer"):
        bind = getattr(masker, method, None)
        masker = masker if bind is None else bind(model)
    return masker


_MEMBERS = ("features", "n_features", "parts", "prior", "unit_name", "operator_name", "system")


def check_masker(masker: object) -> None:
    """Refuse a masker with a missing member, before any model is called.

    Raises:
        ArgumentError: it lacks one.
    """
    needed = (*_MEMBERS, "notes", "describe")
    if missing := [name for name in needed if not hasattr(type(masker), name)]:
        missing = [name for name in missing if not hasattr(masker, name)]
    if missing:
        raise ArgumentError(
            f"a {type(masker).__name__} has no {', '.join(missing)}; a masker of your own needs "
            "all members of spex.inputs.protocol.Masker"
        )
