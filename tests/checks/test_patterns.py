"""Regular expressions of users: the matches of `re`, and a limit on the time."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spex import Text
from spex.checks import patterns
from spex.checks.patterns import compile_pattern, find_matches
from spex.errors import ArgumentError

PATTERNS = [
    r"\w+",
    r"(?i)[a-c]+|\d",
    r"a{1,2}|b{,3}c",
    r"a{e}|\{a\}|[{}]b",
    r"(?m)^.*$",
    r"(?s)a.*?b",
    r"(?x) a  b # comment",
    r"(?<=a)b|(a)(?P<x>b)?(?P=x)",
    r"(?a)\w",
    r"\ba|x*",
    re.compile(r"A.", re.IGNORECASE | re.DOTALL),
    re.compile(r"\w", re.ASCII),
    re.compile(r"a$", re.MULTILINE),
]


@pytest.mark.parametrize("pattern", PATTERNS, ids=str)
@given(text=st.text(st.sampled_from("abcABC 1{}e\n\u00e9\u4eca,")))
def test_matches_are_those_of_re(pattern, text):
    compiled = compile_pattern(pattern, "unit")
    expected = [match.span() for match in compiled.finditer(text)]
    assert list(find_matches(compiled, text, "unit")) == expected


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|aa)+$"])
def test_endless_searches_are_stopped(monkeypatch, pattern):
    monkeypatch.setattr(patterns, "SECONDS", 0.05)
    with pytest.raises(ArgumentError, match=r"unit: the search for .* in a text of 5001 char"):
        Text("a" * 5000 + " ", unit=f"regex:{pattern}")


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("(", r"name: '\(' is not a regular expression \(missing"),
        ("a{99999999999}", "not a regular expression"),
        ("(" * 6000, "not a regular expression"),
        (r"\X", "not a regular expression"),
        (re.compile(b"a"), "name is a pattern over bytes"),
    ],
    ids=lambda given: str(given)[:15],
)
def test_what_is_no_pattern(pattern, message):
    with pytest.raises(ArgumentError, match=message):
        compile_pattern(pattern, "name")
