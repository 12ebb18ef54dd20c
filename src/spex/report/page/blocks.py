"""The input as the page shows it: texts, turns of a chat, documents, pictures, or labels."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from spex.inputs.parts import ImagePart, TextPart
from spex.report import facts
from spex.report.colours import Colours
from spex.report.folding import folds, head_and_size
from spex.report.page import script
from spex.report.page.data import Block, Stretch
from spex.wording import isolated

if TYPE_CHECKING:
    from spex.explanation import Explanation

# Steps of colour from no effect to the largest.
LEVELS = 10
ROUNDING = 1e-9  # so that ties get the same level here and in the page
_ROLES = ("user", "assistant", "system", "developer", "tool")
# Kinds of parts in the traces of agents and of reasoning.
_OF_TRACES = re.compile(
    "reasoning|memory|tool .+|result of .+|answer explained|compared with", re.DOTALL
)
_PREVIEW = 90


def blocks(
    explanation: "Explanation", labels: Sequence[str], colours: Colours
) -> tuple[str, tuple[Block, ...]]:
    """The kind of the input, and the input with the values of its units.

    Args:
        explanation: The explanation.
        labels: Labels of its n features, as shown.
        colours: What is shown of each unit.
    """
    draw = _Pieces(explanation.features, labels, colours, facts.isolated_unit(explanation))
    parts = facts.parts(explanation)
    if parts is None:
        shown = enumerate(script.labels(explanation, 200))
        return "Features", (
            Block(None, tuple(replace(draw.piece(label, i), which="") for i, label in shown)),
        )
    draw.folds = folds(parts)
    kind = _kind(parts)
    as_rows = kind in ("Chat", "Documents") and all(map(_is_one_unit, parts))
    return kind, tuple(_block(part, kind, draw, as_rows) for part in parts)


def _is_one_unit(part: TextPart | ImagePart) -> bool:
    """Whether it is a single unit and nothing else, or no unit at all."""
    if isinstance(part, ImagePart):
        return False
    units = [number for _, number in part.pieces if number is not None]
    beside = "".join(text for text, number in part.pieces if number is None)
    return not units or (len(units) == 1 and not beside.strip())


def _kind(parts: Sequence[TextPart | ImagePart]) -> str:
    pictures = sum(isinstance(part, ImagePart) for part in parts)
    if pictures:
        return "Picture" if pictures == len(parts) else "Input"
    headings = [(part.heading or "").removesuffix(" calls") for part in parts]
    others = [heading for heading in headings if heading not in _ROLES]
    if len(others) < len(headings) and all(map(_OF_TRACES.fullmatch, others)):
        return "Chat"
    return "Documents" if len(parts) > 1 else "Text"


def _block(part: TextPart | ImagePart, kind: str, draw: "_Pieces", as_rows: bool) -> Block:
    if isinstance(part, ImagePart):
        regions = tuple(draw.piece(path, number) for number, path in part.outlines)
        return Block(part.heading, regions, (part.picture, part.width, part.height))
    pieces = _without_gaps([draw.piece(text, number) for text, number in part.pieces])
    whole = "".join(text for text, _ in part.pieces)
    role = ""
    if kind == "Chat":
        role = part.heading if part.heading in ("user", "assistant") else "other"
    if not as_rows or not part.shown:
        return Block(part.heading, pieces, role=role)
    (feature,) = part.shown
    return Block(
        part.heading,
        pieces,
        feature=feature,
        effect=facts.typeset(facts.signed(draw.colours.values[feature])),
        bar=draw.bar(feature),
        score=None if part.score is None else f"{part.score:.3g}",
        preview=facts.short(whole, _PREVIEW),
        role=role,
    )


def _without_gaps(pieces: Sequence[Stretch]) -> tuple[Stretch, ...]:
    """The stretches but for white space after a folded one, which ends its line anyway."""
    before = (None, *pieces)
    return tuple(
        piece
        for last, piece in zip(before, pieces, strict=False)
        if not (last is not None and last.head and not piece.text.strip())
    )


def _number(feature: str, label: str) -> str:
    """What tells a repeated label apart: the digits under the line that the feature lacks."""
    number = re.search("[\u2080-\u2089]+$", label)
    return number[0] if number and not feature.rstrip().endswith(number[0]) else ""


class _Pieces:
    """Stretches of the input in the colours of their values.

    Attributes:
        folds: Whether the long ones are folded.
    """

    folds = False

    def __init__(
        self, features: Sequence[str], labels: Sequence[str], colours: Colours, unit: str
    ) -> None:
        self.colours = colours
        self._numbers = [_number(*pair) for pair in zip(features, labels, strict=True)]
        self._labels = [isolated(label) for label in labels]
        self._unit = unit

    def piece(self, text: str, feature: int | None) -> Stretch:
        head, size = head_and_size(text) if self.folds else ("", "")
        if feature is None:
            return Stretch(text, None, "", "", head=head, size=size)
        value = self.colours.values[feature]
        level = int(LEVELS * self.colours.share(feature) + 0.5 - ROUNDING)
        tone = "f" if not self.colours.has_direction else "p" if value > 0 else "n"
        doubt = ", may be 0" if feature in self.colours.doubtful else ""
        told = f"{facts.typeset(facts.signed(value))} {self._unit}".strip()
        says = f"{self._labels[feature]}: {told}{doubt}"
        size = f"{size}, {told}" if size else ""
        colour = f"{tone}{level}" if level else ""
        return Stretch(text, feature, colour, says, self._numbers[feature], head, size)

    def bar(self, feature: int) -> tuple[float, float]:
        width = 50 * self.colours.share(feature)
        start = 50.0 if self.colours.values[feature] > 0 else 50 - width
        return round(start, 2), round(width, 2)
