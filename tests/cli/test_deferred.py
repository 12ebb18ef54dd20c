"""A repeated call answers from the store, without its model; anything that changed loads it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import spex
from models.conftest import _save_tiny_model
from spex import models
from spex.cli import main

TOLD = "spex: all values were in the store; the model was not loaded"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return _save_tiny_model(tmp_path_factory.mktemp("deferred"))


@pytest.fixture
def call(tiny, tmp_path, monkeypatch):
    """The arguments of a call; a second one of them finds all in the store."""
    monkeypatch.chdir(tmp_path)
    Path("text.txt").write_text("never fails to impress us")
    return ["explain", "--text", "text.txt", "--model", f"hf:{tiny}", "--score", "logodds:a,b",
            "--budget", "16", "--store", "s.sqlite", "--out", "e.json"]  # fmt: skip


def values_of(path):
    content = json.loads(Path(path).read_text())
    return {name: content[name] for name in ("features", "spectrum", "r2", "notes", "observed")}


def dict_of(values):
    return {str(members): value for members, value in values["spectrum"]}


def test_a_repeat_loads_no_model(call, capsys, monkeypatch):
    assert main(call) == 0
    first, context = values_of("e.json"), spex.Explanation.load("e.json").context
    assert TOLD not in capsys.readouterr().err
    with monkeypatch.context() as patched:
        patched.setattr(models, "load", lambda *_, **__: pytest.fail("a model is loaded"))
        assert main(call) == 0
    assert TOLD in capsys.readouterr().err
    assert values_of("e.json") == first
    assert spex.Explanation.load("e.json").context == context


def test_a_repeat_imports_neither_torch_nor_transformers(call):
    assert main(call) == 0
    code = (
        "import sys\n"
        "from spex.cli import main\n"
        f"assert main({call!r}) == 0\n"
        "print([m for m in ('torch', 'transformers', 'openai') if m in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_larger_budget_loads_it_and_gives_what_a_fresh_call_gives(call, capsys):
    assert main(call) == 0
    larger = [*call[: call.index("16")], "32", *call[call.index("16") + 1 :]]
    assert main(larger) == 0
    assert TOLD not in capsys.readouterr().err
    mixed = values_of("e.json")
    assert main([word if word != "s.sqlite" else "t.sqlite" for word in larger]) == 0
    # Equal up to the rounding of the model, which other batches change.
    fresh = values_of("e.json")
    assert fresh["observed"] == pytest.approx(mixed["observed"], abs=1e-4)
    assert dict_of(fresh) == pytest.approx(dict_of(mixed), abs=1e-4)


@pytest.mark.parametrize("change", ["text", "score", "model", "mask"])
def test_whatever_changes_the_values_loads_it(call, change, tiny, tmp_path, capsys):
    assert main(call) == 0
    if change == "text":
        Path("text.txt").write_text("never fails to impress me")
    if change == "score":
        call[call.index("logodds:a,b")] = "logodds:b,a"
    if change == "model":
        copy = shutil.copytree(tiny, tmp_path / "copy")
        call[call.index(f"hf:{tiny}")] = f"hf:{copy}"
        assert main(call) == 0
        (copy / "config.json").write_text((copy / "config.json").read_text() + " ")
    if change == "mask":
        call += ["--mask", "neutral:x"]
    capsys.readouterr()
    assert main(call) == 0
    assert TOLD not in capsys.readouterr().err


def test_the_models_own_answer_is_remembered(call, monkeypatch):
    call[call.index("logodds:a,b")] = "logprob"
    call += ["--max-new-tokens", "5"]
    assert main(call) == 0
    answer = spex.Explanation.load("e.json").context.answer
    assert answer
    monkeypatch.setattr(models, "load", lambda *_, **__: pytest.fail("a model is loaded"))
    assert main(call) == 0
    assert spex.Explanation.load("e.json").context.answer == answer


def test_what_is_kept_may_be_damaged(call, capsys):
    import sqlite3

    assert main(call) == 0
    with sqlite3.connect("s.sqlite") as connection:
        connection.execute("update answers set answer = '{\"identity\": 3}'")
    connection.close()
    assert main(call) == 0
    assert TOLD not in capsys.readouterr().err
