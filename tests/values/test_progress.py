import io
import sys
import threading

import pytest

import spex
from spex.values import progress
from spex.values.evaluator import Progress
from spex.values.progress import Clock, described, duration, reporter


def test_the_time_left_is_told_from_the_first_batch():
    now = [100.0]
    clock = Clock(lambda: now[0])
    assert clock.left(Progress(0, 500)) is None
    now[0] += 2.0
    assert clock.left(Progress(10, 500)) == pytest.approx(2.0 * 490 / 10)
    now[0] += 8.0
    assert clock.left(Progress(50, 500)) == pytest.approx(10.0 * 450 / 50)


def test_values_of_the_store_say_nothing_of_the_time_left():
    now = [0.0]
    clock = Clock(lambda: now[0])
    clock.left(Progress(0, 500))
    clock.left(Progress(300, 500, stored=300))
    now[0] += 5.0
    assert clock.left(Progress(310, 500, stored=300)) == pytest.approx(5.0 * 190 / 10)


def test_what_is_told():
    assert described(Progress(1, 1), None) == "evaluating: 1 of 1 call"
    state = Progress(120, 2000, 0.9131, stored=20)
    told = "evaluating: 120 of 2,000 calls, 20 from the store, R2 0.913, 2 min left"
    assert described(state, 119.0) == told
    assert described(Progress(9, 9, is_fitting=True), None) == "fitting: 9 of 9 calls"
    assert described(Progress(3, 9, is_waiting=True), None).startswith("waiting for another")
    assert [duration(s) for s in (0.2, 89, 91, 3599, 7800)] == [
        "1 s",
        "89 s",
        "2 min",
        "1 h 0 min",
        "2 h 10 min",
    ]


def test_explain_tells_that_it_is_fitting():
    states = []
    spex.explain(lambda m: m[:, 0] * 1.0, 12, budget=60, progress=states.append)
    fitting = [state.is_fitting for state in states]
    first = fitting.index(True)
    assert 0 < first and all(fitting[first:]) and states[first].done == 60


def test_values_of_the_store_are_counted(tmp_path):
    class Function:
        identity, features = "f", tuple("abcdefgh")

        def __call__(self, masks):
            return masks.sum(axis=1) * 1.0

    store = tmp_path / "s.sqlite"
    spex.explain(Function(), budget=40, store=store)
    states = []
    spex.explain(Function(), budget=60, store=store, progress=states.append)
    assert max(state.stored for state in states) == 40


def test_without_a_terminal_a_line_every_half_minute(monkeypatch):
    monkeypatch.setattr(progress, "_BETWEEN_LINES", 0.05)
    lines, told = [], threading.Event()

    def tell(line):
        lines.append(line)
        told.set()

    with reporter(True, tell, is_bar=False) as show:
        show(Progress(10, 50))
        assert told.wait(10)  # no further report comes: one batch takes long
    assert lines[0] == "evaluating: 10 of 50 calls"
    count = len(lines)
    told.clear()
    assert not told.wait(0.2) and len(lines) == count  # it has ended


def test_a_bar_on_a_terminal(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "140")
    monkeypatch.setattr(sys, "stderr", Terminal())
    with reporter(True) as show:
        show(Progress(0, 50))
        show(Progress(25, 50, 0.5))
        threading.Event().wait(0.3)
        show(Progress(50, 50, is_fitting=True))
    text = sys.stderr.getvalue()
    assert "25/50" in text and "left" in text and "fitting" in text
