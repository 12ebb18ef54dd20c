"""A comparison of two explanations: its page, and its table as text."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from scipy.special import ndtri

from spex.interactions.default import BY_ORDER, default_order
from spex.interactions.index import InteractionIndex
from spex.interactions.uncertainty import told_from_zero
from spex.report import facts
from spex.report.colours import Colours
from spex.report.page import script
from spex.report.page.blocks import blocks
from spex.report.page.build import has_long_units, page_data, scale_of
from spex.report.page.data import Fact, Headline, Page
from spex.report.page.headline import asked
from spex.wording import counted, distinct, isolated, one_line, short

if TYPE_CHECKING:
    from spex.comparison.results import Comparison, Difference
    from spex.explanation import Explanation

_MOST_UNMATCHED = 200
_MOST_HALVES = 8000
_SHOWN = 15
_ROUNDING = 1e-9  # share of the larger surrogate
_SAME = "No difference: the matched features do the same in both"


def pages(found: "Comparison") -> list[Page]:
    """The difference, then both explanations, read with the same index and order."""
    names = [one_line(name) for name in found.names]
    both = [
        page_data(one, found.index, found.order, name)
        for one, name in zip((found.first, found.second), names, strict=True)
    ]
    return [_difference_page(found, both[0].unit), *both]


def outputs_page(
    found: "Comparison",
    outputs: "Mapping[str, Explanation]",
    fidelity: Mapping[tuple[int, int], tuple[float, float | None]],
) -> Page:
    """The difference of two outputs; the page's script can show any other two.

    Args:
        found: The comparison that is shown first.
        outputs: All of them, by name; their pages come before this one, in the same order.
        fidelity: R2 of the difference and its mean squared error, by the numbers of two outputs
            that can be compared; NaN and None if unknown.
    """
    page = _difference_page(found, facts.isolated_unit(found.first))
    (r2, _), pair = fidelity[min(fidelity)], min(fidelity)
    shown = {
        "names": [isolated(one_line(name)) for name in outputs],
        "heads": list(distinct([short(name, 24) for name in outputs])),
        "fidelity": [facts.typeset(facts.fidelity_short(one)) for one in outputs.values()],
        "pairs": [
            [*numbers, _r2_told(share), None if error is None else math.sqrt(error)]
            for numbers, (share, error) in sorted(fidelity.items())
        ],
        "first": pair,
        "halves": _halves(list(outputs.values()), found.index, found.order),
    }
    script = {
        **page.script,
        "outputs": shown,
        "whyNot": "What-if is left out: the spectrum of one of the two is too large for a page.",
    }
    told = f"{_r2_told(r2)} {page.fidelity}".strip()
    summary = f"{facts.cost(found.first)}, of all outputs together"
    return replace(page, fidelity=told, summary=summary, facts=(), script=script)


def _halves(
    outputs: Sequence["Explanation"], index: InteractionIndex, order: int
) -> dict[str, list[dict[str, float]]]:
    """The uncertainty of each output for every interaction that any output lists.

    Returns:
        By index and order, of those orders that are shown first: for each output, half the width
        of the 90 % interval by members. Empty if these are too many for a page.
    """
    width, told = float(ndtri(0.95)), {}
    for each in sorted({order, *(default_order(one.spectrum, index) for one in outputs)}):
        values = [one.interactions(index, each) for one in outputs]
        union = {members for one in values for members in one}
        if len(outputs) * len(union) > _MOST_HALVES:
            continue
        told[f"{index} {each}"] = [
            {
                " ".join(map(str, members)): float(f"{width * error:.6g}")
                for members in sorted(union)
                if not math.isnan(error := one.standard_error(members))
            }
            for one in values
        ]
    return told


def _r2_told(r2: float) -> str:
    return "" if math.isnan(r2) else f"R2 of the difference {facts.typeset(facts.rounded_r2(r2))}."


def _difference_page(found: "Comparison", unit: str) -> Page:
    a, b = (isolated(one_line(name)) for name in found.names)
    labels = script.labels(found.first)
    colours = _colours(found)
    kind, parts = blocks(found.first, labels, colours)
    only_a, only_b = found.unmatched
    unmatched = tuple(
        (name, tuple(isolated(short(label, 60)) for label in only[:_MOST_UNMATCHED]) + _more(only))
        for name, only in ((a, only_a), (b, only_b))
        if only
    )
    return Page(
        title=f"Difference: {a} less {b}",
        headline=_headline(found, labels),
        asked=_asked(found),
        fidelity=f"{a}: {facts.typeset(facts.fidelity_short(found.first))}. "
        f"{b}: {facts.typeset(facts.fidelity_short(found.second))}.",
        cautions=(),
        gauge=None,
        summary=_matched(found),
        notes=orders_say(found),
        unit=unit,
        scale=scale_of(colours),
        kind=kind,
        blocks=parts,
        has_long_units=has_long_units(labels),
        heading=_heading(found),
        rows=tuple(_in_words(each, unit) for each in _told(found)[:_SHOWN]),
        facts=_facts(found),
        sets=(),
        roles=(),
        roles_say="",
        script={
            "labels": labels,
            "unit": facts.unit_of_score(found.first),
            "compared": list(_heads(found, 24)),
            "views": [_view(found)],
            "whatIf": None,
            "whyNot": f"What-if is on the pages of {a} and of {b}.",
        },
        unmatched=unmatched,
        key=(f"together more in {a}", f"together less in {a}", "difference of a unit's own values"),
    )


def is_same(found: "Comparison") -> bool:
    """Whether no interaction of the matched features differs."""
    return not _told(found)


def _told(found: "Comparison") -> tuple["Difference", ...]:
    """The differences without rounding errors."""
    least = _least(found)
    return tuple(each for each in found.differences if abs(each.value) > least)


def _least(found: "Comparison") -> float:
    """Below it a difference is a rounding error of two fits."""
    return _ROUNDING * max(facts.scale(found.first), facts.scale(found.second))


def _sure(found: "Comparison") -> list["Difference"]:
    """The differences that are surely not 0, tested together; all if errors are unknown.

    See `spex.InteractionValues.discoveries`.
    """
    told = _told(found)
    values = np.array([each.value for each in told])
    errors = np.array([(each.high - each.low) / 2 for each in told]) / float(ndtri(0.95))
    sure = told_from_zero(values, errors, len(told))
    return [each for each, is_sure in zip(told, sure.tolist(), strict=True) if is_sure]


def _heads(found: "Comparison", limit: int) -> tuple[str, ...]:
    """Different names above the two columns."""
    return distinct([short(name, limit) for name in found.names])


def _colours(found: "Comparison") -> Colours:
    """Differences of the units' own values, by feature of a; 0 if b has none to compare."""
    told = _told(found)
    sure = set(_sure(found))
    singles = {each.interaction[0]: each for each in told if len(each.interaction) == 1}
    return Colours(
        [singles[i].value if i in singles else 0.0 for i in range(found.first.n_features)],
        abs(told[0].value) if told else 0.0,
        {i for i, each in singles.items() if each not in sure},
        facts.has_direction(found.index),
    )


def orders_say(found: "Comparison") -> tuple[str, ...]:
    """A sentence for each explanation that is read to another order here than alone."""
    if found.index not in BY_ORDER:
        return ()
    told = []
    for name, one in zip(found.names, (found.first, found.second), strict=True):
        alone = default_order(one.spectrum, found.index)
        if alone != found.order:
            told.append(
                f"{isolated(one_line(name))} is read up to order {found.order} here, and up to "
                f"{alone} where it stands alone: values of {found.index} depend on the order."
            )
    return tuple(told)


def _asked(found: "Comparison") -> tuple[Fact, ...]:
    """Prompts, answers and scores of both; only once if they are alike."""
    both = (found.first, found.second)
    told: dict[str, list[Fact | None]] = {}
    for side, one in enumerate(both):
        for fact in asked(one):
            told.setdefault(fact.name, [None, None])[side] = fact
    shown: list[Fact] = []
    for a, b in told.values():
        if a == b and a is not None:
            shown.append(a)
            continue
        shown += [
            replace(fact, name=f"{fact.name} in {isolated(one_line(name))}")
            for name, fact in zip(found.names, (a, b), strict=True)
            if fact is not None
        ]
    return tuple(shown)


def _more(labels: tuple[str, ...]) -> tuple[str, ...]:
    hidden = len(labels) - _MOST_UNMATCHED
    return (f"and {hidden:,} more",) if hidden > 0 else ()


def _heading(found: "Comparison") -> str:
    return facts.named(found.index, found.order)


def _matched(found: "Comparison") -> str:
    return (
        f"{counted(len(found.pairs), 'feature')} matched, of {found.first.n_features:,} and "
        f"{found.second.n_features:,}"
    )


def _headline(found: "Comparison", labels: tuple[str, ...]) -> Headline:
    if is_same(found):
        return Headline(((f"{_SAME}.", False),))
    sure = _sure(found)
    largest = sure[0] if sure else found.differences[0]
    a, b = (isolated(one_line(name)) for name in found.names)
    if not sure:
        size = _in_words(largest, facts.isolated_unit(found.first))
        detail = f"The largest, with the values in {a} and in {b}: {size}."
        return Headline((("Every difference may be 0", False),), (detail,))
    words: list[tuple[str, bool]] = []
    for place, member in enumerate(largest.interaction[:6]):
        words += [(" + ", False)] if place else []
        words.append((labels[member], True))
    size = f"{facts.signed(largest.value).lstrip('+-')} {facts.isolated_unit(found.first)}".strip()
    verb = "adds" if len(largest.interaction) == 1 else "add together"
    more = "more" if largest.value > 0 else "less"
    words.append((f" {verb} {size} {more} in {a} than in {b}", False))
    told = [
        f"{facts.typeset(facts.signed(x))} in {name}"
        for x, name in ((largest.a, a), (largest.b, b))
    ]
    interval = ""
    if largest.low < largest.high:
        bounds = [facts.typeset(facts.signed(x)) for x in (largest.low, largest.high)]
        interval = f"; 90 % interval of the difference {bounds[0]} to {bounds[1]}"
    return Headline(tuple(words), (f"By {_heading(found)}: {', '.join(told)}{interval}.",))


def _in_words(each: "Difference", unit: str) -> str:
    told = (facts.typeset(facts.signed(x)) for x in (each.value, each.a, each.b))
    value, a, b = told
    labels = [isolated(label) for label in each.labels[: facts.LISTED]]
    return f"{' + '.join(labels)}: {value} {unit}".rstrip() + f" ({a}, {b})"


def _view(found: "Comparison") -> dict[str, Any]:
    rows = []
    told = _told(found)
    sure = set(_sure(found))
    for each in told[: script.MAX_ROWS]:
        bounds = [None if math.isnan(x) else x for x in (each.low, each.high)]
        doubt = each not in sure
        rows.append([list(each.interaction), each.value, *bounds, None, doubt, each.a, each.b])
    hidden = len(told) - len(rows)
    return {
        "index": str(found.index),
        "order": found.order,
        "heading": _heading(found),
        "hint": f"{found.index}: {facts.MEANINGS[found.index]}. Colours and arcs: the difference.",
        "hasDirection": facts.has_direction(found.index),
        "rows": rows,
        "effects": list(_colours(found).values),
        "listed": len(told),
        "rest": f"{hidden:,} more" if hidden > 0 else None,
        "empty": f"{_SAME}.",
    }


def _facts(found: "Comparison") -> tuple[Fact, ...]:
    rows = []
    for name, one in zip(found.names, (found.first, found.second), strict=True):
        told = [facts.context_text(one, key) for key in ("model", "answer")]
        known = [facts.one_line(text) for text in told if text]
        known = [isolated(text) for text in known]
        score = facts.isolated_score(one)
        known += [score] if score else []
        rows.append(Fact(one_line(name), "; ".join([*known, facts.cost(one)])))
        prompt = facts.context_text(one, "prompt")
        rows += [Fact(f"{isolated(one_line(name))}: prompt", prompt, True)] if prompt else []
    return tuple(rows)


def view(found: "Comparison", k: int = _SHOWN) -> RenderableType:
    """The k largest differences for a terminal."""
    unit = facts.unit_of_score(found.first)
    a, b = (one_line(name) for name in found.names)
    head = f"Differences, {_heading(found)}{f', in {unit}' if unit else ''}; {_matched(found)}"
    parts: list[RenderableType] = [Text(head, style="bold"), Text()]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("difference", *_heads(found, 20)):
        table.add_column(Text(name), justify="right", no_wrap=True)
    table.add_column("units", overflow="fold")
    sure = set(_sure(found))
    for each in () if is_same(found) else found.differences[:k]:
        mark = "" if each in sure else f" {facts.UNCERTAIN}"
        cells = [facts.signed(each.value) + mark, facts.signed(each.a), facts.signed(each.b)]
        words = " + ".join(short(label) for label in each.labels[: facts.LISTED])
        table.add_row(*map(Text, cells), Text(words))
    parts.append(Text(f"{_SAME}.") if is_same(found) else table)
    if not is_same(found) and not sure.issuperset(found.differences[:k]):
        parts.append(Text(f"{facts.UNCERTAIN}: may be 0 ({facts.TOGETHER})", style="dim"))
    parts += [Text(told, style="dim") for told in orders_say(found)]
    parts += [
        Text(f"{fact.name}: {short(fact.value, 90)}", style="dim")
        for fact in _asked(found)
        if " in " in fact.name
    ]
    hidden = len(found.differences) - k
    if hidden > 0:
        parts.append(Text(f"{hidden:,} more", style="dim"))
    for name, only in zip((a, b), found.unmatched, strict=True):
        if only:
            listed = ", ".join(short(label, 30) for label in only[:20])
            more = f" and {len(only) - 20:,} more" if len(only) > 20 else ""
            parts.append(Text(f"only in {name}: {listed}{more}", style="dim"))
    return Group(*parts)


def as_text(found: "Comparison") -> str:
    """The largest differences as plain text: its `repr`."""
    from rich.console import Console

    console = Console(width=100, color_system=None, force_terminal=False)
    with console.capture() as capture:
        console.print(view(found))
    return "\n".join(line.rstrip() for line in capture.get().splitlines())


def headline_of(found: "Comparison") -> str:
    """The largest difference in one sentence."""
    return _headline(found, script.labels(found.first)).text


def listed(found: "Comparison", k: int = _SHOWN) -> list[tuple["Difference", bool]]:
    """The k largest differences without rounding errors, and whether each may be 0."""
    sure = _sure(found)
    return [(each, each not in sure) for each in _told(found)[:k]]
