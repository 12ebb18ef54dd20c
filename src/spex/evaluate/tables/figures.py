"""Figures of results."""

from typing import TYPE_CHECKING

import numpy as np

from spex.extras import require

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_LABELS = {
    "r2": "R2 on fresh masks",
    "lds": "LDS",
    "relative": "relative change of the model's score",
    "recovery": "recovery@r",
}
# What a curve runs along; the others are by r.
_ALONG = {
    "deletion": "share of features that are gone",
    "insertion": "share of features that are there",
    "sufficiency": "share retained",
    "necessity": "share retained",
    **{
        f"{kind}_{name}": "base"
        for kind in ("single", "pair")
        for name in ("ndcg", "signs", "error", "size", "covered")
    },
}
_WIDTH, _HEIGHT = 4.2, 3.4  # inches of a panel
_MARKERS = "osD^vP*Xphd<>"


def draw(summary: "pd.DataFrame", metric: str) -> "Figure":
    """Mean and 90 % interval of each method: against the budget, or along the curve.

    Args:
        summary: The rows of `Results.summary` for one metric.
        metric: Its name.

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
            x = "at" if is_curve else "budget"
            rows = rows.sort_values(x)
            if not len(rows):
                continue
            low = np.where(rows["low"].notna(), rows["low"], rows["mean"])
            high = np.where(rows["high"].notna(), rows["high"], rows["mean"])
            marker = _MARKERS[number % len(_MARKERS)]
            colour = f"C{number % 10}"
            panel.plot(rows[x], rows["mean"], marker=marker, ms=4, lw=1.2, c=colour, label=method)
            panel.fill_between(rows[x], low, high, color=colour, alpha=0.12, lw=0)
        panel.grid(alpha=0.3)
        panel.spines[["top", "right"]].set_visible(False)
        if is_curve:
            panel.set_title(f"{budget:,} evaluations", fontsize=10)
            panel.set_xlabel(_ALONG.get(metric, "r"))
        else:
            panel.set_xlabel("evaluations")
            panel.set_xscale("log")
            panel.set_xticks(ticks := sorted(summary["budget"].unique()))
            panel.set_xticklabels([f"{tick:,}" for tick in ticks])
            panel.minorticks_off()
    axes[0].set_ylabel(_LABELS.get(metric, metric.replace("_", " ")))
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right upper", frameon=False, fontsize=9)
    return figure
