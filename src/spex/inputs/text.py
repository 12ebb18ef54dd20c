"""Masking a text: its units (words, sentences, ...) are the features."""

import re
from bisect import bisect_right
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy.typing as npt

from spex.errors import ArgumentError
from spex.inputs.masked_text import MaskedText
from spex.inputs.operators import parse_operator
from spex.inputs.parts import Piece, TextPart
from spex.inputs.segmentation import (
    TOKEN,
    Span,
    Tokenizer,
    parse_unit,
    unit_name,
    unit_spans,
)
from spex.inputs.templates import (
    SLOT,
    chat,
    check_system,
    check_text,
    check_units,
    split_template,
)
from spex.masks import check_mask, check_masks
from spex.models.protocol import Prompt


@dataclass(frozen=True)
class Text:
    """A text whose units can be absent, put into a prompt whose other parts are pinned.

    Args:
        text: the text to explain.
        unit: "word" (what white space separates; "word:zh", "word:zh-hant", "word:ja" or
            "word:th" for languages that separate no words: words, or short phrases, as BudouX
            finds them), "sentence" ("sentence:de" for the abbreviations of German, and so on),
            "paragraph" (what blank lines separate), "line" (of code, with its indentation),
            "token" (of the model), "regex:PATTERN" or a compiled pattern (its matches are the
            units; the text between them is pinned; empty matches are ignored). No unit cuts an
            emoji or a letter from its combining marks.
        operator: "delete"; "mask" or "mask:TOKEN" ("[MASK]" unless given); "neutral" or
            "neutral:TEXT" ("something" unless given). White space stays where a unit is replaced.
        prompt: the user's message, with "{input}" exactly once, where the masked text goes; None
            is "{input}" alone. Other braces mean nothing.
        system: a system message, if any.
        tokenizer: for unit "token": a model, or anything with its method `answer_tokens`. May be
            left out for a `ValueFunction`, which takes the tokens of its model.

    Attributes:
        features: the units, as strings.
        segments: (string, feature number or None) pieces that concatenate to the text; white
            space and pinned text have None.

    Raises:
        ArgumentError: an argument is wrong, or the text has fewer than two units.
        MissingExtraError: a library that the unit needs is not installed.
    """

    text: str
    unit: str | re.Pattern[str] = "word"
    operator: str = "delete"
    prompt: str | None = None
    system: str | None = None
    tokenizer: Tokenizer | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_text(self.text, "text")
        parse_operator(self.operator)
        split_template(self.prompt)
        check_system(self.system)
        if parse_unit(self.unit) != TOKEN or self.tokenizer is not None:
            check_units(self.text, parse_unit(self.unit), len(self._spans))

    def with_tokenizer(self, tokenizer: Tokenizer) -> "Text":
        """The same with the tokens of this model, where it needs them and has none yet."""
        if self.unit == TOKEN and self.tokenizer is None:
            return replace(self, tokenizer=tokenizer)
        return self

    @cached_property
    def _spans(self) -> list[Span]:
        return unit_spans(self.text, parse_unit(self.unit), self.tokenizer)

    @cached_property
    def _masked(self) -> MaskedText:
        return MaskedText.split(self.text, self._spans)

    @cached_property
    def features(self) -> tuple[str, ...]:
        """The units, as strings."""
        return tuple(self.text[start:stop] for start, stop in self._spans)

    @property
    def is_sequence(self) -> bool:
        """True: units stand in a row, and leaving some out makes neighbours of others."""
        return True

    @property
    def n_features(self) -> int:
        """The number of units."""
        return len(self.features)

    @property
    def segments(self) -> tuple[Piece, ...]:
        """(string, feature number or None) pieces that concatenate to the text."""
        return self._masked.pieces

    @property
    def parts(self) -> tuple[TextPart, ...]:
        """The text, for reports."""
        return (TextPart(self.segments),)

    def mask_text(self, mask: npt.ArrayLike) -> str:
        """The text with the absent units deleted or replaced, without the prompt around it.

        Args:
            mask: (n_features,) of bool or 0/1; True keeps the unit.

        Raises:
            ArgumentError: the mask has another shape or other values.
        """
        present = check_mask(mask, self.n_features).tolist()
        return self._masked.mask(present, parse_operator(self.operator).replacement)

    def render(self, mask: npt.ArrayLike) -> Prompt:
        """What the model is given: the masked text in its template, after the system message.

        Args:
            mask: (n_features,) of bool or 0/1; True keeps the unit.

        Raises:
            ArgumentError: the mask has another shape or other values.
        """
        before, after = split_template(self.prompt)
        return chat(self.system, before + self.mask_text(mask) + after)

    inputs_per_mask = 1

    def apply(self, masks: npt.ArrayLike) -> list[str]:
        """What a predict function is given for (m, n_features) masks: the m user's messages."""
        return [self.render(mask).text for mask in check_masks(masks, self.n_features)]

    def groups(self, unit: str | re.Pattern[str]) -> tuple[list[int], list[str]]:
        """The coarser units that the units lie in; for `spex.zoom`.

        Args:
            unit: such as "paragraph" for a text in sentences.

        Returns:
            The number of the coarser unit of each feature, and the coarser units.

        Raises:
            ArgumentError: a unit lies in no coarser one.
        """
        coarse = unit_spans(self.text, parse_unit(unit), self.tokenizer)
        numbers = [bisect_right(coarse, (start, len(self.text))) - 1 for start, _ in self._spans]
        for number, (start, stop) in zip(numbers, self._spans, strict=True):
            if number < 0 or stop > coarse[number][1]:
                raise ArgumentError(
                    f"{self.text[start:stop]!r} lies in no unit of kind {unit!r}; use a coarser one"
                )
        return numbers, [self.text[start:stop] for start, stop in coarse]

    def describe(self) -> dict[str, Any]:
        """Type, text, unit, operator, prompt, system and spans of the units, as JSON values."""
        before, after = split_template(self.prompt)
        return {
            "type": "text",
            "text": self.text,
            "unit": unit_name(parse_unit(self.unit)),
            "operator": parse_operator(self.operator).name,
            "prompt": before + SLOT + after,
            "system": self.system,
            # The unit's name does not determine the units: another release of the sentence
            # splitter, or other flags of a pattern, may give others.
            "spans": [list(span) for span in self._spans],
        }
