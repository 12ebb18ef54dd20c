"""Golden files: what spex has written it goes on reading, and writes alike."""

import json
from pathlib import Path

import pytest

import spex

GOLDEN = Path(__file__).parent / "golden"
READERS = {
    "explanation-1.json": spex.Explanation,
    "explanations-1.json": spex.Explanations,
    "zoom.json": spex.Zoom,
}


@pytest.mark.parametrize("name", READERS)
def test_golden_files_are_read_and_written_alike(name, tmp_path):
    found = READERS[name].load(GOLDEN / name)
    found.save(tmp_path / name)
    assert json.loads((tmp_path / name).read_text()) == json.loads((GOLDEN / name).read_text())
    found.to_html(tmp_path / "page.html")
    assert repr(found)


def test_what_the_first_golden_file_says():
    found = spex.Explanation.load(GOLDEN / "explanation-1.json")
    assert found.features == ("Not", "bad", "at", "all")
    assert found.interactions("Moebius")[0, 1] == pytest.approx(3.0)
    assert found.context.score == 'log P("yes")' and found.context.score_unit == "nats"
    assert found.context.parts[0].pieces[:2] == (("Not", 0), (" ", None))
    assert (found.r2, found.method, found.n_evaluations) == (1.0, "exact", 16)


def test_a_file_of_before_the_unit_had_a_field_of_its_own():
    content = json.loads((GOLDEN / "explanation-1.json").read_text())
    content["context"]["score"] += ", nats"
    del content["context"]["score_unit"], content["r2_distribution"]
    old = spex.Explanation.from_dict(content)
    assert 'score: log P("yes"), nats' in repr(old)
