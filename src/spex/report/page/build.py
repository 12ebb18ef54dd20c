"""From an explanation to the data of its page."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from spex.interactions.index import InteractionIndex
from spex.interactions.values import InteractionValues
from spex.report import facts
from spex.report.colours import Colours, colours_of
from spex.report.page import script
from spex.report.page.blocks import blocks
from spex.report.page.data import Fact, Page
from spex.report.page.headline import answers_and_score, asked, cautions, headline
from spex.report.sets import role_rows, roles_say, set_rows
from spex.wording import counted, isolated

if TYPE_CHECKING:
    from spex.explanation import Explanation

_ROWS_IN_WORDS = 25
# Characters of a unit, on average; half of the page has room for two or three of them.
_LONG = 24


def page_data(
    explanation: "Explanation",
    index: str | InteractionIndex | None = None,
    order: int | None = None,
    title: str | None = None,
) -> Page:
    """Compute what the page shows of one explanation.

    Args:
        explanation: The explanation.
        index: Index shown first; see `spex.Explanation.interactions`.
        order: Highest order shown first.
        title: Its name among several; default: made from the score.

    Raises:
        ArgumentError: the index or the order is wrong.
    """
    values = explanation.interactions(index, order)
    labels = script.labels(explanation)
    colours = colours_of(values, explanation.n_features)
    kind, parts = blocks(explanation, labels, colours)
    roles = explanation.sets.roles
    return Page(
        title=facts.visible(title) if title is not None else _title(explanation),
        headline=headline(explanation, values, labels),
        asked=asked(explanation),
        fidelity=facts.typeset(facts.fidelity(explanation)),
        cautions=cautions(explanation, values),
        gauge=_gauge(explanation),
        summary=_summary(explanation),
        notes=tuple(facts.visible(note) for note in explanation.notes),
        unit=facts.isolated_unit(explanation),
        scale=scale_of(colours),
        kind=kind,
        blocks=parts,
        has_long_units=has_long_units(labels),
        heading=facts.heading(values),
        rows=_in_words(values, labels, facts.isolated_unit(explanation)),
        facts=_facts(explanation, kind),
        sets=set_rows(explanation.sets, labels),
        roles=() if roles is None else role_rows(roles, labels),
        roles_say="" if roles is None else roles_say(roles),
        script=script.content(explanation, values),
    )


def scale_of(colours: Colours) -> str:
    """The largest value, where the colours end; empty if all are zero."""
    return facts.signed(colours.largest).removeprefix("+") if colours.largest else ""


def has_long_units(labels: Sequence[str]) -> bool:
    """Whether units are sentences or documents rather than words."""
    return sum(map(len, labels)) > _LONG * len(labels)


def _title(explanation: "Explanation") -> str:
    score = facts.isolated_score(explanation)
    return f"What drives {score}" if score else "What drives the score"


def _in_words(values: InteractionValues, labels: tuple[str, ...], unit: str) -> tuple[str, ...]:
    labels = tuple(isolated(label) for label in labels)
    return tuple(
        f"{facts.joined(labels, members)}: {facts.typeset(facts.signed(value))} {unit}".rstrip()
        for members, value in values.top(_ROWS_IN_WORDS)
    )


def _summary(explanation: "Explanation") -> str:
    parts = [facts.cost(explanation), f"method {isolated(facts.one_line(explanation.method))}"]
    model = facts.context_text(explanation, "model")
    if model is not None:
        parts.append(f"model {isolated(facts.one_line(model))}")
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


def _facts(explanation: "Explanation", kind: str) -> tuple[Fact, ...]:
    context = {
        key: facts.context_text(explanation, key)
        for key in ("model", "unit", "operator", "prompt", "system", "command")
    }
    whole, nothing = map(facts.typeset, facts.ends(explanation))
    stopped = explanation.stopped
    found: list[tuple[str, Any, bool]] = [
        ("Model", context["model"], False),
        ("System message", context["system"], True),
        ("Last message" if kind == "Chat" else "Prompt", context["prompt"], True),
        ("Units", _units(explanation, context["unit"], context["operator"]), False),
        ("Everything kept", whole, False),
        ("Nothing kept", nothing, False),
        ("Method", _method(explanation), False),
        ("Evaluations", _evaluations(explanation), False),
        ("Stopped", stopped and facts.one_line(stopped), False),
        ("More evaluations", facts.forecast(explanation), False),
        ("Server", facts.usage(explanation), False),
        ("Seed", str(explanation.seed), False),
        ("Made by", f"spex {facts.one_line(explanation.version)}", False),
        ("Command", context["command"], True),
    ]
    more = (Fact(name, value, block) for name, value, block in found if value)
    return (*answers_and_score(explanation, "Answer explained"), *more)


def _evaluations(explanation: "Explanation") -> str:
    told = explanation.n_evaluations > explanation.budget
    more = "; more were told" if told else ""
    return f"{explanation.n_evaluations:,} (budget {explanation.budget:,}{more})"


def _units(explanation: "Explanation", unit: str | None, operator: str | None) -> str:
    number = counted(explanation.n_features, "feature")
    if unit is None:
        return number
    return f"{number} of kind {isolated(unit)}" + (
        f", left out by: {isolated(operator)}" if operator else ""
    )


def _method(explanation: "Explanation") -> str:
    others = [
        f"{isolated(facts.one_line(name))} {facts.typeset(facts.rounded_r2(score))}"
        for name, score in sorted(explanation.scores.items(), key=lambda item: -item[1])
    ]
    candidates = f"; R2 of the candidates: {', '.join(others)}" if len(others) > 1 else ""
    return facts.method(explanation) + candidates
