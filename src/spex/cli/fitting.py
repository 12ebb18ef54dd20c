"""`spex fit`: explain evaluations that exist already."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spex._typing import BoolArray, FloatArray
from spex.cli.session import Session, check_output
from spex.cli.showing import Shown, deliver, with_command
from spex.errors import ArgumentError
from spex.run import fit

if TYPE_CHECKING:
    import pandas as pd

_VALUE = "value"
_PRESENT = {"1": True, "1.0": True, "true": True, "0": False, "0.0": False, "false": False}


def run(
    session: Session, path: Path, columns: Sequence[str], settings: dict[str, Any], shown: Shown
) -> None:
    """Do what `spex fit` was asked for.

    Raises:
        ArgumentError: the file cannot be read as evaluations, or an option is wrong.
        ValueFunctionError: a value is not finite.
    """
    with session.interruptible():
        for option, output in (("--out", shown.out), ("--html", shown.html)):
            if output is None:
                continue
            check_output(output, option)
            if output.resolve() == path.resolve():
                raise ArgumentError(f"{option} {output}: is the table itself")
        frame = _read(path)
        names = tuple(columns) or (_VALUE,)
        features, masks, values = _evaluations(frame, names, path)
        shown.check(len(features))
        if len(names) == 1:
            found = fit(masks, values[:, 0], features, **settings)
        else:
            found = fit(masks, values, features, outputs=names, **settings)
        deliver(session, with_command(found, session.command), shown)


def _read(path: Path) -> "pd.DataFrame":
    """The table, every cell as it is written."""
    import pandas as pd

    reading: dict[str, Any] = {"dtype": str, "keep_default_na": False, "encoding": "utf-8-sig"}
    try:
        header = pd.read_csv(path, header=None, nrows=1, **reading).iloc[0]
        if header.duplicated().any():
            twice = header[header.duplicated()].iloc[0]
            raise ArgumentError(f"{path}: has two columns {twice!r}; give each a name of its own")
        return pd.read_csv(path, **reading)
    except ArgumentError:
        raise
    except OSError as error:
        raise ArgumentError(f"{path}: cannot be read: {error.strerror or error}") from error
    except ValueError as error:  # those of the parser, and of the decoder, are of this kind
        raise ArgumentError(f"{path}: is not CSV with a header in UTF-8 ({error})") from None


def _evaluations(
    frame: "pd.DataFrame", names: Sequence[str], path: Path
) -> tuple[list[str], BoolArray, FloatArray]:
    """Labels of the features, masks (m, n) and values (m, q)."""
    for name in names:
        if name not in frame.columns:
            known = ", ".join(map(str, frame.columns[-8:]))
            raise ArgumentError(
                f"{path}: has no column {name!r}; name the column of the values with --value "
                f"(the last columns are {known})"
            )
    features = [str(column) for column in frame.columns if column not in names]
    if not features:
        raise ArgumentError(f"{path}: has no column beside the values; give one for each feature")
    masks = np.zeros((len(frame), len(features)), dtype=np.bool_)
    for number, feature in enumerate(features):
        cells = frame[feature].str.strip().str.lower().map(_PRESENT)
        if cells.isna().any():
            row = int(np.flatnonzero(cells.isna())[0])
            raise ArgumentError(
                f"{path}: {frame[feature].iloc[row]!r} in column {feature!r}, row {row + 1}; a "
                "feature is 1 where it is present and 0 where it is absent"
            )
        masks[:, number] = cells.to_numpy(dtype=np.bool_)
    values = np.empty((len(frame), len(names)))
    for number, name in enumerate(names):
        for row, cell in enumerate(frame[name]):
            try:
                values[row, number] = float(cell)
            except ValueError:
                values[row, number] = np.nan
            if not np.isfinite(values[row, number]):
                raise ArgumentError(
                    f"{path}: {cell!r} in column {name!r}, row {row + 1}, is no finite number"
                )
    return features, masks, values
