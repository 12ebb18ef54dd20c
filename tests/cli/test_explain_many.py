"""spex explain --data: a file of rows to a folder of explanations, and limits of cost."""

import csv
import json

import pytest

from spex.cli import main

MODULE = '''
from collections import Counter

asked = Counter()


def length(texts):
    """How many letters, and 30 more with both "never" and "fails"."""
    asked.update(texts)
    if any("unreadable" in text for text in texts):
        raise RuntimeError("cannot read it")
    return [len(t.replace(" ", "")) + 30.0 * ("never" in t and "fails" in t) for t in texts]


length.identity = "length 1"
'''
ROWS = [
    {"id": "first", "text": "Her acting never fails to impress"},
    {"id": "same", "text": "it never really fails"},
    {"id": "same", "text": "nothing to say here at all"},
    {"text": ""},
    {"id": "docs", "documents": ["Paris is in France.", "It never fails."]},
]


@pytest.fixture
def data(tmp_path, monkeypatch):
    (tmp_path / "letters.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delitem(__import__("sys").modules, "letters", raising=False)
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, ROWS)))
    return path


def call(data, *more):
    given = ["explain", "--data", str(data), "--model", "predict:letters:length", "--retries", "0"]
    return main([*given, *more])


def test_rows_to_a_folder(data, tmp_path, capsys):
    out = tmp_path / "found"
    assert call(data, "--budget", "64", "--out", str(out), "--store", str(tmp_path / "s")) == 1
    printed, said = capsys.readouterr()
    assert "1 of 5 items failed; the first, '3': ArgumentError: its field 'text' is empty" in said
    with (out / "summary.csv").open() as file:
        rows = {row["item"]: row for row in csv.DictReader(file)}
    assert list(rows) == ["first", "same", "same (line 3)", "3", "docs"]
    assert rows["same"]["n_evaluations"] == "16" and rows["3"]["status"] == "failed"
    assert float(rows["same"]["r2"]) == 1 and rows["same"]["score"] == "length"
    assert "4 explanations, 1 failed" in printed and "Most frequent pairs: fails + never" in printed
    assert (out / "index.html").is_file()
    for row in rows.values():
        assert not row["file"] or (out / row["file"]).with_suffix(".html").is_file()
    import letters

    asked = letters.asked.total()
    assert call(data, "--budget", "64", "--out", str(out), "--store", str(tmp_path / "s")) == 1
    assert letters.asked.total() == asked


def test_one_failing_model_call_costs_one_item(data, tmp_path, capsys):
    data.write_text('{"text": "an unreadable text"}\n{"text": "a fine text"}\n')
    assert call(data, "--budget", "8", "--out", str(tmp_path / "o"), "--quiet") == 1
    printed, said = capsys.readouterr()
    assert not printed and "1 of 2 items failed; the first, '0'" in said
    assert "cannot read it" in said and "Traceback" not in said
    assert len(list((tmp_path / "o").glob("1-*.json"))) == 1


def test_limits_go_on(data, tmp_path, capsys):
    import importlib

    letters = importlib.import_module("letters")
    out = ("--out", str(tmp_path / "o"), "--store", str(tmp_path / "s"), "--budget", "64")
    call(data, *out, "--max-calls", "70")
    said = capsys.readouterr().err
    assert letters.asked.total() <= 70 + 5  # one more for each to learn how many numbers it gives
    assert "the limit of 70 calls is reached; the same command goes on from there" in said
    call(data, *out)
    again = capsys.readouterr().err
    assert "the limit of" not in again and letters.asked.total() == 64 + 16 + 64 + 4


def test_a_limit_of_one_explanation(data, tmp_path, capsys):
    text, out = tmp_path / "a.txt", tmp_path / "e.json"
    text.write_text(" ".join(f"w{i}" for i in range(12)))
    model = ("--model", "predict:letters:length", "--no-store")
    given = ["explain", "--text", str(text), *model, "--out", str(out), "--max-calls", "50"]
    assert main(given) == 0
    assert "Partial: the limit of 50 calls is reached" in json.loads(out.read_text())["notes"][0]
    capsys.readouterr()
    assert main([*given, "--max-tokens", "10"]) == 2
    assert "needs a language model" in capsys.readouterr().err
    assert main([*given, "--zoom", "auto"]) == 0
    assert json.loads(out.read_text())["stopped"] == "the limit of 50 calls is reached"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ((), "--data needs --out FOLDER"),
        (("--out", "rows.jsonl"), "is a file; give a folder"),
        (("--out", "o", "--text", "a.txt"), "--text does not go with --data"),
        (("--out", "o", "--zoom", "paragraph"), "--zoom does not go with --data"),
        (("--out", "o", "--max-calls", "0"), "--max-calls=0; it must be a whole number"),
        (("--out", "o", "--max-cost", "-1"), "--max-cost=-1.0; it must be a number above 0"),
        (("--out", "o", "--method", "best"), "method='best' is unknown"),
        (("--out", "o", "--unit", "word", "--unit", "line"), "--unit: give it once"),
    ],
)
def test_wrong_calls_end_before_anything(data, tmp_path, capsys, more, said):
    assert call(data, *more) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


def test_a_misspelt_field_is_named(data, tmp_path, capsys):
    data.write_text('{"text": "a fine text", "promt": "{input}?", "label": 1}\n')
    assert call(data, "--budget", "8", "--out", str(tmp_path / "o")) == 0
    said = capsys.readouterr().err
    assert "the field 'promt' of the data is not used (did you mean 'prompt'?)" in said
    assert "label" not in said


def test_dry_run(data, capsys):
    assert call(data, "--dry-run", "--budget", "100") == 0
    printed = capsys.readouterr().out
    assert "5 items, at most 500 calls of the model predict:letters:length" in printed
    assert "  same (line 3)\n" in printed


def test_a_row_that_is_no_object_costs_one_item(data, tmp_path, capsys):
    data.write_text('{"text": "a fine text"}\n{"text": \n[1]\n\n{"text": "it never fails"}\n')
    out = tmp_path / "o"
    assert call(data, "--budget", "8", "--out", str(out)) == 1
    said = capsys.readouterr().err
    assert "2 of 4 items failed; the first, '1'" in said
    with (out / "summary.csv").open() as file:
        rows = {row["item"]: row for row in csv.DictReader(file)}
    assert [row["status"] for row in rows.values()] == ["ok", "failed", "failed", "ok"]
    assert "line 2: is not JSON" in rows["1"]["reason"]
    assert "line 3: [1] is no object" in rows["2"]["reason"]
    listed = tmp_path / "rows.json"
    listed.write_text('[{"text": "a fine text"}, "a text"]')
    assert call(listed, "--budget", "8", "--out", str(out)) == 1
    assert "row 1: 'a text' is no object" in capsys.readouterr().err
    data.write_text("a text\nanother\n")
    assert call(data, "--budget", "8", "--out", str(out)) == 2
    assert "line 1: is not JSON" in capsys.readouterr().err


def test_what_a_next_start_repeats_is_told(data, tmp_path, capsys):
    out = ("--out", str(tmp_path / "o"), "--budget", "8")
    call(data, *out)
    assert "explains all items again" not in capsys.readouterr().err
    (tmp_path / "plain.py").write_text("def length(xs): return [float(len(x)) for x in xs]\n")
    for model, more in (("predict", ()), ("reply", ("--score", "matches:a"))):
        call(data, *out, "--model", f"{model}:plain:length", *more)
        said = capsys.readouterr().err
        assert "the next start explains all items again: the function has no attribute" in said
        assert said.count("explains all items again") == 1


def test_gaps_and_time_outs(data, tmp_path, capsys):
    """An error of the function is asked again, then one item's failure; no bug with a traceback."""
    out = ("--out", str(tmp_path / "o"), "--budget", "8", "--max-gaps", "0.1", "--timeout", "30")
    data.write_text('{"text": "an unreadable text"}\n{"text": "a fine text"}\n')
    assert call(data, *out, "--retries", "1") == 1
    said = capsys.readouterr().err
    assert "1 of 2 items failed; the first, '0'" in said and "Traceback" not in said
    assert "4 explanations" not in said and "1 of 2 items explained, 1 failed" in said
    text = tmp_path / "a.txt"
    text.write_text("an unreadable text")
    given = ["explain", "--text", str(text), "--model", "predict:letters:length", "--retries", "1"]
    assert main([*given, "--no-store", "--max-gaps", "0.1"]) == 1
    said = capsys.readouterr().err
    assert "RuntimeError: cannot read it" in said and "letters.py:" in said
    assert "Traceback" not in said
