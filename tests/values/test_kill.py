"""kill -9 at any moment: what was finished is not asked again, and the result is the same."""

import multiprocessing
import random
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

import spex
from spex.cli import main
from spex.values import source

# Notes every row before it answers, and after; a row is a mask.
MODULE = """
import time
import numpy as np

def note(sign, rows):
    lines = [sign + "".join(str(int(cell)) for cell in row) + "\\n" for row in rows]
    with open("log", "a") as file:
        file.write("".join(lines))

def value(rows):
    rows = np.asarray(rows, dtype=float)
    note("?", rows)
    time.sleep(0.002 * len(rows))
    note("!", rows)
    return 2 * rows[:, 0] * rows[:, 1] - rows[:, 3] + rows.sum(axis=1) / 8

value.identity = "value v1"
"""
WHOLE = "1" * 10


def plain():
    import slow

    spex.explain(slow.value, 10, 400, method="linear", store="s.sqlite").save("e.json")


def predict():
    call = [
        "explain",
        "--table",
        "rows.csv",
        "--model",
        "predict:slow:value",
        "--store",
        "s.sqlite",
    ]
    assert main([*call, "--budget", "400", "--method", "linear", "--out", "e.json", "-q"]) == 0


def log():
    return Path("log").read_text().splitlines() if Path("log").exists() else []


def start(explain):
    process = multiprocessing.get_context("fork").Process(target=explain)
    process.start()
    return process


@pytest.mark.parametrize("explain", [plain, predict])
def test_kill_minus_nine_repeats_only_what_was_in_flight(tmp_path, monkeypatch, explain):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setattr(source, "_SECONDS", 0.05)  # many batches in a short time
    Path("slow.py").write_text(MODULE)
    Path("rows.csv").write_text(f"{','.join('abcdefghij')}\n{'1,' * 9}1\n{'0,' * 9}0\n")
    explain()  # undisturbed; loads what the processes below then need not load
    undisturbed = Path("e.json").read_text()
    for name in ("s.sqlite", "e.json", "log"):
        Path(name).unlink()
    moments = random.Random(explain.__name__)
    in_flight = 0
    for _ in range(3):
        before = len(log())
        process = start(explain)
        while len(log()) < before + 20:
            assert process.is_alive()
            time.sleep(0.005)
        time.sleep(moments.random() / 5)
        process.kill()
        process.join()
        # The last batch may have been answered and not kept yet.
        signs = "".join(line[0] for line in log()).rstrip("?")
        in_flight += len(signs) - len(signs.rstrip("!"))
    process = start(explain)
    process.join()
    assert process.exitcode == 0
    calls = Counter(line[1:] for line in log() if line[0] == "!")
    if explain is predict:  # asks for the whole row at every start, to learn how many numbers come
        calls.pop(WHOLE)
    assert len(calls) in (399, 400)
    assert calls.total() - len(calls) <= in_flight <= 3 * 50
    assert Path("e.json").read_text() == undisturbed
