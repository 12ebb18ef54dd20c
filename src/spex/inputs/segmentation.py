"""Split texts into units: words, sentences, lines, tokens, or matches of a regular expression.

Spans are (start, stop) in characters, in order and without overlap. The spans of a named unit cover
every character except white space exactly once. They neither start nor end with white space, except
that lines include their indentation. No span is white space alone. White space is what
`str.split()` splits at, line breaks what `str.splitlines()` splits at. No span cuts a grapheme
cluster, such as an emoji of several code points or a letter with its combining marks: a span that
would is widened.
"""

import itertools
import re
from collections.abc import Iterable, Sequence
from typing import Protocol, TypeAlias

from spex.checks.patterns import compile_pattern, find_matches
from spex.errors import ArgumentError, MissingExtraError
from spex.wording import did_you_mean

Span: TypeAlias = tuple[int, int]

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
# What `str.splitlines` splits at.
LINE_BREAK = re.compile(r"\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
WHITE = re.compile(r"\s+")
_WIDE_WHITE = re.compile(r"[^\S\x00-\x7f]")
_WIDE_BREAKS = "\x85\u2028\u2029"
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[a-z]+)*")

# A line that starts so starts a sentence: an item of a list, a heading, a quotation, a line of a
# log, or a name and its value.
_ITEM = re.compile(
    r"""\s*(?: [|>\[{<\u2022\u2023\u00b7\u2190-\u21ff\u2460-\u27bf] | [-*+\u2013\u2014]\s | \#+\s
    | \d{1,3}(?:[.:]\s|\u3001) | \(?(?:\d{1,3}|[A-Za-z]|[ivx]+)\)\s
    | \d{4}[-/.]\d\d? | \d\d?[-/]\d\d?[-/] | \d\d?:\d\d | \d+\.\d+\.\d+ | [IWEF]\d{4}\s
    | (?:[A-Z][a-z]{2}\s+){1,2}\d\d?\s+\d\d: | at\s[\w.$<>]+\(
    | (?:TRACE|DEBUG|INFO|NOTICE|WARN(?:ING)?|ERROR|FATAL|CRITICAL)\b
    | [\w.-]+=\S | "[^"]*"\s*: | [^\W\d_a-z][\w.-]*(?:\ [\w.-]+){0,2}\ ?[:=](?:\s|$) )""",
    re.VERBOSE,
)
# A line that holds this is a row of a table: cells between tabs, bars, two spaces or commas.
_ROW = re.compile(r"\S\t+\S|\||\w {2,}\S|[,;][^\W\d]|^\W*$")
# A heading of Markdown, and one that stands alone: a chapter, or nothing but capitals.
_MARKED_HEADING = re.compile(r"#{1,6}\s+\S")
_PLAIN_HEADING = re.compile(
    r"(?i:(?:chapter|section|part|book|act|scene|appendix)\s+(?:\d+|[ivxlc]+|[a-z])\b).*"
    r"|(?=(?:.*[^\W\d_]){3})[^a-z]*"
)
_UNDERLINE = re.compile(r"={3,}|-{3,}")
_LONGEST_HEADING = 80
# The least width of hard-wrapped text, in columns. Lists of lines as long and as even are rare.
_LEAST_WIDTH = 50


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
        return _lines(text)
    if kind == "word" and not language:
        return [match.span() for match in _WORD.finditer(text)]
    if kind == "paragraph":
        return trimmed(text, _paragraph_starts(text))
    if kind == "section":
        return trimmed(text, _section_starts(text))
    if kind == "sentence":
        starts = _sentence_starts(text, language or "en")
    elif kind == TOKEN:
        starts = _token_starts(text, tokenizer)
    else:
        starts = _word_starts(text, _SPACELESS[language])
    return whole_graphemes(text, trimmed(text, starts))


def _lines(text: str) -> list[Span]:
    """Lines with their indentation, but without blank ones."""
    breaks = [match.span() for match in LINE_BREAK.finditer(text)]
    starts = [0, *(stop for _, stop in breaks)]
    stops = [*(start for start, _ in breaks), len(text)]
    return [
        (start, start + len(text[start:stop].rstrip()))
        for start, stop in zip(starts, stops, strict=True)
        if text[start:stop].strip()
    ]


def _paragraph_starts(text: str) -> list[int]:
    """Starts of paragraphs: after white space with two line breaks or more."""
    return [
        white.end() for white in WHITE.finditer(text) if len(LINE_BREAK.findall(white.group())) >= 2
    ]


def _section_starts(text: str) -> list[int]:
    """Starts of headings: of Markdown, underlined, named as chapters are, or capitals alone.

    A heading right after another one begins no section of its own.
    """
    starts: list[int] = []
    lines = [(start, stop, text[start:stop].strip()) for start, stop in _lines(text)]
    blank_before = [True, *(_is_blank(text[a[1] : b[0]]) for a, b in itertools.pairwise(lines))]
    was_heading = False
    for number, (start, _, line) in enumerate(lines):
        is_last = number + 1 == len(lines)
        alone = blank_before[number] and (is_last or blank_before[number + 1])
        under = "" if is_last or blank_before[number + 1] else lines[number + 1][2]
        is_short = len(line) <= _LONGEST_HEADING
        is_heading = bool(
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


def _sentence_starts(text: str, language: str) -> list[int]:
    """Starts of sentences, of which some lines are; see `_line_starts`."""
    import sentencex  # type: ignore[import-untyped]

    # The library slices one byte after white space, and fails where that takes several bytes.
    plain = _WIDE_WHITE.sub(lambda white: "\n" if white.group() in _WIDE_BREAKS else " ", text)
    try:
        sentences = sentencex.segment(language, plain)
    except BaseException as error:
        # A failed assertion in the library's Rust code raises this, which is no Exception.
        if type(error).__name__ != "PanicException":
            raise
        raise ArgumentError(
            f"text cannot be split into sentences ({error}); use unit='paragraph' or 'word'"
        ) from None
    return _starts_of(sentences, plain) + _line_starts(text)


def _line_starts(text: str) -> list[int]:
    """Starts of the lines to which the sentence of the line before does not run on.

    It does not after a blank line, a row of a table or a heading, nor to an item (of a list, a log,
    a form) or a row. In the blocks of lines between these it runs on where the text is
    hard-wrapped, or where a line of two words or more goes on in lower case.
    """
    blocks: list[list[Span]] = []
    last = ""
    for start, stop in _lines(text):
        line = text[start:stop]
        ends = not last or last.lstrip().startswith("#")
        if ends or _ITEM.match(line) or _ROW.search(line.strip()) or _ROW.search(last.strip()):
            blocks.append([])
        elif len(LINE_BREAK.findall(text[blocks[-1][-1][1] : start])) > 1:
            blocks.append([])
        blocks[-1].append((start, stop))
        last = line
    starts = []
    for block in blocks:
        lines = [text[start:stop] for start, stop in block]
        runs_on = _runs_on(lines)
        starts += [start for (start, _), runs in zip(block, runs_on, strict=True) if not runs]
    return starts


def _runs_on(lines: Sequence[str]) -> list[bool]:
    """For each line of a block, whether the sentence of the line before may run on to it."""
    if _is_wrapped(lines):
        return [False] + [True] * (len(lines) - 1)
    # A list may have all its items in lower case.
    is_list = lines[0].lstrip()[0].islower()
    return [False] + [
        not (is_list or last.endswith(":"))
        and len(last.split()) > 1
        and line.lstrip(" \t(\"'\u201c\u2018\xab")[:1].islower()
        for last, line in itertools.pairwise(lines)
    ]


def _is_wrapped(lines: Sequence[str]) -> bool:
    """Whether most line breaks, and two at least, are where the next word found no room."""
    # Chinese and Japanese characters take two columns.
    widths = [len(line) + sum(character >= "\u2e80" for character in line) for line in lines]
    widest = max(widths)
    full = [
        width + 1 + len(line.split()[0]) > widest
        for width, line in zip(widths, lines[1:], strict=False)
    ]
    return widest >= _LEAST_WIDTH and sum(full) >= max(2, (len(full) + 1) / 2)


def _token_starts(text: str, tokenizer: Tokenizer | None) -> list[int]:
    if tokenizer is None:
        raise ArgumentError(
            "unit='token' needs the model's tokenizer: give the masker to a ValueFunction, "
            "which knows the model, or a model as tokenizer="
        )
    try:
        return [start for start, _ in tokenizer.answer_tokens(text)]
    except ArgumentError as error:  # its message calls the text an answer
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
        starts += [word.start() + start for start in _starts_of(split(word.group()), word.group())]
    return starts


def _starts_of(parts: Iterable[str], text: str) -> list[int]:
    """The start of each part in the text that a library split."""
    starts = []
    position = 0
    for part in parts:
        # The parts should join to the text. The search finds valid starts even if they do not.
        found = text.find(part, position)
        if found >= 0:
            starts.append(found)
            position = found + len(part)
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
