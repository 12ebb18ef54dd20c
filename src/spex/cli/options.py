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

_SAVED = "What `spex explain --out` saved."


@dataclass(frozen=True, kw_only=True)
class FitOptions:
    """As typed; the help says what they mean."""

    table: Path = argument(
        "FILE.csv",
        "Evaluations: a header, one column of 0 and 1 for each feature, and the values.",
    )
    value: tuple[str, ...] = option(
        "COLUMN",
        "The column of the values, default: value; several times for several outputs.",
        (),
    )
    method: str = option("M", "auto, exact, linear, gp or proxyspex.", "auto")
    max_degree: MaxDegree = 5
    weighting: Weighting = "uniform"
    weights: str | None = option(
        "COLUMN",
        "The column that says how much each mask counts in R2: the density of the "
        "weighting over the density that the masks were drawn with.",
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
    """As typed; the help says what they mean."""

    explanation: Path = argument("EXPLANATION.json", _SAVED)
    html: Html = None
    png: Path | None = option("FILE.png", "Draw a plot.")
    svg: Path | None = option("FILE.svg", "Draw it as vectors.")
    plot: str = option(
        "KIND",
        "What --png and --svg draw: bar (default), text (combinations above the words), "
        "image, waterfall, network, heatmap (pairs), upset (sets of many), or learning_curve "
        "(R2 against evaluations).",
        "bar",
    )
    output: str | None = option(
        "NAME", "Show this one of several outputs, such as a class; a plot is of one."
    )
    index: Index = None
    order: Order = None
    top: int | None = option(
        "N",
        "Rows of the printed table, default 15; or bars, lines or combinations of a plot.",
    )


@dataclass(frozen=True, kw_only=True)
class CompareOptions:
    """As typed; the help says what they mean."""

    first: Path = argument("A.json", "What `--out` saved.")
    second: Path = argument("B.json", "Another one.")
    html: Html = None
    index: Index = None
    order: Order = None
    top: Top = 15


@dataclass(frozen=True, kw_only=True)
class SetsOptions:
    """As typed; the help says what they mean."""

    explanation: Path = argument("EXPLANATION.json", _SAVED)
    change_to: float | None = option(
        "X",
        "The value that a change has to cross; default: 0 for log-odds, else half way "
        "between the values with everything and with nothing. It may be below 0.",
    )
    change_by: float | None = option(
        "X", "Or how far it has to move: -2 for a fall by 2 or more, 2 for a rise."
    )
    keep: float | None = option(
        "X",
        "The value that a set has to keep alone; default: as --change-to. At most what "
        "everything has (at least, where the answer lies low).",
    )
    max_calls: int | None = option(
        "N",
        "At most this many calls for each of the three tables; default: 100 for each set, "
        "and 4 for each unit for the roles. What is in the store costs none.",
    )
    model: str | None = option(
        "M",
        "The model of the explanation once more, where it is on a server or a Python "
        "function: a file alone makes spex neither run code nor send texts away.",
    )
    json: Path | None = option("FILE.json", "Write sets and roles as JSON.")
    out: Path | None = option(
        "FILE.json", "Save the explanation with its sets; may be the same file."
    )
    html: Html = None
    quiet: Quiet = False
