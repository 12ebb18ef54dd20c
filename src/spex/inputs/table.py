"""Masking a row of a table: its cells are the features; background rows fill absent cells."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from spex._typing import BoolArray
from spex.checks.masks import check_masks
from spex.errors import ArgumentError
from spex.prior import NO_PRIOR

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Table:
    """A row of a table whose cells can be absent; background rows fill absent cells.

    For each mask a predict function gets one row per background row: the present cells are the
    row's, the others the background row's. The value of the mask is the mean over these rows (the
    interventional expectation of Lundberg and Lee, 2017, over the background).

    Args:
        row: (n_columns,) array; or a Series, a mapping of column names, or a DataFrame of one row.
        background: (n_rows, n_columns) array, or a DataFrame; one row, or a sample of the data.

    Attributes:
        features: "column = value" of each cell.

    Raises:
        ArgumentError: an argument is wrong, or row and background have different columns.
    """

    row: Any
    background: Any

    def __post_init__(self) -> None:
        if len(self._background) == 0:
            raise ArgumentError("background has no rows; give at least one")
        if self.n_features < 2:
            raise ArgumentError("the table has one column; nothing to attribute; give more columns")

    @cached_property
    def _background(self) -> "pd.DataFrame":
        import pandas as pd

        if isinstance(self.background, pd.DataFrame):
            return self.background.reset_index(drop=True)
        array = _as_array(self.background, "background")
        if array.ndim != 2:
            raise ArgumentError(
                f"background has shape {array.shape}; give (n_rows, n_columns), or a DataFrame"
            )
        return pd.DataFrame(array.copy())

    @cached_property
    def _both(self) -> "pd.DataFrame":
        """The background rows, then the row."""
        import pandas as pd

        return pd.concat([self._background, self._row], ignore_index=True)

    @cached_property
    def _row(self) -> "pd.DataFrame":
        import pandas as pd

        columns = self._background.columns
        row = self.row
        if isinstance(row, Mapping):
            row = pd.Series(dict(row), dtype=object)
        if isinstance(row, pd.Series):
            row = row.to_frame().T.infer_objects()
        if isinstance(row, pd.DataFrame):
            if len(row) != 1:
                raise ArgumentError(f"row has {len(row)} rows; give one")
            if set(row.columns) != set(columns) or len(row.columns) != len(columns):
                different = sorted(map(repr, set(row.columns) ^ set(columns)))
                raise ArgumentError(
                    f"row and background have different columns: {', '.join(different)}"
                )
            row = row[columns]
        else:
            array = _as_array(row, "row")
            if array.shape != (len(columns),):
                raise ArgumentError(
                    f"row has shape {array.shape}, but the background has {len(columns)} columns; "
                    f"give ({len(columns)},)"
                )
            row = pd.DataFrame(array[None], columns=columns)
        categories = {
            name: dtype
            for name, dtype in self._background.dtypes.items()
            if isinstance(dtype, pd.CategoricalDtype)
        }
        for name, dtype in categories.items():
            if (value := row[name].iloc[0]) not in dtype.categories:
                raise ArgumentError(
                    f"row: {value!r} is no category of the background's column {name!r}"
                )
        return row.astype(categories)

    @cached_property
    def features(self) -> tuple[str, ...]:
        """Column and value of each cell."""
        import pandas as pd

        named = isinstance(self.background, pd.DataFrame)
        return tuple(
            f"{name if named else f'column {name}'} = {_readable(self._row[name].iloc[0])}"
            for name in self._background.columns
        )

    @property
    def n_features(self) -> int:
        """The number of cells."""
        return len(self._row.columns)

    @property
    def inputs_per_mask(self) -> int:
        """The number of background rows."""
        return len(self._background)

    # A row has no text or picture: reports show the labels instead.
    parts = ()
    prior = NO_PRIOR
    system = None
    unit_name = "cell"

    @property
    def operator_name(self) -> str:
        """How absent cells are filled."""
        return f"mean over {len(self._background)} background rows"

    def apply(self, masks: npt.ArrayLike) -> Any:
        """The inputs of a predict function for (m, n_features) masks: m * n_rows rows.

        Returns:
            An array (m * n_rows, n_columns), or a DataFrame if the background is one. The rows
            of one mask stand next to each other.
        """
        import pandas as pd

        checked = check_masks(masks, self.n_features)
        if isinstance(self.background, pd.DataFrame):
            return self._frame(checked)
        cells = np.where(
            checked[:, None, :], self._row.to_numpy()[None], self._background.to_numpy()[None]
        )
        return cells.reshape(-1, self.n_features)

    def _frame(self, masks: BoolArray) -> "pd.DataFrame":
        import pandas as pd

        n_rows = len(self._background)
        lent = np.tile(np.arange(n_rows), len(masks))
        columns = {}
        for number, name in enumerate(self._both.columns):
            present = np.repeat(masks[:, number], n_rows)
            rows = np.where(present, n_rows, lent)
            columns[name] = self._both[name].take(rows).reset_index(drop=True)
        return pd.DataFrame(columns)

    def describe(self) -> dict[str, Any]:
        """Type and a hash of row and background, as JSON values."""
        import pandas as pd

        digest = hashlib.sha256()
        for name, dtype in self._both.dtypes.items():
            digest.update(f"{name!r}:{dtype}\n".encode())
        digest.update(pd.util.hash_pandas_object(self._both, index=False).to_numpy().tobytes())
        return {
            "type": "table",
            "sha256": digest.hexdigest(),
            "unit": self.unit_name,
            "operator": self.operator_name,
        }


def _as_array(rows: Any, name: str) -> npt.NDArray[Any]:
    try:
        return np.asarray(rows)
    except ValueError as error:  # rows of different length
        raise ArgumentError(f"{name} is no array: {error}; give rows of one length") from None


def _readable(value: object) -> str:
    return f"{value:g}" if isinstance(value, float | np.floating) else str(value)
