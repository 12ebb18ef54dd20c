"""Results as tables of Markdown."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from spex.evaluate.tables.figures import runs_along
from spex.evaluate.tables.rows import OK, Row
from spex.wording import counted

if TYPE_CHECKING:
    import pandas as pd


def markdown(
    rows: Sequence[Row],
    main: Sequence[str],
    summary: "pd.DataFrame",
    by_group: "pd.DataFrame",
    undefined: Callable[[str], str],
    failures: Mapping[str, int],
    left_out: str = "",
) -> str:
    """Tables of the main metrics: methods down, budgets or points of a curve across.

    Then the first metric by groups of lengths, what methods say of their own R2, and what was not
    measured.

    Args:
        rows: The rows of the results.
        main: The metrics, the first of them first.
        summary: The table of `Results.summary`.
        by_group: The same, by groups of lengths.
        undefined: Why a metric has no number at all; empty if it has one.
        failures: How many cells were not measured, by reason.
        left_out: Which rows of the data were not used, in words.
    """
    total = len({row.item for row in rows})
    measured = {row.metric for row in rows}
    parts = []
    for metric in main:
        if reason := undefined(metric):
            parts.append(f"**{metric}**: {reason}" if metric in measured else "")
        else:
            parts.append(_table(rows, summary, metric, total))
    groups = sorted({row.group for row in rows}, key=lambda group: int(group.split("-")[0]))
    if len(groups) > 1 and not undefined(main[0]):
        for group in groups:
            inside = [row for row in rows if row.group == group]
            items = len({row.item for row in inside})
            chosen = by_group[by_group["group"] == group]
            parts.append(_table(inside, chosen, main[0], items, f", {group} features"))
    parts += [_chance(rows), _told(rows)]
    if left_out:
        parts.append(f"{left_out}.")
    if failures:
        parts.append("\n".join(["Not measured:", "", *_reasons(failures)]))
    return "\n\n".join(part for part in parts if part) + "\n"


def _table(
    rows: Sequence[Row],
    summary: "pd.DataFrame",
    metric: str,
    items: int,
    where: str = "",
) -> str:
    of_metric = [row for row in rows if row.metric == metric and row.status == OK]
    chosen = summary[summary["metric"] == metric]
    is_curve = any(not math.isnan(row.at) for row in of_metric)

    def place(method: str, budget: int, at: float) -> tuple[tuple[str, ...], float]:
        return ((method, f"{budget:,}"), at) if is_curve else ((method,), budget)

    cells: dict[tuple[str, ...], dict[float, str]] = {}
    for row in of_metric:  # cells without a number for any item stay "undefined"
        down, across = place(row.method, row.budget, row.at)
        cells.setdefault(down, {})[across] = "undefined"
    for _, point in chosen.iterrows():
        down, across = place(point["method"], int(point["budget"]), point["at"])
        cells[down][across] = _cell(point, items)
    columns = sorted({across for line in cells.values() for across in line})
    if not columns:
        return ""
    head = [*(["method", "budget"] if is_curve else ["method"]), *(f"{c:,.6g}" for c in columns)]
    by = f" by {runs_along(metric)}" if is_curve else ""
    title = f"**{metric}**{by}{where}: mean of {counted(items, 'item')}, 90 % interval"
    lines = [title, "", "| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for down, line in cells.items():
        told = [*down, *(line.get(column, "") for column in columns)]
        lines.append("| " + " | ".join(told) + " |")
    return "\n".join(lines)


def _reasons(failures: Mapping[str, int]) -> list[str]:
    """A line for the reasons that differ by numbers alone, such as the budget and the features."""
    alike: dict[str, list[str]] = {}
    for reason in failures:
        alike.setdefault(re.sub(r"\d[\d,]*", "0", reason), []).append(reason)
    lines = []
    for reasons in alike.values():
        count = sum(failures[reason] for reason in reasons)
        others = f" (the first of {len(reasons)} alike)" if len(reasons) > 1 else ""
        lines.append(f"- {count:,} x {reasons[0]}{others}")
    return lines


def _chance(rows: Sequence[Row]) -> str:
    """What recovery would be by chance."""
    by_item = {row.item: row.value for row in rows if row.metric == "chance" and row.status == OK}
    if not by_item:
        return ""
    mean = sum(by_item.values()) / len(by_item)
    return f"Recovery by chance, the share of marked features: {_decimal(mean)} (mean of items)."


def _told(rows: Sequence[Row]) -> str:
    """What methods say of their own R2, and how often it agrees with what is measured."""
    lines = []
    for method, budget in dict.fromkeys((row.method, row.budget) for row in rows):
        of_cells = [row for row in rows if (row.method, row.budget) == (method, budget)]
        said, held = (
            [row.value for row in of_cells if row.metric == name and math.isfinite(row.value)]
            for name in ("r2_reported", "r2_covered")
        )
        if not said:
            continue
        line = f"- {method}, {budget:,} evaluations: says R2 {_decimal(sum(said) / len(said))}, "
        if held:
            line += f"agrees with the measured one in {sum(held):.0f} of {len(held)}"
        else:
            line += "over masks of another distribution"
        lines.append(line)
    if not lines:
        return ""
    title = (
        "What methods say of their own R2 (mean), and in how many explanations it agrees with the "
        "measured one, within the 90 % intervals of both (nine in ten should):"
    )
    return "\n".join([title, "", *lines])


def _cell(row: "pd.Series[float]", items: int) -> str:
    text = _decimal(row["mean"])
    if math.isfinite(row["low"]):
        text += f" ({_decimal(row['low'])} to {_decimal(row['high'])})"
    return text if row["items"] == items else f"{text}, {row['items']} of {items}"


def _decimal(value: float) -> str:
    """Three decimals; of small numbers, two digits."""
    return f"{value:.3f}" if abs(value) >= 0.1 or value == 0 else f"{value:.2g}"
