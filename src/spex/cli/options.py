"""The options of `spex fit`, `spex report`, `spex compare` and `spex sets`, as in their help."""

from dataclasses import dataclass
from pathlib import Path

from spex.cli.command import (
    Html,
    Index,
    MaxDegree,
    Order,
    Out,
    Quiet,
    Seed,
    Top,
    Weighting,
    argument,
    option,
)

_SAVED = "An explanation, saved by `spex explain --out`."


@dataclass(frozen=True, kw_only=True)
class FitOptions:
    """Options as typed."""

    table: Path = argument(
        "FILE.csv",
        "Evaluations: a header, one column of 0 and 1 for each feature, and the values.",
    )
    value: tuple[str, ...] = option(
        "COLUMN",
        "The column of the values; default: value. Repeat it for several outputs.",
        (),
    )
    method: str = option("M", "auto, exact, linear, gp or proxyspex.", "auto")
    max_degree: MaxDegree = 5
    weighting: Weighting = "uniform"
    weights: str | None = option(
        "COLUMN",
        "The column with the weight of each mask in R2: the density of the weighting, divided "
        "by the density with which the masks were drawn.",
    )
    index: Index = None
    order: Order = None
    top: Top = 15
    seed: Seed = 0
    out: Out = None
    html: Html = None
    quiet: Quiet = False


@dataclass(frozen=True, kw_only=True)
class ReportOptions:
    """Options as typed."""

    explanation: Path = argument("EXPLANATION.json", _SAVED)
    html: Html = None
    png: Path | None = option("FILE.png", "Draw a plot.")
    svg: Path | None = option("FILE.svg", "Draw a plot as vectors.")
    plot: str = option(
        "KIND",
        "What --png and --svg draw: bar (default), text (combinations above the words), "
        "image, waterfall, network, heatmap (pairs), upset (sets of many), or learning_curve "
        "(R2 against evaluations).",
        "bar",
    )
    output: str | None = option("NAME", "Show only this output, such as a class; a plot needs one.")
    index: Index = None
    order: Order = None
    top: int | None = option(
        "N",
        "Rows of the printed table (default 15), or bars, lines or combinations of a plot.",
    )


@dataclass(frozen=True, kw_only=True)
class CompareOptions:
    """Options as typed."""

    first: Path = argument("A.json", "An explanation, saved by --out.")
    second: Path = argument("B.json", "Another explanation.")
    html: Html = None
    index: Index = None
    order: Order = None
    top: Top = 15


@dataclass(frozen=True, kw_only=True)
class SetsOptions:
    """Options as typed."""

    explanation: Path = argument("EXPLANATION.json", _SAVED)
    change_to: float | None = option(
        "X",
        "The value that a change must cross; default: 0 for log-odds, else half way between "
        "the values with everything and with nothing. It may be below 0.",
    )
    change_by: float | None = option(
        "X", "Or how far the value must move: -2 for a fall by at least 2, 2 for a rise."
    )
    keep: float | None = option(
        "X",
        "The value that a set must reach by itself; default: as --change-to. Everything "
        "together has to reach it.",
    )
    max_calls: int | None = option(
        "N",
        "The most calls for each of the three tables; default: 100 for each set, and 4 per "
        "unit for the roles. Values in the store cost no call.",
    )
    model: str | None = option(
        "M",
        "The model of the explanation again, if it is on a server or is a Python function. So "
        "a file alone cannot run code or send texts away.",
    )
    json: Path | None = option("FILE.json", "Write sets and roles as JSON.")
    out: Path | None = option(
        "FILE.json", "Save the explanation with its sets; may be the same file as the input."
    )
    html: Html = None
    quiet: Quiet = False
