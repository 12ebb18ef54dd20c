"""Masking retrieved documents, or their sentences.

The prompt lists the documents with blank lines between them: the title, if any, on its own line,
then the text. The rest of the prompt, the question included, is pinned.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from spex.checks.arguments import real_number
from spex.errors import ArgumentError
from spex.inputs.parts import TextPart
from spex.inputs.segmentation import Span, Tokenizer
from spex.inputs.templates import (
    SLOT,
    check_encodable,
    check_list,
    check_system,
    split_template,
)
from spex.inputs.units import TemplateMasker

_DOCUMENT = "document"
_QUESTION = "{question}"
_SEPARATOR = "\n\n"


@dataclass(frozen=True)
class Document:
    """A passage.

    Attributes:
        text: its text.
        title: its title, a single line; None for none.
        sentences: its sentences, if known; joined, they are the text.
        score: what retrieval gave it, for reports; None if unknown.
    """

    text: str
    title: str | None = None
    sentences: tuple[str, ...] | None = None
    score: float | None = None

    @property
    def whole(self) -> str:
        """Title and text, as in the prompt."""
        return self.text if self.title is None else f"{self.title}\n{self.text}"


@dataclass(frozen=True)
class Documents(TemplateMasker):
    """Documents, or their sentences, that can be absent; for answers from retrieved passages.

    Args:
        documents: each a text, a pair (title, text), or a mapping with the key "text" and
            optionally "title" and "score", what retrieval gave it, which reports show. A text may
            be a list of sentences, which are joined without a separator; unit "sentence" then takes
            these.
        question: put where the prompt says "{question}".
        unit: "document", or a unit inside each text: "sentence", "word" and the other units of
            `Text`.
        operator: as for `Text`. Deleting all units of a text leaves its document out.
        prompt: the user's message, with "{input}" exactly once, where the documents go; default:
            the documents and, under them, the question.
        system: a system message, if any.
        pin_titles: keep the title of an absent document; default: it is left out too.
        tokenizer: as for `Text`.

    Attributes:
        features: the title of each document, or its text if it has none; for other units, the
            units.

    Raises:
        ArgumentError: an argument is wrong, or there are fewer than two units.
        MissingExtraError: a library that the unit needs is not installed.

    Example:
        >>> import spex
        >>> documents = spex.Documents([("Harbour", "1642."), ("School", "Old.")])
        >>> documents.n_features
        2
        >>> "Harbour" in documents.render([False, True]).text
        False
    """

    whole_unit = _DOCUMENT

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
        check_system(self.system)
        _check_question(self.question, self.prompt)
        split_template(self.prompt)
        finer = "'sentence'" if self._unit == self.whole_unit else "'word'"
        self._check_units("the documents have", f"give more documents, or use unit={finer}")

    @property
    def _documents(self) -> tuple[Document, ...]:
        return self.documents  # type: ignore[return-value]  # as parsed

    @property
    def _units_have_titles(self) -> bool:
        return self.unit == _DOCUMENT and not self.pin_titles

    @property
    def _texts(self) -> list[str]:
        whole = self._units_have_titles
        return [document.whole if whole else document.text for document in self._documents]

    @property
    def _labels(self) -> list[str]:
        return [document.title or document.text.strip() for document in self._documents]

    def _split(self, number: int, text: str, unit: str | re.Pattern[str]) -> list[Span]:
        sentences = self._documents[number].sentences
        if unit == "sentence" and sentences is not None:
            return _sentence_spans(sentences)
        return super()._split(number, text, unit)

    @property
    def parts(self) -> tuple[TextPart, ...]:
        """One for each document, headed by its title."""
        parts = []
        for number, (document, masked) in enumerate(
            zip(self._documents, self._masked, strict=True)
        ):
            # If the title belongs to the unit, it is the heading, and the text shows the unit.
            unit = ((document.text, number),)
            pieces = unit if self._units_have_titles else masked.pieces
            parts.append(TextPart(pieces, document.title, document.score))
        return tuple(parts)

    def _join(self, masked: list[str]) -> str:
        shown = []
        for document, text in zip(self._documents, masked, strict=True):
            empty = not text.strip()
            if document.title is None or self._units_have_titles:
                shown += [] if empty else [text]
            elif not empty:
                shown.append(f"{document.title}\n{text}")
            elif self.pin_titles:
                shown.append(document.title)
        return _SEPARATOR.join(shown)

    @cached_property
    def _template(self) -> tuple[str, str]:
        """The prompt before and after the documents, with the question filled in."""
        prompt = self.prompt
        if prompt is None and self.question is not None:
            prompt = f"{SLOT}{_SEPARATOR}Question: {_QUESTION}"
        before, after = split_template(prompt)
        if self.question is None:
            return before, after
        # Split first: a question may hold "{input}".
        return before.replace(_QUESTION, self.question), after.replace(_QUESTION, self.question)

    def describe(self) -> dict[str, Any]:
        """Type, documents, unit, operator, template, titles and spans, as JSON values."""
        return self._described(
            type="documents",
            documents=[[document.title, document.text] for document in self._documents],
            prompt=list(self._template),
            system=self.system,
            pin_titles=self.pin_titles,
        )


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
    given = check_list(
        documents,
        "documents",
        "texts, of pairs (title, text), or of mappings with the keys 'title' and 'text'",
    )
    parsed = tuple(_parse_one(document, number) for number, document in enumerate(given))
    if not parsed:
        raise ArgumentError("documents is empty; give at least two, or one with unit='sentence'")
    return parsed


def _parse_one(document: object, number: int) -> Document:
    name = f"document {number}"
    title: object = None
    score: object = None
    text = document
    if isinstance(document, Document):
        title, score = document.title, document.score
        text = document.text if document.sentences is None else document.sentences
    elif isinstance(document, Mapping):
        if unknown := set(document) - {"title", "text", "score"}:
            raise ArgumentError(
                f"{name} has the unknown key {min(map(repr, unknown))}; use 'title' and 'text', "
                "and 'score' if retrieval gave one"
            )
        if "text" not in document:
            raise ArgumentError(f"{name} has no key 'text'")
        title, text, score = document.get("title"), document["text"], document.get("score")
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
    known = None if score is None else real_number(f"the score of {name}", score, "a number")
    return Document(text, title, sentences, known)


def _sentence_spans(sentences: Sequence[str]) -> list[Span]:
    """The spans of sentences in the joined text, without outer white space; none is empty."""
    spans = []
    position = 0
    for sentence in sentences:
        if core := sentence.strip():
            start = position + sentence.index(core)
            spans.append((start, start + len(core)))
        position += len(sentence)
    return spans
