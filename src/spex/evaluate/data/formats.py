"""Formats of data: from a row to an input in the paper's units, its score, and annotations."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spex.errors import ArgumentError
from spex.evaluate.data.rows import Row
from spex.evaluate.data.subject import Masker
from spex.inputs.documents import Documents
from spex.inputs.image import Image
from spex.inputs.messages import Messages
from spex.inputs.text import Text
from spex.scores.log_probabilities import Score
from spex.scores.parsing import parse_score
from spex.wording import shorten

REVIEW_PROMPT = (
    "Is the sentiment of this review positive or negative? Review: {input}\nAnswer with one word."
)
ANSWER_PROMPT = "{input}\n\nQuestion: {question}\nAnswer in a few words."
PUZZLE_PROMPT = "{input}\n{question}\nAnswer with True or False."
OF_DATA, OWN = "data", "own"
_NAMES = ("name", "id", "_id", "query_id")
# Fields of a row of any data; see `record`.
FIELDS = (
    "text", "documents", "messages", "image", "id", "name", "question", "prompt", "unit", "mask",
    "score", "answer", "annotated",
)  # fmt: skip
_WITH_ANSWER = ("logprob", "probability", "similarity")


@dataclass(frozen=True)
class Reading:
    """How rows are read; None means the format's own choice.

    Args:
        unit: Unit of the features.
        operator: What replaces an absent unit.
        prompt: The user's message, with "{input}" where the input goes and, for formats with a
            question, "{question}".
        score: Name of a score, as `spex explain --score` takes it.
        answer: "data" for the data's answers, "own" for what the model itself answers.
        predicts: Whether a predict function is asked: it gets no prompt, and there is no score.
        max_new_tokens: The most tokens that the model writes; default: the score's own.

    Raises:
        ArgumentError: the answer is neither.
    """

    unit: str | None = None
    operator: str | None = None
    prompt: str | None = None
    score: str | None = None
    answer: str = OF_DATA
    predicts: bool = False
    max_new_tokens: int | None = None

    def __post_init__(self) -> None:
        if self.answer not in (OF_DATA, OWN):
            raise ArgumentError(
                f"answer {self.answer!r}: give {OF_DATA!r} (the answer in the data) or {OWN!r} "
                "(what the model itself answers)"
            )
        if self.score is not None:
            parse_score(self.score, None)

    def score_of(self, default: str, answer: str | None) -> Score | None:
        """The score of a row with this answer."""
        if self.predicts:
            return None
        name = self.score or default
        takes = name.partition(":")[0] in _WITH_ANSWER
        given = answer if takes and self.answer == OF_DATA else None
        return parse_score(name, given, self.max_new_tokens)

    def prompt_of(self, default: str | None) -> str | None:
        """The prompt of a row."""
        return self.prompt if self.prompt is not None or self.predicts else default


@dataclass(frozen=True)
class Parsed:
    """The content of a row.

    Args:
        masker: The input.
        score: What is measured; None for a predict function.
        annotated: Numbers of the features that people have marked.
    """

    masker: Masker
    score: Score | None
    annotated: tuple[int, ...] | None = None


def review(row: Row, reading: Reading) -> Parsed:
    """A review by its words: the log-odds of positive against negative."""
    masker = Text(
        _text(row, "text"),
        unit=reading.unit or "word",
        operator=reading.operator or "delete",
        prompt=reading.prompt_of(REVIEW_PROMPT),
    )
    return Parsed(masker, reading.score_of("logodds:positive,negative", None))


def hotpotqa(row: Row, reading: Reading) -> Parsed:
    """A question of HotpotQA (Yang et al. 2018) by the sentences of all its paragraphs.

    As in the public files, where `context` and `supporting_facts` are lists of pairs, and as on the
    hub, where they are objects of lists. The sentences of the supporting facts are annotated. Some
    facts name a missing sentence, and are left out.
    """
    titles, paragraphs = _columns(row, "context", "title", "sentences")
    documents = [
        {"title": title, "text": list(sentences)}
        for title, sentences in zip(titles, paragraphs, strict=True)
        if any(sentence.strip() for sentence in sentences)
    ]
    masker = Documents(
        documents,
        question=_text(row, "question"),
        unit=reading.unit or "sentence",
        operator=reading.operator or "delete",
        prompt=reading.prompt_of(ANSWER_PROMPT),
    )
    annotated = None
    if (reading.unit or "sentence") == "sentence" and "supporting_facts" in row:
        facts = set(zip(*_columns(row, "supporting_facts", "title", "sent_id"), strict=True))
        places = [
            (title, number)
            for title, sentences in zip(titles, paragraphs, strict=True)
            for number, sentence in enumerate(sentences)
            if sentence.strip()  # blank sentences are not units
        ]
        annotated = tuple(unit for unit, place in enumerate(places) if place in facts)
    return Parsed(masker, reading.score_of("logprob", row.get("answer")), annotated)


def drop(row: Row, reading: Reading) -> Parsed:
    """A question of DROP (Dua et al. 2019) by the sentences of its passage."""
    masker = Documents(
        [_text(row, "passage")],
        question=_text(row, "question"),
        unit=reading.unit or "sentence",
        operator=reading.operator or "delete",
        prompt=reading.prompt_of(ANSWER_PROMPT),
    )
    return Parsed(masker, reading.score_of("logprob", _drop_answer(row)))


def puzzle(row: Row, reading: Reading) -> Parsed:
    """A puzzle with a question of true or false, by its words: the log-odds of both."""
    prompt = reading.prompt_of(PUZZLE_PROMPT)
    masker = Text(
        _text(row, "context"),
        unit=reading.unit or "word",
        operator=reading.operator or "delete",
        prompt=None if prompt is None else prompt.replace("{question}", _text(row, "question")),
    )
    return Parsed(masker, reading.score_of("logodds:True,False", None))


def record(row: Row, reading: Reading) -> Parsed:
    """A row of any data: the fields are named in `docs/evidence.md`."""
    own = Reading(
        reading.unit or _optional(row, "unit"),
        reading.operator or _optional(row, "mask"),
        reading.prompt if reading.prompt is not None else _optional(row, "prompt"),
        reading.score or _optional(row, "score"),
        reading.answer,
        reading.predicts,
        reading.max_new_tokens,
    )
    fields = ("text", "documents", "messages", "image")
    given = [name for name in fields if row.get(name)]
    if not given and (empty := [name for name in fields if name in row]):
        raise ArgumentError(
            f"its field {empty[0]!r} is empty; give a text, documents, messages or an image there"
        )
    if len(given) != 1:
        raise ArgumentError(
            f"has {' and '.join(given) or 'none'} of the fields text, documents, messages and "
            f"image; give exactly one; its fields are {shorten(', '.join(map(repr, row)))}"
        )
    masker = _masker(given[0], row, own)
    annotated = None
    if row.get("annotated") not in (None, ""):
        annotated = _numbers(_json_field(row, "annotated"), masker.n_features)
    return Parsed(masker, own.score_of("logprob", _optional(row, "answer")), annotated)


def _masker(kind: str, row: Row, own: Reading) -> Masker:
    """The masker of a row with this field."""
    operator = own.operator or ("mean" if kind == "image" else "delete")
    question, prompt = _optional(row, "question"), own.prompt
    if kind == "image":
        asked = (prompt or question or "").replace("{question}", question or "")
        return Image(row["image"], own.unit or "grid:8x8", operator, asked)
    if kind == "text":
        if question is not None:
            prompt = "{input}\n\nQuestion: {question}" if prompt is None else prompt
            prompt = prompt.replace("{question}", question)
        return Text(_text(row, "text"), own.unit or "word", operator, prompt)
    content = _json_field(row, kind)
    if kind == "documents":
        return Documents(content, question, own.unit or "document", operator, prompt)
    return Messages(content, unit=own.unit or "message", operator=operator)


FORMATS: Mapping[str, Callable[[Row, Reading], Parsed]] = {
    "reviews": review,
    "hotpotqa": hotpotqa,
    "drop": drop,
    "puzzles": puzzle,
    "jsonl": record,
}


def detect(row: Row) -> str:
    """The format that a row looks like."""
    for name, keys in (
        ("hotpotqa", {"context", "supporting_facts", "question"}),
        ("drop", {"passage", "question"}),
        ("puzzles", {"context", "question", "correct_answer"}),
        ("reviews", {"text", "label"}),
    ):
        if keys <= set(row):
            return name
    return "jsonl"


def name_of(row: Row, number: int) -> str:
    """The name of an item: that of the row, or its number, from 0."""
    for field in _NAMES:
        if isinstance(value := row.get(field), str | int) and str(value).strip():
            return str(value)
    return str(number)


def _text(row: Row, field: str) -> str:
    value = row.get(field)
    if not isinstance(value, str) or not value.strip():
        raise ArgumentError(f"its field {field!r} is {shorten(repr(value))}; give a text")
    return value


def _optional(row: Row, field: str) -> str | None:
    value = row.get(field)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise ArgumentError(f"its field {field!r} is {shorten(repr(value))}; give a text")
    return value


def _json_field(row: Row, field: str) -> Any:
    """A field that is a list; in a CSV file, JSON of one."""
    value = row[field]
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        raise ArgumentError(f"its field {field!r} is {shorten(value)!r}; write JSON") from None


def _columns(row: Row, field: str, first: str, second: str) -> tuple[Sequence[Any], Sequence[Any]]:
    """Two lists of equal length, from a list of pairs or from an object of lists."""
    value = row.get(field)
    if isinstance(value, Mapping):
        value = list(zip(value.get(first, ()), value.get(second, ()), strict=True))
    try:
        pairs = [(one, other) for one, other in value]  # type: ignore[union-attr]
    except (TypeError, ValueError):
        raise ArgumentError(
            f"its field {field!r} is {shorten(repr(value))}; give pairs [{first}, {second}], or an "
            f"object with the lists {first!r} and {second!r}"
        ) from None
    return [one for one, _ in pairs], [other for _, other in pairs]


def _drop_answer(row: Row) -> str | None:
    """The answer of the public files: a number, a date or spans; on the hub, spans."""
    answer = row.get("answer", row.get("answers_spans"))
    if isinstance(answer, str) or answer is None:
        return answer
    if not isinstance(answer, Mapping):
        raise ArgumentError(f"its field 'answer' is {shorten(repr(answer))}; give a text")
    if answer.get("number"):
        return str(answer["number"])
    if answer.get("spans"):
        return ", ".join(dict.fromkeys(answer["spans"]))
    date = answer.get("date") or {}
    said = " ".join(str(date[part]) for part in ("day", "month", "year") if date.get(part))
    return said or None


def _numbers(value: Any, n_features: int) -> tuple[int, ...]:
    whole = isinstance(value, Sequence) and all(
        isinstance(one, int) and not isinstance(one, bool) and 0 <= one < n_features
        for one in value
    )
    if not whole or isinstance(value, str):
        raise ArgumentError(
            f"its field 'annotated' is {shorten(repr(value))}; give numbers of units, 0 to "
            f"{n_features - 1}"
        )
    return tuple(sorted(set(value)))
