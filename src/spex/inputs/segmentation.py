"""Split texts into units: words, sentences, lines, tokens, or matches of a regular expression.

Spans are (start, stop) in characters, in order and without overlap. The spans of a named unit cover
every character except white space exactly once. They neither start nor end with white space, except
that lines include their indentation. No span is white space alone. White space is what
`str.split()` splits at, line breaks what `str.splitlines()` splits at. A grapheme cluster is an
emoji of several code points, for example, or a letter with its combining marks. A span that would
cut one is widened.
"""

import itertools
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable
from typing import Protocol

from spex.checks.patterns import compile_pattern, find_matches
from spex.errors import ArgumentError, MissingExtraError
from spex.inputs.sentences.blocks import blocks
from spex.inputs.sentences.lines import LINE_BREAK, line_spans
from spex.inputs.sentences.lines import Span as Span
from spex.inputs.sentences.starts import sentence_starts, starts_of
from spex.wording import did_you_mean

REGEX_PREFIX = "regex:"
TOKEN = "token"
# Language without spaces between words -> its model in the library BudouX.
_SPACELESS = {
    "ja": "japanese",
    "th": "thai",
    "zh": "simplified_chinese",
    "zh-hant": "traditional_chinese",
}
NAMED_UNITS = ("word", "sentence", "paragraph", "section", "line", TOKEN)
_VALID = (
    ", ".join(repr(name) for name in NAMED_UNITS)
    + ", 'word:LANGUAGE' ("
    + ", ".join(_SPACELESS)
    + "), 'sentence:LANGUAGE' (such as de), or 'regex:PATTERN'"
)

_WORD = re.compile(r"\S+")
WHITE = re.compile(r"\s+")
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[a-z]+)*")

# A Markdown heading, and one that stands alone: a chapter, or a line in capitals.
_MARKED_HEADING = re.compile(r"#{1,6}\s+\S")
_PLAIN_HEADING = re.compile(
    r"(?i:(?:chapter|section|part|book|act|scene|appendix)\s+(?:\d+|[ivxlc]+|[a-z])\b).*"
    r"|(?=(?:.*[^\W\d_]){3})[^a-z]*"
)
_UNDERLINE = re.compile(r"={3,}|-{3,}")
_LONGEST_HEADING = 80


class Tokenizer(Protocol):
    """Finds the tokens of a text; every `LanguageModel` is one."""

    def answer_tokens(self, answer: str) -> list[Span]:
        """The tokens of a text, as spans (start, stop) of its characters."""
        ...


def parse_unit(unit: object, also: str | None = None) -> str | re.Pattern[str]:
    """Parse a unit: a name, or the compiled pattern of "regex:PATTERN".

    Args:
        unit: as a user gives it.
        also: one more valid name.

    Raises:
        ArgumentError: the unit or its language is unknown, or its pattern is no regular expression.
    """
    if isinstance(unit, re.Pattern):
        return compile_pattern(unit, "unit")
    if isinstance(unit, str):
        if unit in NAMED_UNITS or unit == also:
            return unit
        kind, _, language = unit.partition(":")
        if kind == "word" and language in _SPACELESS:
            return unit
        if kind == "sentence" and _LANGUAGE.fullmatch(language):
            return unit
        if unit.startswith(REGEX_PREFIX):
            return compile_pattern(unit.removeprefix(REGEX_PREFIX), "unit")
    valid = _VALID if also is None else f"{also!r}, {_VALID}"
    names = [*NAMED_UNITS, "regex", *([] if also is None else [also])]
    raise ArgumentError(f"unit={unit!r} is unknown{did_you_mean(unit, names)}; use {valid}")


def name_of_unit(unit: str | re.Pattern[str]) -> str:
    """The canonical name of a unit, such as "word" or "regex:PATTERN"."""
    return unit if isinstance(unit, str) else REGEX_PREFIX + unit.pattern


def unit_spans(
    text: str, unit: str | re.Pattern[str], tokenizer: Tokenizer | None = None
) -> list[Span]:
    """The spans of the units of a text.

    Args:
        text: any text.
        unit: as returned by `parse_unit`.
        tokenizer: finds the tokens, for unit "token".

    Raises:
        ArgumentError: the tokenizer is missing, a library cannot split the text, or the search for
            a pattern takes too long.
        MissingExtraError: a library that the unit needs is not installed.
    """
    if isinstance(unit, re.Pattern):
        matches = find_matches(unit, text, "unit")
        return whole_graphemes(text, [span for span in matches if text[slice(*span)].strip()])
    kind, _, language = unit.partition(":")
    if kind == "line":
        return line_spans(text)
    if kind == "word" and not language:
        return [match.span() for match in _WORD.finditer(text)]
    if kind == "paragraph":
        return trimmed(text, _paragraph_starts(text))
    if kind == "section":
        return trimmed(text, _section_starts(text))
    if kind == "sentence":
        starts = sentence_starts(text, language or "en")
    elif kind == TOKEN:
        starts = _token_starts(text, tokenizer)
    else:
        starts = _word_starts(text, _SPACELESS[language])
    return whole_graphemes(text, trimmed(text, starts))


def _paragraph_starts(text: str) -> list[int]:
    """Starts of paragraphs: after white space with two line breaks or more, but not in code."""
    in_code = _in_code(text)
    return [
        white.end()
        for white in WHITE.finditer(text)
        if len(LINE_BREAK.findall(white.group())) >= 2 and not in_code(white.start())
    ]


def _in_code(text: str) -> Callable[[int], bool]:
    """Tells whether a position lies in a block of code, or in a formula on separate lines."""
    code = [block for block in blocks(text) if block.stands_alone]
    firsts = [block.start for block in code]

    def tell(position: int) -> bool:
        place = bisect_right(firsts, position) - 1
        return place >= 0 and position < code[place].stop

    return tell


def _section_starts(text: str) -> list[int]:
    """Starts of headings: of Markdown, underlined, named as chapters are, or capitals alone.

    A heading right after another one does not begin a section.
    """
    starts: list[int] = []
    lines = [(start, stop, text[start:stop].strip()) for start, stop in line_spans(text)]
    in_code = _in_code(text)
    blank_before = [True, *(_is_blank(text[a[1] : b[0]]) for a, b in itertools.pairwise(lines))]
    was_heading = False
    for number, (start, _, line) in enumerate(lines):
        is_last = number + 1 == len(lines)
        alone = blank_before[number] and (is_last or blank_before[number + 1])
        under = "" if is_last or blank_before[number + 1] else lines[number + 1][2]
        is_short = len(line) <= _LONGEST_HEADING
        is_heading = not in_code(start) and bool(
            _MARKED_HEADING.match(line)
            or (alone and is_short and _PLAIN_HEADING.fullmatch(line))
            or (blank_before[number] and is_short and _UNDERLINE.fullmatch(under))
        )
        if is_heading and not was_heading:
            starts.append(start)
        was_heading = is_heading or (was_heading and bool(_UNDERLINE.fullmatch(line)))
    return starts


def _is_blank(white: str) -> bool:
    return len(LINE_BREAK.findall(white)) > 1


def _token_starts(text: str, tokenizer: Tokenizer | None) -> list[int]:
    if tokenizer is None:
        raise ArgumentError(
            "unit='token' needs the model's tokenizer: give the masker to a ValueFunction, "
            "which knows the model, or a model as tokenizer="
        )
    try:
        return [start for start, _ in tokenizer.answer_tokens(text)]
    except ArgumentError as error:  # its message speaks of an answer, not of the text
        raise ArgumentError(
            "unit='token': this model does not tell the tokens of a text; use unit='word'"
        ) from error


def _word_starts(text: str, parser: str) -> list[int]:
    try:
        import budoux
    except ImportError as error:
        raise MissingExtraError(
            f"words that no spaces separate need BudouX ({error}); "
            "install it: pip install 'spex-explain[cjk]'"
        ) from error
    split = getattr(budoux, f"load_default_{parser}_parser")().parse
    starts = []
    for word in _WORD.finditer(text):
        starts += [word.start() + start for start in starts_of(split(word.group()), word.group())]
    return starts


def trimmed(text: str, starts: Iterable[int]) -> list[Span]:
    """Spans between the starts, 0 and the end, without outer white space; none is empty."""
    edges = sorted({0, *starts, len(text)})
    spans = []
    for start, stop in itertools.pairwise(edges):
        part = text[start:stop]
        if core := part.strip():
            start += len(part) - len(part.lstrip())
            spans.append((start, start + len(core)))
    return spans


def whole_graphemes(text: str, spans: list[Span]) -> list[Span]:
    """Widen spans that cut a grapheme cluster, and join spans that then overlap."""
    if text.isascii():
        return spans
    inside = _inside_graphemes(text)
    whole: list[Span] = []
    for start, stop in spans:
        while start in inside:
            start -= 1
        while stop in inside:
            stop += 1
        while whole and start < whole[-1][1]:
            start = min(start, whole.pop()[0])
        whole.append((start, stop))
    return whole


def _inside_graphemes(text: str) -> set[int]:
    """The positions inside grapheme clusters, which never hold white space."""
    import regex

    inside: set[int] = set()
    for word in _WORD.finditer(text):
        for cluster in regex.finditer(r"\X", word.group()):
            first = word.start() + cluster.start()
            inside.update(range(first + 1, word.start() + cluster.end()))
    return inside
