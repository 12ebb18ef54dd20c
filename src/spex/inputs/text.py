"""Masking a text: its units (words, sentences, ...) are the features."""

import re
from dataclasses import dataclass, field
from typing import Any

from spex.errors import ArgumentError
from spex.inputs.parts import Piece, TextPart
from spex.inputs.segmentation import Tokenizer
from spex.inputs.templates import SLOT, check_encodable, check_system, split_template
from spex.inputs.units import TemplateMasker
from spex.wording import shorten

# Scripts without spaces between words: Thai, kana, Chinese characters.
_SPACELESS_SCRIPTS = re.compile("[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff]")


@dataclass(frozen=True)
class Text(TemplateMasker):
    """A text whose units can be absent, put into a prompt whose other parts are pinned.

    Args:
        text: the text to explain.
        unit: one of the following. No unit splits an emoji, or a letter from its combining marks.

            - "word": words between white space. "word:zh", "word:zh-hant", "word:ja" and "word:th"
              are for languages without spaces: words or short phrases, as BudouX finds them.
            - "sentence", or "sentence:de" and so on for the abbreviations of a language. A sentence
              ends at the line breaks of lists, tables, logs and headings. In hard-wrapped text it
              runs over line breaks. Code between fences is one sentence.
            - "paragraph": text between blank lines.
            - "section": from heading to heading (Markdown, underlined, "Chapter 3", or capitals).
            - "line": a line of code, with its indentation.
            - "token": a token of the model.
            - "regex:PATTERN", or a compiled pattern: its matches are the units, and the text
              between them is pinned. Matches of only white space are ignored. A search that takes
              seconds is an error.
        operator: "delete"; "mask" or "mask:TOKEN" (default token: "[MASK]"); "neutral" or
            "neutral:TEXT" (default text: "something"). White space around replaced units stays.
            Deleting units never joins two lines, and keeps blank lines.
        prompt: the user's message, with "{input}" exactly once, which the masked text replaces;
            default: the masked text alone. Other braces have no meaning.
        system: a system message, if any.
        tokenizer: for unit "token": a model, or any object with its method `answer_tokens`.
            Default: the model of the `ValueFunction`.

    Attributes:
        features: the units, as strings.
        segments: (string, feature number or None) pieces that concatenate to the text; white
            space and pinned text have None.

    Raises:
        ArgumentError: an argument is wrong, or the text has fewer than two units.
        MissingExtraError: a library that the unit needs is not installed.

    Example:
        >>> import spex
        >>> text = spex.Text("never fails to impress", prompt="Review: {input}")
        >>> text.features
        ('never', 'fails', 'to', 'impress')
        >>> text.render([True, False, True, True]).text
        'Review: never to impress'
    """

    text: str
    unit: str | re.Pattern[str] = "word"
    operator: str = "delete"
    prompt: str | None = None
    system: str | None = None
    tokenizer: Tokenizer | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.text, str):
            raise ArgumentError(f"text must be a str, not {type(self.text).__name__}")
        if not self.text.strip():
            raise ArgumentError("text is empty; give a text with at least two units")
        check_encodable(self.text, "text")
        split_template(self.prompt)
        check_system(self.system)
        unit, shown = self._unit, shorten(self.text.strip())
        if isinstance(unit, re.Pattern) and not self.features:
            raise ArgumentError(
                f"unit: {unit.pattern!r} matches nothing in the text {shown!r} (white space does "
                "not count)"
            )
        remedy = "use a finer unit such as 'word'"
        if isinstance(unit, str) and unit.startswith("word"):
            remedy = "give a longer text"
        if unit == "word" and _SPACELESS_SCRIPTS.search(self.text):
            remedy = "its words are not separated by spaces: use 'word:zh', 'word:ja' or 'word:th'"
        self._check_units(f"text {shown!r} has only", remedy)

    @property
    def _texts(self) -> tuple[str]:
        return (self.text,)

    @property
    def _template(self) -> tuple[str, str]:
        return split_template(self.prompt)

    @property
    def segments(self) -> tuple[Piece, ...]:
        """(string, feature number or None) pieces that concatenate to the text."""
        return self._masked[0].pieces

    @property
    def parts(self) -> tuple[TextPart, ...]:
        """The text, for reports."""
        return (TextPart(self.segments),)

    def describe(self) -> dict[str, Any]:
        """Type, text, unit, operator, prompt, system and spans of the units, as JSON values."""
        prompt = SLOT.join(self._template)
        described = self._described(type="text", text=self.text, prompt=prompt, system=self.system)
        return described | {"spans": described["spans"][0]}
