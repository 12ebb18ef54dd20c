"""Explanations and interaction values as HTML for notebooks: Jupyter, VS Code, Colab.

It has no script, loads nothing from outside, and its style affects no other output. Letters and
background have the colours of the notebook, so that light and dark themes both work. Colours of
values are half transparent.
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from spex._typing import Interaction
from spex.inputs.parts import ImagePart, TextPart
from spex.interactions.index import InteractionIndex
from spex.interactions.values import InteractionValues
from spex.report import compared, facts
from spex.report.arcs import arcs
from spex.report.page import script
from spex.report.page.headline import headline
from spex.wording import counted, distinct, isolated, short, subscripted

if TYPE_CHECKING:
    from spex.comparison.results import Comparison, Difference
    from spex.explanation import Explanation

_ROWS, _MARKED = 12, 9
_OF_MARKS = "Small numbers beside units: the combination of that number in the table."
_OF_BRACKETS = "Brackets: the strongest combinations; solid raises the score, dashed lowers it."
_MOST_UNITS = 2000  # most units of a text shown in full
_STRONGEST_TINT = 0.75
_MOST_DRAWN = 2500  # most characters of a text drawn with brackets
_BRACKETS = 5
_WIDTHS = {"wide": 760.0, "narrow": 340.0}  # pixels; the style chooses the one to show


@dataclass(frozen=True)
class TableRow:
    """A row of the table.

    Args:
        mark: The number that its units bear in the text; empty for none.
        value: As text.
        margin: Half the width of its interval; None if unknown.
        is_uncertain: Whether the interval holds 0.
        share: Share of the largest absolute value.
        sign: "up", "down" or "none".
        units: The labels.
        beside: For a difference, its values in both.
    """

    mark: str
    value: str
    margin: str | None
    is_uncertain: bool
    share: float
    sign: str
    units: str
    beside: tuple[str, ...] = ()


@dataclass(frozen=True)
class Piece:
    """A piece of a text: its tint is the share of the largest value."""

    text: str
    is_unit: bool
    share: float
    sign: str
    marks: str
    title: str


def explanation_html(explanation: "Explanation") -> str:
    """The input with its values and combinations, the largest interactions, and how far to trust.

    Args:
        explanation: The explanation.
    """
    return _page([(None, _body(explanation))])


def explanations_html(explanations: "Mapping[str, Explanation]") -> str:
    """Each output folded under its name, the first one open.

    Args:
        explanations: By name of the output.
    """
    return _page([(name, _body(one)) for name, one in explanations.items()])


def comparison_html(found: "Comparison") -> str:
    """The largest difference in a sentence, and the largest ones as a table.

    Args:
        found: The comparison.
    """
    shown = compared.listed(found, _ROWS)
    largest = max((abs(each.value) for each, _ in shown), default=1.0)
    rows = [
        TableRow(
            mark="",
            value=facts.signed(each.value),
            margin=_half(each),
            is_uncertain=is_doubtful,
            share=abs(each.value) / largest,
            sign=_direction(found.index, each.value),
            units=facts.joined(
                [isolated(short(label, 32)) for label in each.labels],
                tuple(range(len(each.labels))),
            ),
            beside=(facts.signed(each.a), facts.signed(each.b)),
        )
        for each, is_doubtful in shown
    ]
    a, b = distinct([short(name, 24) for name in found.names])
    unit = facts.isolated_unit(found.first)
    notes = [f"{counted(len(found.pairs), 'feature')} matched"]
    if any(is_doubtful for _, is_doubtful in shown):
        notes.append(f"{facts.UNCERTAIN}: may be 0")
    for name, only in zip((a, b), found.unmatched, strict=True):
        if only:
            told = ", ".join(isolated(short(label, 30)) for label in only[:_ROWS])
            more = f" and {len(only) - _ROWS:,} more" if len(only) > _ROWS else ""
            notes.append(f"only in {isolated(name)}: {told}{more}")
    fidelities = [
        f"{isolated(name)}: {facts.fidelity_short(one)}"
        for name, one in ((a, found.first), (b, found.second))
    ]
    body = {
        "lines": [compared.headline_of(found), *fidelities],
        "parts": [],
        "rows": rows,
        "notes": notes,
        "heading": f"difference{f' ({unit})' if unit else ''}",
        "heads": (a, b),
        "nothing": "No difference.",
    }
    return _page([(None, body)])


def _half(each: "Difference") -> str | None:
    half = (each.high - each.low) / 2
    return facts.signed(half).removeprefix("+") if half > 0 else None


def values_html(values: InteractionValues) -> str:
    """The largest values as a table.

    Args:
        values: The values.
    """
    names = _names(values.features)
    told = f"{facts.heading(values)}, {counted(len(values.features), 'feature')}"
    body = {"lines": [told], "parts": [], "rows": _rows(values, names, marked=()), "notes": ()}
    return _page([(None, body | {"notes": _left_out(values)})])


def _names(labels: Sequence[str]) -> tuple[str, ...]:
    return subscripted([short(label, 32) for label in labels])


def _page(bodies: Sequence[tuple[str | None, Mapping[str, Any]]]) -> str:
    return _template().render(bodies=bodies)


@functools.cache
def _template() -> Any:
    import jinja2

    loader = jinja2.PackageLoader("spex.report")
    environment = jinja2.Environment(
        loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("notebook.html")


def _body(explanation: "Explanation") -> dict[str, Any]:
    values = explanation.interactions()
    joint = [members for members, _ in values.top(_ROWS) if len(members) > 1][:_MARKED]
    found = headline(explanation, values, script.labels(explanation))
    lines = [found.text, facts.fidelity(explanation)]
    if caution := facts.caution(explanation):
        lines.append(caution)
    for key in ("score", "answer"):
        text = facts.score(explanation) if key == "score" else facts.context_text(explanation, key)
        if text is not None:
            lines.append(f"{key}: {isolated(facts.short(text, 120))}")
    lines.append("everything kept: {}; nothing kept: {}".format(*facts.ends(explanation)))
    drawn = _drawn(explanation, values, joint)
    if drawn:
        joint = []
    return {
        "lines": lines,
        "drawn": drawn,
        "parts": [] if drawn else _parts(explanation, values, joint),
        "rows": _rows(values, _names(explanation.features), joint),
        "notes": [
            *([_OF_BRACKETS] if drawn else []),
            *([_OF_MARKS] if joint and explanation.context.parts else []),
            *_left_out(values),
            f"{facts.cost(explanation)}, method {facts.one_line(explanation.method)}",
            *map(facts.one_line, explanation.notes),
        ],
        "nothing": facts.nothing_listed(explanation),
        "heading": _heading(explanation, values),
    }


def _drawn(
    explanation: "Explanation", values: InteractionValues, joint: Sequence[Interaction]
) -> list[dict[str, Any]]:
    """The text with brackets, for wide and for narrow outputs; none if it would not be legible.

    That is a picture, a long text, or one with letters that run right to left.
    """
    paragraphs: list[tuple[list[tuple[str, int | None]], bool]] = []
    labels = _names(explanation.features)
    parts = facts.parts(explanation)
    if parts is None:
        pieces = [((label, i), (" ", None)) for i, label in enumerate(labels)]
        paragraphs.append(([each for pair in pieces for each in pair], False))
    for part in parts or ():
        if not isinstance(part, TextPart):
            return []
        if part.heading is not None:
            paragraphs.append(([(part.heading, None)], True))
        paragraphs.append(([(s.replace("\t", " "), i) for s, i in part.pieces], False))
    whole = "".join(string for pieces, _ in paragraphs for string, _ in pieces)
    strongest = [each for each in joint if not facts.is_uncertain(values, each)]
    strongest = [m for m in strongest if abs(values[m]) >= abs(values[strongest[0]]) / 3]
    if not strongest or len(whole) > _MOST_DRAWN or isolated(whole) != whole:
        return []
    largest = max(abs(value) for members, value in values.items() if members)
    combinations = [(m, values[m], facts.signed(values[m])) for m in strongest[:_BRACKETS]]
    own = [values.get((i,), 0.0) for i in range(explanation.n_features)]
    units = [
        Piece(
            "", True, _STRONGEST_TINT * abs(x) / largest, _sign(values, x), "", f"{label}: {told}"
        )
        for label, x in zip(labels, own, strict=True)
        for told in [facts.signed(x) if x else "0"]
    ]
    signs = [_sign(values, value) for _, value, _ in combinations]
    return [
        {"arcs": arcs(paragraphs, combinations, width), "units": units, "signs": signs, "for": name}
        for name, width in _WIDTHS.items()
    ]


def _heading(explanation: "Explanation", values: InteractionValues) -> str:
    unit = facts.isolated_unit(explanation)
    return f"{facts.heading(values)}{f' ({unit})' if unit else ''}"


def _left_out(values: InteractionValues) -> list[str]:
    shown = len(values.top(_ROWS))
    told = (facts.remainder(values, shown), facts.uncertain(values, shown))
    return [line for line in told if line is not None]


def _rows(
    values: InteractionValues, names: Sequence[str], marked: Sequence[Interaction]
) -> list[TableRow]:
    top = values.top(_ROWS)
    largest = abs(top[0][1]) if top else 1.0
    return [
        TableRow(
            mark=str(marked.index(members) + 1) if members in marked else "",
            value=facts.signed(value),
            margin=facts.margin(values, members),
            is_uncertain=facts.is_uncertain(values, members),
            share=abs(value) / largest,
            sign=_sign(values, value),
            units=facts.joined([isolated(name) for name in names], members),
        )
        for members, value in top
    ]


def _sign(values: InteractionValues, value: float) -> str:
    return _direction(values.index, value)


def _direction(index: InteractionIndex, value: float) -> str:
    if not value or not facts.has_direction(index):
        return "none"
    return "up" if value > 0 else "down"


def _parts(
    explanation: "Explanation", values: InteractionValues, joint: Sequence[Interaction]
) -> list[Any]:
    """The parts of the input with tints and marks; none if the input is unknown or too long."""
    found = facts.parts(explanation) or ()
    if explanation.n_features > _MOST_UNITS:
        return []
    largest = max((abs(value) for members, value in values.items() if members), default=1.0) or 1.0

    def piece(text: str, feature: int | None) -> Piece:
        if feature is None:
            return Piece(text, False, 0.0, "none", "", "")
        value = values.get((feature,), 0.0)
        marks = [str(n) for n, members in enumerate(joint, 1) if feature in members]
        title = f"{isolated(facts.short(text))}: {facts.signed(value) if value else '0'}"
        tint = _STRONGEST_TINT * abs(value) / largest
        return Piece(text, True, tint, _sign(values, value), ",".join(marks), title)

    shown: list[Any] = []
    for part in found:
        if isinstance(part, TextPart):
            shown.append(
                {"heading": part.heading, "pieces": [piece(*each) for each in part.pieces]}
            )
        elif isinstance(part, ImagePart):
            labels = _names(explanation.features)
            outlines = [(path, piece(labels[number], number)) for number, path in part.outlines]
            shown.append(
                {
                    "heading": part.heading,
                    "picture": Markup(part.picture),  # checked to be only a data URL
                    "width": part.width,
                    "height": part.height,
                    "outlines": outlines,
                }
            )
    return shown
