"""Masking a row of a table: its cells are the features; background rows fill absent cells."""

import datetime
import hashlib
import json
import uuid
import warnings
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from spex._typing import BoolArray, IntArray
from spex.checks.arguments import MAX_FEATURES
from spex.checks.masks import check_masks
from spex.errors import ArgumentError
from spex.prior import NO_PRIOR
from spex.wording import counted, in_full, shorten

if TYPE_CHECKING:
    import pandas as pd

# Types in which different values have different texts.
_NAMED_BY_TEXT = (
    *(bool, int, float, complex, str, bytes, Decimal, Fraction, uuid.UUID),
    *(datetime.date, datetime.time, datetime.timedelta),
)
_MOST_CELLS = 1 << 26  # cells of the background: .5 GB of floats for each mask


@dataclass(frozen=True, eq=False)
class Table:
    """A row of a table whose cells can be absent; background rows fill absent cells.

    For each mask a predict function gets one row per background row: the present cells are the
    row's, the others the background row's. The value of the mask is the mean over these rows (the
    interventional expectation of Lundberg and Lee, 2017, over the background).

    The function gets the types of the background. A cell of the row is cast to the type of its
    column if nothing is lost: 3.0 becomes 3 for integers, and None becomes NaN for floats.
    Otherwise the column gets the type of `pandas.concat`, and `notes` says so.

    Args:
        row: (n_columns,) array or list of cells; or a Series, a mapping of column names, or a
            DataFrame of one row. Cells that numpy masks are missing.
        background: (n_rows, n_columns) array, or a DataFrame; one row, or a sample of the data.
        groups: columns that are one feature, present or absent together, by name of the feature:
            {"place": ["latitude", "longitude"]}, or the columns of a one-hot code. Columns of an
            array are named by their numbers. Each other column is one feature.

    Attributes:
        features: "column = value" of each cell; a group is at the place of its first column.
        notes: a sentence for each cell that does not fit the type of its column, or was converted:
            "3" to 3, "2020-01-31" to a date, True to 1.

    Raises:
        ArgumentError: an argument is wrong, two columns have one name, a column is in two groups,
            row and background have different columns, or there are more than 16,384 columns.

    Example:
        >>> import numpy as np
        >>> import spex
        >>> row = spex.Table(np.array([1.0, 2.0]), background=np.array([[0.0, 0.0], [0.0, 4.0]]))
        >>> f = spex.PredictFunction(row, lambda rows: rows.sum(axis=1))
        >>> f([[True, True], [True, False]]).tolist()  # the second: 1 + the mean of 0 and 4
        [3.0, 3.0]
    """

    row: Any
    background: Any
    groups: Mapping[str, Sequence[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self._background) == 0:
            raise ArgumentError("background has no rows; give at least one")
        _ = self._row  # reading it checks it
        if self.n_features < 2:
            one = "one group" if self.groups else "one column"
            raise ArgumentError(f"the table has {one}; nothing to attribute; give more columns")

    @cached_property
    def _background(self) -> "pd.DataFrame":
        import pandas as pd

        if isinstance(self.background, pd.DataFrame):
            _check_shape(self.background.shape)
            _index(self.background.columns, "background")
            return self.background.reset_index(drop=True)
        array = _as_array(self.background)
        _check_shape(array.shape)
        # Without a given type, pandas turns objects that are all texts into its own text type.
        return pd.DataFrame(array.copy(), dtype=object if array.dtype == object else None)

    @property
    def _row(self) -> "pd.DataFrame":
        """The row; each cell has its column's type if the column can hold it."""
        return self._row_and_misfits[0]

    @cached_property
    def _row_and_misfits(self) -> "tuple[pd.DataFrame, list[int]]":
        """The row, and the numbers of the columns whose cell is noted: it is of another type."""
        import pandas as pd

        columns = self._background.columns
        cells, misfits = {}, []
        types = zip(self._background.dtypes, self._cells(columns), strict=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # lossy casts are found below
            for number, (dtype, cell) in enumerate(types):
                fitted = _fitted(cell, dtype)
                if fitted is None or _is_read(cell, fitted.iloc[0]):
                    misfits.append(number)
                if fitted is None:  # a float NaN turns integers into floats
                    as_nan = _is_missing(cell) and dtype.kind in "iu"
                    fitted = pd.Series([np.nan if as_nan else cell])
                # Arrays are quicker to join, but pandas would infer a type for an array of objects.
                cells[number] = fitted if fitted.dtype == "object" else fitted.array
        return pd.DataFrame(cells).set_axis(columns, axis=1), misfits

    def _cells(self, columns: "pd.Index[Any]") -> list[Any]:
        """The cells of the row as they are given, in the order of the columns; masked is None."""
        import pandas as pd

        row = self.row
        if isinstance(row, pd.DataFrame):
            if len(row) != 1:
                raise ArgumentError(f"row has {counted(len(row), 'row')}; give one")
            cells = [row.iat[0, number] for number in range(row.shape[1])]
            row = _in_order(cells, row.columns, columns)
        elif isinstance(row, pd.Series):
            cells = [row.iat[number] for number in range(len(row))]
            row = _in_order(cells, row.index, columns)
        elif isinstance(row, Mapping):
            row = _in_order(list(row.values()), row, columns)
        if isinstance(row, str) or not hasattr(row, "__len__"):
            raise ArgumentError(
                f"row is a {type(row).__name__}; give its cells as an array, a Series, a mapping "
                "or a DataFrame of one row"
            )
        shape = getattr(row, "shape", (len(row),))
        if shape != (len(columns),):
            raise ArgumentError(
                f"row has shape {shape}, but the background has {len(columns)} columns; "
                f"give ({len(columns)},)"
            )
        return [None if cell is np.ma.masked else cell for cell in row]

    @cached_property
    def _both(self) -> "pd.DataFrame":
        """The background rows, then the row; each column of the type that the model is given."""
        import pandas as pd

        return pd.concat([self._background, self._row], ignore_index=True)

    @property
    def notes(self) -> tuple[str, ...]:
        """A sentence for each cell that does not fit the background's type."""
        cells = self._cells(self._background.columns)
        before, both = self._background.dtypes, self._both
        return tuple(
            f"The row's {_python(cells[number])!r} in {self._names[number]} does not fit the "
            f"background's type {before.iloc[number]}; the model is given "
            f"{_python(both.iat[len(both) - 1, number])!r} in a column of "
            f"{both.dtypes.iloc[number]}."
            for number in self._row_and_misfits[1]
        )

    @cached_property
    def _names(self) -> list[str]:
        """The columns, by name or number."""
        import pandas as pd

        named = isinstance(self.background, pd.DataFrame)
        return [f"{name}" if named else f"column {name}" for name in self._background.columns]

    @cached_property
    def _members(self) -> dict[str | int, list[int]]:
        """The columns of each feature: of a group by its name, of a cell by its number."""
        columns = _index(self._background.columns, "background")
        if not isinstance(self.groups, Mapping):
            raise ArgumentError(
                f"groups is a {type(self.groups).__name__}; give a mapping from the name of a group"
                " to its columns"
            )
        owner: dict[int, str] = {}
        for name, members in self.groups.items():
            if isinstance(members, str) or not hasattr(members, "__len__") or not len(members):
                raise ArgumentError(f"groups: {name!r} has {members!r}; give a list of its columns")
            if _place(columns, name) is not None and name not in members:
                raise ArgumentError(f"groups: {name!r} is also a column; choose another name")
            for member in members:
                number = _place(columns, member)
                if number is None:
                    raise ArgumentError(f"groups: {name!r} has {member!r}, which is no column")
                if owner.get(number) == str(name):
                    raise ArgumentError(
                        f"groups: {name!r} has column {member!r} twice; leave it out once"
                    )
                if number in owner:
                    raise ArgumentError(
                        f"groups: column {member!r} is in {owner[number]!r} and in {name!r}; "
                        "leave it out once"
                    )
                owner[number] = str(name)
        found: dict[str | int, list[int]] = {}
        for number in range(len(columns)):
            found.setdefault(owner.get(number, number), []).append(number)
        return found

    @cached_property
    def _feature_of_column(self) -> IntArray:
        """(n_columns,) the number of the feature of each column."""
        features = np.empty(len(self._background.columns), dtype=np.int64)
        for number, members in enumerate(self._members.values()):
            features[members] = number
        return features

    @cached_property
    def features(self) -> tuple[str, ...]:
        """Column and value of each cell; name and values of each group."""
        cells = [_readable(self._row.iat[0, number]) for number in range(len(self._names))]
        return tuple(
            f"{self._names[feature]} = {cells[feature]}"
            if isinstance(feature, int)
            else f"{feature} = {shorten(', '.join(cells[number] for number in members))}"
            for feature, members in self._members.items()
        )

    @property
    def n_features(self) -> int:
        """The number of cells, or of groups and other cells."""
        return len(self._members)

    @property
    def inputs_per_mask(self) -> int:
        """The number of background rows."""
        return len(self._background)

    # A row has no text or picture: reports show the labels instead.
    parts = ()
    prior = NO_PRIOR
    system = None

    @property
    def unit_name(self) -> str:
        """A cell, or a group of cells."""
        return "group or cell" if self.groups else "cell"

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

        of_features = check_masks(masks, self.n_features)
        present = of_features[:, self._feature_of_column]
        if isinstance(self.background, pd.DataFrame):
            return self._frame(present)
        return _filled(self._array, present)

    @cached_property
    def _array(self) -> npt.NDArray[Any]:
        """The background rows, then the row, where the background is an array."""
        values: npt.NDArray[Any] = self._both.to_numpy()
        if _as_array(self.background).dtype.kind == "U" and not self._both.isna().any(axis=None):
            return values.astype(str)
        return values

    def _frame(self, present: BoolArray) -> "pd.DataFrame":
        """The rows of (m, n_columns) masks as a DataFrame."""
        import pandas as pd

        both = self._both
        n_rows = len(both) - 1
        parts, order = [], []
        for dtype in dict.fromkeys(both.dtypes):
            numbers = np.flatnonzero(both.dtypes == dtype)
            of_type = both.iloc[:, numbers]
            if isinstance(dtype, np.dtype):  # all columns of the type at once
                cells = _filled(of_type.to_numpy(), present[:, numbers])
                parts.append(pd.DataFrame(cells, columns=of_type.columns, dtype=dtype))
            else:
                background = np.tile(np.arange(n_rows), len(present))
                rows = np.where(np.repeat(present[:, numbers], n_rows, 0).T, n_rows, background)
                columns = (column.array for _, column in of_type.items())
                taken = {j: column.take(rows[j]) for j, column in enumerate(columns)}
                parts.append(pd.DataFrame(taken).set_axis(of_type.columns, axis=1))
            order.append(numbers)
        return pd.concat(parts, axis=1).iloc[:, np.argsort(np.concatenate(order))]

    def describe(self) -> dict[str, Any]:
        """Type and a hash of row and background, as JSON values.

        Raises:
            ArgumentError: a cell is of a type that a hash cannot tell from others.
        """
        import pandas as pd

        digest = hashlib.sha256()
        if not isinstance(self.background, pd.DataFrame):
            digest.update(f"array:{self._array.dtype}\n".encode())
        for name, column in self._both.items():
            digest.update(f"{name!r}:{column.dtype}\n".encode())
            if isinstance(column.dtype, np.dtype) and column.dtype.kind != "O":
                digest.update(column.to_numpy().tobytes())
                continue
            cells = list(column)
            # A model may read the numbers of categories.
            if isinstance(column.dtype, pd.CategoricalDtype):
                cells += [*column.dtype.categories, column.dtype.ordered]
            try:
                digest.update(json.dumps([named(cell) for cell in cells]).encode())
            except ArgumentError as error:
                raise ArgumentError(f"column {name!r}: {error}") from None
        return {
            "type": "table",
            "sha256": digest.hexdigest(),
            **({"features": list(self._members.values())} if self.groups else {}),
            "unit": self.unit_name,
            "operator": self.operator_name,
        }


def _check_shape(shape: tuple[int, ...]) -> None:
    """Refuse a background that is no table, or is too large, before anything is made of it."""
    if len(shape) != 2:
        raise ArgumentError(
            f"background has shape {shape}; give (n_rows, n_columns), or a DataFrame"
        )
    n_rows, n_columns = shape
    if n_columns > MAX_FEATURES:
        raise ArgumentError(
            f"the table has {n_columns:,} columns; the limit is {MAX_FEATURES:,}: leave columns out"
        )
    if n_rows * n_columns > _MOST_CELLS:
        raise ArgumentError(
            f"background has {n_rows:,} rows of {n_columns:,} columns, all of which are predicted "
            f"for each mask; give a sample, at most {_MOST_CELLS // n_columns:,} rows"
        )


def _index(names: Iterable[Any], what: str) -> "pd.Index[Any]":
    """The names of columns; in pandas' Index, unlike in a dict or a set, NaN is NaN.

    Raises:
        ArgumentError: two columns have one name.
    """
    import pandas as pd

    index = pd.Index([_python(name) for name in names], dtype=object, tupleize_cols=False)
    if not index.is_unique:
        twice = index[index.duplicated()][0]
        raise ArgumentError(f"{what} has two columns {twice!r}; give each its own name")
    return index


def _place(index: "pd.Index[Any]", name: Any) -> int | None:
    """The number of the column of a name; None if there is no such column."""
    import pandas as pd

    try:
        place = index.get_loc(_python(name))
    except (KeyError, TypeError, pd.errors.InvalidIndexError):  # unknown, or not hashable
        return None
    return cast(int, place)  # names are unique


def _in_order(cells: list[Any], of_cells: Iterable[Any], columns: Iterable[Any]) -> list[Any]:
    """Cells of these names in the order of the columns of the background."""
    names, of_background = _index(of_cells, "row"), _index(columns, "background")
    places = names.get_indexer(of_background)
    if len(names) != len(places) or (places < 0).any():
        lacks = [*of_background[places < 0], *names[of_background.get_indexer(names) < 0]]
        different = ", ".join(sorted(map(repr, lacks)))
        raise ArgumentError(f"row and background have different columns: {different}")
    return [cells[place] for place in places]


def _as_array(rows: Any) -> npt.NDArray[Any]:
    if isinstance(rows, np.ndarray):
        return rows
    try:
        array = np.asarray(rows)
    except ValueError as error:  # rows of different length
        raise ArgumentError(f"background is no array: {error}; give rows of one length") from None
    # numpy would turn numbers in a row with a text into texts.
    return np.asarray(rows, dtype=object) if array.dtype.kind in "US" else array


def _filled(both: npt.NDArray[Any], present: BoolArray) -> npt.NDArray[Any]:
    """Cells of the row where present, of each background row where not.

    Args:
        both: (n_rows + 1, k), the background rows, then the row.
        present: (m, k) bool.

    Returns:
        (m * n_rows, k), of the type of both.
    """
    return np.where(present[:, None, :], both[-1], both[None, :-1]).reshape(-1, both.shape[1])


def named(cell: Any) -> Any:
    """JSON content that differs where cells differ in value or type, such as 1, "1", 1.0 and True.

    Raises:
        ArgumentError: the cell is, or holds, an object whose content is unknown.
    """
    import pandas as pd

    kind = f"{type(cell).__module__}.{type(cell).__qualname__}"
    if cell is None or cell is pd.NA or cell is pd.NaT or isinstance(cell, _NAMED_BY_TEXT):
        return [kind, repr(cell)]
    if isinstance(cell, pd.Timestamp | pd.Timedelta | pd.Period | pd.Interval | np.generic):
        return [kind, repr(cell), str(getattr(cell, "dtype", ""))]
    if isinstance(cell, np.ndarray) and not cell.dtype.hasobject:
        values = hashlib.sha256(np.ascontiguousarray(cell).tobytes()).hexdigest()
        return [kind, cell.dtype.str, cell.shape, values]
    if isinstance(cell, np.ndarray):
        return [kind, cell.shape, [named(item) for item in cell.ravel()]]
    if isinstance(cell, Mapping):
        return [kind, [[named(key), named(item)] for key, item in cell.items()]]
    if isinstance(cell, list | tuple):
        return [kind, [named(item) for item in cell]]
    if isinstance(cell, set | frozenset):
        return [kind, sorted(json.dumps(named(item)) for item in cell)]
    raise ArgumentError(
        f"a cell is a {kind}, which a store cannot tell from others; leave store= out, or give "
        "texts, numbers, dates, or lists and arrays of these"
    )


def _is_missing(cell: Any) -> bool:
    """Whether a cell is None, NaN, NA or NaT."""
    import pandas as pd

    return bool(pd.api.types.is_scalar(cell) and pd.isna(cell))


def _fitted(cell: Any, dtype: Any) -> "pd.Series[Any] | None":
    """A cell as a Series of the type of its column; None if that would lose something."""
    import pandas as pd

    if dtype == "object":
        return pd.Series([cell], dtype=object)
    if not pd.api.types.is_scalar(cell):
        return None
    missing = _is_missing(cell)
    if isinstance(dtype, pd.CategoricalDtype) and not missing and cell not in dtype.categories:
        return None
    if dtype.kind == "M" and isinstance(cell, str | datetime.date):
        with suppress(ValueError):
            cell = pd.Timestamp(datetime.datetime.fromisoformat(str(cell)))
    try:
        fitted = pd.Series([None if missing else cell], dtype=dtype)
    except (TypeError, ValueError, OverflowError):
        return None
    found = fitted.array[0]
    return fitted if (_is_missing(found) if missing else _is_same(found, cell)) else None


def _is_read(cell: Any, found: Any) -> bool:
    """Whether a text was taken for a number, date or truth value, or a truth value for a number."""
    if isinstance(cell, str):
        return not isinstance(found, str)
    return isinstance(cell, bool | np.bool_) and not isinstance(found, bool | np.bool_)


def _is_same(found: Any, cell: Any) -> bool:
    """Whether a cast cell says what the cell says."""
    if isinstance(found, str) != isinstance(cell, str) and isinstance(found, str):
        return False  # a number is not a text
    # Compare as texts: .1 of 32 bits equals .1 of 64, and 3 equals the "3" of an array of texts.
    if str(found) == str(cell):
        return True
    # numpy would round an integer to compare it with a float; Python does not.
    return bool((found.item() if isinstance(found, np.number) else found) == cell)


def _python(cell: Any) -> Any:
    """The cell of numpy as one of Python: 1 for np.int64(1)."""
    of_time = isinstance(cell, np.datetime64 | np.timedelta64)  # these would become integers
    return cell.item() if isinstance(cell, np.generic) and not of_time else cell


def _readable(value: object) -> str:
    return in_full(value) if isinstance(value, float | np.floating) else str(value)
