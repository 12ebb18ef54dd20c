"""Table: cells of a row against background rows, as arrays and as frames, and every error."""

import copy
import re
import time
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import spex
from spex import PredictFunction
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


TYPES = pd.DataFrame(
    {
        "int": [3, 1, 2],
        "float": [0.5, np.nan, -1e-9],
        "bool": [True, False, True],
        "float32": np.array([0.1, 0.2, np.nan], dtype="float32"),
        "int8": np.array([1, 2, 3], dtype="int8"),
        "Int64": pd.array([None, 1, 2], dtype="Int64"),
        "Float64": pd.array([None, 1.5, 2], dtype="Float64"),
        "boolean": pd.array([True, None, False], dtype="boolean"),
        "category": pd.Categorical([None, "a", "b"], categories=["c", "b", "a"], ordered=True),
        "numbers": pd.Categorical([1, 2, 3]),
        "date": pd.to_datetime(["2020-01-01", None, "2020-01-03"]),
        "zoned": pd.to_datetime(["2020-01-01", None, "2020-01-03"], utc=True),
        "duration": pd.to_timedelta([1, None, 3], unit="s"),
        "period": pd.PeriodIndex(["2020-01", None, "2020-03"], freq="M"),
        "text": ["x", None, "3"],
        "string": pd.array(["x", None, "3"], dtype="string"),
        "object": pd.Series([None, pd.NA, "1"], dtype=object),
        "sparse": pd.arrays.SparseArray([0, 0, 1]),
    }
)
FORMS = {
    "frame": lambda row: row,
    "objects": lambda row: row.astype(object),
    "series": lambda row: row.iloc[0],
    "array": lambda row: row.iloc[0].to_numpy(),
    "list": lambda row: row.iloc[0].tolist(),
    "mapping": lambda row: dict(row.iloc[0].items()),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("number", range(3))
def test_a_row_of_any_form_has_the_types_of_the_background(form, number):
    row = TYPES.iloc[[number]]
    for background in (TYPES, TYPES.iloc[[0]]):
        table = Table(FORMS[form](row), background)
        given = table.apply([[1] * TYPES.shape[1], [0] * TYPES.shape[1]])
        expected = pd.concat([row] * len(background) + [background], ignore_index=True)
        pd.testing.assert_frame_equal(given, expected)
        assert table.notes == ()


def test_numbers_alone_keep_their_types():
    # pandas gives all cells of such a row one type, that of floats.
    frame = pd.DataFrame({"plan": [3, 1], "use": [0.5, 0.0], "size": [2, 1]}).astype(
        {"size": "int32"}
    )
    for form in FORMS.values():
        assert Table(form(frame.iloc[[0]]), frame).apply([[1] * 3]).dtypes.equals(frame.dtypes)


@given(st.sampled_from(list(TYPES)), st.sampled_from(list(TYPES)))
def test_a_cell_that_does_not_fit_changes_the_type_as_pandas_does(ours, other):
    background = TYPES[[ours]].assign(b=0)
    cell = TYPES[other].iloc[2]
    table = Table({ours: cell, "b": 0}, background)
    given = table.apply([[1, 1]])[ours]
    missing = pd.isna(cell)
    if given.dtype != TYPES[ours].dtype:
        as_nan = missing and background[ours].dtype.kind in "iu"
        row = pd.DataFrame({ours: [np.nan if as_nan else cell], "b": 0})
        assert given.dtype == pd.concat([background, row])[ours].dtype
        assert missing or given.iloc[0] == cell
        noted = True
    else:  # the same value, though "1" may be 1 now, and True 1
        assert (
            pd.isna(given.iloc[0])
            if missing
            else str(given.iloc[0]) == str(cell) or given.iloc[0] == cell
        )
        truths, texts = (
            [isinstance(one, kind) for one in (cell, given.iloc[0])]
            for kind in ((bool, np.bool_), str)
        )
        noted = texts[0] != texts[1] or truths == [True, False]
    says = f"in {ours} does not fit the background's type {TYPES[ours].dtype}"
    assert [says in note for note in table.notes] == [True] * noted


@pytest.mark.parametrize(
    ("cell", "column", "expected"),
    [
        (36.5, [1, 2], "float64"),
        (None, [1, 2], "float64"),
        (300, np.array([1, 2], dtype="int8"), "int64"),
        (None, [True, False], "object"),
        (2**53 + 1, [1.0, 2.0], "float64 rounded"),
        (1e300, np.array([1, 2], dtype="float32"), "float64"),
        (0.1, np.array([1, 2], dtype="float32"), "float32"),
        (1, [True, False], "bool"),
        (7, ["a", "b"], "object"),
        ("3", [1, 2], "int64 read"),  # as an array of texts holds it
        ("True", [True, False], "bool read"),
        ("03", [1, 2], "object"),
        ([1, 2], [1, 2], "object"),
        ("2020-02-03", pd.to_datetime(["2020-01-01"] * 2), "datetime64[us] read"),
        (date(2020, 2, 3), pd.to_datetime(["2020-01-01"] * 2), "datetime64[us]"),
        ("02/03/2020", pd.to_datetime(["2020-01-01"] * 2), "object"),
    ],
)
def test_what_fits(cell, column, expected):
    background = pd.DataFrame({"a": column, "b": 0})
    table = Table({"a": cell, "b": 0}, background)
    given = table.apply([[1, 1]])["a"]
    same_type = given.dtype == background["a"].dtype
    assert bool(table.notes) == (not same_type or " " in expected)
    if "date" in expected:
        assert same_type and given.iloc[0] == pd.Timestamp(2020, 2, 3)
    else:
        assert given.dtype == expected.partition(" ")[0]


def test_arrays_keep_their_type():
    for background, row, expected in [
        (np.array([[1, 2]]), [3.0, 4.0], [3, 4]),
        (np.array([[1, 2]]), [3.5, 4], [3.5, 4.0]),
        (np.array([[1, 2]], dtype="float32"), [0.1, None], [np.float32(0.1), np.nan]),
        (np.array([[True, False]]), [0, 1.0], [False, True]),
        (np.array([["a", "b"]]), ["longer", "c"], ["longer", "c"]),
        (np.array([[1, "b"]], dtype=object), [2.0, None], [2.0, None]),
        ([[1, "a"]], [2, "b"], [2, "b"]),
    ]:
        table = Table(row, background)
        (given,) = table.apply([[1, 1]])
        np.testing.assert_array_equal(given, np.array(expected, dtype=given.dtype))
        kinds = (np.asarray(background, dtype=given.dtype).dtype.kind, given.dtype.kind)
        assert kinds[0] == kinds[1]
        assert bool(table.notes) == (3.5 in row)


@pytest.mark.parametrize(
    ("column", "cell", "given", "label", "note"),
    [
        (
            [1, 2],
            "1",
            1,
            "1",
            "'1' in a does not fit the background's type int64; the model is given 1 ",
        ),
        ([1, 2], True, 1, "1", "True in a does not fit the background's type int64"),
        ([1.5, 2.5], "1.5", 1.5, "1.5", "'1.5' in a does not fit the background's type float64"),
        ([True, False], None, None, "None", "None in a does not fit the background's type bool"),
        (
            [1.5, 2.5],
            2**53 + 1,
            2.0**53,
            "9007199254740993",
            "9007199254740993 in a .* given 9007199254740992.0 in",
        ),
        (pd.Categorical(["x", "y"]), "z", "z", "z", "'z' in a does not fit .* type category"),
        (pd.Categorical([1, 2]), 3, 3, "3", "3 in a does not fit .* a column of int64"),
        ([1, 2], 1.0, 1, "1", None),
        ([True, False], 1.0, True, "True", None),
        (["x", "y"], "1", "1", "1", None),
    ],
)
def test_a_cell_that_is_read_or_does_not_fit_is_noted(column, cell, given, label, note):
    background = pd.DataFrame({"a": column, "b": 0})
    table = Table({"a": cell, "b": 0}, background)
    found = table.apply([[1, 1]])["a"]
    expected = pd.concat([background, pd.DataFrame({"a": [given], "b": 0})])["a"].dtype
    assert found.dtype == expected
    assert found.iloc[0] is None if given is None else found.iloc[0] == given
    assert table.features[0] == f"a = {label}"
    assert len(table.notes) == (note is not None)
    assert note is None or re.search(note, table.notes[0])


@pytest.mark.parametrize("members", [["a", "a"], 5, [["a"]]])
def test_groups_that_are_none(members):
    with pytest.raises(
        ArgumentError, match=r"'g' has (column 'a' twice|5; give a list|..a.., whi)"
    ):
        Table([1, 2], pd.DataFrame({"a": [0], "b": [0]}), groups={"g": members})


@pytest.mark.parametrize("name", [float("nan"), None, pd.NaT, ("x", float("nan"))])
def test_columns_may_be_named_nan(name):
    background = pd.DataFrame([[0, 1, 2]]).set_axis(
        pd.Index([1.0, copy.deepcopy(name), "c"], dtype=object, tupleize_cols=False), axis=1
    )
    again = ("x", float("nan")) if isinstance(name, tuple) else name
    named = {"c": 7, again: 6, 1.0: 5}
    series = background.iloc[0] + 5
    for row in (named, series, series.to_frame().T, [5, 6, 7]):
        table = Table(row, background)
        assert table.features == ("1.0 = 5", f"{name} = 6", "c = 7")
        assert table.apply([[1, 1, 0], [0, 1, 1]]).to_numpy().tolist() == [[5, 6, 2], [0, 6, 7]]
    assert Table(named, background, groups={"g": ["c", again]}).features == ("1.0 = 5", "g = 6, 7")
    with pytest.raises(ArgumentError, match=f"different columns: {re.escape(repr(name))}$"):
        Table({"c": 7, 1.0: 5}, background)
    with pytest.raises(ArgumentError, match=f"two columns {re.escape(repr(name))}"):
        Table([1, 2], pd.concat([background[[]], *[background.iloc[:, [1]]] * 2], axis=1))


def test_floats_as_names_of_columns():
    background = pd.DataFrame([[0, 1]], columns=[1.0, np.nan])  # gives another NaN at each look
    table = Table({float("nan"): 6, 1: 5}, background, groups={"g": [np.float64("nan")]})
    assert table.features == ("1.0 = 5", "g = 6")
    assert table.apply([[1, 0], [0, 1]]).to_numpy().tolist() == [[5, 1], [0, 6]]


@pytest.mark.parametrize(
    "row",
    [
        np.ma.array([1, 2], mask=[False, True]),
        [1, np.ma.masked],
        {"b": np.ma.masked, "a": 1},
        pd.Series([1, np.ma.masked], index=["a", "b"]),
    ],
)
def test_masked_cells_are_missing(row):
    table = Table(row, pd.DataFrame({"a": [3], "b": [4]}))
    cells = table.apply([[1, 1]])
    assert cells.dtypes.tolist() == ["int64", "float64"]
    np.testing.assert_array_equal(cells, [[1, np.nan]])
    assert table.features == ("a = 1", "b = nan")
    assert len(table.notes) == 1 and "in b does not fit" in table.notes[0]


def test_notes_reach_the_explanation():
    table = Table({"age": 36.5, "b": 2}, pd.DataFrame({"age": [30], "b": [0]}))
    note = (
        "The row's 36.5 in age does not fit the background's type int64; the model is given 36.5 "
        "in a column of float64."
    )
    value = PredictFunction(table, lambda rows: rows.sum(axis=1))
    assert spex.explain(value, budget=4).notes == (note,)
    both = PredictFunction(table, lambda rows: rows.to_numpy(), output=None)
    assert spex.explain(both, budget=4)["1"].notes == (note,)


def test_missing_cells_are_cells():
    cities = pd.DataFrame(
        {"city": pd.Categorical([None, "rome", "oslo"]), "rooms": [3.0, 1.0, 2.0]}
    )
    for missing in (None, np.nan, pd.NA, pd.NaT):
        table = Table({"city": missing, "rooms": 3}, cities.iloc[1:])
        value = PredictFunction(
            table, lambda rows: np.where(rows["city"].isna(), 30.0, 0.0) + rows["rooms"]
        )
        assert value([[1, 1], [0, 1], [1, 0]]).tolist() == [33.0, 3.0, 31.5]
        assert table.apply([[1, 1]]).dtypes.equals(cities.dtypes)


def test_labels_tell_numbers_apart():
    frame = pd.DataFrame(
        {"date": [20240117, 20240118], "price": [1234567.89, 99.5], "lon": [-122.419416, 0.0]}
    )
    assert Table(frame.iloc[0], frame).features == (
        "date = 20240117", "price = 1234567.89", "lon = -122.419416",
    )  # fmt: skip
    cells = np.array([[0.1, 1e20], [1e-9, 2e300]])
    assert Table(cells[0], cells).features == ("column 0 = 0.1", "column 1 = 100000000000000000000")
    assert Table(cells[1], cells).features == ("column 0 = 1e-09", "column 1 = 2e+300")
    single = np.array([[0.1, 3.0]], dtype="float32")
    assert Table(single[0], single).features == ("column 0 = 0.1", "column 1 = 3")


PLACES = pd.DataFrame(
    {
        "lat": [48.1, 52.5],
        "red": [True, False],
        "rooms": [3, 1],
        "lon": [11.6, 13.4],
        "blue": [False, True],
    }
)
GROUPS = {"place": ["lat", "lon"], "colour": pd.Index(["red", "blue"])}


def test_groups_of_columns_are_one_feature():
    table = Table(PLACES.iloc[0], PLACES.iloc[1:], GROUPS)
    assert table.features == ("place = 48.1, 11.6", "colour = True, False", "rooms = 3")
    assert (table.n_features, table.unit_name) == (3, "group or cell")
    masks = (np.arange(8)[:, None] >> np.arange(3) & 1).astype(bool)
    given = table.apply(masks)
    of_column = [0, 1, 2, 0, 1]
    for mask, (_, cells) in zip(masks, given.iterrows(), strict=True):
        expected = [PLACES.iloc[0 if mask[of_column[j]] else 1, j] for j in range(5)]
        assert cells.tolist() == expected
    assert given.dtypes.equals(PLACES.dtypes)
    # The Shapley value of a group is that of the game whose player it is.
    value = PredictFunction(table, lambda rows: rows["lat"] * rows["lon"] + rows["rooms"])
    effects = spex.explain(value, budget=8).interactions("SV")
    assert effects[0,] == pytest.approx(48.1 * 11.6 - 52.5 * 13.4)
    assert effects[2,] == pytest.approx(2.0)


def test_groups_of_an_array_and_their_identity():
    cells = np.array([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]])
    tables = [
        Table(cells[0], cells[1:]),
        Table(cells[0], cells[1:], {"ends": [0, 2]}),
        Table(cells[0], cells[1:], {"start": [0, 1]}),
    ]
    assert tables[1].features == ("ends = 1, 3", "column 1 = 2")
    assert tables[1].apply([[1, 0]]).tolist() == [[1, 0, 3]]
    assert len({str(table.describe()) for table in tables}) == 3


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ({"place": ["lat", "lot"]}, "groups: 'place' has 'lot', which is no column"),
        ({"place": "lat"}, "groups: 'place' has 'lat'; give a list of its columns"),
        ({"lat": ["lon"]}, "groups: 'lat' is also a column; choose another name"),
        ({"place": []}, "groups: 'place' has .* give a list of its columns"),
        ({"a": ["lat"], "b": ["lat"]}, "column 'lat' is in 'a' and in 'b'; leave it out once"),
        ({"all": list(PLACES)}, "the table has one group; nothing to attribute"),
        ([["lat", "lon"]], "groups is a list; give a mapping"),
    ],
)
def test_wrong_groups(groups, message):
    with pytest.raises(ArgumentError, match=message):
        Table(PLACES.iloc[0], PLACES, groups)


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


TWICE = pd.DataFrame([[1.0, 2.0]], columns=["age", "age"])


def test_wide_tables_are_quick():
    frame = pd.DataFrame(np.ones((2, 2000))).astype({j: "int64" for j in range(0, 2000, 2)})
    start = time.perf_counter()
    table = Table(frame.iloc[0], frame)
    assert table.features[1999] == "1999 = 1"
    given = table.apply(np.ones((3, 2000)))
    assert given.shape == (6, 2000) and given.dtypes.equals(frame.dtypes)
    assert time.perf_counter() - start < 5


CELLS = [
    1, "1", 1.0, True, b"1", 1j, np.int64(1), np.float32(1), np.bool_(True), Decimal(1),
    Decimal("1.0"), Fraction(1), None, np.nan, pd.NA, pd.NaT, "nan", "None", "", 0.0, -0.0, False,
    [1, 2], (1, 2), [1.0, 2], ["1", 2], [12], {1, 2}, {"a": 1}, {"a": "1"}, [], [[]], [None],
    np.array([1, 2]), np.array([1.0, 2.0]), np.array([[1, 2]]), np.array([1, 2], dtype=object),
    date(2020, 1, 1), datetime(2020, 1, 1), pd.Timestamp("2020-01-01"), "2020-01-01",
    pd.Timestamp("2020-01-01", tz="UTC"), pd.Timestamp("2020-01-01", tz="Europe/Rome"),
    np.datetime64("2020-01-01"), timedelta(1), pd.Timedelta(1, "D"), pd.Period("2020"),
    pd.Period("2020-01"), pd.Interval(0, 1), pd.Interval(0, 1, closed="left"),
]  # fmt: skip


def test_rows_whose_cells_differ_in_type_have_different_identities():
    def described(cell, background=0):
        row, other = (pd.Series([cell, 0], dtype=object) for cell in (cell, background))
        return Table(row, pd.DataFrame([other], dtype=object)).describe()["sha256"]

    assert len({described(cell) for cell in CELLS}) == len(CELLS)
    assert len({described(0, cell) for cell in CELLS}) == len(CELLS)
    for cell in CELLS:
        assert described(cell) == described(copy.deepcopy(cell))


def test_categories_and_kinds_of_background_are_part_of_the_identity():
    def described(background):
        return Table(background[:1], background).describe()["sha256"]

    def categories(names, ordered=False):
        return pd.DataFrame({"a": pd.Categorical(["x"], names, ordered=ordered), "b": [0]})

    cells = np.array([[1, 2]])
    different = [
        described(categories(["x", "y"])),
        described(categories(["y", "x"])),
        described(categories(["x", "y"], ordered=True)),
        described(pd.DataFrame(cells)),
        Table(cells[0], cells).describe()["sha256"],
    ]
    assert len(set(different)) == len(different)


@pytest.mark.parametrize("cell", [object(), [1, object()], lambda rows: 0, {"a": object()}])
def test_a_cell_that_cannot_be_named_is_refused_where_a_store_is_used(cell, tmp_path):
    class Length:
        identity = "length"

        def __call__(self, rows):
            return rows["b"]

    background = pd.DataFrame({"a": pd.Series([None], dtype=object), "b": [1.0]})
    value = PredictFunction(Table({"a": cell, "b": 2}, background), Length())
    assert spex.explain(value, budget=4).r2 == 1
    with pytest.raises(ArgumentError, match=r"column 'a': a cell is a .*, which a store"):
        spex.explain(value, budget=4, store=tmp_path / "s.sqlite")


@pytest.mark.parametrize(
    ("row", "background", "message"),
    [
        ([1, 2], [0, 0], r"background has shape \(2,\); give \(n_rows, n_columns\)"),
        ([1, 2], np.zeros((0, 2)), "background has no rows"),
        ([1], [[0]], "the table has one column"),
        ([1, 2, 3], [[0, 0]], r"row has shape \(3,\), but the background has 2 columns"),
        (np.array([[1, 2]]), [[0, 0]], r"row has shape \(1, 2\)"),
        ([1, 2], TWICE, "background has two columns 'age'; give each its own name"),
        (TWICE, FRAME, "row has two columns 'age'"),
        (TWICE.iloc[0], FRAME, "row has two columns 'age'"),
        ([1, 2], np.zeros((1, 16_385)), "the table has 16,385 columns; the limit is 16,384"),
        ([1, 2], np.broadcast_to(0.0, (10**8, 2)), "give a sample, at most 33,554,432 rows"),
        ("ab", [[0, 0]], "row is a str; give its cells as an array"),
        (5, [[0, 0]], "row is a int; give its cells as an array"),
        (FRAME, FRAME, "row has 3 rows; give one"),
        (FRAME[["age", "rate"]].iloc[0], FRAME, "different columns: 'city', 'member', 'since'"),
        ({"a": 1, "c": 2}, pd.DataFrame({"a": [0], "b": [0]}), "different columns: 'b', 'c'"),
    ],
)
def test_wrong_arguments(row, background, message):
    with pytest.raises(ArgumentError, match=message):
        Table(row, background)


def test_wrong_masks():
    with pytest.raises(ArgumentError, match="masks"):
        Table([1, 2], [[0, 0]]).apply([[1, 2]])
