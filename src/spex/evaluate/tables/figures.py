"""Figures of results."""

from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np

from spex.extras import require
from spex.wording import counted

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LABELS = {
    "r2": "R2 on fresh masks",
    "lds": "LDS",
    "relative": "relative change of the model's score",
    "recovery": "recovery@r",
}
_BASE = "base"
# What a curve runs along; the others are by r.
_ALONG = {
    "deletion": "share of features that are gone",
    "insertion": "share of features that are there",
    "sufficiency": "share retained",
    "necessity": "share retained",
    **{
        f"{kind}_{name}": _BASE
        for kind in ("single", "pair")
        for name in ("ndcg", "signs", "error", "size", "covered")
    },
}
_WIDTH, _HEIGHT = 4.2, 3.4  # size of a panel in inches
_LETTERS = 16  # letters of the caption per inch
_MARKERS = "osD^vP*Xphd<>"
_SPREAD = 0.5  # share of the distance between bases that the methods' points fill
# Different sizes, so that a method stays visible under another one with the same numbers.
_LARGEST, _LEAST = 9.0, 4.0  # points
_LEAST_R2, _MARGIN = -1.0, 0.05


def runs_along(metric: str) -> str:
    """What the numbers of a curve are by: r, the base of an audit or a share."""
    return _ALONG.get(metric, "r")


def draw(summary: "pd.DataFrame", metric: str, items: int, skipped: str = "") -> "Figure":
    """Mean and 90 % interval of each method: against the budget, or along the curve.

    Args:
        summary: The rows of `Results.summary` for one metric.
        metric: Its name.
        items: How many there are in all.
        skipped: What is not shown, for a caption; empty for none.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    require("matplotlib", "plot")
    from matplotlib.figure import Figure

    is_curve = bool(summary["at"].notna().any())
    panels = sorted(summary["budget"].unique()) if is_curve else [None]
    figure = Figure(figsize=(_WIDTH * len(panels) + 1.6, _HEIGHT), layout="constrained")
    methods = list(dict.fromkeys(summary["method"]))
    axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for panel, budget in zip(axes, panels, strict=True):
        for number, method in enumerate(methods):
            rows = summary[summary["method"] == method]
            if budget is not None:
                rows = rows[rows["budget"] == budget]
            if len(rows):
                _draw_method(panel, rows.sort_values("at" if is_curve else "budget"), metric,
                             number, len(methods))  # fmt: skip
        panel.grid(alpha=0.3)
        panel.spines[["top", "right"]].set_visible(False)
        if budget is not None:
            panel.set_title(f"{budget:,} evaluations", fontsize=10)
        _say_along(panel, runs_along(metric) if is_curve else None, summary)
    axes[0].set_ylabel(_label(summary, metric, items))
    if below := _below(summary, metric):
        top = float(np.nanmax(summary[["mean", "high"]].to_numpy(dtype=np.float64)))
        axes[0].set_ylim(_LEAST_R2, top + _MARGIN * (top - _LEAST_R2))
    _caption(figure, skipped, below)
    # From all panels: a method may refuse the first budget.
    shown = {
        label: handle
        for panel in axes
        for handle, label in zip(*panel.get_legend_handles_labels(), strict=True)
    }
    named = [method for method in methods if method in shown]
    figure.legend(
        [shown[method] for method in named], named, loc="outside right upper", frameon=False,
        fontsize=9,
    )  # fmt: skip
    return figure


def _say_along(panel: Any, along: str | None, summary: "pd.DataFrame") -> None:
    """What the points of a panel are by; None for the budget."""
    panel.set_xlabel("evaluations" if along is None else along)
    if along in ("r", _BASE):
        _whole_ticks(panel)
    if along is None:
        panel.set_xscale("log")
        panel.set_xticks(ticks := sorted(summary["budget"].unique()))
        panel.set_xticklabels([f"{tick:,}" for tick in ticks])
        panel.minorticks_off()


def _caption(figure: "Figure", *parts: str) -> None:
    """Say beneath the panels what they do not show, if there is something to say."""
    if told := "; ".join(part for part in parts if part):
        lines = wrap(told, int(_LETTERS * figure.get_figwidth()))
        figure.supxlabel("\n".join(lines), x=0.01, ha="left", fontsize=8, color="0.35")


def _below(summary: "pd.DataFrame", metric: str) -> str:
    """What lies below the axis of R2, in words: one bad fit would flatten all others.

    Empty if nothing does, or if everything does, which is drawn as it is.
    """
    reach = summary[["mean", "low"]].min(axis=1)
    if metric != "r2" or reach.min() >= _LEAST_R2 or summary["mean"].max() <= _LEAST_R2:
        return ""
    rows = summary[summary["mean"] < _LEAST_R2]
    means = ", ".join(
        f"{row['method']} {row['mean']:.3g} at {row['budget']:,}" for _, row in rows.iterrows()
    )
    return f"the axis ends at R2 {_LEAST_R2:g}" + (f"; below it: {means}" if means else "")


def _draw_method(
    panel: "Axes", rows: "pd.DataFrame", metric: str, number: int, n_methods: int
) -> None:
    mean = rows["mean"].to_numpy(dtype=np.float64)
    low = np.where(rows["low"].notna(), rows["low"], mean)
    high = np.where(rows["high"].notna(), rows["high"], mean)
    colour, label = f"C{number % 10}", rows["method"].iloc[0]
    place = number / max(n_methods - 1, 1)
    marker: dict[str, Any] = {
        "marker": _MARKERS[number % len(_MARKERS)],
        "ms": _LARGEST - (_LARGEST - _LEAST) * place,
        "mfc": "none",
        "c": colour,
        "label": label,
    }
    if _ALONG.get(metric) == _BASE:  # bases have no order, so no line joins them
        x = rows["at"].to_numpy(dtype=np.float64) + _SPREAD * (place - 0.5) * (n_methods > 1)
        errors = np.array([mean - low, high - mean]).clip(min=0)
        panel.errorbar(x, mean, errors, ls="none", elinewidth=1.2, capsize=2, **marker)
        return
    x = rows["at" if rows["at"].notna().any() else "budget"].to_numpy(dtype=np.float64)
    panel.plot(x, mean, lw=1.2, **marker)
    panel.fill_between(x, low, high, color=colour, alpha=0.12, lw=0)


def _whole_ticks(panel: "Axes") -> None:
    from matplotlib.ticker import MaxNLocator

    panel.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def _label(summary: "pd.DataFrame", metric: str, items: int) -> str:
    """Of the vertical axis; with the number of items where some are undefined."""
    text = _LABELS.get(metric, metric.replace("_", " "))
    least, most = int(summary["items"].min()), int(summary["items"].max())
    if least == items:
        return text
    shown = f"{least:,}" if least == most else f"{least:,} to {most:,}"
    return f"{text}\n({shown} of {counted(items, 'item')})"
