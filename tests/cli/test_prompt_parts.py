"""`spex explain --prompt-parts FILE --data FILE`: a prompt over a data set, from files to sets."""

import json

import pytest

import spex
from spex.cli import main

# Right where it was told to be careful and to answer with one word, or has the example; notes each
# prompt.
MODULE = """
def answer(prompt):
    with open("log", "a") as log:
        log.write(repr(prompt) + "\\n")
    knows = "careful" in prompt and "one word" in prompt or "Example" in prompt
    is_good = "good" in prompt.splitlines()[-1]
    return "yes" if knows == is_good else "no"

answer.identity = "answer 1"
"""
PARTS = [
    {"text": "Be careful.", "name": "careful"},
    "Answer with one word.",
    {"text": "Example: awful is no", "name": "example"},
    "Thank you!",
    {"text": "It is about films.", "pinned": True},
    "Review: {input}",
]
DATA = [{"text": f"{'good' if i % 2 else 'bad'} film {i}", "label": "yes" if i % 2 else "no"}
        for i in range(12)]  # fmt: skip


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "judge.py").write_text(MODULE)
    (tmp_path / "prompt.json").write_text(json.dumps(PARTS))
    (tmp_path / "data.jsonl").write_text("\n".join(map(json.dumps, DATA)))
    return tmp_path


CALL = [
    "explain", "--prompt-parts", "prompt.json", "--data", "data.jsonl",
    "--model", "reply:judge:answer", "--score", "matches:{answer}",
]  # fmt: skip


def test_from_files_to_sets(files, capsys):
    call = [*CALL, "--budget", "192", "--store", "s.sqlite", "--out", "e.json", "--html", "e.html"]
    assert main(call) == 0
    shown = capsys.readouterr().out
    assert "192 scores: 16 masks, each on all 12 items" in shown and "careful" in shown
    e = spex.Explanation.load(files / "e.json")
    assert e.features == ("careful", "Answer with one word.", "example", "Thank you!")
    moebius = e.interactions("Moebius")
    assert moebius[(2,)] == pytest.approx(1) and moebius[(0, 1)] == pytest.approx(1)
    assert moebius.get((3,), 0.0) == pytest.approx(0)
    assert len((files / "log").read_text().splitlines()) == 192
    assert "Review: {input}" in (files / "e.html").read_text()
    assert main(call) == 0  # all is in the store
    assert len((files / "log").read_text().splitlines()) == 192
    sets = ["sets", "e.json", "--model", "reply:judge:answer", "--json", "sets.json", "-q"]
    assert main(sets) == 0
    found = json.loads((files / "sets.json").read_text())
    assert found["sufficient"]["features"] == [2] and found["sufficient"]["is_verified"]
    assert found["change"]["is_verified"]


def test_a_dry_run_says_how_calls_are_spread(files, capsys):
    assert main([*CALL, "--budget", "40", "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert "40 calls of the model reply:judge:answer: 10 masks, each on 4 of 12 items" in shown
    assert "Review: {input}" in shown and not (files / "log").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--text", "x"], "--text does not go with --prompt-parts"),
        (["--unit", "word"], "--unit does not go with --prompt-parts"),
        (["--score", "logprob", "--answer", "yes"], "--answer does not go with --prompt-parts"),
        (["--target-r2", "0.9"], "target_r2 does not go with a data set"),
        (["--weighting", "shapley"], "does not go with a data set"),
        (["--budget", "8"], "pays for 2 masks on 4 items each"),
        (["--prompt", "no place"], "--prompt-parts prompt.json: prompt='no place'"),
        (["--score", "logodds:good,bad"], "--data data.jsonl: line 1 has the answer 'no'"),
        (["--model", "predict:judge:answer"], "--prompt-parts is for language models"),
    ],
)
def test_wrong_calls_are_refused(files, capsys, options, message):
    assert main([*CALL, *options]) == 2
    assert message in capsys.readouterr().err
    assert not (files / "log").exists()


def test_parts_need_data(files, capsys):
    assert main(["explain", "--prompt-parts", "prompt.json"]) == 2
    assert "--prompt-parts needs --data FILE" in capsys.readouterr().err
