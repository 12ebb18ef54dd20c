"""CSV files: their cells as written, and the types of their columns."""

import csv
import io
import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from spex.checks.arguments import MAX_FEATURES
from spex.errors import ArgumentError
from spex.wording import counted, shorten

if TYPE_CHECKING:
    import pandas as pd

# Numbers as JSON and most programs write them. "00501" and "+1" are codes: numbers would change
# them.
_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,18})")
_NUMBER = re.compile(r"-?((0|[1-9][0-9]*)(\.[0-9]+)?|\.[0-9]+)([eE][-+]?[0-9]+)?")
_TRUTH = ({"True", "False"}, {"TRUE", "FALSE"}, {"true", "false"})
_MOST_COLUMNS = 2 * MAX_FEATURES  # features, and outputs if any
_OTHER_SEPARATORS = {";": "semicolons", "\t": "tabs"}


class Row(list[str]):
    """The cells of a row of a file, and the number of the line that it ends on."""

    def __init__(self, cells: Sequence[str], line: int) -> None:
        super().__init__(cells)
        self.line = line


def parse(content: str, where: str) -> tuple[list[str], list[Row]]:
    """The header and the rows of a CSV file, every cell as it is written.

    A column without a name is named as pandas does, such as "Unnamed: 0".

    Args:
        content: Content of the file.
        where: Its name in messages.

    Raises:
        ArgumentError: it is not CSV with a header, or two columns have one name.
    """
    first = content.lstrip("\r\n").partition("\n")[0]
    for separator, name in _OTHER_SEPARATORS.items():
        if first.count(separator) > first.count(","):
            raise ArgumentError(f"{where}: its columns are separated by {name}; use commas")
    reader = csv.reader(io.StringIO(content, newline=""), strict=True)
    rows: list[Row] = []
    try:
        for row in filter(None, reader):  # a blank line has no cells
            rows.append(Row(row, reader.line_num))
            if len(row) != len(rows[0]):
                raise ArgumentError(
                    f"{where}: is not CSV with a header (line {reader.line_num} has "
                    f"{counted(len(row), 'cell')}, the header has {len(rows[0]):,})"
                )
            if len(row) > _MOST_COLUMNS:
                raise ArgumentError(
                    f"{where}: has {len(row):,} columns; the limit is {_MOST_COLUMNS:,}"
                )
    except csv.Error as error:
        raise ArgumentError(
            f"{where}: is not CSV with a header (line {reader.line_num}: {error})"
        ) from None
    if not rows:
        raise ArgumentError(f"{where}: is not CSV with a header")
    header = [name or f"Unnamed: {number}" for number, name in enumerate(rows[0])]
    if len(set(header)) < len(header):
        twice = shorten(repr(next(name for name, n in Counter(header).items() if n > 1)))
        raise ArgumentError(f"{where}: has two columns {twice}; give each its own name")
    return header, rows[1:]


def typed(
    header: Sequence[str], rows: Sequence[Sequence[str]], missing: Sequence[str] = ()
) -> "pd.DataFrame":
    """The cells as a DataFrame: a column has numbers if all its cells are numbers, else texts.

    Integers that miss a cell become floats, as in pandas. A column of True and False holds truth
    values.

    Args:
        header: The names of the columns.
        rows: The cells.
        missing: Texts that mean a missing cell, in addition to the empty text.
    """
    import pandas as pd

    gone = {"", *(text.strip() for text in missing)}
    columns = zip(*rows, strict=True) if rows else [()] * len(header)
    found = [_typed(["" if cell.strip() in gone else cell for cell in cells]) for cells in columns]
    return pd.DataFrame(dict(enumerate(found))).set_axis(list(header), axis=1)


def _typed(cells: list[str]) -> Any:
    """A column of cells, "" where missing, as an array of its type."""
    import pandas as pd

    present = [cell.strip() for cell in cells if cell]
    is_whole = len(present) == len(cells)
    values: list[Any] = [cell or None for cell in cells]
    if not present:
        return pd.Series(values, dtype="float64").array
    if is_whole and all(map(_INTEGER.fullmatch, present)):
        integers = [int(cell) for cell in cells]
        if max(map(abs, integers)) < 1 << 63:
            return pd.Series(integers, dtype="int64").array
    if all(map(_is_float, present)):
        floats = [float(cell) if cell else math.nan for cell in cells]
        return pd.Series(floats, dtype="float64").array
    if any(spelling.issuperset(present) for spelling in _TRUTH):
        return pd.Series(
            [cell.strip().lower() == "true" if cell else math.nan for cell in cells],
            dtype="bool" if is_whole else "object",
        ).array
    return pd.Series(values).array


def _is_float(cell: str) -> bool:
    """Whether a cell is a number that fits a float: finite, and exact if an integer."""
    if not _NUMBER.fullmatch(cell) or not math.isfinite(float(cell)):
        return False
    return not cell.lstrip("-").isdecimal() or (
        bool(_INTEGER.fullmatch(cell)) and int(cell) == float(cell)
    )
