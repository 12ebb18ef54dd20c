"""Pairs of features: a network of the largest combinations, and a heat map."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from spex._typing import FloatArray, Interaction
from spex.interactions.index import InteractionIndex
from spex.interactions.values import InteractionValues
from spex.plots import drawing
from spex.report import facts

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from spex.explanation import Explanation

_NODE, _TURNED = 22, 16  # characters of a label; turned labels need height
_MOST_LEVEL = 8  # labels of more features are turned
_FAINT = 0.005
_LARGEST_NODE, _LEAST_NODE = 420.0, 30.0  # square points


def network(
    explanation: "Explanation",
    index: str | InteractionIndex | None = None,
    order: int | None = None,
    k: int = 12,
    ax: "Axes | None" = None,
) -> "Axes":
    """The k largest combinations as lines between features on a circle, as in shapiq.

    The features are those of the lines, in their own order, clockwise from the top; a disc is as
    large as the feature's own value. A combination of three or more is a star around a point. Each
    line is listed with its value beside the circle.

    Args:
        explanation: The explanation.
        index: See `spex.plots.bar`.
        order: See `spex.plots.bar`.
        k: At most this many combinations, at least 1.
        ax: See `spex.plots.bar`.

    Returns:
        The axis.

    Raises:
        MissingExtraError: matplotlib is not installed.
        ArgumentError: an argument is wrong.
    """
    values = drawing.shown(explanation, index, order, k)
    top = drawing.joint(values, k)
    members = sorted({member for interaction, _ in top for member in interaction})
    is_radial = len(members) > _MOST_LEVEL
    ax = drawing.axis(ax, 10.0, 6.8 if is_radial else 4.6)
    told = [drawing.numbers_are(explanation, values), *drawing.not_drawn(values, len(top))]
    own = [(member,) for member in members]
    told += drawing.doubt(values, [*own, *(interaction for interaction, _ in top)])
    drawing.finish(ax, explanation, told, "Largest combinations")
    if not top:
        drawing.say(ax, _no_pair(explanation, values))
        return ax
    names = drawing.labels(explanation, _TURNED if is_radial else _NODE)
    angles = np.pi / 2 - 2 * np.pi * np.arange(len(members)) / len(members)
    at = dict(zip(members, np.stack([np.cos(angles), np.sin(angles)], axis=1), strict=True))
    drawing.bare(ax)
    _draw_nodes(ax, values, at)
    for member, angle in zip(members, angles, strict=True):
        mark = f" {facts.UNCERTAIN}" if facts.is_uncertain(values, (member,)) else ""
        _name_node(ax, names[member] + mark, angle, is_radial)
    _draw_lines(ax, names, top, values, at)
    _set_limits(ax, 2.1 if is_radial else 1.3)
    legend = ax.legend(
        loc="center left",
        bbox_to_anchor=(1.0, 0.5),
        frameon=False,
        fontsize=9,
        handlelength=3.2,
        title="combinations",
        title_fontsize=9,
        alignment="left",
    )
    drawing.set_fonts(legend.get_texts())
    return ax


def _set_limits(ax: "Axes", reach: float) -> None:
    """Leave room for labels; a unit across is as long as one up, as near as the layout lets it."""
    width, height = drawing.size_of(ax)
    ratio = max(width / height, 1.0)
    ax.set_xlim(-reach * ratio, reach * ratio)
    ax.set_ylim(-reach, reach)


def _no_pair(explanation: "Explanation", values: InteractionValues) -> str:
    if values.order == 1 and explanation.spectrum.degree > 1:
        return f"{facts.heading(values)} has no combinations; order=2 shows pairs."
    if values.top(1):
        return "There are no combinations: each feature acts by itself."
    return facts.nothing_listed(explanation)


def _draw_nodes(ax: "Axes", values: InteractionValues, at: dict[int, FloatArray]) -> None:
    own = {member: values.get((member,), 0.0) for member in at}
    largest = max((abs(value) for members, value in values.items() if members), default=0.0) or 1.0
    points = np.stack(list(at.values()))
    sizes = [_LEAST_NODE + _LARGEST_NODE * abs(value) / largest for value in own.values()]
    colours = [drawing.colour(value, values.index) if value else "0.7" for value in own.values()]
    x, y = points.T
    ax.scatter(x, y, s=sizes, c=colours, edgecolors="white", linewidths=1, zorder=3)
    for member, value in own.items():
        if value:
            # Such as + and -: the sign is not by colour alone.
            sign = "+" if value > 0 else "\N{MINUS SIGN}"
            size = min(7 + 7 * abs(value) / largest, 12)
            told: dict[str, Any] = {"ha": "center", "va": "center_baseline", "color": "white"}
            left, low = at[member]
            ax.text(left, low, sign, fontsize=size, fontweight="bold", zorder=3.1, **told)


def _name_node(ax: "Axes", name: str, angle: float, is_radial: bool) -> None:
    x, y = 1.16 * math.cos(angle), 1.16 * math.sin(angle)
    degrees, is_right = math.degrees(angle), math.cos(angle) > -1e-9
    # Along the radius where there are many: so they never meet.
    turned = (degrees if is_right else degrees + 180) % 360 if is_radial else 0
    is_top_or_bottom = not is_radial and abs(math.cos(angle)) < 1e-9
    side = "left" if is_right else "right"
    ax.text(
        x,
        y,
        name,
        rotation=turned,
        rotation_mode="anchor",
        ha="center" if is_top_or_bottom else side,
        va="center",
        fontsize=10,
        **drawing.fonts(name),
    )


def _draw_lines(
    ax: "Axes",
    names: Sequence[str],
    top: list[tuple[Interaction, float]],
    values: InteractionValues,
    at: dict[int, FloatArray],
) -> None:
    largest = abs(top[0][1])
    for members, value in top:
        points = np.stack([at[member] for member in members])
        style = drawing.stroke(value, largest, values.index)
        label = f"{drawing.number(values, members)}  {drawing.name_of(names, members, 36)}"
        if len(members) == 2:
            ax.plot(*points.T, zorder=2, label=label, **style)
            continue
        # Off the middle of its members, so that stars of the same ones do not coincide.
        hub = points.mean(axis=0) * 0.8
        for number, point in enumerate(points):
            line = np.stack([hub, point]).T
            ax.plot(*line, zorder=2, label=label if not number else None, **style)
        ax.plot(*hub, "o", markersize=4, color=style["color"], zorder=2.5)


def heatmap(
    explanation: "Explanation",
    index: str | InteractionIndex | None = None,
    order: int | None = None,
    k: int = 12,
    ax: "Axes | None" = None,
) -> "Axes":
    """Values of pairs as a matrix, of single features on its diagonal.

    Args:
        explanation: The explanation.
        index: See `spex.plots.bar`.
        order: See `spex.plots.bar`.
        k: At most this many features, at least 1: those of the largest pairs, and of the largest
            single values where that leaves room, in their own order.
        ax: See `spex.plots.bar`.

    Returns:
        The axis.

    Raises:
        MissingExtraError: matplotlib is not installed.
        ArgumentError: an argument is wrong.
    """
    values = drawing.shown(explanation, index, order, k)
    members = _members(values, k)
    size = 0.68 * max(len(members), 4)
    ax = drawing.axis(ax, size + 2.4, size + 1.6)
    numbers = [f"{drawing.numbers_are(explanation, values)}; single features on the diagonal"]
    pairs = [tuple(sorted({a, b})) for a in members for b in members]
    numbers += drawing.doubt(values, [pair for pair in pairs if pair in values])
    drawing.finish(ax, explanation, numbers, "Pairs")
    if not members:
        drawing.say(ax, facts.nothing_listed(explanation))
        return ax
    matrix = np.full((len(members), len(members)), np.nan)
    for i, a in enumerate(members):
        for j, b in enumerate(members):
            pair = (a,) if a == b else (min(a, b), max(a, b))
            matrix[i, j] = values.get(pair, 0.0) if len(pair) <= values.order else np.nan
    most = float(np.nanmax(np.abs(matrix))) or 1.0
    from matplotlib.colors import LinearSegmentedColormap

    ends = (drawing.NEGATIVE, "white", drawing.POSITIVE)
    if not facts.has_direction(values.index):
        ends = (drawing.NEUTRAL, "white", drawing.NEUTRAL)
    colours = LinearSegmentedColormap.from_list("spex", ends)
    picture = ax.imshow(matrix, cmap=colours, vmin=-most, vmax=most)
    font = min(9.0, 80 / len(members))
    for (i, j), value in np.ndenumerate(matrix):
        # Below a half per cent of the largest the cell is as good as white, and its number noise.
        if abs(value) >= _FAINT * most:
            told = drawing.number(values, pairs[i * len(members) + j])
            ax.text(j, i, told, ha="center", va="center", fontsize=font, color="black")
    names = [drawing.labels(explanation, 20)[member] for member in members]
    ax.set_xticks(range(len(members)), names, rotation=45, ha="right", rotation_mode="anchor")
    ax.set_yticks(range(len(members)), names)
    drawing.set_fonts([*ax.get_xticklabels(), *ax.get_yticklabels()])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.figure.colorbar(picture, ax=ax, shrink=0.7, label=facts.unit_of_score(explanation) or None)
    return ax


def _members(values: InteractionValues, k: int) -> list[int]:
    """The features of the largest pairs, then of the largest single values, at most k."""
    pairs = [members for members, _ in values.items() if len(members) == 2]
    singles = [members for members, _ in values.items() if len(members) == 1]
    chosen: list[int] = []
    for members in pairs + singles:
        new = [member for member in members if member not in chosen]
        if len(chosen) + len(new) <= k:
            chosen += new
    return sorted(chosen)
