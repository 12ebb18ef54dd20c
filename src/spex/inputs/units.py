"""Base classes of maskers of texts: units, features, and the template around a text."""

import re
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy.typing as npt

from spex.checks.masks import check_mask, check_masks
from spex.errors import ArgumentError
from spex.inputs.masked_text import MaskedText
from spex.inputs.operators import parse_operator
from spex.inputs.segmentation import (
    TOKEN,
    Span,
    Tokenizer,
    name_of_unit,
    parse_unit,
    trimmed,
    unit_spans,
)
from spex.inputs.templates import chat
from spex.models.protocol import Prompt
from spex.prior import Prior


class UnitMasker(ABC):
    """Base of maskers of one or several texts. Subclasses are frozen dataclasses.

    Attributes:
        whole_unit: the unit that covers a whole text, such as "document"; None for none.
    """

    whole_unit: ClassVar[str | None] = None
    inputs_per_mask = 1
    notes: ClassVar[tuple[str, ...]] = ()
    unit: str | re.Pattern[str]
    operator: str
    tokenizer: Tokenizer | None

    @property
    @abstractmethod
    def _texts(self) -> Sequence[str]:
        """The texts that are split into units."""

    @property
    def _labels(self) -> Sequence[str]:
        """The label of each text, for units that cover a whole text."""
        return self._texts

    @cached_property
    def _unit(self) -> str | re.Pattern[str]:
        return parse_unit(self.unit, self.whole_unit)

    def _split(self, number: int, text: str, unit: str | re.Pattern[str]) -> list[Span]:
        """The spans of the units of text `number`, of a kind as returned by `parse_unit`."""
        if unit == self.whole_unit:
            return trimmed(text, ())
        return unit_spans(text, unit, self.tokenizer)

    def _check_units(self, subject: str, remedy: str) -> None:
        """Raise ArgumentError for a wrong operator or fewer than two units.

        Tokens are not counted before the model is known.
        """
        parse_operator(self.operator)
        if self._unit == TOKEN and self.tokenizer is None:
            return
        if (count := self.n_features) < 2:
            raise ArgumentError(
                f"{subject} {'one unit' if count else 'no unit'} of kind {self.unit_name!r}; "
                f"nothing to attribute; {remedy}"
            )

    def with_tokenizer(self, tokenizer: Tokenizer) -> Self:
        """The same with this tokenizer, where the unit needs one and there is none yet."""
        if self.unit == TOKEN and self.tokenizer is None:
            return replace(self, tokenizer=tokenizer)  # type: ignore[type-var]
        return self

    @cached_property
    def _spans(self) -> list[list[Span]]:
        return [self._split(number, text, self._unit) for number, text in enumerate(self._texts)]

    @cached_property
    def _masked(self) -> tuple[MaskedText, ...]:
        masked = []
        first = 0
        for text, spans in zip(self._texts, self._spans, strict=True):
            masked.append(MaskedText.split(text, spans, first))
            first += len(spans)
        return tuple(masked)

    @cached_property
    def features(self) -> tuple[str, ...]:
        """The units as strings; for units that cover whole texts, the labels of the texts."""
        if self._unit == self.whole_unit:
            labels = zip(self._labels, self._spans, strict=True)
            return tuple(label for label, spans in labels if spans)
        return tuple(
            text[start:stop]
            for text, spans in zip(self._texts, self._spans, strict=True)
            for start, stop in spans
        )

    @property
    def n_features(self) -> int:
        """The number of units."""
        return len(self.features)

    @property
    def prior(self) -> Prior:
        """One sequence: leaving a unit out makes its two neighbours adjacent."""
        return Prior(sequence=tuple(range(self.n_features)))

    @property
    def unit_name(self) -> str:
        """The canonical name of the unit, such as "word" or "regex:PATTERN"."""
        return name_of_unit(self._unit)

    @property
    def operator_name(self) -> str:
        """The canonical name of the operator, such as "delete" or "mask:[MASK]"."""
        return parse_operator(self.operator).name

    def _masked_texts(self, mask: npt.ArrayLike) -> list[str]:
        """Each text with its absent units deleted or replaced."""
        present = check_mask(mask, self.n_features)
        replacement = parse_operator(self.operator).replacement
        return [masked.mask(present, replacement) for masked in self._masked]

    def _described(self, **content: Any) -> dict[str, Any]:
        """The description that all maskers of texts share, and the content, as JSON values."""
        return {
            "unit": self.unit_name,
            "operator": self.operator_name,
            # The unit's name does not determine the spans: they also depend on the release of the
            # sentence splitter and on the flags of a pattern.
            "spans": [[list(span) for span in spans] for spans in self._spans],
            **content,
        }

    def groups(self, unit: str | re.Pattern[str]) -> tuple[list[int], list[str]]:
        """Group the features by coarser units, for `spex.zoom`.

        Args:
            unit: `whole_unit`, such as "document", or a unit inside of each text, such as
                "paragraph" for features that are sentences.

        Returns:
            The number of the coarser unit of each feature, and a label for each of these units.

        Raises:
            ArgumentError: a feature lies in no such unit, or the unit is unknown.
        """
        whole = self.whole_unit
        if unit == whole:
            texts = [number for number, spans in enumerate(self._spans) for _ in spans]
            return texts, list(self._labels)
        if self._unit == whole:
            raise ArgumentError(f"unit={unit!r}; the coarser unit of {whole}s is {whole!r}")
        parsed = parse_unit(unit, whole)
        coarse: list[list[Span]] = []
        for number, text in enumerate(self._texts):
            coarse.append(self._split(number, text, parsed) if self._spans[number] else [])
        # A few words, such as "end.Next", contain the end of a sentence. They belong to the
        # sentence in which they begin. More units than features are not coarser units.
        is_coarser = sum(map(len, coarse)) <= self.n_features
        numbers: list[int] = []
        labels: list[str] = []
        for text, spans, units in zip(self._texts, self._spans, coarse, strict=True):
            for start, stop in spans:
                place = bisect_right(units, (start, len(text))) - 1
                if place < 0 or (stop > units[place][1] and not is_coarser):
                    raise ArgumentError(
                        f"{text[start:stop]!r} lies in no unit of kind {unit!r}; use a coarser one"
                    )
                numbers.append(len(labels) + place)
            labels += [text[start:stop] for start, stop in units]
        return numbers, labels


class TemplateMasker(UnitMasker):
    """Base of maskers that put the masked text into the template of the user's message."""

    system: str | None

    @property
    @abstractmethod
    def _template(self) -> tuple[str, str]:
        """The prompt before and after the masked text."""

    def _join(self, masked: list[str]) -> str:
        """Join the masked texts; the default is a single text."""
        return masked[0]

    def mask_text(self, mask: npt.ArrayLike) -> str:
        """Delete or replace the absent units; without the template around the text.

        Args:
            mask: (n_features,) of bool or 0/1; True keeps the unit.

        Raises:
            ArgumentError: the mask has another shape or other values.
        """
        return self._join(self._masked_texts(mask))

    def render(self, mask: npt.ArrayLike) -> Prompt:
        """Render the prompt: the masked text in its template, after the system message if any.

        Args:
            mask: (n_features,) of bool or 0/1; True keeps the unit.

        Raises:
            ArgumentError: the mask has another shape or other values.
        """
        before, after = self._template
        return chat(self.system, before + self.mask_text(mask) + after)

    def apply(self, masks: npt.ArrayLike) -> list[str]:
        """The inputs of a predict function for (m, n_features) masks: m messages of the user."""
        return [self.render(mask).text for mask in check_masks(masks, self.n_features)]
