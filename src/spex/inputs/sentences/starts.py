"""The starts of sentences: a library finds them in running text, and its errors are mended here.

Code between fences, a displayed formula and a row of a table are one sentence each. A sentence
keeps the marks that close it, such as ** or a bracket, and the number before it. A line of nothing
but marks, such as --- below a heading or <ul> in HTML, belongs to the sentence beside it.
"""

import itertools
import re
import unicodedata
from collections.abc import Iterable

from spex.errors import ArgumentError
from spex.inputs.sentences.blocks import blocks, outside, without_ends
from spex.inputs.sentences.lines import LINE_BREAK, line_starts

# Tags such as <ul>. Tags with attributes carry meaning.
_BARE_TAG = re.compile(r"</?[A-Za-z][\w:]*\s*/?>")
_OTHER_WHITE = re.compile(r"[^\S ]")
# Marks that close a sentence after its full stop.
_CLOSES = re.compile(r"(?:</[A-Za-z][^<>\s]*>)+|[*_~`\"'\u201d\u2019\xbb)\]]+(?=\s|$)")
# No sentence begins after these, or none that begins with a number.
_NO_END = re.compile(r"\b(?:i\.\s?e|e\.\s?g|cf|viz|vs|approx)\.\s+$", re.I)
_NO_END_BEFORE_NUMBER = re.compile(
    r"\b(?:eqs?|vols?|chs?|chap|secs?|ed|figs?|tabs?|nos?|arts?|pt|pp?|ver|ca)\.\s+$", re.I
)
_LIST_MARK = re.compile(
    r"[\s>|*_#+\u2022\u2013\u2014-]{0,40}(?:\(?(?:\d{1,3}(?:\.\d{1,3})*|[A-Za-z])[.)]\s+)?"
)
_NUMBER = re.compile(
    r"[\s>|*_#+\u2022-]{0,40}\(?(\d{1,3}(?:\.\d{1,3})*|[A-Za-z]|[IVXivx]{1,5})[.)][*_]*\s*"
)
# Ends that the library misses: an ellipsis, words that are also abbreviations, such as "no." and
# "me.", and the name of a variable.
_MISSED = re.compile(
    r"(?:\u2026[\"'\u201d\u2019)]*|\b(?:no|[Oo]k|me|ill|art|id)\.|(?<![\w.])(?<![a-z]\.\s)[a-z]\.)\s+(?=[A-Z](?!\.))"
)
_WHITE = re.compile(r"\s*")
_STOPS = re.compile(r"[ \t.,;:]*")
_LONGEST = 20  # longest abbreviation, with a margin


def sentence_starts(text: str, language: str) -> list[int]:
    """Starts of sentences, of which some lines are.

    Args:
        text: any text.
        language: as in "sentence:LANGUAGE".

    Raises:
        ArgumentError: the library cannot split the text.
    """
    parts = blocks(text)
    plain = without_ends(text, parts)
    starts = {0, *line_starts(plain)}
    for part in parts:
        if part.stands_alone:
            starts |= {part.start, _after(_STOPS, text, part.stop)}
    # Pass each sentence on one line and without list marks, because the library splits lists in its
    # own way.
    for start, stop in itertools.pairwise([*sorted(starts), len(text)]):
        begins = min(_after(_LIST_MARK, plain, start), stop)
        starts |= {begins + one for one in _split(plain[begins:stop], language) if one}
    starts |= {found.end() for found in _MISSED.finditer(plain)}
    return _with_marks(text, _mended(text, outside(sorted(starts), parts)))


def _after(pattern: re.Pattern[str], text: str, position: int) -> int:
    """Where a match at this position ends; the position itself if there is none."""
    found = pattern.match(text, position)
    return position if found is None else found.end()


def _split(plain: str, language: str) -> list[int]:
    """Starts of the sentences that the library finds in a part of a text."""
    import sentencex  # type: ignore[import-untyped]

    # The library slices one byte after white space, and fails if the white space has several bytes.
    plain = _OTHER_WHITE.sub(" ", plain)
    try:
        sentences = sentencex.segment(language, plain)
    except BaseException as error:
        # A failed assertion in the library's Rust code raises this, which is not an Exception.
        if type(error).__name__ != "PanicException":
            raise
        raise ArgumentError(
            f"text cannot be split into sentences ({error}); use unit='paragraph' or 'word'"
        ) from None
    return starts_of(sentences, plain)


def starts_of(parts: Iterable[str], text: str) -> list[int]:
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


def _mended(text: str, starts: list[int]) -> list[int]:
    """The starts without those after an abbreviation or a number, and past closing marks."""
    kept = [0]
    counted = _number_of_item(text, 0)
    for start in starts[1:]:
        if not text[start - 1].isspace() and (closed := _CLOSES.match(text, start)):
            start = closed.end()
        start = _after(_WHITE, text, start)
        before = text[max(kept[-1], start - _LONGEST) : start]
        if _NO_END.search(before) or (
            _NO_END_BEFORE_NUMBER.search(before) and text[start : start + 1].isdigit()
        ):
            continue
        number = _NUMBER.fullmatch(text, kept[-1], start)
        if number is not None and not LINE_BREAK.search(number[0].lstrip()):
            # "3." is the number of an item at the start of a line, and after an item 2.
            if _begins_line(text, kept[-1]) or number[1] == str(counted + 1):
                counted += 1
                continue
        if start > kept[-1]:
            kept.append(start)
            counted = _number_of_item(text, start) or counted
    return kept


def _number_of_item(text: str, start: int) -> int:
    """The number that begins a line; 0 for none."""
    number = _NUMBER.match(text, start)
    is_item = number is not None and number[1].isdecimal() and _begins_line(text, start)
    return int(number[1]) if is_item else 0  # type: ignore[index]


def _begins_line(text: str, position: int) -> bool:
    before = text[max(0, position - 200) : position]
    rest = LINE_BREAK.split(before)[-1]
    return not rest.strip()


def _with_marks(text: str, starts: list[int]) -> list[int]:
    """The starts without those of parts that hold nothing but marks.

    These belong to the sentence before, or else to the one after, in the same paragraph.
    """
    kept: list[int] = []
    only_marks = False  # since the last start that is kept
    for start, stop in itertools.pairwise([*starts, len(text)]):
        is_mark = _is_mark(text[start:stop])
        begins = not (only_marks or is_mark) or not kept or _follows_blank_line(text, start)
        if begins:
            kept.append(start)
        only_marks = is_mark and (begins or only_marks)
    return kept


def _follows_blank_line(text: str, start: int) -> bool:
    before = text[max(0, start - 200) : start]
    return len(LINE_BREAK.findall(before[len(before.rstrip()) :])) > 1


def _is_mark(part: str) -> bool:
    core = _BARE_TAG.sub("", part).strip()
    return bool(part.strip()) and all(map(_is_punctuation, core))


def _is_punctuation(character: str) -> bool:
    # Emoji are symbols too, but carry meaning. Lines of boxes do not.
    kind = unicodedata.category(character)
    return kind[0] in "PZC" or kind in ("Sm", "Sk") or "\u2500" <= character <= "\u257f"
