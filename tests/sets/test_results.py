"""Sets are kept in the file of an explanation."""

import json
from dataclasses import replace

import pytest

import spex
from sets.games import spare
from spex.sets.results import Sets


def kept():
    e = spex.explain(spare, ["a", "a", "c", "d", "e"], 32)
    return replace(
        e,
        sets=Sets(e.smallest_change(spare), e.smallest_sufficient(spare), e.roles(spare, by=1.0)),
    )


def test_saved_and_read(tmp_path):
    e = kept()
    e.save(tmp_path / "e.json")
    assert spex.Explanation.load(tmp_path / "e.json").sets == e.sets
    assert e.sets.sufficient.labels[0].startswith("a#")
    plain = replace(e, sets=Sets())
    assert "sets" not in plain.to_dict()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("change", "features"), [9]),
        (("change", "features"), [1, 0]),
        (("change", "kind"), "x"),
        (("change", "is_verified"), 1),
        (("change", "value"), None),
        (("sufficient", "n_calls_to_verified"), [1]),
        (("roles", "units"), []),
        (("roles", "is_complete"), "yes"),
        (("roles", "units", 0, "role"), "idle"),
        (("roles", "units", 0, "partners"), [5]),
    ],
)
def test_damaged_files_are_refused(path, value):
    content = json.loads(json.dumps(kept().to_dict()))
    place = content["sets"]
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    with pytest.raises(spex.FileFormatError, match="damaged"):
        spex.Explanation.from_dict(content)
