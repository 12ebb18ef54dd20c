"""One text some of whose units can be absent.

A text is leading white space, then segments, each followed by its white space (possibly none). A
segment is a unit, or the pinned text between two units. A masked text is the kept segments, each
followed by its own white space; the last one is followed by the white space that ends the text.
So with all units present the text comes back byte for byte. A deleted unit takes along the white
space after it (for the last units of a text: before it). Single-spaced words give exactly the kept
words joined by single spaces.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from spex.inputs.parts import Piece
from spex.inputs.segmentation import Span


@dataclass(frozen=True)
class _Segment:
    """A unit, or pinned text, and the white space after it."""

    text: str
    white: str
    feature: int | None


@dataclass(frozen=True)
class MaskedText:
    """A text and the units of it that are features; made by `split`."""

    _lead: str
    _segments: tuple[_Segment, ...]

    @classmethod
    def split(cls, text: str, spans: Sequence[Span], first: int = 0) -> "MaskedText":
        """Split a text: its spans are the features first, first + 1, ...; the rest is pinned.

        Args:
            text: any text.
            spans: (start, stop) of the units in characters, in order, without overlap.
            first: the number of the first feature.
        """
        lead = ""
        segments: list[_Segment] = []

        def add_gap(gap: str) -> None:
            # White space belongs to the segment before it; the rest of a gap is pinned.
            nonlocal lead
            rest = gap.lstrip()
            white = gap[: len(gap) - len(rest)]
            if segments:
                last = segments[-1]
                segments[-1] = _Segment(last.text, white, last.feature)
            else:
                lead = white
            if core := rest.rstrip():
                segments.append(_Segment(core, rest[len(core) :], None))

        position = 0
        for number, (start, stop) in enumerate(spans, first):
            add_gap(text[position:start])
            segments.append(_Segment(text[start:stop], "", number))
            position = stop
        add_gap(text[position:])
        return cls(lead, tuple(segments))

    def mask(self, present: Sequence[bool], replacement: str | None) -> str:
        """Replace the absent units, or delete them if `replacement` is None.

        Args:
            present: for each feature of the whole input, whether it is kept.
            replacement: the text for an absent unit; the white space at the unit's ends stays.
        """
        parts = [self._lead]
        end = ""
        for segment in self._segments:
            end = segment.white
            if segment.feature is None or present[segment.feature]:
                parts += [segment.text, segment.white]
            elif replacement is not None:
                parts += [_replace(segment.text, replacement), segment.white]
        if len(parts) > 1:
            parts[-1] = end
        else:
            parts.append(end)
        return "".join(parts)

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """(string, feature number or None); none is empty, and they concatenate to the text."""
        pieces: list[Piece] = [(self._lead, None)]
        for segment in self._segments:
            pieces += [(segment.text, segment.feature), (segment.white, None)]
        return tuple(piece for piece in pieces if piece[0])


def _replace(unit: str, replacement: str) -> str:
    # A line of code includes its indentation, which must stay.
    core = unit.strip()
    before, _, after = unit.partition(core) if core else (unit, "", "")
    return before + replacement + after
