"""Parts of a text that no sentence begins in: code, formulas, rows of tables, tags of HTML."""

import itertools
import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from spex.inputs.sentences.lines import LINE_BREAK, Span, line_spans

_FENCE = re.compile(r"(?:>\s*|(?:[-*+]|\d+[.)])\s+)*(`{3,}|~{3,})[^`]*")
_ENVIRONMENTS = (
    "equation|align|alignat|aligned|gather|gathered|multline|eqnarray|split|cases|array|math"
    "|displaymath|[pbvBV]?matrix|smallmatrix|tabular|verbatim|lstlisting|minted|tikzpicture"
)
# A formula never contains the start of another of its kind, and one in brackets or dollars contains
# no blank line. So the search is linear even in texts that open formulas and close none.
_FORMULA = re.compile(
    r"(?<!\\)\\\[(?:[^\\\n]|\n(?!\s*\n)|\\\\\[?|\\(?![\[\]\\]))+\\\]"
    r"|(?<![$\\])\$\$(?:[^$\n]|\n(?!\s*\n))+\$\$(?!\$)"
    rf"|\\begin\{{(?P<name>(?:{_ENVIRONMENTS})\*?)\}}"
    r"(?:(?!\\begin\{(?P=name)\})[\s\S])*?\\end\{(?P=name)\}"
)
_INLINE = re.compile(
    r"(?<!`)(?P<ticks>`+)(?!`)[^\n\r]{1,300}?(?<!`)(?P=ticks)(?!`)"
    r"|(?<!\\)\\\([^\n\r]{1,300}?\\\)"
    # A price does not begin a formula.
    r"|(?<![\w$\\])\$(?=[^\s$\d])[^$\n\r]{1,200}?(?<=\S)\$(?![\w$])"
    r"|</?[A-Za-z][^<>\n\r]{0,300}>"
)
_TABLE_ROW = re.compile(r"\s*\|.*\|\s*")
# Replace characters that end a sentence or a line by letters, which do not. Replace brackets and
# quotes too, because the library never splits between an opening one in a block and a closing one
# outside it.
_ENDS = re.compile(
    r"[.!?\u2026\u3002\uff0e\uff01\uff1f\u0964\u061f;(){}\[\]\"'\u201c\u201d]|[^\S ]"
)


class Block(NamedTuple):
    """A part of a text that is not cut.

    Attributes:
        start: where it begins, in characters.
        stop: where it ends.
        stands_alone: whether it covers whole lines, such as code between fences.
    """

    start: int
    stop: int
    stands_alone: bool


def fenced_code(text: str) -> list[Span]:
    """Blocks of code between lines of ``` or ~~~, with these lines."""
    found = []
    all_lines = [(start, stop, text[start:stop].strip()) for start, stop in line_spans(text)]
    never_closed: dict[str, int] = {}
    number = 0
    while number < len(all_lines):
        start, _, line = all_lines[number]
        number += 1
        opened = _FENCE.fullmatch(line)
        if opened is None or len(opened[1]) >= never_closed.get(opened[1][0], len(line) + 1):
            continue
        closing = re.compile(rf"(?:>\s*)*{re.escape(opened[1][0])}{{{len(opened[1])},}}")
        for later in range(number, len(all_lines)):
            if closing.fullmatch(all_lines[later][2]):
                found.append((start, all_lines[later][1]))
                number = later + 1
                break
        else:
            never_closed[opened[1][0]] = len(opened[1])
    return found


def blocks(text: str) -> list[Block]:
    """All parts of a text that are not cut, in order, without overlap."""
    code = fenced_code(text)
    found = [Block(*span, True) for span in code]
    found += [
        Block(*span, _stands_alone(text, span))
        for span in (formula.span() for formula in _FORMULA.finditer(text))
    ]
    found += [
        Block(start, stop, False)
        for start, stop in line_spans(text)
        if _TABLE_ROW.fullmatch(text[start:stop]) or _FENCE.fullmatch(text[start:stop].strip())
    ]
    found += [Block(*inline.span(), False) for inline in _INLINE.finditer(text)]
    kept: list[Block] = []
    for block in sorted(found, key=lambda one: (one.start, -one.stop)):
        if not kept or block.start >= kept[-1].stop:
            kept.append(block)
    return kept


def _stands_alone(text: str, span: Span) -> bool:
    """Whether nothing else stands on its lines but a full stop."""
    near = 200
    before = LINE_BREAK.split(text[max(0, span[0] - near) : span[0]])[-1]
    after = LINE_BREAK.split(text[span[1] : span[1] + near], maxsplit=1)[0]
    return not before.strip() and not after.strip(" \t.,;:")


def outside(starts: Iterable[int], parts: Sequence[Block]) -> list[int]:
    """The starts that cut no block."""
    firsts = [part.start for part in parts]
    kept = []
    for start in starts:
        place = bisect_left(firsts, start) - 1
        if place < 0 or start >= parts[place].stop:
            kept.append(start)
    return kept


def without_ends(text: str, parts: Sequence[Block]) -> str:
    """The text with no end of a sentence or a line inside of its blocks; as long as before."""
    edges = [0, *itertools.chain.from_iterable((part.start, part.stop) for part in parts), None]
    pieces = [text[start:stop] for start, stop in itertools.pairwise(edges)]
    for place in range(1, len(pieces), 2):
        inside = _ENDS.sub(lambda end: " " if end[0].isspace() else "x", pieces[place])
        # A formula may end the sentence it stands in.
        formula = pieces[place].startswith("\\")
        if formula and re.search(r"\.\s*\\(?:end\{[^}]*\}|\]|\))$", pieces[place]):
            inside = inside[:-1] + "."
        pieces[place] = inside
    return "".join(pieces)
