"""`spex sets`: the same source again, three tables, and clear refusals."""

import json
from pathlib import Path

import numpy as np
import pytest

import spex
from spex.cli import main
from spex.cli.explaining.request import Request
from spex.models import TableModel

TEXT = "Her acting never fails to impress"
EXPLAIN = ["explain", "--text", "review.txt", "--score", "logodds:positive,negative", "-q"]


def log_prob(prompt, answer):
    words = prompt.split()
    sign = -1.0 if answer == "negative" else 1.0
    return -5 + sign * (("never" in words) == ("fails" in words)) - sign * 0.4


class Loader:
    def __init__(self):
        self.n_loaded = self.n_scored = 0

    def __call__(self, name, notice=None):
        self.n_loaded += 1

        def counted(prompt, answer):
            self.n_scored += 1
            return log_prob(prompt, answer)

        return TableModel(counted, answer="fine", name=name)


@pytest.fixture
def loader():
    return Loader()


@pytest.fixture
def run(tmp_path, monkeypatch, loader, capsys):
    monkeypatch.setenv("SPEX_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.chdir(tmp_path)
    Path("review.txt").write_text(TEXT + "\n")

    def call(*arguments):
        status = main([str(argument) for argument in arguments], load=loader)
        return status, *capsys.readouterr()

    return call


@pytest.fixture
def saved(run):
    assert run(*EXPLAIN, "--budget", 64, "--out", "e.json")[0] == 0


def test_three_tables(run, saved):
    status, out, err = run(
        "sets", "e.json", "--json", "s.json", "--html", "p.html", "--out", "e.json"
    )
    assert status == 0, err
    assert "removal changes the answer: value below 0 (where the answer flips)" in out
    assert "Smallest set that keeps the answer" in out and "Roles" in out
    content = json.loads(Path("s.json").read_text())
    assert content["change"]["features"] in ([2], [3]) and content["change"]["is_verified"]
    assert content["sufficient"]["features"] == []
    assert [unit["role"] for unit in content["roles"]["units"]] == [
        *["unused"] * 2,
        *["needed"] * 2,
        *["unused"] * 2,
    ]
    kept = spex.Explanation.load("e.json")
    assert kept.sets.change.smaller == "calls" and kept.sets.roles.is_complete
    page = Path("p.html").read_text()
    assert "<h2>Smallest sets</h2>" in page
    assert 'class="number">\N{MINUS SIGN}' in page and 'class="number">-' not in page
    assert "<mark>never</mark>" in page or "<mark>fails</mark>" in page
    assert run("report", "e.json", "--html", "q.html")[0] == 0
    assert "<h2>Smallest sets</h2>" in Path("q.html").read_text()


def test_the_store_is_used(run, saved, loader):
    before = loader.n_scored
    assert run("sets", "e.json", "-q")[0] == 0  # all 64 masks are in the store
    assert loader.n_scored == before
    assert run(*EXPLAIN, "--budget", 40, "--no-store", "--out", "f.json")[0] == 0
    assert run("sets", "f.json", "-q")[0] == 0
    assert loader.n_scored > before + 80


def test_thresholds(run, saved):
    status, out, _ = run("sets", "e.json", "--change-by", -0.5, "--keep", 1, "--max-calls", 30)
    assert status == 0 and "0.7 or less (as given)" in out and "1 or more (as given)" in out
    status, out, err = run("sets", "e.json", "--max-calls", 4)
    assert status == 0 and "no roles: they take 8 calls" in err and "Roles" not in out


def test_changed_inputs_are_refused(run, saved):
    Path("review.txt").write_text(TEXT + " me")
    status, _, err = run("sets", "e.json")
    assert status == 2 and "has changed since: units" in err
    Path("review.txt").unlink()
    status, _, err = run("sets", "e.json")
    assert status == 2 and "review.txt" in err


def test_wrong_calls(run, saved, loader):
    for arguments, told in (
        (["--change-to", 0, "--change-by", 1], "contradict"),
        (["--max-calls", 1], "--max-calls 1"),
        (["--html", "e.json"], "the explanation are the same file"),
        (["--json", "x", "--html", "x"], "are the same file"),
        (["--model", "hf:other"], "the explanation is of smollm2"),
        (["--change-by", 0], "--change-by 0: is no change; give the distance: -2"),
        (["--change-by", "nan"], "--change-by nan: give a finite number"),
        (["--change-to", "inf"], "--change-to inf: give a finite number"),
        (["--keep", "-inf"], "--keep -inf: give a finite number"),
        (["--keep", "x"], "--keep"),
    ):
        loaded = loader.n_loaded
        status, _, err = run("sets", "e.json", *arguments)
        assert status == 2 and told in err and loader.n_loaded == loaded


def test_useless_thresholds_name_their_option(run, saved):
    whole = spex.Explanation.load("e.json").observed[0]
    for arguments, told in (
        (["--change-by", 1e-30], "--change-by: by=1e-30 is lost in rounding"),
        (["--change-to", whole], f"--change-to: to={whole} is the value with everything"),
    ):
        status, out, err = run("sets", "e.json", *arguments, "--json", "s.json")
        assert status == 2 and told in err and out == "" and not Path("s.json").exists()


def test_what_was_found_before_a_refusal_is_kept(run, saved):
    status, out, err = run("sets", "e.json", "--keep", 5, "--json", "s.json", "--out", "f.json")
    assert status == 2 and "--keep: keep=5.0 is above the value with everything" in err
    assert "Roles" in out and "keeps the answer" not in out
    assert set(json.loads(Path("s.json").read_text())) == {"features", "change", "roles"}
    assert spex.Explanation.load("f.json").sets.change.is_verified


def test_a_change_beyond_everything_sets_nothing_to_keep(run, saved):
    status, out, err = run("sets", "e.json", "--change-to", 5)
    assert status == 0 and "no set that alone keeps the answer" in err and "give --keep" in err
    assert "keeps the answer: value" not in out and "all were measured" in " ".join(out.split())


def test_from_another_folder(run, saved, monkeypatch):
    Path("other").mkdir()
    monkeypatch.chdir("other")
    status, _, err = run("sets", "../e.json")
    assert status == 2 and "run this where 'spex explain' ran" in err


def test_files_without_a_request_are_refused(run):
    spex.explain(lambda m: 1.0 * m[:, 0], 3, 8).save("python.json")
    status, _, err = run("sets", "python.json")
    assert status == 2 and "does not say how to ask its model again" in err
    assert "made in Python" in err and "load('python.json').smallest_change(f)" in err
    assert "make it again" not in err
    Path("t.csv").write_text("a,b,value\n0,0,0\n0,1,1\n1,0,2\n1,1,3\n")
    assert run("fit", "t.csv", "--out", "fit.json", "-q")[0] == 0
    status, _, err = run("sets", "fit.json")
    assert status == 2 and "a table of evaluations" in err and "make it again" not in err
    two = spex.explain(lambda m: np.stack([m[:, 0], m[:, 1]], 1) * 1.0, 3, 8)
    two.save("two.json")
    status, _, err = run("sets", "two.json")
    assert status == 2 and "holds several explanations" in err
    Path("in.txt").write_text(TEXT)
    content = json.loads(Path("python.json").read_text())
    content["context"]["request"] = {"text": 3}
    Path("damaged.json").write_text(json.dumps(content))
    status, _, err = run("sets", "damaged.json")
    assert status == 2 and "damaged at context.request" in err


@pytest.mark.parametrize("model", ["reply:os:getcwd", "openai:m@http://127.0.0.1:9/v1"])
def test_a_file_alone_runs_no_code_and_sends_nothing(run, saved, model):
    content = json.loads(Path("e.json").read_text())
    content["context"]["request"]["model"] = model
    Path("e.json").write_text(json.dumps(content))
    status, _, err = run("sets", "e.json")
    assert status == 2 and f"say so with --model {model}" in err


def test_a_secret_in_a_file_is_not_shown(run, saved):
    content = json.loads(Path("e.json").read_text())
    content["context"]["request"]["model"] = "openai:m@http://user:pa55word@host/v1"
    Path("e.json").write_text(json.dumps(content))
    status, out, err = run("sets", "e.json")
    assert status == 2 and "pa55word" not in out + err


def test_standard_input_cannot_be_read_again(run, saved):
    content = json.loads(Path("e.json").read_text())
    content["context"]["request"]["text"] = "-"
    Path("e.json").write_text(json.dumps(content))
    status, _, err = run("sets", "e.json")
    assert status == 2 and "standard input" in err


def test_a_request_is_read_as_it_was_written(run, saved):
    options = spex.Explanation.load("e.json").context.request
    again = Request.from_json(options)
    assert again.to_json() == options and again.score == "logodds:positive,negative"
    assert again.unit == () and again.store is None
    for name, value in (("budget", "x"), ("unit", "word"), ("no_store", 1), ("score", None)):
        with pytest.raises(spex.FileFormatError, match=f"context.request.{name}"):
            Request.from_json({**options, name: value})
