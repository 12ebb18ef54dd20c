"""The input as the page shows it: texts, turns of a chat, documents, pictures, or labels."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from spex.inputs.parts import ImagePart, TextPart
from spex.report import facts
from spex.report.page import script
from spex.report.page.data import Block, Stretch
from spex.wording import counted, isolated

if TYPE_CHECKING:
    from spex.explanation import Explanation

# Steps of colour from no effect to the largest.
LEVELS = 10
_ROLES = ("user", "assistant", "system", "developer", "tool")
# Other parts of the traces of agents and of reasoning.
_OF_TRACES = re.compile("reasoning|memory|tool .+|result of .+", re.DOTALL)
_PREVIEW = 90
# Of a longer text, stretches longer than this are folded: only their first words are shown.
_LONG_TEXT, _LONG_STRETCH, _HEAD = 20_000, 500, 120


def blocks(
    explanation: "Explanation", labels: Sequence[str], effects: Sequence[float]
) -> tuple[str, tuple[Block, ...]]:
    """The kind of the input, and the input with its main effects.

    Args:
        explanation: The explanation.
        labels: Of its n features, as they are told.
        effects: n numbers, that colours show.
    """
    draw = _Pieces(labels, effects, facts.isolated_unit(explanation))
    parts = facts.parts(explanation)
    if parts is None:
        shown = enumerate(script.labels(explanation, 200))
        return "Features", (Block(None, tuple(draw.piece(label, i) for i, label in shown)),)
    texts = [text for part in parts if isinstance(part, TextPart) for text, _ in part.pieces]
    draw.folds = sum(map(len, texts)) > _LONG_TEXT
    kind = _kind(parts)
    as_rows = kind in ("Chat", "Documents") and all(map(_is_one_unit, parts))
    return kind, tuple(_block(part, kind, draw, as_rows) for part in parts)


def _is_one_unit(part: TextPart | ImagePart) -> bool:
    """Whether it is one unit with nothing beside it, or none at all."""
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
        effect=facts.typeset(facts.signed(draw.effects[feature])),
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


class _Pieces:
    """Stretches of the input in the colours of their main effects.

    Attributes:
        folds: Whether the long ones are folded.
    """

    folds = False

    def __init__(self, labels: Sequence[str], effects: Sequence[float], unit: str) -> None:
        self.effects = effects
        self._largest = max(map(abs, effects), default=0.0)
        self._labels = [isolated(label) for label in labels]
        self._unit = unit

    def piece(self, text: str, feature: int | None) -> Stretch:
        head, size = "", ""
        if self.folds and len(text) > _LONG_STRETCH:
            head, size = facts.short(text, _HEAD), counted(len(text.split()), "word")
        if feature is None:
            return Stretch(text, None, "", "", head, size)
        effect = self.effects[feature]
        level = int(LEVELS * abs(effect) / self._largest + 0.5) if self._largest else 0
        colour = f"{'p' if effect > 0 else 'n'}{level}" if level else ""
        told = f"{facts.typeset(facts.signed(effect))} {self._unit}".strip()
        says = f"{self._labels[feature]}: main effect {told}"
        return Stretch(text, feature, colour, says, head, size)

    def bar(self, feature: int) -> tuple[float, float]:
        effect = self.effects[feature]
        width = 50 * abs(effect) / self._largest if self._largest else 0.0
        return round(50.0 if effect > 0 else 50 - width, 2), round(width, 2)
