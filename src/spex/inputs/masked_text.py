"""One text some of whose units can be absent.

A text is segments with white space (possibly none) before, between and after them. A segment is a
unit without its outer white space, or the pinned text between two units. Line breaks are those of
`str.splitlines`.

Two kept segments are joined by the strongest white space that stood between them. The order is
nothing, spaces, a line break, a blank line (two line breaks or more); of equal ones, the first. So
a line break between two segments stays, and so does a blank line. Line breaks inside a deleted unit
count too. Where there is a line break, the line before it ends as it did, and the line after it has
its own indentation.

A text begins and ends with its own white space. Deleting its first lines takes their indentation
along; the first line that is left has its own. So with all units present the text comes back byte
for byte, and single-spaced words give exactly the kept words joined by single spaces.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

import numpy as np

from spex._typing import BoolArray, IntArray
from spex.inputs.parts import Piece
from spex.inputs.segmentation import WHITE
from spex.inputs.sentences.lines import LINE_BREAK, Span


@dataclass(frozen=True, slots=True)
class _Gap:
    """White space between two segments: `ends` a line, then `breaks`, then `indents` the next line.

    All three are empty if there is no line break.
    """

    white: str
    strength: int
    ends: str = ""
    breaks: str = ""
    indents: str = ""

    @classmethod
    def of(cls, white: str) -> "_Gap":
        breaks = list(LINE_BREAK.finditer(white))
        if not breaks:
            return cls(white, min(len(white), 1))
        start, stop = breaks[0].start(), breaks[-1].end()
        strength = min(len(breaks), 2) + 1
        return cls(white, strength, white[:start], white[start:stop], white[stop:])


@dataclass(frozen=True)
class _Segment:
    """A unit, or pinned text; its line breaks, with the white space around them, and its gap."""

    text: str
    feature: int | None
    inner: tuple[_Gap, ...]
    after: _Gap


@dataclass(frozen=True)
class MaskedText:
    """A text and the units of it that are features; made by `split`.

    Attributes:
        pieces: (string, feature number or None); none is empty, and they concatenate to the text.
    """

    pieces: tuple[Piece, ...]
    _lead: _Gap
    _segments: tuple[_Segment, ...]

    @classmethod
    def split(cls, text: str, spans: Sequence[Span], first: int = 0) -> "MaskedText":
        """Split a text: its spans are the features first, first + 1, ...; the rest is pinned.

        Args:
            text: any text.
            spans: (start, stop) of the units in characters, in order, without overlap; none is
                white space alone.
            first: the number of the first feature.
        """
        pieces: list[Piece] = []
        position = 0
        for number, (start, stop) in enumerate(spans, first):
            pieces += [*_pinned(text[position:start]), (text[start:stop], number)]
            position = stop
        pieces += _pinned(text[position:])
        cores: list[Piece] = []
        gaps = [""]
        for string, feature in pieces:
            core = string.strip()
            before, _, after = string.partition(core) if core else (string, "", "")
            gaps[-1] += before
            if core:
                cores.append((core, feature))
                gaps.append(after)
        segments = (
            _Segment(core, feature, _inner(core), _Gap.of(gap))
            for (core, feature), gap in zip(cores, gaps[1:], strict=True)
        )
        return cls(tuple(pieces), _Gap.of(gaps[0]), tuple(segments))

    def mask(self, present: Sequence[bool] | BoolArray, replacement: str | None) -> str:
        """Replace the absent units, or delete them if `replacement` is None.

        Args:
            present: for each feature of the whole input, whether it is kept.
            replacement: the text for an absent unit; the white space at the unit's ends stays.
        """
        if not self._segments:
            return self._lead.white
        if replacement is not None:
            return self._replaced(present, replacement)
        # Go from one kept stretch to the next, because nothing changes within a stretch.
        kept = np.append(np.asarray(present, dtype=np.bool_), True)[self._features]
        edges = np.flatnonzero(np.diff(kept, prepend=False, append=False)).tolist()
        parts: list[str] = []
        gaps, position = [self._lead], 0
        for first, last in zip(edges[::2], edges[1::2], strict=True):
            gaps += self._gaps(position, first)
            parts.append(_join(gaps) if parts else _begin(gaps))
            parts.append(self._whole[self._starts[first] : self._stops[last - 1]])
            gaps, position = [self._segments[last - 1].after], last
        gaps += self._gaps(position, len(self._segments))
        return "".join(parts) + _end(gaps) if parts else self._lead.white + gaps[-1].white

    def _replaced(self, present: Sequence[bool] | BoolArray, replacement: str) -> str:
        parts = [self._lead.white]
        for segment in self._segments:
            kept = segment.feature is None or present[segment.feature]
            parts += [segment.text if kept else replacement, segment.after.white]
        return "".join(parts)

    def _gaps(self, first: int, last: int) -> list[_Gap]:
        """The white space in and after segments that are deleted."""
        found: list[_Gap] = []
        for segment in self._segments[first:last]:
            found += segment.inner
            found.append(segment.after)
        return found

    @cached_property
    def _whole(self) -> str:
        return "".join(string for string, _ in self.pieces)

    @cached_property
    def _starts(self) -> list[int]:
        lengths = [len(segment.text) + len(segment.after.white) for segment in self._segments]
        return list(accumulate(lengths[:-1], initial=len(self._lead.white)))

    @cached_property
    def _stops(self) -> list[int]:
        pairs = zip(self._starts, self._segments, strict=True)
        return [start + len(segment.text) for start, segment in pairs]

    @cached_property
    def _features(self) -> IntArray:
        """The feature of each segment; -1 if it is pinned."""
        features = (segment.feature for segment in self._segments)
        return np.array([-1 if each is None else each for each in features], dtype=np.int64)


def _pinned(text: str) -> list[Piece]:
    """The pieces between two units: pinned text and the white space around it."""
    core = text.strip()
    parts = text.partition(core) if core else (text,)
    return [(part, None) for part in parts if part]


def _inner(unit: str) -> tuple[_Gap, ...]:
    gaps = (_Gap.of(white) for white in WHITE.findall(unit))
    return tuple(gap for gap in gaps if gap.breaks)


def _join(gaps: Sequence[_Gap]) -> str:
    """The white space for what stood between two segments."""
    if len(gaps) == 1:
        return gaps[0].white
    strongest = max(gaps, key=lambda gap: gap.strength)
    if not strongest.breaks:
        return strongest.white
    broken = [gap for gap in gaps if gap.breaks]
    return broken[0].ends + strongest.breaks + broken[-1].indents


def _begin(gaps: Sequence[_Gap]) -> str:
    """The white space before the first segment that is kept."""
    lead, *others = gaps
    broken = [gap for gap in others if gap.breaks]
    if not broken:
        return lead.white
    return lead.ends + lead.breaks + broken[-1].indents


def _end(gaps: Sequence[_Gap]) -> str:
    """The white space after the last segment that is kept."""
    last = gaps[-1]
    if not last.breaks:
        return last.white
    return next(gap for gap in gaps if gap.breaks).ends + last.breaks + last.indents
