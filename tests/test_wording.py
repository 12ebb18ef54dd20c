"""Texts cut to fit a line."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spex.wording import did_you_mean, distinct, in_full, shorten, subscripted, visible


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [("", 5, ""), ("abcde", 5, "abcde"), ("abcdef", 5, "ab..."), ("x" * 61, 60, "x" * 57 + "...")],
)
def test_shorten(text, limit, expected):
    assert shorten(text, limit) == expected


def test_the_default_limit():
    assert len(shorten("x" * 100)) == 60


@pytest.mark.parametrize(
    ("labels", "shown"),
    [
        (["a", "b"], ("a", "b")),
        (["never", "fails", "never"], ("never#1", "fails", "never#2")),
        (["a", "a", "a#1"], ("a#2", "a#3", "a#1")),
        ([], ()),
    ],
)
def test_labels_that_repeat_are_numbered(labels, shown):
    assert distinct(labels) == shown


@given(st.lists(st.sampled_from(["a", "a#1", "a₁", "b", "a₁₂"]), max_size=12))
def test_numbers_under_the_line_tell_apart_too(labels):
    found = subscripted(labels)
    assert len(set(found)) == len(found)


def test_numbers_under_the_line():
    assert subscripted(["never", "fails", "never"]) == ("never₁", "fails", "never₂")


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("wrod", " (did you mean 'word'?)"),
        ("Sentense:de", " (did you mean 'sentence:de'?)"),
        ("word", ""),
        ("nothing like it", ""),
        (3, ""),
        ("", ""),
        ("w" * 10**6, ""),
    ],
)
def test_what_may_have_been_meant(value, told):
    assert did_you_mean(value, ["word", "sentence", "paragraph"]) == told


@given(st.lists(st.sampled_from(["a", "a#1", "a#1#1", "b", ""]), max_size=12))
def test_no_two_labels_are_alike(labels):
    shown = distinct(labels)
    assert len(set(shown)) == len(labels)
    assert all(new.startswith(old) for old, new in zip(labels, shown, strict=True))


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (36.5, "36.5"),
        (1e6, "1000000"),
        (20240117.0, "20240117"),
        (1234567.89, "1234567.89"),
        (-122.419416, "-122.419416"),
        (np.float32(36.6), "36.6"),
        (np.float32(16777216), "16777216"),
        (1e20, "100000000000000000000"),
        (1e-7, "1e-07"),
        (0.1 + 0.2, "0.30000000000000004"),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
    ],
)
def test_numbers_in_full(value, shown):
    assert in_full(value) == shown


@given(st.floats(allow_nan=False), st.floats(allow_nan=False))
def test_different_numbers_look_different(a, b):
    assert (in_full(a) == in_full(b)) == (a == b and math.copysign(1, a) == math.copysign(1, b))


def test_line_breaks_of_windows_are_shown_as_such():
    assert visible("Rain\r\n12 °C\x1b[0m") == "Rain\n12 °C\N{REPLACEMENT CHARACTER}[0m"
