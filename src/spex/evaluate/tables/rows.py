"""Rows of results, and the file to which they are appended as they are finished."""

import csv
import io
import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import NamedTuple

from spex.errors import ArgumentError, BackendError, FileFormatError
from spex.files import write_text
from spex.wording import shorten

OK, REFUSED, FAILED = "ok", "refused", "failed"
# The last row of a finished cell. After a crash, a cell without it is measured again.
LAST = "seconds"
EVALUATIONS = "evaluations"


class Key(NamedTuple):
    """What tells one cell from the others."""

    item: str
    method: str
    budget: int
    seed: int


@dataclass(frozen=True)
class Row:
    """One number that was measured of one explanation.

    Args:
        item: Name of the item.
        group: Its range of lengths.
        n_features: Its number of features.
        method: Name of the method.
        package: The package that does its work.
        budget: The most distinct masks it was allowed.
        seed: Its seed.
        status: `ok`; `refused`, by the method for this number of features or budget; or `failed`.
        reason: Why it is not `ok`.
        metric: What was measured; empty if nothing was.
        at: Where along a curve; NaN for what is no point of one.
        value: The number.
    """

    item: str
    group: str
    n_features: int
    method: str
    package: str
    budget: int
    seed: int
    status: str = OK
    reason: str = ""
    metric: str = ""
    at: float = math.nan
    value: float = math.nan

    @property
    def key(self) -> Key:
        """Of its cell."""
        return Key(self.item, self.method, self.budget, self.seed)

    @property
    def ends(self) -> bool:
        """Whether its cell ends with it."""
        return self.status != OK or self.metric == LAST


COLUMNS = tuple(field.name for field in fields(Row))


class Journal:
    """Rows, each cell appended to a CSV file as soon as it is finished.

    Args:
        path: The file. Cells that it holds are taken as done, but for those that failed or that a
            crash cut off, which are dropped from it. None keeps rows in memory only.

    Attributes:
        rows: All rows of finished cells.

    Raises:
        FileFormatError: the file has other columns, or no numbers where numbers belong.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self.rows: list[Row] = []
        if path is None or not path.exists() or path.stat().st_size == 0:
            return
        before = path.read_text(encoding="utf-8")
        self.rows = _finished(_read(path, before))
        after = csv_text(self.rows, header=True)
        if after != before:
            write_text(path, after)

    @property
    def done(self) -> set[Key]:
        """The cells that need not be measured again."""
        return {row.key for row in self.rows}

    def add(self, rows: Sequence[Row]) -> None:
        """Keep the rows of one cell.

        Raises:
            BackendError: the file cannot be written.
        """
        self.rows += rows
        if self._path is None:
            return
        try:
            with self._path.open("a", encoding="utf-8", newline="") as file:
                file.write(csv_text(rows, header=file.tell() == 0))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise BackendError(f"cannot write {self._path}: {error.strerror or error}") from error


def _finished(rows: Iterable[Row]) -> list[Row]:
    """The rows of cells that ended, other than by a failure; of a cell measured twice, the last."""
    cells: dict[Key, list[Row]] = {}
    for row in rows:
        cell = cells.get(row.key)
        if cell is None or cell[-1].ends:
            cells[row.key] = [row]
        else:
            cell.append(row)
    kept = (cell for cell in cells.values() if cell[-1].ends and cell[-1].status != FAILED)
    return [row for cell in kept for row in cell]


def csv_text(rows: Iterable[Row], header: bool) -> str:
    """Rows as CSV; NaN is an empty cell, for people and pandas alike."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if header:
        writer.writerow(COLUMNS)
    for row in rows:
        cells = astuple(row)
        writer.writerow(["" if cell != cell else cell for cell in cells])
    return text.getvalue()


def read_rows(path: Path) -> list[Row]:
    """The rows of finished cells of a file that `Journal` wrote.

    Raises:
        FileFormatError: it is no such file.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise FileFormatError(f"cannot read {path}: {error}; give a file of results") from error
    return _finished(_read(path, text))


def _read(path: Path, text: str) -> list[Row]:
    whole = text[: text.rfind("\n") + 1]  # a crash may have cut the last line
    lines = list(csv.reader(io.StringIO(whole, newline="")))
    if not lines or tuple(lines[0]) != COLUMNS:
        raise FileFormatError(
            f"{path} holds no results of spex evaluate; give a new file, or one that it wrote"
        )
    rows = []
    for number, cells in enumerate(lines[1:], 2):
        try:
            rows.append(_row(cells))
        except (ValueError, TypeError) as error:
            shown = shorten(",".join(cells))
            raise FileFormatError(
                f"{path}, line {number}: {shown!r} is no row of results ({error}); mend it"
            ) from None
    return rows


def _row(cells: Sequence[str]) -> Row:
    item, group, n, method, package, budget, seed, status, reason, metric, at, value = cells
    numbers = [math.nan if cell == "" else float(cell) for cell in (at, value)]
    return Row(
        item, group, int(n), method, package, int(budget), int(seed), status, reason, metric,
        *numbers,
    )  # fmt: skip


def check_names(items: Iterable[str]) -> None:
    """Refuse names of items that repeat: their rows would be taken for each other's.

    Raises:
        ArgumentError: one repeats.
    """
    seen: set[str] = set()
    for name in items:
        if name in seen:
            raise ArgumentError(f"two items are called {name!r}; give each its own name")
        seen.add(name)
