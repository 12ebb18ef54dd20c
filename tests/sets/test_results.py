"""Sets are kept in the file of an explanation."""

import json
from dataclasses import replace

import numpy as np
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


def test_fields_of_another_kind_are_refused():
    sets = kept().sets
    for wrong in (
        {"change": "x"},
        {"change": sets.roles},
        {"sufficient": {}},
        {"roles": sets.change},
        {"change": sets.sufficient},
        {"sufficient": sets.change},
    ):
        with pytest.raises(spex.ArgumentError, match=f"^{next(iter(wrong))} is"):
            Sets(**wrong)
    with pytest.raises(spex.ArgumentError, match=r"give a spex\.Sets"):
        replace(kept(), sets=sets.change)


@pytest.mark.parametrize("name", ["change", "sufficient", "roles"])
def test_sets_of_other_features_are_refused(name):
    other = spex.explain(lambda m: 1.0 * m[:, 0], 7, 128)
    with pytest.raises(spex.ArgumentError, match=rf"sets\.{name} is of 5 features.* has 7"):
        replace(other, sets=Sets(**{name: getattr(kept().sets, name)}))


def test_several_outputs_are_told_to_choose_one():
    es = spex.explain(lambda m: np.stack([m[:, 0], m[:, 1]], 1) * 1.0, 3, 8)
    for name in ("smallest_change", "smallest_sufficient", "roles"):
        with pytest.raises(spex.ArgumentError, match=rf"choose one: es\['0'\]\.{name}"):
            getattr(es, name)(spare, by=1.0)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("change", "features"), [9]),
        (("change", "features"), [1, 0]),
        (("change", "kind"), "x"),
        (("change", "is_verified"), 1),
        (("change", "value"), None),
        (("sufficient", "n_calls_to_verified"), [1]),
        (("change", "ended"), "x"),
        (("change", "n_features"), 6),
        (("roles", "nothing"), "x"),
        (("roles", "values"), [1.0]),
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
