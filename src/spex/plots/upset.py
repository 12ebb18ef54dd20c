"""UpSet plot: the largest combinations as bars over a matrix of their members (Lex et al. 2014)."""

from typing import TYPE_CHECKING

from spex.interactions.index import InteractionIndex
from spex.plots import drawing
from spex.report import facts

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from spex.explanation import Explanation

_COLUMN, _ROW, _BARS = 0.5, 0.28, 2.3  # inches


def upset(
    explanation: "Explanation",
    index: str | InteractionIndex | None = None,
    order: int | None = None,
    k: int = 15,
    ax: "Axes | None" = None,
) -> "Axes":
    """The k largest interactions of all orders as bars, each over the dots of its members.

    Shows which features act together where interactions have many members.

    Args:
        explanation: The explanation.
        index: See `spex.plots.bar`.
        order: See `spex.plots.bar`.
        k: At most this many interactions, at least 1.
        ax: See `spex.plots.bar`. Bars and dots are inset axes of it.

    Returns:
        The axis.

    Raises:
        MissingExtraError: matplotlib is not installed.
        ArgumentError: an argument is wrong.
    """
    values = drawing.shown(explanation, index, order, k)
    top = values.top(k)
    members = sorted({member for interaction, _ in top for member in interaction})
    rows = _ROW * max(len(members), 1)
    ax = drawing.axis(ax, max(_COLUMN * len(top) + 2.6, 5.0), rows + _BARS + 1.1)
    told = [drawing.numbers_are(explanation, values)]
    told += drawing.doubt(values, [interaction for interaction, _ in top])
    drawing.finish(ax, explanation, told, "Largest sets")
    drawing.bare(ax)
    if not top:
        drawing.say(ax, facts.nothing_listed(explanation))
        return ax
    share = rows / (rows + _BARS)
    bars = ax.inset_axes((0, share + 0.02, 1, 0.98 - share))
    dots = ax.inset_axes((0, 0, 1, share))
    sizes = [value for _, value in top]
    drawn = bars.bar(
        range(len(top)),
        sizes,
        width=0.62,
        **drawing.signed_bars(sizes, values.index),
    )
    # The mark of doubt on a line of its own: columns are narrow.
    numbers = [drawing.number(values, interaction).replace(" ", "\n") for interaction, _ in top]
    bars.bar_label(drawn, numbers, padding=2, fontsize=7.5)
    bars.axhline(0, color="0.4", linewidth=0.8)
    bars.margins(y=0.16)
    bars.set_xticks([])
    bars.spines[["top", "right", "bottom"]].set_visible(False)
    _draw_dots(dots, explanation, values.index, top, members)
    for inset in (bars, dots):
        inset.set_xlim(-0.6, len(top) - 0.4)
    return ax


def _draw_dots(
    dots: "Axes",
    explanation: "Explanation",
    index: InteractionIndex,
    top: list[tuple[tuple[int, ...], float]],
    members: list[int],
) -> None:
    row_of = {member: row for row, member in enumerate(members)}
    for row in range(0, len(members), 2):
        dots.axhspan(row - 0.5, row + 0.5, color="0.95", linewidth=0)
    for column, (interaction, value) in enumerate(top):
        dots.plot([column] * len(members), range(len(members)), "o", color="0.85", markersize=4)
        rows = [row_of[member] for member in interaction]
        colour = drawing.colour(value, index)
        dots.plot([column] * 2, [min(rows), max(rows)], color=colour, linewidth=1.8)
        dots.plot([column] * len(rows), rows, "o", color=colour, markersize=7)
    names = drawing.labels(explanation, 26)
    dots.set_yticks(range(len(members)), [names[member] for member in members])
    drawing.set_fonts(dots.get_yticklabels())
    dots.set_ylim(len(members) - 0.5, -0.5)
    dots.set_xticks([])
    dots.tick_params(axis="y", length=0)
    dots.spines[:].set_visible(False)
