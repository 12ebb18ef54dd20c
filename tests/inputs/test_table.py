"""Table: cells of a row against background rows, as arrays and as frames, and every error."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from spex.errors import ArgumentError
from spex.inputs.table import Table

FRAME = pd.DataFrame(
    {
        "age": [20, 30, 40],
        "city": pd.Categorical(["Rome", "Bonn", "Rome"], categories=["Bonn", "Oslo", "Rome"]),
        "rate": [0.5, np.nan, 1.5],
        "member": [True, False, True],
        "since": pd.to_datetime(["2020-01-01", "2021-01-01", "2022-01-01"]),
    }
)


@given(
    arrays.arrays(np.float64, (4, 3)),
    st.lists(st.lists(st.booleans(), min_size=3, max_size=3), max_size=5),
)
def test_cells_are_the_rows_where_present_and_the_backgrounds_where_not(values, masks):
    row, background = values[0], values[1:]
    masks = np.array(masks, dtype=bool).reshape(-1, 3)
    cells = Table(row, background).apply(masks)
    expected = [
        [row[j] if mask[j] else other[j] for j in range(3)]
        for mask in masks
        for other in background
    ]
    np.testing.assert_array_equal(cells, np.array(expected).reshape(-1, 3))


def test_all_present_is_the_row():
    whole = Table([1, 2], [[0, 0], [5, 5]]).apply([[1, 1]])
    assert whole.tolist() == [[1, 2], [1, 2]]
    assert whole.dtype.kind == "i"


@pytest.mark.parametrize("form", ["frame", "series", "mapping"])
def test_frames_keep_columns_and_types(form):
    row = FRAME.iloc[[1]]
    given_row = {"frame": row, "series": row.iloc[0], "mapping": dict(row.iloc[0])}[form]
    table = Table(given_row, FRAME)
    assert table.features == (
        "age = 30", "city = Bonn", "rate = nan", "member = False", "since = 2021-01-01 00:00:00",
    )  # fmt: skip
    cells = table.apply([[1] * 5, [0] * 5, [1, 0, 0, 1, 0]])
    pd.testing.assert_series_equal(cells.dtypes, FRAME.dtypes)
    for number in range(3):
        pd.testing.assert_frame_equal(
            cells.iloc[[number]].reset_index(drop=True), row.reset_index(drop=True)
        )
    pd.testing.assert_frame_equal(cells.iloc[3:6].reset_index(drop=True), FRAME)
    assert cells["age"].iloc[6:].tolist() == [30, 30, 30]
    assert cells["city"].iloc[6:].tolist() == ["Rome", "Bonn", "Rome"]
    assert cells["member"].iloc[6:].tolist() == [False] * 3


def test_columns_of_the_row_may_come_in_any_order():
    table = Table({"b": 2.0, "a": 1.0}, pd.DataFrame({"a": [0.0], "b": [0.0]}))
    assert table.features == ("a = 1", "b = 2")
    assert table.apply([[1, 0]]).values.tolist() == [[1.0, 0.0]]


def test_a_fraction_in_a_column_of_whole_numbers():
    table = Table({"a": 1.5, "b": 2}, pd.DataFrame({"a": [0], "b": [0]}))
    assert table.apply([[1, 1], [0, 0]]).values.tolist() == [[1.5, 2.0], [0.0, 0.0]]


def test_later_changes_of_the_arguments_do_not_reach_it():
    background = np.zeros((1, 2))
    table = Table([1.0, 2.0], background)
    before = table.describe()
    background[:] = 7
    assert table.apply([[0, 0]]).tolist() == [[0.0, 0.0]]
    assert table.describe() == before


def test_identity_is_content():
    described = [
        Table([1, 2], [[0, 0]]),
        Table([1, 3], [[0, 0]]),
        Table([1, 2], [[0, 1]]),
        Table([1, 2], [[0, 0], [0, 0]]),
        Table([1.0, 2.0], [[0.0, 0.0]]),
        Table({"a": 1, "b": 2}, pd.DataFrame({"a": [0], "b": [0]})),
    ]
    assert len({str(table.describe()) for table in described}) == len(described)
    assert Table([1, 2], [[0, 0]]).describe() == Table((1, 2), [(0, 0)]).describe()


@pytest.mark.parametrize(
    ("row", "background", "message"),
    [
        ([1, 2], [0, 0], r"background has shape \(2,\); give \(n_rows, n_columns\)"),
        ([1, 2], np.zeros((0, 2)), "background has no rows"),
        ([1], [[0]], "the table has one column"),
        ([1, 2, 3], [[0, 0]], r"row has shape \(3,\), but the background has 2 columns"),
        ([[1, 2]], [[0, 0]], r"row has shape \(1, 2\)"),
        (FRAME, FRAME, "row has 3 rows; give one"),
        (FRAME[["age", "rate"]].iloc[0], FRAME, "different columns: 'city', 'member', 'since'"),
        ({"a": 1, "c": 2}, pd.DataFrame({"a": [0], "b": [0]}), "different columns: 'b', 'c'"),
        (
            {**dict(FRAME.iloc[0]), "city": "Paris"},
            FRAME,
            "'Paris' is no category of the background's column 'city'",
        ),
    ],
)
def test_wrong_arguments(row, background, message):
    with pytest.raises(ArgumentError, match=message):
        Table(row, background)


def test_wrong_masks():
    with pytest.raises(ArgumentError, match="masks"):
        Table([1, 2], [[0, 0]]).apply([[1, 2]])
