"""Figures of an explanation, by matplotlib's object interface: no global state, no style."""

from typing import TYPE_CHECKING

import numpy as np

from spex.errors import ArgumentError, MissingExtraError
from spex.interactions.index import InteractionIndex
from spex.report import facts

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from spex.explanation import Explanation

# The colours of the HTML page: orange raises the score, blue lowers it.
_POSITIVE, _NEGATIVE, _NEUTRAL = "#d9701a", "#3a78c9", "#7d828a"
_WIDTH = 8.0
_ROW_HEIGHT = 0.3


def interaction_figure(
    explanation: "Explanation",
    index: str | InteractionIndex | None = None,
    order: int | None = None,
    k: int = 15,
) -> "Figure":
    """A bar chart of the k largest interactions, the largest on top.

    Args:
        explanation: The explanation.
        index: The index shown; None for what suits (`Explanation.interactions`).
        order: Highest order; see `spex.interactions.values.interactions`.
        k: At most this many bars, at least 1.

    Returns:
        A new figure that no pyplot state knows; save it with `figure.savefig(path)`.

    Raises:
        MissingExtraError: matplotlib is not installed.
        ArgumentError: the index, the order or k is wrong.
    """
    if k < 1:
        raise ArgumentError(f"k={k}; a figure needs at least one bar")
    values = explanation.interactions(index, order)
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError(
            f"figures need matplotlib ({error}); install it: pip install 'spex-explain[plot]'"
        ) from error

    top = values.top(k)
    figure = Figure(figsize=(_WIDTH, 1.5 + _ROW_HEIGHT * max(len(top), 3)), layout="constrained")
    axes = figure.add_subplot()
    if top:
        sizes = [value for _, value in top]
        names = facts.labels(explanation, 24)
        labels = [facts.short(facts.joined(names, members), 60) for members, _ in top]
        bounds = np.array([values.interval(members) for members, _ in top])
        bars = axes.barh(
            range(len(top)),
            sizes,
            height=0.68,
            # Where errors are not known, NaN, nothing is drawn.
            xerr=(bounds[:, 1] - bounds[:, 0]) / 2,
            error_kw={"elinewidth": 1, "ecolor": "0.35"},
            color=[_colour(size, values.index) for size in sizes],
        )
        axes.bar_label(bars, [facts.signed(size) for size in sizes], padding=3, fontsize=9)
        # Labels are words of a text: a dollar sign in them is no formula.
        axes.set_yticks(range(len(top)), labels, parse_math=False)
        axes.invert_yaxis()
        axes.axvline(0, color="0.4", linewidth=0.8)
        axes.margins(x=0.14)
    else:
        axes.text(0.5, 0.5, facts.nothing_listed(explanation), ha="center", va="center", wrap=True)
        axes.set_axis_off()
    unit = facts.unit_of_score(explanation)
    axes.set_xlabel(f"{facts.heading(values)}{f' ({unit})' if unit else ''}")
    score = facts.score(explanation)
    title = facts.short(score, 70) if score else "Largest interactions"
    axes.set_title(title, loc="left", fontsize=11, fontweight="bold", parse_math=False)
    figure.supxlabel(
        f"{facts.fidelity_short(explanation)}; {facts.cost(explanation)}",
        fontsize=9,
        color="0.35",
        x=0.99,
        ha="right",
    )
    axes.tick_params(axis="y", length=0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    return figure


def _colour(value: float, index: InteractionIndex) -> str:
    if not facts.has_direction(index):
        return _NEUTRAL
    return _POSITIVE if value > 0 else _NEGATIVE
