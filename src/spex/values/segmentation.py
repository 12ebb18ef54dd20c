"""Where the units of a text are: words, sentences, paragraphs, or matches of a regular expression.

Every function returns spans (start, stop) in characters, in order and without overlap. Spans of
words, sentences and paragraphs neither start nor end with white space, and together they cover
every other character exactly once. White space is what `str.split()` splits at.
"""

import itertools
import re
from typing import TypeAlias

from spex.errors import ArgumentError

Span: TypeAlias = tuple[int, int]

NAMED_UNITS = ("word", "sentence", "paragraph")
REGEX_PREFIX = "regex:"

_WORD = re.compile(r"\S+")
_LINE_BREAK = re.compile(r"\r\n|\r|\n|\u2029")
_WHITE = re.compile(r"\s+")
_WIDE_WHITE = re.compile(r"[^\S\x00-\x7f]")
_WIDE_BREAKS = "\x85\u2028\u2029"


def parse_unit(unit: object) -> str | re.Pattern[str]:
    """A named unit, or the compiled pattern of "regex:PATTERN".

    Raises:
        ArgumentError: the unit is unknown, or its pattern is no regular expression.
    """
    if isinstance(unit, re.Pattern):
        if not isinstance(unit.pattern, str):
            raise ArgumentError("unit is a pattern over bytes; compile it from a str")
        return unit
    if isinstance(unit, str):
        if unit in NAMED_UNITS:
            return unit
        if unit.startswith(REGEX_PREFIX):
            pattern = unit.removeprefix(REGEX_PREFIX)
            try:
                return re.compile(pattern)
            except re.error as error:
                raise ArgumentError(
                    f"unit: {pattern!r} is not a regular expression ({error})"
                ) from None
    valid = ", ".join(repr(name) for name in NAMED_UNITS)
    raise ArgumentError(f"unit={unit!r} is unknown; use {valid}, or 'regex:PATTERN'")


def unit_spans(text: str, unit: str | re.Pattern[str]) -> list[Span]:
    """The spans of the units of a text; unit as returned by `parse_unit`."""
    if isinstance(unit, re.Pattern):
        return [match.span() for match in unit.finditer(text) if match.group()]
    if unit == "word":
        return [match.span() for match in _WORD.finditer(text)]
    cuts = _sentence_starts(text) if unit == "sentence" else _paragraph_starts(text)
    return _trimmed(text, cuts)


def _paragraph_starts(text: str) -> list[int]:
    """Starts of paragraphs: white space with two line breaks holds a blank line."""
    return [
        white.end()
        for white in _WHITE.finditer(text)
        if len(_LINE_BREAK.findall(white.group())) >= 2
    ]


def _sentence_starts(text: str) -> list[int]:
    import sentencex  # type: ignore[import-untyped]

    # The library slices at bytes after white space, and fails where that is a wider character.
    plain = _WIDE_WHITE.sub(lambda white: "\n" if white.group() in _WIDE_BREAKS else " ", text)
    try:
        sentences = sentencex.segment("en", plain)
    except BaseException as error:
        # A failed assertion in the library's Rust code arrives as this kind, no Exception.
        if type(error).__name__ != "PanicException":
            raise
        raise ArgumentError(
            f"text cannot be split into sentences ({error}); use unit='paragraph' or 'word'"
        ) from None
    starts = []
    position = 0
    for sentence in sentences:
        # The sentences of the library join to the text. Where one did not, searching for it
        # still gives a start in the text, so the spans cover the text whatever happens.
        found = plain.find(sentence, position)
        if found >= 0:
            starts.append(found)
            position = found + len(sentence)
    return starts


def _trimmed(text: str, starts: list[int]) -> list[Span]:
    """Spans between the starts (0 and the end included), less outer white space; none empty."""
    edges = sorted({0, *starts, len(text)})
    spans = []
    for start, stop in itertools.pairwise(edges):
        part = text[start:stop]
        if core := part.strip():
            start += len(part) - len(part.lstrip())
            spans.append((start, start + len(core)))
    return spans
