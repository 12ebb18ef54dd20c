"""Bars of the largest interactions, and the waterfall from nothing to everything."""

import math
from typing import TYPE_CHECKING

import numpy as np

from spex.errors import ArgumentError
from spex.fourier.spectrum import weighted_sum
from spex.interactions.index import InteractionIndex
from spex.interactions.values import InteractionValues
from spex.plots import drawing
from spex.report import facts
from spex.wording import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from spex.explanation import Explanation

_ROW = 0.34  # inches
_WIDTH = 8.0
_NAME = 46  # characters
_ROUNDING = 1e-9  # share of the size of the summands
# Indices whose values of all orders add up, from the value with nothing to that with everything.
_ADDITIVE = (
    InteractionIndex.SV,
    InteractionIndex.K_SII,
    InteractionIndex.STII,
    InteractionIndex.FSII,
    InteractionIndex.FBII,
    InteractionIndex.MOEBIUS,
)


def bar(
    explanation: "Explanation",
    index: str | InteractionIndex | None = None,
    order: int | None = None,
    k: int = 15,
    ax: "Axes | None" = None,
) -> "Axes":
    """The k largest interactions as bars, the largest on top, with their 90 % intervals.

    Args:
        explanation: The explanation.
        index: The index shown. Where neither index nor order is given: that of every report.
        order: Highest order; see `spex.Explanation.interactions`.
        k: At most this many bars, at least 1.
        ax: The axis to draw into; None for one of a new figure.

    Returns:
        The axis.

    Raises:
        MissingExtraError: matplotlib is not installed.
        ArgumentError: an argument is wrong.
    """
    values = drawing.shown(explanation, index, order, k)
    top = values.top(k)
    ax = drawing.axis(ax, _WIDTH, 1.5 + _ROW * max(len(top), 3))
    told = [drawing.numbers_are(explanation, values)]
    told += drawing.doubt(values, [members for members, _ in top])
    drawing.finish(ax, explanation, told, "Largest interactions")
    if not top:
        drawing.say(ax, facts.nothing_listed(explanation))
        return ax
    sizes = [value for _, value in top]
    bounds = np.array([values.interval(members) for members, _ in top])
    bars = ax.barh(
        range(len(top)),
        sizes,
        height=0.68,
        # Unknown errors are NaN, and nothing is drawn for them.
        xerr=(bounds[:, 1] - bounds[:, 0]) / 2,
        error_kw={"elinewidth": 1, "ecolor": "0.35"},
        **drawing.signed_bars(sizes, values.index),
    )
    ax.bar_label(bars, [drawing.number(values, key) for key, _ in top], padding=3, fontsize=9)
    names = drawing.labels(explanation, 24)
    _name_rows(ax, [drawing.name_of(names, members, _NAME) for members, _ in top])
    ax.axvline(0, color="0.4", linewidth=0.8)
    ax.margins(x=0.14)
    return ax


def waterfall(
    explanation: "Explanation",
    index: str | InteractionIndex | None = None,
    order: int | None = None,
    k: int = 12,
    ax: "Axes | None" = None,
) -> "Axes":
    """How the interactions add up, from nothing kept (below) to everything kept (on top).

    Begins at what the surrogate gives with nothing kept and ends at what it gives with everything.
    What the k largest leave out is one bar, and what the values of the order that is shown leave
    out is another. As in shap, red arrows go up, blue ones down.

    Args:
        explanation: The explanation.
        index: One whose values add up: FBII, FSII, STII, k-SII, SV or Moebius; see `bar`.
        order: See `bar`.
        k: At most this many bars, at least 1, and two for the rest.
        ax: See `bar`.

    Returns:
        The axis.

    Raises:
        MissingExtraError: matplotlib is not installed.
        ArgumentError: an argument is wrong, or the values of the index do not add up.
    """
    values = drawing.shown(explanation, index, order, k)
    if values.index not in _ADDITIVE:
        raise ArgumentError(
            f"index={str(values.index)!r}: its values do not add up to the value with everything; "
            f"for a waterfall use one of {', '.join(_ADDITIVE)}"
        )
    listed = [(members, value) for members, value in values.items() if members]
    names = drawing.labels(explanation, 24)
    rows = [
        (drawing.name_of(names, members, _NAME), value, drawing.number(values, members))
        for members, value in listed[:k]
    ]
    if rest := listed[k:]:
        left_out = counted(len(rest), "other interaction")
        others = math.fsum(value for _, value in rest)
        rows.append((left_out, others, facts.signed(others)))
    start, end = _ends(explanation, values)
    beyond = end - start - math.fsum(value for _, value in listed)
    if abs(beyond) > _ROUNDING * facts.scale(explanation):
        rows.append(("higher orders", beyond, facts.signed(beyond)))
    ax = drawing.axis(ax, _WIDTH, 1.9 + _ROW * max(len(rows), 3))
    told = [drawing.numbers_are(explanation, values)]
    told += drawing.doubt(values, [members for members, _ in listed[:k]])
    drawing.finish(ax, explanation, told, "Waterfall")
    if not rows:
        drawing.say(ax, facts.nothing_listed(explanation))
        return ax
    _draw_steps(ax, rows, start)
    _name_rows(ax, [name for name, _, _ in rows])
    return ax


def _ends(explanation: "Explanation", values: InteractionValues) -> tuple[float, float]:
    """The surrogate's values with nothing and with everything."""
    n = explanation.n_features
    read = explanation.spectrum
    correction = explanation.correction.get(values.index.corrected_as)
    if correction is not None:
        read = weighted_sum([read, correction], np.ones(2))
    nothing, everything = read.predict(np.array([[False] * n, [True] * n])).tolist()
    return nothing, everything


def _draw_steps(ax: "Axes", rows: list[tuple[str, float, str]], begin: float) -> None:
    """Arrows from where it begins, the last row first, each from where the one below ends."""
    ends = begin + np.cumsum([value for _, value, _ in rows][::-1])
    starts = np.concatenate([[begin], ends[:-1]])
    low, high = min(begin, ends.min()), max(begin, ends.max())
    span = (high - low) or 1.0
    for number, (start, end) in enumerate(zip(starts, ends, strict=True)):
        row = len(rows) - 1 - number
        _, value, told = rows[row]
        _draw_arrow(ax, row, start, end, value, 0.012 * span, told)
        if row:
            ax.plot([end, end], [row + 0.34, row - 1.34], ":", color="0.6", linewidth=0.9)
    size = max(abs(low), abs(high), math.fsum(abs(value) for _, value, _ in rows))
    for name, at, place, up in (
        ("nothing", begin, len(rows) - 0.45, -1),
        ("everything", ends[-1], -0.55, 1),
    ):
        ax.annotate(
            f"{name} kept: {facts.signed(at, size)}",
            (at, place),
            xytext=(0, 5 * up),
            textcoords="offset points",
            ha="center",
            va="bottom" if up > 0 else "top",
            fontsize=9,
            color=drawing.GREY_TEXT,
        )
    ax.set_xlim(low - 0.16 * span, high + 0.16 * span)
    ax.set_ylim(len(rows) + 0.35, -1.35)


def _draw_arrow(
    ax: "Axes", row: int, start: float, end: float, value: float, tip: float, told: str
) -> None:
    """An arrow with a tip of at most that length, and its label."""
    is_up = value > 0
    neck = end - min(tip, abs(value)) * (1 if is_up else -1)
    corners = [
        (start, row - 0.34),
        (neck, row - 0.34),
        (end, row),
        (neck, row + 0.34),
        (start, row + 0.34),
    ]
    ax.fill(
        *zip(*corners, strict=True),
        facecolor=drawing.POSITIVE if is_up else drawing.NEGATIVE,
        hatch="" if is_up else "////",
        edgecolor="white",
        linewidth=0,
    )
    ax.annotate(
        told,
        (max(start, end) if is_up else min(start, end), row),
        (4 if is_up else -4, 0),
        textcoords="offset points",
        ha="left" if is_up else "right",
        va="center",
        fontsize=9,
        color=drawing.POSITIVE_TEXT if is_up else drawing.NEGATIVE_TEXT,
    )


def _name_rows(ax: "Axes", names: list[str]) -> None:
    ax.set_yticks(range(len(names)), names)
    drawing.set_fonts(ax.get_yticklabels())
    if not ax.yaxis_inverted():
        ax.invert_yaxis()
    ax.tick_params(axis="y", length=0)
    ax.spines[["top", "right", "left"]].set_visible(False)
