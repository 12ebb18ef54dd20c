"""A text with brackets above the words that act together, as SVG without scripts or fonts.

Widths of letters are estimated, and `textLength` makes the browser keep to them.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from spex._typing import Interaction
from spex.inputs.parts import Piece
from spex.report.layout import (
    GAP,
    LEVEL,
    Rail,
    Word,
    laid_out,
    line_tops,
    spans,
)

SIZE, LABEL_SIZE = 15.0, 11.0  # pixels
_LINE = 22.0  # the box of a unit
_BETWEEN = 9.0
_WIDEST, _THINNEST = 4.0, 1.0
_NARROW, _WIDE = " .,:;'!|()[]ijlftrI", "mwMW@%\N{HORIZONTAL ELLIPSIS}"


@dataclass(frozen=True)
class Box:
    """The place of a unit on one line."""

    feature: int
    x: float
    y: float
    width: float


@dataclass(frozen=True)
class Letters:
    """A word, or the label of a bracket.

    Args:
        text: The letters.
        x: Where a word begins; the middle of a label.
        y: The foot of the letters.
        width: Pixels.
        kind: For a word "head", "unit" or "pinned"; for a label "flat", or "turned" on an upright
            line.
    """

    text: str
    x: float
    y: float
    width: float
    kind: str


@dataclass(frozen=True)
class Bracket:
    """The lines of one combination.

    Args:
        path: SVG path data.
        stroke: Width in pixels.
        number: Which combination it is.
    """

    path: str
    stroke: float
    number: int


@dataclass(frozen=True)
class Arcs:
    """A drawing, in pixels."""

    width: float
    height: float
    boxes: tuple[Box, ...]
    words: tuple[Letters, ...]
    brackets: tuple[Bracket, ...]
    labels: tuple[Letters, ...]


def arcs(
    paragraphs: Sequence[tuple[Sequence[Piece], bool]],
    combinations: Sequence[tuple[Interaction, float, str]],
    width: float,
) -> Arcs:
    """Lay out a text and its brackets.

    Args:
        paragraphs: (pieces, whether it is a heading).
        combinations: (units, value, label).
        width: Pixels.
    """
    members = [each for each, _, _ in combinations]
    labels = [_width(label, LABEL_SIZE) + 4 for _, _, label in combinations]
    words, found = laid_out(paragraphs, members, labels, width, _measure)
    tops, height = line_tops(words, found, _LINE + _BETWEEN)
    largest = max((abs(value) for _, value, _ in combinations), default=1.0)
    strokes = [max(_WIDEST * abs(value) / largest, _THINNEST) for _, value, _ in combinations]
    brackets, tags = [], []
    for number, (_, _, label) in enumerate(combinations):
        own = [rail for rail in found if rail.bracket == number]
        if own:
            levels = [_level(rail, found, tops) for rail in own]
            brackets.append(Bracket(_path(own, levels, tops), strokes[number], number))
            x, y = _label_at(own, levels)
            is_turned = own[0].side is not None
            y += LABEL_SIZE / 3 if is_turned else -strokes[number] / 2
            kind = "turned" if is_turned else "flat"
            tags.append(Letters(label, x, y, labels[number] - 4, kind))
    reach = [rail.taken[1] for rail in found] + [tag.x + tag.width / 2 for tag in tags]
    return Arcs(
        max([width, *(right + 4 for right in reach)]),
        height,
        tuple(
            Box(span.feature, span.left, tops[span.line], span.width)
            for span in spans(words)
            if span.feature is not None
        ),
        tuple(
            Letters(word.text, word.left, tops[word.line] + 16, word.width, _kind(word))
            for word in words
            if word.text.strip()
        ),
        tuple(brackets),
        tuple(tags),
    )


def _kind(word: Word) -> str:
    return "head" if word.is_heading else "unit" if word.feature is not None else "pinned"


def _measure(text: str, is_heading: bool) -> float:
    return _width(text, SIZE) * (1.08 if is_heading else 1.0)


def _width(text: str, size: float) -> float:
    return size * sum(map(_ems, text))


def _ems(character: str) -> float:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0.0
    if unicodedata.east_asian_width(character) in "WF":
        return 1.0
    if character in _NARROW:
        return 0.33
    if character in _WIDE:
        return 0.88
    return 0.66 if character.isupper() else 0.58


def _level(rail: Rail, found: Sequence[Rail], tops: Sequence[float]) -> float:
    if rail.side is None:
        return tops[rail.line] - GAP - LEVEL * rail.level
    count = sum(other.side is not None and other.line == rail.line for other in found)
    apart = min(5.0, SIZE * 1.2 / count)
    return tops[rail.line] + _LINE / 2 + (rail.side - (count - 1) / 2) * apart


def _path(own: Sequence[Rail], levels: Sequence[float], tops: Sequence[float]) -> str:
    steps = []
    for rail, y in zip(own, levels, strict=True):
        left, right = rail.ends
        steps.append(f"M{left:.1f} {y:.1f}H{right:.1f}")
        if rail.side is None:
            steps += [f"M{x:.1f} {y:.1f}V{tops[rail.line] - 1.5:.1f}" for x in rail.drops]
    if own[0].lane is not None:
        steps.append(f"M{own[0].lane:.1f} {min(levels):.1f}V{max(levels):.1f}")
    return "".join(steps)


def _label_at(own: Sequence[Rail], levels: Sequence[float]) -> tuple[float, float]:
    """The middle of a label's foot: on its first rail, or halfway down the trunk."""
    if own[0].side is None or own[0].lane is None:
        return own[0].label_at, levels[0] - 2.5
    return own[0].lane, (levels[0] + levels[1]) / 2
