"""`spex explain` where the user's function fails, the store fails, or a signal comes."""

import sys
from importlib import import_module
from pathlib import Path

import pytest

import spex
from spex.cli import main
from spex.values import retrying, source

# PLAN says what happens in which call; what was answered is noted.
MODULE = """
import os, pathlib, signal, sys

class Odd(Exception):
    pass

PLAN, calls = {}, 0

def happens(default):
    global calls
    calls += 1
    what = PLAN.get(calls, PLAN.get("always"))
    if what == "raise":
        raise Odd("no luck\\nat all")  # line 14
    if what == "close":
        raise GeneratorExit("closed")
    if what == "stop":
        raise StopIteration("stopped")
    if what == "exit":
        sys.exit(7)
    if what == "interrupt":
        raise KeyboardInterrupt
    if what == "terminate":
        os.kill(os.getpid(), signal.SIGTERM)
    if what == "delete":
        next(pathlib.Path(".").glob("**/s*.sqlite")).unlink()
    return float("nan") if what == "nan" else default

def note(inputs):
    with open("log", "a") as file:
        file.writelines(line + "\\n" for line in inputs)

def value(rows):
    values = (2.0 * rows["a"] * rows["b"] - rows["d"]).to_numpy().copy()
    values[0] = happens(values[0])
    note("".join(map(str, map(int, row))) for row in rows.to_numpy())
    return values

def reply(prompt):
    happens(0)
    note([prompt])
    return "yes" if "a" in prompt and "b" in prompt else "no"

value.identity, reply.identity = "value v1", "reply v1"
"""
CALLS = {
    "predict": ["--table", "rows.csv", "--model", "predict:own_failing:value"],
    "reply": ["--text", "a.txt", "--model", "reply:own_failing:reply", "--score", "matches:yes"],
}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("SPEX_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setattr(retrying, "_FIRST_PAUSE", 0.0)
    monkeypatch.setattr(source, "_GROWTH", 1)  # batches of 4
    monkeypatch.chdir(tmp_path)
    Path("own_failing.py").write_text(MODULE)
    Path("a.txt").write_text("a b c d e f g h")
    Path("rows.csv").write_text(f"a,b,c,d,e,f,g,h\n{'1,' * 7}1\n{'0,' * 7}0\n")
    yield
    sys.modules.pop("own_failing", None)


@pytest.fixture
def run(capsys):
    def call(kind, plan, *arguments):
        """Status and lines of standard error."""
        sys.modules.pop("own_failing", None)
        import_module("own_failing").PLAN = plan
        settings = ["--budget", "60", "--method", "linear", "--out", "e.json"]
        status = main(["explain", *CALLS[kind], *settings, *arguments])
        call.out, err = capsys.readouterr()
        return status, err.splitlines()

    return call


STORE = ["--store", "s.sqlite"]


def answered():
    return Path("log").read_text().splitlines()


@pytest.mark.parametrize(
    ("kind", "what", "status", "says"),
    [
        (kind, what, status, says)
        for kind in CALLS
        for what, status, says in [
            ("raise", 1, "raised Odd: no luck at all (own_failing.py:14)"),
            ("exit", 1, "raised SystemExit: 7 (own_failing.py:20)"),
            ("close", 1, "raised GeneratorExit: closed (own_failing.py:16)"),
            ("stop", 1, "raised StopIteration: stopped (own_failing.py:18)"),
            ("interrupt", 130, "kept in s.sqlite; the same command goes on from there"),
            ("terminate", 130, "kept in s.sqlite; the same command goes on from there"),
            ("nan", 1, "returned nan"),
        ]
        if (kind, what) != ("reply", "nan")  # a reply is no number
    ],
)
def test_every_finished_value_is_kept(run, kind, what, status, says):
    undisturbed, _ = run(kind, {})
    assert undisturbed == 0
    found = spex.Explanation.load("e.json")
    expected = answered()
    Path("log").unlink()
    failed, err = run(kind, {9: what}, "--retries", "0", *STORE)
    assert failed == status and says in err[-1] and not any("Traceback" in line for line in err)
    # A batch that ends in an error has no values; one with NaN has three good ones.
    assert run(kind, {}, *STORE, "-q") == (0, [])
    again = answered()
    assert set(again) == set(expected)
    repeated = len(again) - len(expected)
    assert repeated == (what == "nan")  # that one
    assert dict(spex.Explanation.load("e.json").spectrum.items()) == dict(found.spectrum.items())


@pytest.mark.parametrize("kind", CALLS)
def test_a_function_that_fails_now_and_then_is_asked_again(run, kind):
    assert run(kind, {}, "--no-store", "-q") == (0, [])
    found, calls = spex.Explanation.load("e.json").to_dict(), sorted(answered())
    Path("log").unlink()
    status, err = run(kind, {3: "raise", 4: "raise", 7: "exit"}, "--no-store")
    assert status == 0
    says = "spex: the function raised"
    assert [line for line in err if line.startswith(says)] == [
        f"{says} Odd: no luck at all (own_failing.py:14); it is asked again",
        f"{says} an error 3 times and was asked again",
    ]
    assert sorted(answered()) == calls
    again = spex.Explanation.load("e.json").to_dict()
    assert again["spectrum"] == found["spectrum"]


@pytest.mark.parametrize("kind", CALLS)
def test_a_function_that_always_fails(run, kind):
    status, err = run(kind, {"always": "raise"}, "--retries", "1", "-q")
    assert (status, len(err)) == (1, 1)
    assert "raised 2 times in a row Odd: no luck at all (own_failing.py:14)" in err[0]
    assert run(kind, {}, "--retries", "-1")[0] == 2


def test_a_dry_run_of_a_function_that_fails(run):
    for plan in ({"always": "raise"}, {1: None, "always": "raise"}):
        assert run("predict", plan, "--dry-run", "-q") == (0, [])
        assert "unknown: the function raised 3 times in a row Odd: no luck at all" in run.out


def test_a_module_that_exits(run, capsys):
    Path("own_exiting.py").write_text("import sys\nsys.exit('no use')\n")
    call = ["explain", "--table", "rows.csv", "--model", "predict:own_exiting:f", "-q"]
    assert main(call) == 1
    assert "'own_exiting' cannot be imported: SystemExit: no use" in capsys.readouterr().err


def test_the_default_store_is_given_up(run):
    status, err = run("predict", {4: "delete"})
    assert status == 0
    assert sum("no more evaluations are kept" in line for line in err) == 1
    assert spex.Explanation.load("e.json").n_evaluations == 60
    assert Path("cache").stat().st_mode & 0o777 == 0o700


def test_a_store_of_the_users_ends_the_run(run):
    status, err = run("predict", {4: "delete"}, *STORE, "-q")
    assert (status, len(err)) == (1, 1)
    assert err[0].endswith("in use; run again; e.json explains the 13 evaluations made")
    assert spex.Explanation.load("e.json").n_evaluations == 13


def test_a_store_and_an_output_that_fail_are_both_told(run):
    status, err = run("predict", {4: "delete"}, *STORE, "-q", "--out", "/dev/full")
    assert (status, len(err)) == (1, 1)
    assert "in use; run again" in err[0] and "cannot write /dev/full: No space left" in err[0]


def test_a_refused_function_leaves_no_store(run):
    Path("own_failing.py").write_text(MODULE.rpartition("value.identity")[0])
    status, err = run("predict", {}, *STORE, "-q")
    assert status == 2 and "no attribute 'identity'" in err[0]
    assert not list(Path().glob("s.sqlite*"))


def test_an_unknown_engine_is_refused_before_anything_runs(tmp_path, capsys):
    (tmp_path / "t.txt").write_text("a b c")
    assert main(["explain", "--text", str(tmp_path / "t.txt"), "--engine", "rey"]) == 2
    assert "engine='rey'; give 'ray', 'ray:ADDRESS'" in capsys.readouterr().err
