"""`spex fit`: explain evaluations that exist already."""

import math
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from spex._typing import BoolArray, FloatArray
from spex.cli.csv_table import Row, parse
from spex.cli.explaining.inputs import read_file
from spex.cli.options import FitOptions
from spex.cli.session import Session, check_files
from spex.cli.showing import Shown, deliver, with_command
from spex.errors import ArgumentError, ValueFunctionError
from spex.given import fit

_VALUE = "value"
_JSON = re.compile(r"""\s*[\[{]\s*["'\[{\]}]""")
_PRESENT = {"1": True, "1.0": True, "true": True, "0": False, "0.0": False, "false": False}


def run(session: Session, options: FitOptions) -> None:
    """Do what `spex fit` was asked for.

    Raises:
        ArgumentError: the file cannot be read as evaluations, its values cannot be fitted, or an
            option is wrong.
    """
    path, names = options.table, options.value or (_VALUE,)
    shown = Shown(options.index, options.order, options.top, options.out, options.html)
    settings: dict[str, Any] = {
        name: getattr(options, name) for name in ("method", "max_degree", "seed", "weighting")
    }
    with session.interruptible():
        check_files({"--out": options.out, "--html": options.html}, {"the table": path})
        content = read_file(str(path), str(path))
        if _JSON.match(content):
            raise ArgumentError(
                f"{path}: is JSON; give CSV: a header, and one line for each evaluation (spex "
                "report shows a saved explanation)"
            )
        header, rows = parse(content, str(path))
        stripped = [name.strip() for name in header]
        if len(set(stripped)) == len(header):  # many people write "a, b, value"
            header = stripped
        numbers = names if options.weights is None else (*names, options.weights)
        features, masks, values = _evaluations(header, rows, numbers, path)
        shown.check(len(features))
        if options.weights is not None:
            settings["weights"], values = values[:, -1], values[:, :-1]
        try:
            if len(names) == 1:
                found = fit(masks, values[:, 0], features, **settings)
            else:
                found = fit(masks, values, features, outputs=names, **settings)
        except ValueFunctionError as error:  # the values come from the file
            raise ArgumentError(f"{path}: {error}") from error
        deliver(session, with_command(found, session.command), shown)


def _evaluations(
    header: list[str], rows: list[Row], names: Sequence[str], path: Path
) -> tuple[list[str], BoolArray, FloatArray]:
    """Labels of the features, masks (m, n) and values (m, q)."""
    if all(math.isfinite(_value(cell)) for cell in header):
        raise ArgumentError(
            f"{path}: has no header: line 1 holds numbers; put the names of the features and of "
            f"the value above them, such as a,b,{names[0]}"
        )
    for name in names:
        if name not in header:
            known = ", ".join(map(repr, header[-8:]))
            raise ArgumentError(
                f"{path}: has no column {name!r}; name the column of the values with --value "
                f"(the last columns are {known})"
            )
    features = [column for column in header if column not in names]
    if not features:
        raise ArgumentError(f"{path}: has no column beside the values; give one for each feature")
    places = {name: place for place, name in enumerate(header)}
    masks = np.zeros((len(rows), len(features)), dtype=np.bool_)
    values = np.empty((len(rows), len(names)))
    for number, row in enumerate(rows):
        for j, feature in enumerate(features):
            cell = row[places[feature]]
            present = _PRESENT.get(cell.strip().lower())
            if present is None:
                both = " ".join(f"--value {shlex.quote(one)}" for one in (*names, feature))
                remedy = "leave out a column that is no feature, such as an id"
                if math.isfinite(_value(cell)):
                    remedy += f"; if it holds values of another output: {both}"
                if not cell.strip():
                    remedy = "fill the cell, or leave the row out"
                raise ArgumentError(
                    f"{path}: {cell!r} in column {feature!r}, line {row.line}; a "
                    f"feature is 1 where it is present and 0 where it is absent; {remedy}"
                )
            masks[number, j] = present
        for j, name in enumerate(names):
            values[number, j] = _value(cell := row[places[name]])
            if not np.isfinite(values[number, j]):
                raise ArgumentError(
                    f"{path}: {cell!r} in column {name!r}, line {row.line}, is "
                    "no finite number; mend the cell, or leave the row out"
                )
    return features, masks, values


def _value(cell: str) -> float:
    """A cell as a number; NaN if it is none. Python would also read 1_000."""
    try:
        return math.nan if "_" in cell else float(cell)
    except ValueError:
        return math.nan
