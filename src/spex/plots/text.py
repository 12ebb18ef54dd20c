"""A text with its combinations drawn above the words that they join."""

from typing import TYPE_CHECKING, Any, TypeAlias

from spex._typing import Interaction
from spex.inputs.parts import Piece, TextPart
from spex.interactions.index import InteractionIndex
from spex.interactions.values import InteractionValues
from spex.plots import drawing
from spex.report import facts
from spex.report.layout import (
    GAP,
    LEVEL,
    Rail,
    Word,
    laid_out,
    line_tops,
    spans,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from spex.explanation import Explanation

_SIZE, _LEAST = 13.0, 4.0  # points
_LABEL = 0.75  # as a share of that
_WIDTH, _NARROWEST = 640.0, 400.0  # points of a new figure
_LONGEST_UNIT = 400  # characters
_ROUND = 5.0  # radius of a bracket's corners, in points
_LINE_GAP = 9.0
_STRONGEST_TINT = 0.75

_Ranked: TypeAlias = list[tuple[Interaction, float]]


def text(
    explanation: "Explanation",
    index: str | InteractionIndex | None = None,
    order: int | None = None,
    k: int = 8,
    ax: "Axes | None" = None,
) -> "Axes":
    """The text, with the k largest combinations as brackets above the words that they join.

    Red and solid raises the score, blue and dashed lowers it. The larger a bracket's value, the
    thicker the bracket; its label is the value. The colour of a unit is its own value of the same
    index, on the same scale. Where the input is no text, its labels are drawn.

    Args:
        explanation: The explanation.
        index: See `spex.plots.bar`.
        order: See `spex.plots.bar`.
        k: At most this many combinations, at least 1.
        ax: See `spex.plots.bar`; give it its final size before, as the lines are broken to fit it.

    Returns:
        The axis.

    Raises:
        MissingExtraError: matplotlib is not installed.
        ArgumentError: an argument is wrong.
    """
    values = drawing.shown(explanation, index, order, k)
    top = drawing.joint(values, k)
    if ax is None:
        page = _Page(explanation, values, top, _WIDTH, _SIZE)
        size = (page.width + 28, page.height + 100)
        ax = drawing.axis(None, *(points / drawing.POINTS_PER_INCH for points in size))
    else:
        ax = drawing.axis(ax, 1, 1)
        page = _fitting(explanation, values, top, ax)
    page.draw(ax)
    told = [f"{drawing.numbers_are(explanation, values)}: {_legend(values)}"]
    told += drawing.not_drawn(values, len(top))
    told += drawing.doubt(values, [*drawing.doubtful(values), *(members for members, _ in top)])
    drawing.finish(ax, explanation, told, "Combinations")
    return ax


def _fitting(
    explanation: "Explanation", values: InteractionValues, top: _Ranked, ax: "Axes"
) -> "_Page":
    """The page of the largest letters that fits an axis; it is as wide as the axis."""
    width, height = drawing.size_of(ax)
    size = _SIZE
    while (page := _Page(explanation, values, top, width, size)).height > height and size > _LEAST:
        size *= 0.93
    page.width, page.height = width, max(page.height, height)
    return page


def _legend(values: InteractionValues) -> str:
    if not facts.has_direction(values.index):
        return "thick: large"
    return "red, solid: raises the score; blue, dashed: lowers it"


class _Page:
    """A text laid out for a width."""

    def __init__(
        self,
        explanation: "Explanation",
        values: InteractionValues,
        top: _Ranked,
        width: float,
        size: float,
    ) -> None:
        self._values, self._top = values, top
        self._size, self._label_size = size, _LABEL * size
        self._largest = max((abs(value) for members, value in values.items() if members), default=0)
        members = [members for members, _ in top]
        self._labels = [drawing.number(values, each) for each in members]
        labels = [drawing.text_width(label, self._label_size) + 4 for label in self._labels]
        words, found = laid_out(_paragraphs(explanation), members, labels, width, self._measure)
        rights = [word.right for word in words]
        rights += [rail.lane or rail.taken[1] for rail in found]
        self.width = max(max(rights, default=0.0) + 6, _NARROWEST)
        self._words, self._rails = words, found
        self._tops, self.height = line_tops(words, found, self._size * 1.45 + _LINE_GAP)

    def _measure(self, string: str, is_heading: bool) -> float:
        return drawing.text_width(string, self._size) * (1.08 if is_heading else 1.0)

    def draw(self, ax: "Axes") -> None:
        """Draw into an axis, one unit of which is a point."""
        drawing.bare(ax)
        ax.set_xlim(0, self.width)
        ax.set_ylim(self.height, 0)
        last: dict[int | None, Word] = {}
        for span in spans(self._words):
            self._draw_unit(ax, span)
            last[span.feature] = span
        for (feature,) in drawing.doubtful(self._values):
            if feature in last:
                self._doubt(ax, last[feature])
        for word in self._words:
            y = self._tops[word.line] + 0.72 * self._size * 1.45
            ax.text(
                word.left,
                y,
                word.text,
                fontsize=self._size,
                va="baseline",
                color="black" if word.feature is not None or word.is_heading else "0.45",
                **drawing.fonts(word.text, "bold" if word.is_heading else "normal"),
            )
        for rail in self._rails:
            self._draw_rail(ax, rail)
        for number in {rail.bracket for rail in self._rails if rail.lane is not None}:
            self._draw_trunk(ax, [rail for rail in self._rails if rail.bracket == number])

    def _draw_unit(self, ax: "Axes", span: Word) -> None:
        from matplotlib.patches import Rectangle

        assert span.feature is not None
        value = self._values.get((span.feature,), 0.0)
        share = abs(value) / self._largest if self._largest else 0.0
        y, tall = self._tops[span.line], self._size * 1.45
        if value:
            colour = drawing.colour(value, self._values.index)
            ax.add_patch(
                Rectangle(
                    (span.left - 1, y),
                    span.width + 2,
                    tall,
                    facecolor=colour,
                    alpha=_STRONGEST_TINT * share,
                    linewidth=0,
                    zorder=0.5,
                )
            )
        # A line under units, so that they are told apart and the sign is not by colour alone.
        style: dict[str, Any] = {"color": "0.8", "linewidth": 0.8}
        if share > drawing.TINTED:
            style = drawing.stroke(value, 1.8 * self._largest, self._values.index)
        ax.plot([span.left, span.right], [y + tall] * 2, **style)

    def _doubt(self, ax: "Axes", span: Word) -> None:
        """The mark of doubt above the end of a unit."""
        mark: dict[str, Any] = {"fontsize": 0.55 * self._size, "fontweight": "bold"}
        mark |= {"ha": "right", "va": "baseline", "color": drawing.GREY_TEXT}
        ax.text(span.right + 1, self._tops[span.line] - 0.8, facts.UNCERTAIN, **mark)

    def _draw_rail(self, ax: "Axes", rail: Rail) -> None:
        from matplotlib.patches import PathPatch
        from matplotlib.path import Path

        value = self._top[rail.bracket][1]
        bottom = self._tops[rail.line] - 1.5
        y = self._level(rail)
        left, right = rail.ends
        if rail.side is not None:
            ax.plot([left, right], [y, y], **self._stroke(value))
            return
        turn = min(_ROUND, (right - left) / 2) if right > left else 0.0
        points = [(left, bottom), (left, y + turn), (left, y), (left + turn, y)]
        codes = [Path.MOVETO, Path.LINETO, Path.CURVE3, Path.CURVE3]
        if rail.lane is None:
            points += [(right - turn, y), (right, y), (right, y + turn), (right, bottom)]
            codes += [Path.LINETO, Path.CURVE3, Path.CURVE3, Path.LINETO]
        else:
            points += [(right, y)]
            codes += [Path.LINETO]
        for x in rail.drops[1:] if rail.lane is not None else rail.drops[1:-1]:
            points += [(x, bottom), (x, y)]
            codes += [Path.MOVETO, Path.LINETO]
        ax.add_patch(PathPatch(Path(points, codes), fill=False, **self._stroke(value)))
        if rail.label:
            above = 2.2 + self._stroke(value)["linewidth"] / 2
            self._label(ax, rail.bracket, rail.label_at, y - above, va="baseline")

    def _label(self, ax: "Axes", number: int, x: float, y: float, **how: Any) -> None:
        ax.text(
            x,
            y,
            self._labels[number],
            fontsize=self._label_size,
            ha="center",
            color=drawing.text_colour(self._top[number][1], self._values.index),
            bbox={"facecolor": ax.get_facecolor(), "edgecolor": "none", "pad": 0.4},
            zorder=4,
            **how,
        )

    def _draw_trunk(self, ax: "Axes", rails_of_one: list[Rail]) -> None:
        x, ys = rails_of_one[0].lane, [self._level(rail) for rail in rails_of_one]
        value = self._top[rails_of_one[0].bracket][1]
        assert x is not None
        ax.plot([x, x], [min(ys), max(ys)], solid_capstyle="projecting", **self._stroke(value))
        if rails_of_one[0].side is not None:  # no room above the line
            number = rails_of_one[0].bracket
            self._label(ax, number, x, (ys[0] + ys[1]) / 2, va="center", rotation=90)

    def _level(self, rail: Rail) -> float:
        if rail.side is not None:
            count = sum(other.side is not None and other.line == rail.line for other in self._rails)
            apart = min(5.0, self._size * 1.2 / count)
            return self._tops[rail.line] + self._size * 0.75 + (rail.side - (count - 1) / 2) * apart
        return self._tops[rail.line] - GAP - LEVEL * rail.level

    def _stroke(self, value: float) -> dict[str, Any]:
        return drawing.stroke(value, self._largest, self._values.index)


def _paragraphs(explanation: "Explanation") -> list[tuple[list[Piece], bool]]:
    """The texts of the input, or else the labels; very long units are cut at their end."""
    parts = facts.parts(explanation)
    if parts is None or not any(isinstance(part, TextPart) for part in parts):
        pieces: list[Piece] = []
        for number, label in enumerate(drawing.labels(explanation, 30)):
            pieces += [(" ", None)] if number else []
            # No break inside a label: it is one unit.
            pieces.append((label.replace(" ", "\N{NO-BREAK SPACE}"), number))
        return [(pieces, False)]
    found: list[tuple[list[Piece], bool]] = []
    shown: set[int] = set()
    for part in parts:
        if not isinstance(part, TextPart):
            continue
        if part.heading is not None:
            found.append(([(part.heading, None)], True))
        pieces = []
        for string, feature in part.pieces:
            cut = drawing.shorten_end(string, _LONGEST_UNIT)
            pieces.append((cut.replace("\t", " "), feature))
            shown |= set() if feature is None else {feature}
        found.append((pieces, False))
    others = [number for number in range(explanation.n_features) if number not in shown]
    if others:  # for example regions of a picture next to a text
        names = drawing.labels(explanation, 30)
        pieces = []
        for number in others:
            pieces += [(names[number].replace(" ", "\N{NO-BREAK SPACE}"), number), (" ", None)]
        found.append((pieces, False))
    return found
