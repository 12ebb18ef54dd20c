"""Masking a text: its units (words, sentences, ...) are the features.

A text is read as leading white space, then segments, each followed by its white space (possibly
none). A segment is a unit, or the text between two units, which is pinned. A masked text is every
kept segment followed by its own white space, save that the last one kept is followed by the
white space that ends the text. So nothing masked gives the text back byte for byte; a deleted unit
takes the white space after it along (before it, for the last one kept); and single-spaced words
give exactly the kept words joined by single spaces.
"""

import re
from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt

from spex.errors import ArgumentError
from spex.models.protocol import Message, Prompt
from spex.values.masks import check_mask
from spex.values.operators import Operator, parse_operator
from spex.values.segmentation import REGEX_PREFIX, Span, parse_unit, unit_spans

_SLOT = "{input}"


@dataclass(frozen=True)
class _Segment:
    """A stretch of the text: a unit, or pinned text, and the white space after it."""

    text: str
    white: str
    feature: int | None


@dataclass(frozen=True)
class Text:
    """A text whose units can be absent, put into a prompt whose other parts are pinned.

    Args:
        text: the text to explain.
        unit: "word" (what white space separates), "sentence", "paragraph" (what blank lines
            separate), "regex:PATTERN" or a compiled pattern (its matches are the units; the
            text between them is pinned; empty matches are ignored).
        operator: "delete"; "mask" or "mask:TOKEN" ("[MASK]" unless given); "neutral" or
            "neutral:TEXT" ("something" unless given). White space stays where a unit is replaced.
        prompt: the user's message, with "{input}" exactly once, where the masked text goes; None
            is "{input}" alone. Other braces mean nothing.
        system: a system message, if any.

    Attributes:
        features: the units, as strings.
        segments: (string, feature number or None) pieces that concatenate to the text; white
            space and pinned text have None.

    Raises:
        ArgumentError: an argument is wrong, or the text has fewer than two units.
    """

    text: str
    unit: str | re.Pattern[str] = "word"
    operator: str = "delete"
    prompt: str | None = None
    system: str | None = None
    features: tuple[str, ...] = field(init=False, repr=False, compare=False)
    segments: tuple[tuple[str, int | None], ...] = field(init=False, repr=False, compare=False)
    _lead: str = field(init=False, repr=False, compare=False)
    _segments: tuple[_Segment, ...] = field(init=False, repr=False, compare=False)
    _operator: Operator = field(init=False, repr=False, compare=False)
    _template: tuple[str, str] = field(init=False, repr=False, compare=False)
    _description: dict[str, Any] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _check_text(self.text)
        unit = parse_unit(self.unit)
        operator = parse_operator(self.operator)
        before, after = _split_template(self.prompt)
        if self.system is not None and not isinstance(self.system, str):
            raise ArgumentError(f"system must be a str or None, not {type(self.system).__name__}")
        spans = unit_spans(self.text, unit)
        _check_units(self.text, unit, len(spans))
        lead, segments = _split(self.text, spans)
        pieces: list[tuple[str, int | None]] = [(lead, None)]
        for segment in segments:
            pieces += [(segment.text, segment.feature), (segment.white, None)]
        description = {
            "type": "text",
            "text": self.text,
            "unit": _unit_name(unit),
            "operator": operator.name,
            "prompt": before + _SLOT + after,
            "system": self.system,
            # The unit's name does not determine the units: another release of the sentence
            # splitter, or other flags of a pattern, may give others.
            "spans": [list(span) for span in spans],
        }
        # A frozen dataclass derives its fields through object.__setattr__.
        derive = object.__setattr__
        derive(self, "features", tuple(self.text[start:stop] for start, stop in spans))
        derive(self, "segments", tuple(piece for piece in pieces if piece[0]))
        derive(self, "_lead", lead)
        derive(self, "_segments", tuple(segments))
        derive(self, "_operator", operator)
        derive(self, "_template", (before, after))
        derive(self, "_description", description)

    @property
    def n_features(self) -> int:
        """The number of units."""
        return len(self.features)

    def mask_text(self, mask: npt.ArrayLike) -> str:
        """The text with the absent units deleted or replaced, without the prompt around it.

        Args:
            mask: (n_features,) of bool or 0/1; True keeps the unit.

        Raises:
            ArgumentError: the mask has another shape or other values.
        """
        present = check_mask(mask, self.n_features).tolist()
        replacement = self._operator.replacement
        parts = [self._lead]
        for segment in self._segments:
            if segment.feature is None or present[segment.feature]:
                parts += [segment.text, segment.white]
            elif replacement is not None:
                parts += [replacement, segment.white]
        end = self._segments[-1].white
        if len(parts) > 1:
            parts[-1] = end
        else:
            parts.append(end)
        return "".join(parts)

    def render(self, mask: npt.ArrayLike) -> Prompt:
        """What the model is given: the masked text in its template, after the system message.

        Args:
            mask: (n_features,) of bool or 0/1; True keeps the unit.

        Raises:
            ArgumentError: the mask has another shape or other values.
        """
        before, after = self._template
        user = Message("user", before + self.mask_text(mask) + after)
        system = () if self.system is None else (Message("system", self.system),)
        return Prompt((*system, user))

    def describe(self) -> dict[str, Any]:
        """Type, text, unit, operator, prompt, system and spans of the units, as JSON values."""
        return dict(self._description)


def _check_text(text: object) -> None:
    if not isinstance(text, str):
        raise ArgumentError(f"text must be a str, not {type(text).__name__}")
    if not text.strip():
        raise ArgumentError("text is empty; give a text with at least two units")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ArgumentError(
            f"text holds half of a surrogate pair (character {error.start}), which no model can "
            "read; decode its bytes as UTF-8 with errors='replace'"
        ) from None


def _check_units(text: str, unit: str | re.Pattern[str], n_units: int) -> None:
    if n_units > 1:
        return
    shown = text.strip() if len(text) <= 60 else text.strip()[:57] + "..."
    if n_units == 0 and isinstance(unit, re.Pattern):
        raise ArgumentError(f"unit: {unit.pattern!r} matches nothing in the text {shown!r}")
    finer = "give a longer text" if unit == "word" else "use a finer unit such as 'word'"
    raise ArgumentError(
        f"text {shown!r} has only one unit of kind {_unit_name(unit)!r}; "
        f"nothing to attribute; {finer}"
    )


def _split_template(prompt: object) -> tuple[str, str]:
    if prompt is None:
        return "", ""
    if not isinstance(prompt, str):
        raise ArgumentError(f"prompt must be a str or None, not {type(prompt).__name__}")
    if (count := prompt.count(_SLOT)) != 1:
        raise ArgumentError(
            f"prompt holds {_SLOT} {count} times; write it exactly once, where the text goes"
        )
    before, after = prompt.split(_SLOT)
    return before, after


def _unit_name(unit: str | re.Pattern[str]) -> str:
    return unit if isinstance(unit, str) else REGEX_PREFIX + unit.pattern


def _split(text: str, spans: list[Span]) -> tuple[str, list[_Segment]]:
    """Leading white space and segments of a text, given the spans of its units (at least one)."""
    lead = ""
    segments: list[_Segment] = []

    def add_gap(gap: str) -> None:
        # White space belongs to the segment before it, the rest of a gap is a pinned segment.
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
    for number, (start, stop) in enumerate(spans):
        add_gap(text[position:start])
        segments.append(_Segment(text[start:stop], "", number))
        position = stop
    add_gap(text[position:])
    return lead, segments
