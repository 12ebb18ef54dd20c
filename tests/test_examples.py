"""Every public name has an example in its documentation, and the examples do what they say."""

import doctest

import pytest

import spex

# Modules and a text: their pages have examples, which tests/test_docs.py runs.
_OTHERS = {"__version__", "evaluate", "interop", "models"}
NAMES = [name for name in spex.__all__ if name not in _OTHERS]
FLAGS = doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL


@pytest.mark.parametrize("name", NAMES)
def test_example(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    thing = getattr(spex, name)
    assert "Example:" in thing.__doc__
    test = doctest.DocTestParser().get_doctest(thing.__doc__, {}, name, None, 0)
    assert test.examples
    said = []
    doctest.DocTestRunner(optionflags=FLAGS).run(test, out=said.append)
    assert not said, "".join(said)
