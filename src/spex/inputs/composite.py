"""Several maskers as one, such as the patches of a picture and the words of a question."""

from collections.abc import Iterator
from typing import Any

import numpy.typing as npt

from spex._typing import BoolArray
from spex.checks.masks import check_mask, check_masks
from spex.errors import ArgumentError
from spex.inputs.parts import Part
from spex.inputs.protocol import check_masker
from spex.inputs.segmentation import Tokenizer
from spex.models.protocol import Message, Prompt
from spex.prior import Prior


class SideBySide:
    """Base of several maskers as one: the features of the first, then those of the second, ...

    Attributes:
        maskers: the maskers.
    """

    maskers: tuple[Any, ...]

    @property
    def features(self) -> tuple[str, ...]:
        """The labels of all features."""
        return tuple(label for masker in self.maskers for label in masker.features)

    @property
    def n_features(self) -> int:
        """The number of features."""
        return sum(masker.n_features for masker in self.maskers)

    def _numbered(self) -> Iterator[tuple[Any, range]]:
        """Each masker with the numbers of its features."""
        first = 0
        for masker in self.maskers:
            yield masker, range(first, first := first + masker.n_features)

    @property
    def parts(self) -> tuple[Part, ...]:
        """The parts of all maskers, for reports."""
        return tuple(
            part.renumbered(numbers)
            for masker, numbers in self._numbered()
            for part in masker.parts
        )

    @property
    def prior(self) -> Prior:
        """The priors of all maskers, joined.

        The sequence is kept where only one masker has one, the relevance where all have one.
        """
        priors = [(masker.prior, numbers) for masker, numbers in self._numbered()]
        relevances = [prior.relevance for prior, _ in priors if prior.relevance is not None]
        sequences = [
            tuple(numbers[i] for i in prior.sequence) for prior, numbers in priors if prior.sequence
        ]
        return Prior(
            relevance=sum(relevances, ()) if len(relevances) == len(priors) else None,
            close=tuple(
                (numbers[i], numbers[j]) for prior, numbers in priors for i, j in prior.close
            ),
            sequence=sequences[0] if len(sequences) == 1 else (),
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """The notes of all maskers."""
        return tuple(note for masker in self.maskers for note in masker.notes)

    @property
    def unit_name(self) -> str:
        """The units of all maskers, joined by "and"."""
        return " and ".join(masker.unit_name for masker in self.maskers)

    @property
    def operator_name(self) -> str:
        """The operators of all maskers, joined by "and"."""
        return " and ".join(masker.operator_name for masker in self.maskers)

    @property
    def system(self) -> str | None:
        """The first system message of the maskers; None for none."""
        return next((m.system for m in self.maskers if m.system is not None), None)

    def _own(self, masks: BoolArray) -> Iterator[tuple[Any, BoolArray]]:
        """Each masker with its columns of (..., n_features) masks."""
        for masker, numbers in self._numbered():
            yield masker, masks[..., numbers.start : numbers.stop]


class Composite(SideBySide):
    """Maskers side by side: the features of the first, then those of the second, and so on.

    A model gets one message of the user: all pictures, and all texts with blank lines between them.
    A classifier, a reranker or a reward model gets two texts as a pair. A predict function gets
    one argument per masker.

    Args:
        *maskers: at least two, each with one message of the user, such as an `Image` and a `Text`.

    Attributes:
        maskers: as given.

    Raises:
        ArgumentError: there are fewer than two maskers, or they cannot be combined.

    Example:
        >>> import spex
        >>> both = spex.Composite(spex.Text("Is it old?"), spex.Text("It was built in 1642."))
        >>> both.n_features
        8
    """

    def __init__(self, *maskers: Any) -> None:
        if len(maskers) < 2:
            raise ArgumentError(
                f"{len(maskers)} maskers; give at least two, such as Image and Text"
            )
        for masker in maskers:
            if not hasattr(masker, "apply"):
                raise ArgumentError(
                    f"a {type(masker).__name__} is no masker; give Image, Text, ..."
                )
            check_masker(masker)
        counts = {masker.inputs_per_mask for masker in maskers}
        if len(counts) > 1:
            raise ArgumentError(
                "a Table with several background rows cannot be combined with other maskers; give "
                "it one background row"
            )
        self.maskers = maskers

    def with_tokenizer(self, tokenizer: Tokenizer) -> "Composite":
        """The same, with this tokenizer in each masker that needs one and has none."""
        return Composite(
            *(
                masker.with_tokenizer(tokenizer) if hasattr(masker, "with_tokenizer") else masker
                for masker in self.maskers
            )
        )

    def render(self, mask: npt.ArrayLike) -> Prompt:
        """Render the prompt: one message of the user, after the system message if any.

        Args:
            mask: (n_features,) of bool or 0/1; True keeps the feature.

        Raises:
            ArgumentError: the mask has another shape or other values, or a masker gives a chat of
                several turns, or several system messages.
        """
        systems = []
        texts = []
        images: list[str] = []
        text_first = False
        for masker, own in self._own(check_mask(mask, self.n_features)):
            if not hasattr(masker, "render"):
                raise ArgumentError(
                    f"a {type(masker).__name__} gives no prompts for a model; explain a function "
                    "of it with spex.PredictFunction(masker, predict)"
                )
            prompt = masker.render(own)
            if prompt.answer_prefix:
                raise ArgumentError(
                    "reasoning cannot be one of several maskers; give the others as its question"
                )
            *start, user = prompt.messages
            if any(message.role != "system" for message in start):
                raise ArgumentError(
                    "a chat of several turns cannot be one of several maskers; explain it by itself"
                )
            systems += start
            texts.append(user.content)
            # Pictures come after the text only if they do so for all maskers.
            text_first = user.text_first and (text_first or not images)
            images += user.images
        if len(set(systems)) > 1:
            raise ArgumentError("several maskers have system messages; give it to one of them")
        content = "\n\n".join(filter(None, texts))
        parts = () if images else tuple(texts)
        return Prompt((*systems[:1], Message("user", content, tuple(images), parts)))

    @property
    def inputs_per_mask(self) -> int:
        """The number of inputs per mask, the same for all maskers."""
        return int(self.maskers[0].inputs_per_mask)

    def apply(self, masks: npt.ArrayLike) -> tuple[Any, ...]:
        """The arguments of a predict function for (m, n_features) masks: one per masker."""
        checked = check_masks(masks, self.n_features)
        return tuple(masker.apply(own) for masker, own in self._own(checked))

    def describe(self) -> dict[str, Any]:
        """Type, and the description of each masker, as JSON values."""
        return {
            "type": "composite",
            "maskers": [masker.describe() for masker in self.maskers],
            "unit": self.unit_name,
            "operator": self.operator_name,
        }
