"""The data of a page: plain strings and numbers, which the template prints and the script draws."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spex.report.sets import RoleRow, SetRow
from spex.wording import isolated


@dataclass(frozen=True)
class Stretch:
    """A stretch of the text, a region of a picture, or a label where neither is known.

    Args:
        text: The string; for a region, its outline as SVG path data.
        feature: Number of its feature; None for text that is always there.
        colour: CSS class of its own value, `p1` to `p10`, `n1` to `n10`, or `f1` to `f10`
            where a sign is no direction; empty for none.
        says: Its own value in words.
        which: The number of a repeated word among its like, under the line; empty for none.
        head: Its first words, if it is folded; else empty.
        size: How long it is, if it is folded.
    """

    text: str
    feature: int | None
    colour: str
    says: str
    which: str = ""
    head: str = ""
    size: str = ""


@dataclass(frozen=True)
class Block:
    """A part of the input: a text, a document, a turn of a chat, or a picture.

    Args:
        heading: Such as a document's title or who speaks; None for none.
        pieces: The text, or the regions of the picture.
        picture: (URL, width, height) of the picture; None for a text.
        feature: Its only feature, where the whole block is one unit that is shown as a row; else
            None.
        effect: That feature's own value, readable.
        bar: (start, width) of that effect's bar in percent; zero is at 50.
        score: What retrieval gave it, readable; None if unknown.
        preview: Its first words, where a row shows no more.
        role: Who speaks in a chat: `user`, `assistant` or `other`; empty outside of a chat.
    """

    heading: str | None
    pieces: tuple[Stretch, ...]
    picture: tuple[str, int, int] | None = None
    feature: int | None = None
    effect: str = ""
    bar: tuple[float, float] = (50.0, 0.0)
    score: str | None = None
    preview: str = ""
    role: str = ""


@dataclass(frozen=True)
class Fact:
    """A line on how the explanation was made; `block` for text shown as it is."""

    name: str
    value: str
    block: bool = False


@dataclass(frozen=True)
class Headline:
    """What was found, in plain words.

    Args:
        words: (text, is it the label of a unit) one after the other.
        details: What is said under it, a sentence each.
    """

    words: tuple[tuple[str, bool], ...]
    details: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The sentence."""
        return "".join(isolated(text) if is_unit else text for text, is_unit in self.words)


@dataclass(frozen=True)
class Page:
    """Everything the page shows of one explanation.

    Args:
        title: Its name among several, or what is measured.
        headline: What was found.
        asked: The question and the answer, as far as they are known.
        fidelity: How faithful it is, a sentence.
        cautions: What a reader has to know before believing it, a sentence each.
        gauge: (low, estimate, high) of R2 in percent, within 0 to 100; None if unknown.
        summary: Cost, method and model on one line.
        notes: What a user should know, a sentence each.
        unit: Unit of the values; may be empty.
        scale: The largest value, readable; where the colours end. Empty if all are zero.
        kind: `Text`, `Chat`, `Documents`, `Picture`, `Input` (several kinds) or `Features`.
        blocks: The input, or the labels.
        has_long_units: Whether the table needs the whole width.
        heading: Index and order of the interactions that are shown first.
        rows: The largest of these in words, for readers without scripts.
        facts: How the explanation was made.
        sets: Smallest sets, where the explanation carries any.
        roles: Units that are needed, redundant or harmful.
        roles_say: What the roles mean here; empty if there are none.
        script: What the script draws from; see `spex.report.page.script`.
        unmatched: In a comparison, (whose, labels) of the features that only one of them has.
        key: What lines of each sign and what colours mean.
    """

    title: str
    headline: Headline
    asked: tuple[Fact, ...]
    fidelity: str
    cautions: tuple[str, ...]
    gauge: tuple[float, float, float] | None
    summary: str
    notes: tuple[str, ...]
    unit: str
    scale: str
    kind: str
    blocks: tuple[Block, ...]
    has_long_units: bool
    heading: str
    rows: tuple[str, ...]
    facts: tuple[Fact, ...]
    sets: tuple[SetRow, ...]
    roles: tuple[RoleRow, ...]
    roles_say: str
    script: Mapping[str, Any]
    unmatched: tuple[tuple[str, tuple[str, ...]], ...] = ()
    key: tuple[str, str, str] = (
        "raises the score together",
        "lowers it together",
        "a unit's own value",
    )
