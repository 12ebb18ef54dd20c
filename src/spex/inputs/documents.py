"""Masking retrieved documents: the passages that a model answers from, or their sentences.

The documents stand one after the other, a blank line between them, each as its title on a line of
its own, if it has one, and its text. What is around them, the question included, is pinned.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy.typing as npt

from spex.errors import ArgumentError
from spex.inputs.masked_text import MaskedText
from spex.inputs.operators import parse_operator
from spex.inputs.parts import TextPart
from spex.inputs.segmentation import (
    TOKEN,
    Span,
    Tokenizer,
    parse_unit,
    trimmed,
    unit_name,
    unit_spans,
)
from spex.inputs.templates import (
    SLOT,
    chat,
    check_encodable,
    check_system,
    split_template,
)
from spex.masks import check_mask, check_masks
from spex.models.protocol import Prompt

_DOCUMENT = "document"
_QUESTION = "{question}"
_SEPARATOR = "\n\n"


@dataclass(frozen=True)
class Document:
    """A passage.

    Attributes:
        text: its text.
        title: its title, a single line; None for none.
        sentences: its sentences, which join to the text, where they are known.
    """

    text: str
    title: str | None = None
    sentences: tuple[str, ...] | None = None

    @property
    def whole(self) -> str:
        """Title and text as the model reads them."""
        return self.text if self.title is None else f"{self.title}\n{self.text}"


@dataclass(frozen=True)
class Documents:
    """Documents that can be absent, or their sentences; for answers from retrieved passages.

    Args:
        documents: each a text, a pair (title, text), or a mapping with the keys "text" and,
            if it has a title, "title". A text may be given as the list of its sentences, which
            join to it; unit "sentence" then takes these.
        question: put where the prompt says "{question}".
        unit: "document", or a unit inside each text: "sentence", "word" and the other units of
            `Text`.
        operator: as for `Text`. Deleting all units of a text leaves its document out.
        prompt: the user's message, with "{input}" exactly once, where the documents go; unless
            given, the documents and, under them, the question.
        system: a system message, if any.
        pin_titles: whether titles stay when their documents are left out; otherwise a title
            goes with its text.
        tokenizer: as for `Text`.

    Attributes:
        features: the title of each document, or its text where it has none; for other units, the
            units.

    Raises:
        ArgumentError: an argument is wrong, or there are fewer than two units.
        MissingExtraError: a library that the unit needs is not installed.
    """

    documents: Sequence[Document | str | tuple[str, str | Sequence[str]] | Mapping[str, Any]]
    question: str | None = None
    unit: str | re.Pattern[str] = _DOCUMENT
    operator: str = "delete"
    prompt: str | None = None
    system: str | None = None
    pin_titles: bool = False
    tokenizer: Tokenizer | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "documents", _parse(self.documents))
        parse_operator(self.operator)
        check_system(self.system)
        _check_question(self.question, self.prompt)
        split_template(self.prompt)
        unit = parse_unit(self.unit, _DOCUMENT)
        if (unit != TOKEN or self.tokenizer is not None) and self.n_features < 2:
            finer = "'sentence'" if unit == _DOCUMENT else "'word'"
            raise ArgumentError(
                f"the documents have {'one unit' if self.n_features else 'no unit'} of kind "
                f"{unit_name(unit)!r}; nothing to attribute; give more documents, or use "
                f"unit={finer}"
            )

    def with_tokenizer(self, tokenizer: Tokenizer) -> "Documents":
        """The same with the tokens of this model, where it needs them and has none yet."""
        if self.unit == TOKEN and self.tokenizer is None:
            return replace(self, tokenizer=tokenizer)
        return self

    @property
    def _documents(self) -> tuple[Document, ...]:
        return self.documents  # type: ignore[return-value]  # as parsed

    @property
    def _units_have_titles(self) -> bool:
        return self.unit == _DOCUMENT and not self.pin_titles

    @cached_property
    def _spans(self) -> list[list[Span]]:
        """The spans of the units, in the text of each document or, with its title, in the whole."""
        unit = parse_unit(self.unit, _DOCUMENT)
        spans = []
        for document in self._documents:
            if unit == _DOCUMENT:
                spans.append(
                    trimmed(document.whole if self._units_have_titles else document.text, ())
                )
            elif unit == "sentence" and document.sentences is not None:
                spans.append(_sentence_spans(document.sentences))
            else:
                spans.append(unit_spans(document.text, unit, self.tokenizer))
        return spans

    @cached_property
    def _masked(self) -> tuple[MaskedText, ...]:
        masked = []
        first = 0
        for document, spans in zip(self._documents, self._spans, strict=True):
            text = document.whole if self._units_have_titles else document.text
            masked.append(MaskedText.split(text, spans, first))
            first += len(spans)
        return tuple(masked)

    @cached_property
    def features(self) -> tuple[str, ...]:
        """Titles or texts of the documents; for other units, the units."""
        if self.unit == _DOCUMENT:
            return tuple(document.title or document.text.strip() for document in self._documents)
        return tuple(
            document.text[start:stop]
            for document, spans in zip(self._documents, self._spans, strict=True)
            for start, stop in spans
        )

    @property
    def is_sequence(self) -> bool:
        """True: units stand in a row, and leaving some out makes neighbours of others."""
        return True

    @property
    def n_features(self) -> int:
        """The number of units."""
        return len(self.features)

    @property
    def parts(self) -> tuple[TextPart, ...]:
        """One for each document, headed by its title."""
        parts = []
        for number, (document, masked) in enumerate(
            zip(self._documents, self._masked, strict=True)
        ):
            # Where the title belongs to the unit, it is the heading, and the text shows the unit.
            unit = ((document.text, number),)
            pieces = unit if self._units_have_titles else masked.pieces
            parts.append(TextPart(pieces, document.title))
        return tuple(parts)

    def mask_text(self, mask: npt.ArrayLike) -> str:
        """The documents with the absent units deleted or replaced, without the prompt around them.

        Args:
            mask: (n_features,) of bool or 0/1; True keeps the unit.

        Raises:
            ArgumentError: the mask has another shape or other values.
        """
        present = check_mask(mask, self.n_features).tolist()
        replacement = parse_operator(self.operator).replacement
        shown = []
        for document, masked in zip(self._documents, self._masked, strict=True):
            text = masked.mask(present, replacement)
            empty = not text.strip()
            if document.title is None or self._units_have_titles:
                shown += [] if empty else [text]
            elif not empty:
                shown.append(f"{document.title}\n{text}")
            elif self.pin_titles:
                shown.append(document.title)
        return _SEPARATOR.join(shown)

    def render(self, mask: npt.ArrayLike) -> Prompt:
        """What the model is given: the documents in the template, after the system message.

        Args:
            mask: (n_features,) of bool or 0/1; True keeps the unit.

        Raises:
            ArgumentError: the mask has another shape or other values.
        """
        before, after = self._template
        return chat(self.system, before + self.mask_text(mask) + after)

    inputs_per_mask = 1

    def apply(self, masks: npt.ArrayLike) -> list[str]:
        """What a predict function is given for (m, n_features) masks: the m user's messages."""
        return [self.render(mask).text for mask in check_masks(masks, self.n_features)]

    @cached_property
    def _template(self) -> tuple[str, str]:
        """What comes before and after the documents, with the question in it."""
        prompt = self.prompt
        if prompt is None and self.question is not None:
            prompt = f"{SLOT}{_SEPARATOR}Question: {_QUESTION}"
        before, after = split_template(prompt)
        if self.question is None:
            return before, after
        # Split first: a question may hold "{input}".
        return before.replace(_QUESTION, self.question), after.replace(_QUESTION, self.question)

    def groups(self, unit: str) -> tuple[list[int], list[str]]:
        """The documents that the units lie in; for `spex.zoom`.

        Args:
            unit: "document".

        Returns:
            The number of the document of each feature, and the labels of the documents.

        Raises:
            ArgumentError: the unit is another.
        """
        if unit != _DOCUMENT:
            raise ArgumentError(f"unit={unit!r}; the coarser unit of documents is {_DOCUMENT!r}")
        numbers = [number for number, spans in enumerate(self._spans) for _ in spans]
        return numbers, [document.title or document.text.strip() for document in self._documents]

    def describe(self) -> dict[str, Any]:
        """Type, documents, unit, operator, template, titles and spans, as JSON values."""
        return {
            "type": "documents",
            "documents": [[document.title, document.text] for document in self._documents],
            "unit": unit_name(parse_unit(self.unit, _DOCUMENT)),
            "operator": parse_operator(self.operator).name,
            "prompt": list(self._template),
            "system": self.system,
            "pin_titles": self.pin_titles,
            "spans": [[list(span) for span in spans] for spans in self._spans],
        }


def _check_question(question: object, prompt: object) -> None:
    if question is not None and (not isinstance(question, str) or not question.strip()):
        raise ArgumentError(f"question={question!r}; give a text, or None for no question")
    if isinstance(question, str):
        check_encodable(question, "question")
    if not isinstance(prompt, str):
        return
    if question is None and _QUESTION in prompt:
        raise ArgumentError(f"prompt holds {_QUESTION}, but no question is given; give question=")
    if question is not None and _QUESTION not in prompt:
        raise ArgumentError(f"prompt has no {_QUESTION}; write it where the question goes")


def _parse(documents: object) -> tuple[Document, ...]:
    if isinstance(documents, str | Mapping) or not isinstance(documents, Sequence):
        raise ArgumentError(
            f"documents is a {type(documents).__name__}; give a list of texts, of pairs "
            "(title, text), or of mappings with the keys 'title' and 'text'"
        )
    parsed = tuple(_parse_one(document, number) for number, document in enumerate(documents))
    if not parsed:
        raise ArgumentError("documents is empty; give at least two, or one with unit='sentence'")
    return parsed


def _parse_one(document: object, number: int) -> Document:
    name = f"document {number}"
    title: object = None
    text = document
    if isinstance(document, Document):
        title = document.title
        text = document.text if document.sentences is None else document.sentences
    elif isinstance(document, Mapping):
        if unknown := set(document) - {"title", "text"}:
            raise ArgumentError(
                f"{name} has the unknown key {min(map(repr, unknown))}; use 'title' and 'text'"
            )
        if "text" not in document:
            raise ArgumentError(f"{name} has no key 'text'")
        title, text = document.get("title"), document["text"]
    elif isinstance(document, Sequence) and not isinstance(document, str | bytes):
        if len(document) != 2:
            raise ArgumentError(f"{name} is a sequence of {len(document)}; give (title, text)")
        title, text = document
    if title is not None:
        if not isinstance(title, str) or not title.strip() or len(title.splitlines()) != 1:
            raise ArgumentError(f"{name}: its title {title!r} is not one line of text")
        check_encodable(title, f"the title of {name}")
    sentences = None
    if isinstance(text, Sequence) and not isinstance(text, str | bytes):
        if not text or not all(isinstance(part, str) for part in text):
            raise ArgumentError(f"{name}: its sentences are not a list of texts")
        sentences = tuple(text)
        text = "".join(sentences)
    if not isinstance(text, str):
        raise ArgumentError(f"{name} has a {type(text).__name__} as its text; give a str")
    if not text.strip():
        raise ArgumentError(f"{name} is empty; leave it out")
    check_encodable(text, name)
    return Document(text, title, sentences)


def _sentence_spans(sentences: Sequence[str]) -> list[Span]:
    """The spans of sentences in the text that they join to, less outer white space; none empty."""
    spans = []
    position = 0
    for sentence in sentences:
        if core := sentence.strip():
            start = position + sentence.index(core)
            spans.append((start, start + len(core)))
        position += len(sentence)
    return spans
