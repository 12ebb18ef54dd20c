"""R2 against the number of evaluations, and what more of them would buy."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from spex.errors import ArgumentError
from spex.explanation import Explanation
from spex.plots import drawing
from spex.report import facts

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def learning_curve(
    explanations: Explanation | Sequence[Explanation], ax: "Axes | None" = None
) -> "Axes":
    """R2 with its 90 % interval against evaluations, dashed where it is a forecast.

    Args:
        explanations: One, or several of the same function with growing budgets.
        ax: See `spex.plots.bar`.

    Returns:
        The axis.

    Raises:
        MissingExtraError: matplotlib is not installed.
        ArgumentError: there is no explanation.
    """
    given = [explanations] if isinstance(explanations, Explanation) else list(explanations)
    if not given or not all(isinstance(one, Explanation) for one in given):
        raise ArgumentError("explanations: give an Explanation, or a list of at least one")
    known = sorted(
        (one for one in given if not math.isnan(one.r2)), key=lambda one: one.n_evaluations
    )
    ax = drawing.axis(ax, 6.4, 4.0)
    if not known:
        drawing.finish(ax, given[0], [], "R2 against evaluations")
        drawing.say(ax, facts.fidelity(given[0]))
        return ax
    last = known[-1]
    sizes, r2 = [one.n_evaluations for one in known], [one.r2 for one in known]
    bounds = [[_distance(one, side) for one in known] for side in (0, 1)]
    ax.errorbar(
        sizes,
        r2,
        yerr=bounds,
        fmt="o-",
        color=drawing.NEGATIVE_TEXT,
        capsize=3,
        label="measured, 90 % interval",
    )
    if last.forecast:
        xs, ys = zip(*sorted(last.forecast.items()), strict=True)
        ax.plot(
            [last.n_evaluations, *xs],
            [last.r2, *ys],
            "o--",
            color="0.45",
            markerfacecolor="white",
            label="to expect",
        )
    _name_points(ax, [*zip(sizes, r2, strict=True), *sorted(last.forecast.items())])
    drawing.finish(ax, last, ["evaluations"], "R2 against evaluations")
    ax.legend(loc="lower right", frameon=False, fontsize=9)
    return ax


def _distance(one: Explanation, side: int) -> float:
    """From R2 to a bound of its interval; 0 if unknown."""
    bound = one.r2_interval[side]
    return 0.0 if math.isnan(bound) else abs(one.r2 - bound)


def _name_points(ax: "Axes", points: list[tuple[int, float]]) -> None:
    for size, r2 in points:
        offset: dict[str, Any] = {"xytext": (5, -12), "textcoords": "offset points", "fontsize": 8}
        ax.annotate(facts.rounded_r2(r2), (size, r2), color=drawing.GREY_TEXT, **offset)
    sizes = [size for size, _ in points]
    ax.set_xscale("log", base=2)
    ax.set_xticks(sizes, [f"{size:,}" for size in sizes], minor=False)
    ax.set_xticks([], minor=True)
    ax.set_xlim(min(sizes) / 1.25, max(sizes) * 1.3)
    lowest = min(0.0, *(r2 for _, r2 in points))
    ax.set_ylim(max(lowest, -1.0), 1.05)
    ax.set_ylabel("R2 (share of the variance explained)")
    ax.grid(axis="y", color="0.9")
    ax.spines[["top", "right"]].set_visible(False)
