"""Zoom on a server from the command line: limits stop it, and a store goes on from there."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest

import spex
from spex.cli import main

BOOK = "the ferry left. late again.\n\nno one saw. it was six.\n\nplums are red. so it goes."


@pytest.fixture
def call(server, tmp_path, monkeypatch):
    """Runs `spex explain` on a stand-in for vLLM; the stand-in."""
    served = server("vllm")
    monkeypatch.chdir(tmp_path)
    Path("book.txt").write_text(BOOK)

    def run(*arguments):
        given = ["--text", "book.txt", "--model", served.name, "--score", "logodds:y,n"]
        given += ["--unit", "word", "--method", "linear", "--budget", "24", "--out", "e.json"]
        return main(["explain", *given, *arguments])

    return run, served


def explained():
    """The explanation, or the last level of one on two levels."""
    if json.loads(Path("e.json").read_text())["format"] == "spex-zoom":
        return spex.Zoom.load("e.json").fine
    return spex.Explanation.load("e.json")


@pytest.mark.parametrize(
    ("levels", "limit", "said"),
    [
        ("auto", ("--max-calls", "24"), "the limit of 24 calls is reached"),
        ("paragraph", ("--max-tokens", "4500"), "the limit of 4,500 tokens is reached"),
        ("auto", ("--max-cost", ".0045", "--price", "1,1"), "the limit of $0.0045 is reached"),
        ("paragraph", ("--max-seconds", "1e-9"), "the limit of 1e-09 seconds is reached"),
    ],
)
def test_a_limit_stops_a_zoom_and_explains_what_is_there(call, capsys, levels, limit, said):
    run, _ = call
    assert run("--zoom", levels, "--no-store", "--budget", "120", *limit) == 0, (
        capsys.readouterr().err
    )
    found = explained()
    assert found.stopped.startswith(said)
    assert any(note.startswith(f"Partial: {said}") for note in found.notes)
    used = found.context["usage"]
    tokens = used["prompt_tokens"] + used["completion_tokens"]
    assert tokens <= 4500 and 4 <= found.n_evaluations < 120


def test_a_zoom_goes_on_where_a_limit_stopped_it(call):
    run, served = call
    stopped = 0
    for _ in range(9):
        assert run("--zoom", "auto", "--store", "s.sqlite", "--max-calls", "20") == 0
        if explained().stopped is None:
            break
        stopped += 1
    assert stopped >= 1
    spectrum = dict(explained().spectrum.items())
    scored = Counter(
        json.dumps(body) for body in served.bodies("/v1/completions") if "logprobs" in body
    )
    # Only those that a check asks once more, at most five at each start.
    assert sum(count - 1 for count in scored.values()) <= 5 * (stopped + 1)
    before = len(served.log)
    assert run("--zoom", "auto", "--store", "s.sqlite") == 0
    assert not [path for path, _ in served.log[before:] if path == "/v1/completions"]
    assert run("--zoom", "auto", "--no-store") == 0
    assert dict(explained().spectrum.items()) == pytest.approx(spectrum, abs=1e-9)


@pytest.mark.parametrize(
    ("limit", "needs"),
    [
        (("--max-tokens", "300"), r"up to [\d,]+ tokens, a token for each byte of a prompt"),
        (("--max-cost", "1e-5", "--price", "1,1"), r"up to \$[\d.]+, a token for each byte"),
    ],
)
def test_a_limit_too_low_for_the_check_says_what_it_takes(call, capsys, limit, needs):
    run, served = call
    assert run("--zoom", "auto", "--no-store", *limit) in (1, 2)
    error = capsys.readouterr().err
    assert re.search(needs, error), error
    assert not served.bodies("/v1/completions")
