"""Lines, and which of them begin a sentence."""

import itertools
import re
from collections.abc import Sequence
from typing import TypeAlias

# (start, stop) in characters.
Span: TypeAlias = tuple[int, int]

# What `str.splitlines` splits at.
LINE_BREAK = re.compile(r"\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")

# Such a line starts a sentence: an item of a list, a heading, a quotation, a line of a log, or a
# name and its value.
_ITEM = re.compile(
    r"""\s*(?:[*_]{1,3}(?=[\w(]))?
    (?: [|>\[{<\u2022\u2023\u00b7\u2190-\u21ff\u2460-\u27bf] | [-*+\u2013\u2014]\s | \#+\s
    | \d{1,3}(?:[.:]\s|\u3001) | \(?(?:\d{1,3}|[A-Za-z]|[ivx]+)\)\s
    | \d{4}[-/.]\d\d? | \d\d?[-/]\d\d?[-/] | \d\d?:\d\d | \d+\.\d+\.\d+ | [IWEF]\d{4}\s
    | (?:[A-Z][a-z]{2}\s+){1,2}\d\d?\s+\d\d: | at\s[\w.$<>]+\(
    | (?:TRACE|DEBUG|INFO|NOTICE|WARN(?:ING)?|ERROR|FATAL|CRITICAL)\b
    | [\w.-]+=\S | "[^"]*"\s*:
    | [^\W\d_a-z][\w.-]*(?:\ [\w.-]+){0,2}\ ?[:=](?:\s|$|[*_]) )""",
    re.VERBOSE,
)
# A line that contains this is a row of a table: cells between tabs, bars, two spaces or commas.
_ROW = re.compile(r"\S\t+\S|\||\w {2,}\S|[,;][^\W\d]|^\W*$")
# A line that is a heading: of Markdown, or all of it in bold.
HEADING = re.compile(r"\s*(?:#{1,6}\s.*|(\*\*|__)(?=\S)(?:(?!\1).)+\1\s*:?\s*)")
_QUOTE = re.compile(r"\s*(?:>[ \t]*)+")
# The least width of hard-wrapped text, in columns. Lists with lines as long and even are rare.
_LEAST_WIDTH = 50


def line_spans(text: str) -> list[Span]:
    """Lines with their indentation, but without blank ones."""
    breaks = [match.span() for match in LINE_BREAK.finditer(text)]
    starts = [0, *(stop for _, stop in breaks)]
    stops = [*(start for start, _ in breaks), len(text)]
    return [
        (start, start + len(text[start:stop].rstrip()))
        for start, stop in zip(starts, stops, strict=True)
        if text[start:stop].strip()
    ]


def line_starts(text: str) -> list[int]:
    """Starts of the lines to which the sentence of the line before does not run on.

    It never continues after a blank line, a heading or a row of a table. It never continues to a
    heading, a row or an item (of a list, a log, a form). In the blocks of lines between these, a
    sentence runs on if the text is hard-wrapped. It also runs on if a line of two words or more
    continues in lower case.
    """
    groups: list[list[Span]] = []
    lines: list[list[str]] = []
    last, last_depth = "", 0
    for start, stop in line_spans(text):
        line = text[start:stop]
        quoted = _QUOTE.match(line)
        depth = quoted[0].count(">") if quoted else 0
        unquoted = line[quoted.end() :] if quoted and quoted.end() < len(line) else line
        if depth == last_depth:  # within a quotation lines are like any others
            line = unquoted
        ends = not last or HEADING.fullmatch(last) or HEADING.fullmatch(line)
        if ends or _ITEM.match(line) or _ROW.search(line.strip()) or _ROW.search(last.strip()):
            groups.append([])
            lines.append([])
        elif len(LINE_BREAK.findall(text[groups[-1][-1][1] : start])) > 1:
            groups.append([])
            lines.append([])
        groups[-1].append((start, stop))
        lines[-1].append(unquoted)
        last, last_depth = unquoted, depth
    starts = []
    for group, said in zip(groups, lines, strict=True):
        runs_on = _runs_on(said)
        starts += [start for (start, _), runs in zip(group, runs_on, strict=True) if not runs]
    return starts


def _runs_on(group: Sequence[str]) -> list[bool]:
    """For each line of a group, whether the previous line's sentence may continue on it."""
    if _is_wrapped(group):
        return [False] + [True] * (len(group) - 1)
    # A list may have all its items in lower case.
    is_list = all(line.lstrip()[0].islower() for line in group)
    return [False] + [
        not (is_list or last.endswith(":"))
        and len(last.split()) > 1
        and line.lstrip(" \t(\"'\u201c\u2018\xab")[:1].islower()
        for last, line in itertools.pairwise(group)
    ]


def _is_wrapped(group: Sequence[str]) -> bool:
    """Whether at most line breaks, and at least two, the next word did not fit on the line."""
    # Chinese and Japanese characters take two columns.
    widths = [len(line) + sum(character >= "\u2e80" for character in line) for line in group]
    widest = max(widths)
    full = [
        width + 1 + len(line.split()[0]) > widest
        for width, line in zip(widths, group[1:], strict=False)
    ]
    return widest >= _LEAST_WIDTH and sum(full) >= max(2, (len(full) + 1) / 2)
