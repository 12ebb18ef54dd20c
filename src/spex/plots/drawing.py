"""What all plots share: an axis, colours, line styles, fonts, labels, captions.

Positive values are red and solid, negative ones blue and dashed, as colour alone is not seen by
everybody. The two colours are those of shap and shapiq.
"""

import sys
import textwrap
import unicodedata
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from spex._typing import Interaction
from spex.errors import ArgumentError
from spex.extras import require
from spex.interactions.index import InteractionIndex
from spex.interactions.values import InteractionValues
from spex.report import facts
from spex.wording import counted, isolated, one_line, subscripted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Text

    from spex.explanation import Explanation

POSITIVE, NEGATIVE, NEUTRAL = "#ff0d57", "#1e88e5", "#7d828a"
# Darker colours for letters: a contrast of 4.5:1 on white.
POSITIVE_TEXT, NEGATIVE_TEXT, GREY_TEXT = "#c8003f", "#1465b3", "#55595f"
POINTS_PER_INCH = 72.0
_CAPTION = 9.0  # points
_WIDEST_LINE, _THINNEST_LINE = 4.5, 0.8  # points
_DASH, _SPACE = 7.0, 3.5  # points, independent of the line's width
TINTED = 0.05  # share of the largest value; below it no colour is visible
# Below this share of the largest value a line would only say that it is there.
_FAINT = 0.02
# Fonts for other scripts, if installed. The last one, matplotlib's own, draws a box that names the
# script.
_FALLBACKS = (
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Noto Sans SC",
    "Hiragino Sans",
    "Microsoft YaHei",
    "Arial Unicode MS",
    "Noto Emoji",
    "Segoe UI Emoji",
    "Last Resort High-Efficiency",
)


def axis(ax: "Axes | None", width: float, height: float) -> "Axes":
    """The axis given, or one of a new figure that no pyplot state knows.

    Args:
        ax: An axis; None for a new one.
        width: Inches of a new figure.
        height: Inches of a new figure.

    Raises:
        MissingExtraError: matplotlib is not installed.
        ArgumentError: ax is no axis.
    """
    figure = require("matplotlib.figure", "plot")
    if ax is None:
        _show_in_notebooks(figure.Figure)
        new: Axes = figure.Figure(figsize=(width, height), layout="constrained").add_subplot()
        return new
    if not hasattr(ax, "add_patch"):
        raise ArgumentError(f"ax is a {type(ax).__name__}; give an axis of matplotlib, or None")
    return ax


def _show_in_notebooks(figure: Any) -> None:
    """Let a notebook show figures that pyplot does not know, as it does those of pyplot."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    if shell is None or figure in shell.display_formatter.formatters["image/png"].type_printers:
        return
    import_module("IPython.core.pylabtools").select_figure_formats(shell, {"png"})


def shown(
    explanation: "Explanation", index: str | InteractionIndex | None, order: int | None, k: int
) -> InteractionValues:
    """The interactions of a plot: those of every report.

    Raises:
        ArgumentError: the index, the order or k is wrong.
    """
    if isinstance(k, bool) or not isinstance(k, int) or k < 1:
        raise ArgumentError(f"k={k!r}; a plot shows at least one: give a whole number from 1 on")
    return explanation.interactions(index, order)


def joint(values: InteractionValues, k: int) -> list[tuple[Interaction, float]]:
    """The k largest values of two features or more, without those too small for a line."""
    found = [each for each in values.items() if len(each[0]) > 1][:k]
    return [each for each in found if abs(each[1]) >= _FAINT * abs(found[0][1])]


def number(values: InteractionValues, members: Interaction) -> str:
    """A value as its label: with a question mark where it may be 0."""
    mark = f" {facts.UNCERTAIN}" if facts.is_uncertain(values, members) else ""
    return facts.signed(values[members]) + mark


def doubtful(values: InteractionValues) -> list[Interaction]:
    """The single features whose colour can be seen and whose value may be 0."""
    most = max((abs(value) for members, value in values.items() if members), default=0.0)
    single = [(members, value) for members, value in values.items() if len(members) == 1]
    seen = [members for members, value in single if abs(value) > TINTED * most]
    return [members for members in seen if facts.is_uncertain(values, members)]


def doubt(values: InteractionValues, shown: Iterable[Interaction]) -> list[str]:
    """A sentence on the question mark; empty if no shown label has it."""
    if not any(facts.is_uncertain(values, members) for members in shown):
        return []
    return [f"{facts.UNCERTAIN}: may be 0, within noise"]


def not_drawn(values: InteractionValues, drawn: int) -> list[str]:
    """How many combinations are not drawn, a sentence; empty for none."""
    sizes = [abs(value) for members, value in values.items() if len(members) > 1][drawn:]
    if not sizes:
        return []
    most = facts.signed(sizes[0]).removeprefix("+")
    return [f"{counted(len(sizes), 'smaller combination')} not drawn, each at most {most}"]


def colour(value: float, index: InteractionIndex) -> str:
    """The colour of a value; grey where its sign is no direction."""
    if not facts.has_direction(index):
        return NEUTRAL
    return POSITIVE if value > 0 else NEGATIVE


def signed_bars(sizes: Sequence[float], index: InteractionIndex) -> dict[str, Any]:
    """The style of bars: colour and hatching show the sign."""
    colours = [colour(size, index) for size in sizes]
    hatch = ["" if size > 0 else "////" for size in sizes]
    return {"color": colours, "hatch": hatch, "edgecolor": "white", "linewidth": 0}


def text_colour(value: float, index: InteractionIndex) -> str:
    """The colour of a value in letters."""
    if not facts.has_direction(index):
        return GREY_TEXT
    return POSITIVE_TEXT if value > 0 else NEGATIVE_TEXT


def stroke(value: float, largest: float, index: InteractionIndex) -> dict[str, Any]:
    """Colour, width and style of a line: wide for a large value, dashed for a negative one."""
    width = max(_WIDEST_LINE * abs(value) / largest, _THINNEST_LINE) if largest else _THINNEST_LINE
    # matplotlib counts dashes in multiples of the line's width.
    dashed = (0, (_DASH / width, _SPACE / width))
    return {
        "color": colour(value, index),
        "linewidth": width,
        "linestyle": "-" if value > 0 else dashed,
    }


def shorten_middle(text: str, limit: int) -> str:
    """A text on one line of at most `limit` characters; what is left out is in its middle.

    Whole words are left out, where that leaves at least half of what there is room for.
    """
    line = one_line(text)
    if len(line) <= limit:
        return line or "(blank)"
    n_head = (limit - 1) * 2 // 3
    n_tail = limit - 1 - n_head
    head, tail = line[:n_head], line[len(line) - n_tail :]
    # The cut may be at a space just after the head or just before the tail.
    whole_head = line[: n_head + 1].rpartition(" ")[0].rstrip()
    whole_tail = line[len(line) - n_tail - 1 :].partition(" ")[2].lstrip()
    head = whole_head if 2 * len(whole_head) >= n_head else head.rstrip()
    tail = whole_tail if 2 * len(whole_tail) >= n_tail else tail.lstrip()
    return f"{head}\N{HORIZONTAL ELLIPSIS}{tail}"


def shorten_end(text: str, limit: int) -> str:
    """A text of at most `limit` characters; what is left out are whole words at its end."""
    if len(text) <= limit:
        return text
    cut = text[: limit - 1]
    # In scripts without spaces, cut between two letters.
    whole = cut[: cut.rfind(" ")] if " " in cut[limit // 2 :] else cut[:-1]
    return f"{whole.rstrip()} \N{HORIZONTAL ELLIPSIS}"


def labels(explanation: "Explanation", limit: int) -> tuple[str, ...]:
    """The labels, shortened in the middle, and all different."""
    return subscripted([shorten_middle(label, limit) for label in explanation.features])


def name_of(names: Sequence[str], members: Interaction, limit: int) -> str:
    """The labels of an interaction on one line of about `limit` characters, each isolated."""
    if len(facts.joined(names, members)) <= limit:
        return facts.joined([isolated(name) for name in names], members)
    each = max((limit - 3 * len(members)) // max(len(members), 1), 6)
    cut = subscripted([shorten_middle(names[member], each) for member in members])
    places = tuple(range(len(cut)))
    if len(facts.joined(cut, places)) <= limit + 12:
        return facts.joined([isolated(name) for name in cut], places)
    return isolated(shorten_middle(facts.joined(cut, places), limit))


def fonts(text: str, weight: str = "normal") -> dict[str, Any]:
    """Arguments to draw a text of any script; a dollar sign in it is no formula.

    What the usual font lacks is drawn with other fonts, which come in one weight.
    """
    plain = {"fontfamily": ["sans-serif"], "fontweight": weight, "parse_math": False}
    if text.isascii() or _has_all(frozenset(text)):
        return plain
    return plain | {"fontfamily": list(_families()), "fontweight": "normal"}


@lru_cache(maxsize=4096)
def _has_all(characters: frozenset[str]) -> bool:
    """Whether the usual font has these characters."""
    manager = require("matplotlib.font_manager", "plot")
    font = manager.get_font(manager.findfont(manager.FontProperties(family=["sans-serif"])))
    # Isolates and the like (category Cf) are not drawn.
    return all(
        font.get_char_index(ord(c)) or c.isspace() or unicodedata.category(c) == "Cf"
        for c in characters
    )


@cache
def _families() -> tuple[str, ...]:
    manager = require("matplotlib.font_manager", "plot")
    installed = {font.name for font in manager.fontManager.ttflist}
    return ("sans-serif", *(name for name in _FALLBACKS if name in installed))


def set_fonts(texts: "Sequence[Text]") -> None:
    """The same for existing texts, such as labels of ticks."""
    for text in texts:
        text.set(**fonts(text.get_text()))


@lru_cache(maxsize=8192)
def text_width(text: str, size: float) -> float:
    """Points that a text of a font size takes."""
    if not text:
        return 0.0
    path = require("matplotlib.textpath", "plot")
    properties = require("matplotlib.font_manager", "plot").FontProperties(
        family=fonts(text)["fontfamily"], size=size
    )
    width, _, _ = path.text_to_path.get_text_width_height_descent(text, properties, False)
    return float(width)


def finish(
    ax: "Axes", explanation: "Explanation", told: Sequence[str], title: str, wide: float = 1.0
) -> None:
    """Title and caption of a plot: what is measured, and how far to trust it.

    Args:
        ax: The axis.
        explanation: What is shown.
        told: What the numbers are and what the reader needs to read them, a line each.
        title: Where no score is known.
        wide: Width that the caption may have, in widths of the axis.
    """
    points, _ = size_of(ax)
    most = max(int(points * wide / (0.5 * _CAPTION)), 30)
    score = facts.score(explanation)
    shown_title = shorten_middle(score, max(most * 3 // 4, 20)) if score else title
    ax.set_title(shown_title, loc="left", fontsize=11, pad=8, **fonts(shown_title, "bold"))
    lines = [*told, f"{facts.fidelity_short(explanation)}; {facts.cost(explanation)}"]
    caption = "\n".join(row for line in lines for row in textwrap.wrap(line, most))
    ax.set_xlabel(caption, fontsize=_CAPTION, color=GREY_TEXT, loc="left", **fonts(caption))
    ax.xaxis.label.set_multialignment("left")


def numbers_are(explanation: "Explanation", values: InteractionValues) -> str:
    """Such as `FBII up to order 2 (nats)`."""
    unit = facts.unit_of_score(explanation)
    return f"{facts.heading(values)}{f' ({unit})' if unit else ''}"


def size_of(ax: "Axes") -> tuple[float, float]:
    """Width and height of an axis as it is now, in points."""
    figure: Any = ax.get_figure(root=True)
    box, scale = ax.get_window_extent(), POINTS_PER_INCH / figure.dpi
    return box.width * scale, box.height * scale


def say(ax: "Axes", text: str) -> None:
    """Write a sentence if nothing can be drawn."""
    middle: dict[str, Any] = {"ha": "center", "va": "center", "transform": ax.transAxes}
    ax.text(0.5, 0.5, text, wrap=True, **middle, **fonts(text))
    bare(ax)


def bare(ax: "Axes") -> None:
    """No ticks and no frame, but title and caption."""
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(False)
