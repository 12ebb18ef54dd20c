"""An explanation as one HTML page that needs nothing else: no network, no other file.

`page_data` computes everything that the page shows, as plain strings and numbers; the template
only prints it. Autoescape is on, and the page's content security policy allows no request at all
and no script but its own, by hash: whatever a text holds, it stays text.
"""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from spex.errors import ArgumentError
from spex.inputs.parts import ImagePart
from spex.interactions.index import InteractionIndex
from spex.interactions.values import InteractionValues
from spex.report import facts
from spex.report.sets import RoleRow, SetRow, role_rows, roles_say, set_rows
from spex.wording import counted, percent

if TYPE_CHECKING:
    import jinja2

    from spex.explanation import Explanation

# Rows that a reader may still scroll through; the page says how many more there are.
MAX_ROWS = 200
# Steps of colour from no effect to the largest.
LEVELS = 10


@dataclass(frozen=True)
class Stretch:
    """A stretch of the text, a region of a picture, or a label where neither is known.

    Args:
        text: The string; for a region, its outline as SVG path data.
        feature: Number of its feature; None for text that is always there.
        colour: CSS class of its main effect, `p1` to `p10` or `n1` to `n10`; empty for none.
        says: Its main effect in words.
    """

    text: str
    feature: int | None
    colour: str
    says: str


@dataclass(frozen=True)
class Block:
    """A part of the input: a text, or a picture.

    Args:
        heading: Such as a document's title; None for none.
        pieces: The text, or the regions of the picture.
        picture: (URL, width, height) of the picture; None for a text.
    """

    heading: str | None
    pieces: tuple[Stretch, ...]
    picture: tuple[str, int, int] | None = None


@dataclass(frozen=True)
class TableRow:
    """An interaction in the table.

    Args:
        rank: Its place, from 1.
        members: Its feature numbers, separated by spaces.
        labels: (short, whole) label of each, the first twelve.
        n_hidden: How many labels are left out.
        order: How many features it joins.
        value: Its value, readable.
        share: Of a Fourier coefficient, its share of the variance, readable; empty for others.
        bar_start: Where its bar starts, in percent of the width; zero is at 50.
        bar_width: How wide its bar is, in percent of the width.
        colour: CSS class of its bar: `pos`, `neg`, or `flat` where the sign has no such meaning.
        whisker: Where the 90 % interval starts and ends, in percent of the bar's width and within
            it; None where there is none.
        says: The row in words.
    """

    rank: int
    members: str
    labels: tuple[tuple[str, str], ...]
    n_hidden: int
    order: int
    value: str
    share: str
    bar_start: float
    bar_width: float
    colour: str
    whisker: tuple[float, float] | None
    says: str


@dataclass(frozen=True)
class Fact:
    """A line on how the explanation was made; `block` for text shown as it is."""

    name: str
    value: str
    block: bool = False


@dataclass(frozen=True)
class Page:
    """Everything the page shows of one explanation.

    Args:
        title: Heading.
        fidelity: How faithful it is, a sentence.
        caution: What to do about a poor fit; None for a good one.
        gauge: (low, estimate, high) of R2 in percent, within 0 to 100; None where unknown.
        summary: Cost, method and model on one line.
        notes: What a user should know, a sentence each.
        unit: Unit of the values; may be empty.
        scale: The largest main effect, readable; where the colours end. Empty if all are zero.
        kind: What the blocks are: `Text`, `Picture`, `Input` (both) or `Features` (labels).
        blocks: The input, or the labels.
        heading: Index and order.
        hint: What the table's columns say, in a few sentences.
        listing: What the table lists, or why it lists nothing, a sentence.
        rows: The largest interactions.
        remainder: What the table leaves out; None where it shows all.
        facts: How the explanation was made.
        sets: Smallest sets, where the explanation carries any.
        roles: Units that are needed, redundant or harmful.
        roles_say: What the roles mean here; empty where there are none.
    """

    title: str
    fidelity: str
    caution: str | None
    gauge: tuple[float, float, float] | None
    summary: str
    notes: tuple[str, ...]
    unit: str
    scale: str
    kind: str
    blocks: tuple[Block, ...]
    heading: str
    hint: str
    listing: str
    rows: tuple[TableRow, ...]
    remainder: str | None
    facts: tuple[Fact, ...]
    sets: tuple[SetRow, ...]
    roles: tuple[RoleRow, ...]
    roles_say: str


def page_data(
    explanation: "Explanation",
    index: str | InteractionIndex | None = None,
    order: int | None = None,
    title: str | None = None,
) -> Page:
    """Compute what the page shows of one explanation.

    Args:
        explanation: The explanation.
        index: Index of the table; None for what suits (`Explanation.interactions`).
        order: Highest order of the table; see `spex.interactions.values.interactions`.
        title: Heading; default: made from the score.

    Raises:
        ArgumentError: the index or the order is wrong.
    """
    values = explanation.interactions(index, order)
    unit = facts.unit_of_score(explanation)
    effects = facts.main_effects(explanation)
    largest = max(map(abs, effects), default=0.0)
    kind, blocks = _blocks(explanation, effects, largest, unit)
    rows = _rows(explanation, values, unit)
    remainder = facts.remainder(values, len(rows))
    roles = explanation.sets.roles
    return Page(
        title=facts.visible(title) if title is not None else _title(explanation),
        fidelity=facts.fidelity(explanation),
        caution=facts.caution(explanation),
        gauge=_gauge(explanation),
        summary=_summary(explanation),
        notes=tuple(facts.visible(note) for note in explanation.notes),
        unit=unit,
        scale=facts.signed(largest).removeprefix("+") if largest else "",
        kind=kind,
        blocks=blocks,
        heading=facts.heading(values),
        hint=_hint(explanation, values, rows),
        listing=_listing(explanation, rows, remainder),
        rows=rows,
        remainder=None if remainder is None else _typeset(remainder),
        facts=_facts(explanation),
        sets=set_rows(explanation.sets, facts.labels(explanation)),
        roles=() if roles is None else role_rows(roles, facts.labels(explanation)),
        roles_say="" if roles is None else roles_say(roles),
    )


def render_html(
    explanations: "Sequence[Explanation]",
    index: str | InteractionIndex | None = None,
    order: int | None = None,
    titles: Sequence[str] | None = None,
    one_at_a_time: bool = False,
) -> str:
    """One self-contained page with one section for each explanation.

    Args:
        explanations: At least one.
        index: Index of the tables; None for what suits (`Explanation.interactions`).
        order: Highest order of the tables; see `spex.interactions.values.interactions`.
        titles: A heading for each; default: made from the scores.

        one_at_a_time: Whether links at the top switch between the sections; without scripts, and
            in print, all are shown.

    Raises:
        ArgumentError: there is no explanation, the titles are not as many, or the index or the
            order is wrong.
    """
    if not explanations:
        raise ArgumentError("no explanation to show; give at least one")
    if titles is not None and len(titles) != len(explanations):
        raise ArgumentError(f"{len(titles)} titles for {len(explanations)} explanations")
    pages = [
        page_data(explanation, index, order, None if titles is None else titles[number])
        for number, explanation in enumerate(explanations)
    ]
    source = _environment()
    style, script = (source.loader.get_source(source, name)[0] for name in ("page.css", "page.js"))  # type: ignore[union-attr]
    return source.get_template("page.html").render(
        pages=pages,
        one_at_a_time=one_at_a_time,
        style=style,
        script=script,
        style_hash=_csp_hash(style),
        script_hash=_csp_hash(script),
        versions=sorted({facts.one_line(explanation.version) for explanation in explanations}),
    )


@cache
def _environment() -> "jinja2.Environment":
    import jinja2

    return jinja2.Environment(
        loader=jinja2.PackageLoader("spex.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _csp_hash(content: str) -> str:
    """What a content security policy calls this inline script or style."""
    digest = hashlib.sha256(content.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _title(explanation: "Explanation") -> str:
    score = facts.score(explanation)
    return f"What drives {score}" if score else "What drives the score"


def _summary(explanation: "Explanation") -> str:
    parts = [facts.cost(explanation), f"method {facts.one_line(explanation.method)}"]
    model = facts.context_text(explanation, "model")
    if model is not None:
        parts.append(f"model {facts.one_line(model)}")
    parts.append(counted(explanation.n_features, "feature"))
    return " \N{MIDDLE DOT} ".join(parts)


def _gauge(explanation: "Explanation") -> tuple[float, float, float] | None:
    r2, (low, high) = explanation.r2, explanation.r2_interval
    bounds = [_within(share) for share in (low, r2, high)]
    if any(bound is None for bound in bounds) or facts.is_constant(explanation):
        return None
    low_bound, estimate, high_bound = (bound or 0.0 for bound in bounds)
    return low_bound, estimate, high_bound


def _within(share: float) -> float | None:
    if share != share:
        return None
    return round(100 * min(max(share, 0.0), 1.0), 2)


def _blocks(
    explanation: "Explanation", effects: list[float], largest: float, unit: str
) -> tuple[str, tuple[Block, ...]]:
    """The kind of the input, and the input with its main effects."""
    names = facts.labels(explanation)

    def piece(text: str, feature: int | None) -> Stretch:
        if feature is None:
            return Stretch(text, None, "", "")
        effect = effects[feature]
        level = round(LEVELS * abs(effect) / largest) if largest else 0
        colour = f"{'p' if effect > 0 else 'n'}{level}" if level else ""
        size = _with_unit(_typeset(facts.signed(effect)), unit)
        return Stretch(text, feature, colour, f"{names[feature]}: main effect {size}")

    parts = facts.parts(explanation)
    if parts is None:
        labels = enumerate(facts.labels(explanation, 200))
        chips = tuple(piece(label, number) for number, label in labels)
        return "Features", (Block(None, chips),)
    blocks = []
    for part in parts:
        if isinstance(part, ImagePart):
            regions = tuple(piece(path, number) for number, path in part.outlines)
            picture = (part.picture, part.width, part.height)
            blocks.append(Block(part.heading, regions, picture))
        else:
            blocks.append(Block(part.heading, tuple(piece(*pair) for pair in part.pieces)))
    pictures = sum(block.picture is not None for block in blocks)
    kind = "Text" if not pictures else "Picture" if pictures == len(blocks) else "Input"
    return kind, tuple(blocks)


def _rows(explanation: "Explanation", values: InteractionValues, unit: str) -> tuple[TableRow, ...]:
    top = values.top(MAX_ROWS)
    largest = max((abs(value) for _, value in top), default=0.0)
    shares = facts.shares_of(explanation, values.index)
    coloured = facts.has_direction(values.index)
    names, short = facts.labels(explanation), facts.labels(explanation, 60)
    rows = []
    for rank, (interaction, value) in enumerate(top, 1):
        share = percent(shares[interaction]) if shares else ""
        width = 50 * abs(value) / largest if largest else 0.0
        words = facts.joined(names, interaction)
        says = f"{words}: {_with_unit(_typeset(facts.signed(value)), unit)}"
        whisker = None
        if facts.margin(values, interaction) is not None:
            bounds = values.interval(interaction)
            low, high = (_typeset(facts.signed(bound, largest)) for bound in bounds)
            says += f" (90 % interval {low} to {high})"
            start, end = (50 + 50 * bound / largest for bound in bounds)
            whisker = round(max(start, 0.0), 2), round(min(end, 100.0), 2)
        if share:
            says += f", {share} of the variance"
        rows.append(
            TableRow(
                rank=rank,
                members=" ".join(map(str, interaction)),
                labels=tuple(
                    (short[i], facts.visible(explanation.features[i]))
                    for i in interaction[: facts.LISTED]
                ),
                n_hidden=max(len(interaction) - facts.LISTED, 0),
                order=len(interaction),
                value=_typeset(facts.signed(value))
                + (f" {facts.UNCERTAIN}" if facts.is_uncertain(values, interaction) else ""),
                share=share,
                bar_start=round(50.0 if value > 0 else 50 - width, 2),
                bar_width=round(width, 2),
                colour=("pos" if value > 0 else "neg") if coloured else "flat",
                whisker=whisker,
                says=says,
            )
        )
    return tuple(rows)


def _hint(explanation: "Explanation", values: InteractionValues, rows: tuple[TableRow, ...]) -> str:
    """What the columns of the table say."""
    index = values.index
    told = [f"{index}: {facts.MEANINGS[index]}."]
    if basis := facts.basis(explanation, index):
        told.append(basis)
    if any(row.share for row in rows):
        told.append("Share: the part of the explained variance that this coefficient accounts for.")
    if any(row.whisker for row in rows):
        told.append("Thin lines: 90 % intervals.")
    if (doubt := facts.uncertain(values, len(rows))) is not None:
        told.append(f"{doubt}.")
    if (beside := facts.beside_main_effects(values)) is not None:
        told.append(beside)
    return " ".join(told)


def _typeset(number: str) -> str:
    """A number with a true minus sign, as wide as the plus sign above it in a column."""
    return number.replace("-", "\N{MINUS SIGN}")


def _listing(explanation: "Explanation", rows: tuple[TableRow, ...], remainder: str | None) -> str:
    if not rows:
        return facts.nothing_listed(explanation)
    return "All that were found." if remainder is None else f"The {len(rows)} largest."


def _with_unit(value: str, unit: str) -> str:
    return f"{value} {unit}" if unit else value


def _facts(explanation: "Explanation") -> tuple[Fact, ...]:
    context = {
        key: facts.context_text(explanation, key)
        for key in ("answer", "model", "unit", "operator", "prompt", "system", "command")
    }
    whole, nothing = map(_typeset, facts.ends(explanation))
    found: list[tuple[str, Any, bool]] = [
        ("Score", facts.score(explanation), False),
        ("Answer explained", context["answer"], True),
        ("Model", context["model"], False),
        ("System message", context["system"], True),
        ("Prompt", context["prompt"], True),
        ("Units", _units(explanation, context["unit"], context["operator"]), False),
        ("Everything kept", whole, False),
        ("Nothing kept", nothing, False),
        ("Method", _method(explanation), False),
        ("Evaluations", _evaluations(explanation), False),
        ("More evaluations", facts.forecast(explanation), False),
        ("Server", facts.usage(explanation), False),
        ("Seed", str(explanation.seed), False),
        ("Made by", f"spex {facts.one_line(explanation.version)}", False),
        ("Command", context["command"], True),
    ]
    return tuple(Fact(name, value, block) for name, value, block in found if value)


def _evaluations(explanation: "Explanation") -> str:
    told = explanation.n_evaluations > explanation.budget
    more = "; more were told" if told else ""
    return f"{explanation.n_evaluations:,} (budget {explanation.budget:,}{more})"


def _units(explanation: "Explanation", unit: str | None, operator: str | None) -> str:
    number = counted(explanation.n_features, "feature")
    if unit is None:
        return number
    return f"{number} of kind {unit}" + (f", left out by: {operator}" if operator else "")


def _method(explanation: "Explanation") -> str:
    others = [
        f"{facts.one_line(name)} {score:.2f}"
        for name, score in sorted(explanation.scores.items(), key=lambda item: -item[1])
    ]
    candidates = f"; R2 of the candidates: {', '.join(others)}" if len(others) > 1 else ""
    return facts.method(explanation) + candidates
