"""The options of `spex sets`, in the order of its help."""

from dataclasses import dataclass
from pathlib import Path

from spex.cli.command import Html, Quiet, Saved, option


@dataclass(frozen=True, kw_only=True)
class SetsOptions:
    """As typed; the help says what they mean."""

    explanation: Saved
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
