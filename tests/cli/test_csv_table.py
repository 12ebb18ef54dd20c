"""CSV: what is a number, what is a text and what is missing; and every error."""

import io

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spex.cli.csv_table import parse, typed
from spex.errors import ArgumentError


def read(content, *missing):
    return typed(*parse(content, "a.csv"), missing)


def column(*cells, missing=()):
    header, rows = parse("x,y\n" + "".join(f'"{cell}",0\n' for cell in cells), "a.csv")
    return typed(header, rows, missing)["x"]


FRAMES = st.fixed_dictionaries(
    {
        "float": st.lists(st.floats(allow_infinity=False), min_size=3, max_size=3),
        "int": st.lists(st.integers(-(2**63) + 1, 2**63 - 1), min_size=3, max_size=3),
        "bool": st.lists(st.booleans(), min_size=3, max_size=3),
        "text": st.lists(st.text("abc ,;\"'\n", min_size=1), min_size=3, max_size=3),
    }
)


@given(FRAMES)
def test_numbers_and_texts_are_read_as_pandas_reads_them(content):
    frame = pd.DataFrame({**content, "text": [f"t{text}" for text in content["text"]]})
    written = frame.to_csv(index=False)
    pd.testing.assert_frame_equal(read(written), pd.read_csv(io.StringIO(written)))


@pytest.mark.parametrize(
    "cells",
    [
        ["NA", "DE"], ["None", "yes"], ["null", "nan"], ["NaN", "1"], ["00501", "10115"],
        ["+1", "2"], ["1_000", "2"], ["1e400", "1"], ["inf", "1"], ["0x10", "1"], ["1,5", "2"],
        ["12345678901234567890", "1"], ["-", "1"], [".", "1"], ["e5", "1"], ["5.", "1"],
        ["9007199254740993", ".5"], ["true", "False"], ["True", "1"], ["\u0663", "1"],
    ],
)  # fmt: skip
def test_what_would_change_as_a_number_is_a_text(cells):
    assert column(*cells).tolist() == cells


@pytest.mark.parametrize(
    ("cells", "expected", "dtype"),
    [
        (["0", " -3 ", "12"], [0, -3, 12], "int64"),
        (["9223372036854775807", "1"], [2**63 - 1, 1], "int64"),
        (["1", "", "3"], [1.0, np.nan, 3.0], "float64"),
        (["1.50", ".5", "1e5"], [1.5, 0.5, 1e5], "float64"),
        (["1e-05", "-0.0"], [1e-05, -0.0], "float64"),
        (["", " "], [np.nan, np.nan], "float64"),
        (["TRUE", "FALSE"], [True, False], "bool"),
        (["true", ""], [True, np.nan], "object"),
    ],
)
def test_numbers_and_truth_values(cells, expected, dtype):
    found = column(*cells)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found.tolist(), expected)


def test_what_is_missing_is_said_by_the_caller():
    found = column("NA", "-999", "", missing=["NA", "-999"])
    assert found.isna().all()
    found = column("a", "NA", "", "?", missing=["?"])
    assert found.isna().tolist() == [False, False, True, True]
    assert found[1] == "NA"
    assert column("1", "NA", missing=["NA"]).dtype == "float64"


def test_blank_lines_and_columns_without_a_name():
    frame = read('\n,b\r\n1,"a\nb"\r\n\r\n2,c\r\n')
    assert list(frame) == ["Unnamed: 0", "b"]
    assert frame.to_numpy().tolist() == [[1, "a\nb"], [2, "c"]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a;b\n1,5;2\n", "columns are separated by semicolons; use commas"),
        ("a\tb\n1\t2\n", "columns are separated by tabs; use commas"),
        ("a,b\n1,2,3\n", r"line 2 has 3 cells, the header has 2"),
        ("a,b\n1,2\n\n1\n", r"line 4 has 1 cell, the header has 2"),
        ('a,b\n"1,2\n', "is not CSV with a header"),
        ("a,b\n" + "x" * 200_000 + ",1\n", "is not CSV with a header .line 2: field larger"),
        ("\n\n", "is not CSV with a header"),
        ("a,b,a\n1,2,3\n", "has two columns 'a'"),
        ("a," * 40_000 + "b\n", "has 40,001 columns; the limit is 32,768"),
    ],
)
def test_what_is_no_table(content, message):
    with pytest.raises(ArgumentError, match=message):
        parse(content, "a.csv")
