"""The parts of an input that a report shows: texts and pictures.

Parts are stored in an explanation as JSON values. Each holds all that a report draws, so that a
report needs neither the model nor the input's files.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

# (string, number of its feature; None for pinned text)
Piece: TypeAlias = tuple[str, int | None]

_PICTURE = re.compile(r"data:image/(png|jpeg);base64,[A-Za-z0-9+/]+={0,2}")
_LARGEST_SIDE = 1 << 14
_PATH = re.compile(r"[MLZ0-9., ]+")


@dataclass(frozen=True)
class TextPart:
    """A whole text, a document, or a turn of a chat.

    Attributes:
        pieces: (string, feature number or None); they concatenate to the text.
        heading: a document's title or a turn's role; None for none.
        score: what retrieval gave a document; None if unknown.
    """

    pieces: tuple[Piece, ...]
    heading: str | None = None
    score: float | None = None

    @property
    def shown(self) -> set[int]:
        """The numbers of its features."""
        return {number for _, number in self.pieces if number is not None}

    def renumbered(self, numbers: Sequence[int | None]) -> "TextPart":
        """The same with feature i renamed to numbers[i], or pinned where that is None."""
        pieces = tuple(
            (string, None if number is None else numbers[number]) for string, number in self.pieces
        )
        return replace(self, pieces=pieces)

    def grouped(self, numbers: Sequence[int | None]) -> "TextPart":
        """As `renumbered`; pieces of one feature with nothing but white space between are one."""
        pieces: list[Piece] = []
        for string, number in self.renumbered(numbers).pieces:
            if number is not None and pieces:
                if pieces[-1][1] == number:
                    pieces[-1] = (pieces[-1][0] + string, number)
                    continue
                white, pinned = pieces[-1]
                is_gap = pinned is None and not white.strip()
                if is_gap and len(pieces) > 1 and pieces[-2][1] == number:
                    pieces[-2:] = [(pieces[-2][0] + white + string, number)]
                    continue
            pieces.append((string, number))
        return replace(self, pieces=tuple(pieces))

    def to_json(self) -> dict[str, Any]:
        """Keys: heading, segments; score where it is known."""
        known = {} if self.score is None else {"score": self.score}
        segments = [list(piece) for piece in self.pieces]
        return {"heading": self.heading, "segments": segments, **known}


@dataclass(frozen=True)
class ImagePart:
    """A picture and the places of its features.

    Attributes:
        picture: "data:image/..." URL of the picture.
        width: its width in pixels.
        height: its height in pixels.
        outlines: (feature number, SVG path data in pixels of the picture).
        cells: a coarse map of the picture for terminals: rows of feature numbers; None is pinned.
        heading: None for none.
    """

    picture: str
    width: int
    height: int
    outlines: tuple[tuple[int, str], ...]
    cells: tuple[tuple[int | None, ...], ...]
    heading: str | None = None

    @property
    def shown(self) -> set[int]:
        """The numbers of its features."""
        return {number for number, _ in self.outlines}

    def renumbered(self, numbers: Sequence[int | None]) -> "ImagePart":
        """The same with feature i renamed to numbers[i], or pinned where that is None."""
        outlines = ((numbers[number], path) for number, path in self.outlines)
        return replace(
            self,
            outlines=tuple((number, path) for number, path in outlines if number is not None),
            cells=tuple(
                tuple(None if number is None else numbers[number] for number in row)
                for row in self.cells
            ),
        )

    def grouped(self, numbers: Sequence[int | None]) -> "ImagePart":
        """As `renumbered`: outlines stay apart."""
        return self.renumbered(numbers)

    def to_json(self) -> dict[str, Any]:
        """Keys: heading, picture, width, height, outlines, cells."""
        return {
            "heading": self.heading,
            "picture": self.picture,
            "width": self.width,
            "height": self.height,
            "outlines": [list(outline) for outline in self.outlines],
            "cells": [list(row) for row in self.cells],
        }


Part: TypeAlias = TextPart | ImagePart


def parts_from_json(content: object, n_features: int) -> tuple[Part, ...] | None:
    """Read parts from the output of `to_json`; None if they are malformed or lack a feature.

    They may come from an untrusted file: each value is checked, so that only text, a picture and
    outlines reach a page or a terminal.
    """
    if not isinstance(content, list | tuple):
        return None
    try:
        parts = tuple(_part(part, n_features) for part in content)
    except (KeyError, TypeError, ValueError):
        return None
    shown = set().union(*(part.shown for part in parts))
    return parts if parts and len(shown) == n_features else None


def _part(content: dict[str, Any], n_features: int) -> Part:
    heading = content["heading"]
    if heading is not None and not isinstance(heading, str):
        raise TypeError
    if "segments" in content:
        pieces = tuple(
            (_string(text), _feature_or_none(number, n_features))
            for text, number in content["segments"]
        )
        return TextPart(pieces, heading, _score(content.get("score")))
    return ImagePart(
        picture=_matching(_PICTURE, content["picture"]),
        width=_number(content["width"], _LARGEST_SIDE),
        height=_number(content["height"], _LARGEST_SIDE),
        outlines=tuple(
            (_number(number, n_features), _matching(_PATH, path))
            for number, path in content["outlines"]
        ),
        cells=tuple(
            tuple(_feature_or_none(number, n_features) for number in row)
            for row in content["cells"]
        ),
        heading=heading,
    )


def _score(value: object) -> float | None:
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise ValueError
    return float(value)


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _matching(pattern: re.Pattern[str], value: object) -> str:
    if not pattern.fullmatch(_string(value)):
        raise ValueError
    return str(value)


def _number(value: object, limit: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < limit:
        raise ValueError
    return value


def _feature_or_none(value: object, n_features: int) -> int | None:
    return None if value is None else _number(value, n_features)
