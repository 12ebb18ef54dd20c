"""A picture with its regions coloured by their values, and combinations as lines between them."""

import base64
import io
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from spex._typing import FloatArray, Interaction
from spex.errors import ArgumentError
from spex.inputs.parts import ImagePart
from spex.interactions.index import InteractionIndex
from spex.interactions.values import InteractionValues
from spex.plots import drawing
from spex.report import facts

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.path import Path

    from spex.explanation import Explanation

_WIDTH, _ROW = 7.0, 0.21  # inches
_STRONGEST_TINT = 0.7
_STEP = re.compile(r"([MLZ])([^MLZ]*)")
# Where along a line its number may stand.
_PLACES = (0.5, 0.4, 0.6, 0.3, 0.7, 0.22, 0.78)


def image(
    explanation: "Explanation",
    index: str | InteractionIndex | None = None,
    order: int | None = None,
    k: int = 6,
    ax: "Axes | None" = None,
) -> "Axes":
    """The picture in grey, its regions in the colour of their values, combinations as lines.

    Red raises the score; blue, hatched and dashed lowers it. Regions that act together are outlined
    and joined by a line. The larger the value, the thicker the line. Its number refers to the list
    below the picture. All colours are on one scale.

    Args:
        explanation: The explanation of a picture, or of a picture and a text.
        index: See `spex.plots.bar`.
        order: See `spex.plots.bar`.
        k: At most this many combinations, at least 1.
        ax: See `spex.plots.bar`.

    Returns:
        The axis.

    Raises:
        MissingExtraError: matplotlib is not installed.
        ArgumentError: an argument is wrong, or the explanation is not of a picture.
    """
    values = drawing.shown(explanation, index, order, k)
    part = next((p for p in facts.parts(explanation) or () if isinstance(p, ImagePart)), None)
    if part is None:
        raise ArgumentError("the explanation is not of a picture; draw spex.plots.text or bar")
    top = drawing.joint(values, k)
    tall = _WIDTH * part.height / part.width
    ax = drawing.axis(ax, _WIDTH, tall + 1.1 + _ROW * len(top))
    _Picture(ax, part, values, explanation).draw(top)
    names = drawing.labels(explanation, 30)
    told = [
        f"{number}: {drawing.number(values, members)}  {drawing.name_of(names, members, 70)}"
        for number, (members, _) in enumerate(top, 1)
    ]
    told += drawing.not_drawn(values, len(top))
    told += [
        f"{drawing.numbers_are(explanation, values)}: red raises the score; blue, hatched, dashed "
        "lowers it"
    ]
    told += drawing.doubt(values, [*drawing.doubtful(values), *(members for members, _ in top)])
    drawing.finish(ax, explanation, told, "Regions and their combinations")
    return ax


class _Picture:
    """One picture on an axis, whose unit is a pixel of the picture."""

    def __init__(
        self, ax: "Axes", part: ImagePart, values: InteractionValues, explanation: "Explanation"
    ) -> None:
        self._ax, self._part, self._values = ax, part, values
        self._largest = max((abs(value) for members, value in values.items() if members), default=0)
        self._paths: dict[int, list[Path]] = {}
        for feature, outline in part.outlines:
            self._paths.setdefault(feature, []).append(_path(outline))
        self._middles = {feature: _middle(paths) for feature, paths in self._paths.items()}

    def draw(self, top: list[tuple[Interaction, float]]) -> None:
        """Draw the picture, its regions and the largest combinations."""
        ax, part = self._ax, self._part
        drawing.bare(ax)
        # The axis keeps its limits: one pixel at the edge may be cut otherwise.
        box = (0, part.width, part.height, 0)
        ax.imshow(_grey(part.picture), cmap="gray", vmin=0, vmax=255, extent=box, zorder=0)
        ax.set_anchor("N")
        ax.set_xlim(0, part.width)
        ax.set_ylim(part.height, 0)
        for feature in self._paths:
            self._fill(feature)
        for (feature,) in drawing.doubtful(self._values):
            if feature in self._middles:
                self._doubt(feature)
        taken: list[FloatArray] = []
        for number, (members, value) in enumerate(top, 1):
            mark = facts.UNCERTAIN if facts.is_uncertain(self._values, members) else ""
            present = [member for member in members if member in self._middles]
            self._join(f"{number}{mark}", present, value, taken)

    def _fill(self, feature: int) -> None:
        from matplotlib.patches import PathPatch

        value = self._values.get((feature,), 0.0)
        share = abs(value) / self._largest if self._largest else 0.0
        for path in self._paths[feature]:
            self._ax.add_patch(
                PathPatch(
                    path,
                    facecolor=drawing.colour(value, self._values.index) if value else "none",
                    alpha=_STRONGEST_TINT * share,
                    hatch="///" if value < 0 and share > drawing.TINTED else "",
                    edgecolor="white",
                    linewidth=0,
                    zorder=1,
                )
            )
            edge = {"edgecolor": "white", "linewidth": 0.4, "alpha": 0.35, "zorder": 1.1}
            self._ax.add_patch(PathPatch(path, fill=False, **edge))

    def _doubt(self, feature: int) -> None:
        """The question mark next to the middle of a region, legible on any colour."""
        from matplotlib.patheffects import withStroke

        self._ax.annotate(
            facts.UNCERTAIN,
            tuple(self._middles[feature]),
            (9, 0),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=9,
            fontweight="bold",
            color="black",
            path_effects=[withStroke(linewidth=2, foreground="white")],
            zorder=4.5,
        )

    def _join(self, number: str, members: list[int], value: float, taken: list[FloatArray]) -> None:
        """Outline the regions of a combination, and draw a line from each to their middle."""
        from matplotlib.patches import PathPatch

        if not members:
            return
        style = drawing.stroke(value, self._largest, self._values.index)
        outline = style | {"linewidth": min(style["linewidth"], 2.5), "zorder": 2}
        colour = outline.pop("color")
        for member in members:
            for path in self._paths[member]:
                for edge, wide in (("white", 2.0), (colour, 0.0)):
                    pen = outline | {"linewidth": outline["linewidth"] + wide}
                    self._ax.add_patch(PathPatch(path, fill=False, edgecolor=edge, **pen))
        points = np.array([self._middles[member] for member in members])
        hub = points.mean(axis=0)
        ends = [(points[0], points[1])] if len(points) == 2 else [(hub, point) for point in points]
        for start, end in ends:
            line = np.stack([start, end]).T
            self._ax.plot(*line, color="white", linewidth=style["linewidth"] + 2.0, zorder=3)
            self._ax.plot(*line, zorder=3.1, **style)
        self._ax.plot(*points.T, "o", markersize=5, color=colour, markeredgecolor="white", zorder=4)
        start, end = ends[0]
        place = self._free([start + share * (end - start) for share in _PLACES], taken)
        taken.append(place)
        self._ax.text(
            place[0],
            place[1],
            number,
            ha="center",
            va="center",
            fontsize=9,
            fontweight="bold",
            color=drawing.text_colour(value, self._values.index),
            bbox={"boxstyle": "circle,pad=0.22", "facecolor": "white", "edgecolor": colour},
            zorder=5,
        )

    def _free(self, places: list[FloatArray], taken: list[FloatArray]) -> FloatArray:
        """The first place that is free of other numbers, or else the farthest from them."""
        apart = 0.055 * max(self._part.width, self._part.height)
        around = [apart * np.array(step) for step in ((0, -1.1), (0, 1.1), (-1.1, 0), (1.1, 0))]
        tried = [*places, *(places[0] + step for step in around)]
        gaps = [min((float(np.hypot(*(p - t))) for t in taken), default=np.inf) for p in tried]
        return next((p for p, gap in zip(tried, gaps, strict=True) if gap >= apart), tried[0])


def _grey(url: str) -> Any:
    """A picture as (height, width) brightness, paler than it is, so that colours stand out."""
    from PIL import Image

    data = base64.b64decode(url.partition(",")[2])
    try:
        with Image.open(io.BytesIO(data)) as picture:
            return 90 + np.asarray(picture.convert("L"), dtype=np.float64) * 0.6
    except (OSError, ValueError) as error:
        raise ArgumentError(f"the picture of the explanation cannot be read: {error}") from error


def _path(outline: str) -> "Path":
    """An outline of `ImagePart` as a path of matplotlib."""
    from matplotlib.path import Path

    points: list[tuple[float, float]] = []
    codes: list[Any] = []
    for letter, numbers in _STEP.findall(outline):
        found = [float(x) for x in re.split(r"[ ,]+", numbers.strip()) if x]
        if letter == "Z":
            points.append(points[-1] if points else (0.0, 0.0))
            codes.append(Path.CLOSEPOLY)
            continue
        for x, y in zip(found[::2], found[1::2], strict=True):
            points.append((x, y))
            codes.append(Path.MOVETO if letter == "M" else Path.LINETO)
            letter = "L"
    return Path(points, codes)


def _middle(paths: "list[Path]") -> FloatArray:
    """A point inside of a region, near its middle: the mean of its corners may lie outside."""
    largest = max(paths, key=lambda path: float(np.prod(np.ptp(np.asarray(path.vertices), axis=0))))
    corners = np.asarray(largest.vertices)
    low, high = corners.min(axis=0), corners.max(axis=0)
    steps = np.stack(
        np.meshgrid(*[np.linspace(a, b, 17)[1:-1] for a, b in zip(low, high, strict=True)]), -1
    )
    grid = steps.reshape(-1, 2)
    inside = grid[largest.contains_points(grid)]
    if not len(inside):
        return np.asarray(corners.mean(axis=0))
    middle = inside.mean(axis=0)
    return np.asarray(inside[np.argmin(np.hypot(*(inside - middle).T))])
