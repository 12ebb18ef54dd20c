"""Golden files: what spex has written it goes on reading, and writes alike."""

import json
import re
import sqlite3
from pathlib import Path

import pytest

import spex
from spex.context import _NAMES
from spex.evaluate.tables.rows import COLUMNS

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


def fields(heading):
    """The first column of the table under a heading of docs/formats.md."""
    page = (GOLDEN.parents[1] / "docs" / "formats.md").read_text()
    table = page.partition(f"\n{heading}\n")[2].partition("\n|")[2].partition("\n\n")[0]
    return set(re.findall(r"^\|? `(\w+)` \|", table, re.MULTILINE))


def test_the_page_of_formats_names_every_field():
    optional = {"observed", "correction", "sets", "stopped"}
    (one, several, zoom) = (json.loads((GOLDEN / name).read_text()) for name in READERS)
    assert fields("## An explanation") == set(one) | optional
    assert fields("All fields of `context` are optional:") == set(_NAMES)
    assert set(one["context"]) <= set(_NAMES)
    assert fields("## Explanations of several outputs") == set(several)
    assert fields("## An explanation on two levels") == set(zoom)
    assert fields("## Results of an evaluation") == set(COLUMNS)


def test_the_page_of_formats_names_every_column_of_the_store(tmp_path):
    page = (GOLDEN.parents[1] / "docs" / "formats.md").read_text()
    table = page.partition("\n## The store\n")[2].partition("\n## ")[0]
    with spex.Store(tmp_path / "store.sqlite"):
        database = sqlite3.connect(tmp_path / "store.sqlite")
        for (name,) in database.execute("select name from sqlite_master where type = 'table'"):
            assert f"| `{name}` |" in table
            for column in database.execute(f"select name from pragma_table_info('{name}')"):
                assert f"`{column[0]}`" in table, (name, column)
        database.close()
