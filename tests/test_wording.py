"""Texts cut to fit a line."""

import pytest

from spex.wording import shorten


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [("", 5, ""), ("abcde", 5, "abcde"), ("abcdef", 5, "ab..."), ("x" * 61, 60, "x" * 57 + "...")],
)
def test_shorten(text, limit, expected):
    assert shorten(text, limit) == expected


def test_the_default_limit():
    assert len(shorten("x" * 100)) == 60
