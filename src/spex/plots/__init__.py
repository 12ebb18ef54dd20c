"""Plots of an explanation by matplotlib (extra `plot`): each draws into one axis, which it returns.

Names and colours are those of shap and shapiq where these have such a plot: red raises the score,
blue lowers it. The default index and order are those of every report. `ax` is an axis, or None for
one of a new figure, which no pyplot state knows: `spex.plots.text(e).figure.savefig("why.svg")`.
"""

from typing import TYPE_CHECKING, Any

from spex.errors import ArgumentError
from spex.plots.bars import bar, waterfall
from spex.plots.curve import learning_curve
from spex.plots.image import image
from spex.plots.pairs import heatmap, network
from spex.plots.text import text
from spex.plots.upset import upset
from spex.wording import did_you_mean

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from spex.explanation import Explanation

__all__ = ["bar", "heatmap", "image", "learning_curve", "network", "text", "upset", "waterfall"]

KINDS = {
    "bar": bar,
    "heatmap": heatmap,
    "image": image,
    "network": network,
    "text": text,
    "upset": upset,
    "waterfall": waterfall,
}


def draw(explanation: "Explanation", kind: str, ax: "Axes | None" = None, **how: Any) -> "Figure":
    """A plot by the name of its function; see `spex.Explanation.plot`.

    Args:
        explanation: The explanation.
        kind: The name.
        ax: The axis; None for a new one.
        how: index, order and k; None for the default.

    Raises:
        MissingExtraError: matplotlib is not installed.
        ArgumentError: an argument is wrong.
    """
    given = {name: value for name, value in how.items() if value is not None}
    if kind == "learning_curve":
        if given:
            raise ArgumentError(f"{min(given)}: a learning curve takes none; leave it out")
        axis = learning_curve(explanation, ax)
    else:
        check_kind(kind)
        axis = KINDS[kind](explanation, ax=ax, **given)
    figure: Any = axis.get_figure(root=True)
    return figure


def check_kind(kind: str) -> None:
    """Refuse a name that is no plot.

    Raises:
        ArgumentError: there is none of that name.
    """
    if kind not in __all__:
        raise ArgumentError(
            f"kind={kind!r} is unknown{did_you_mean(kind, __all__)}; use one of "
            f"{', '.join(__all__)}"
        )
