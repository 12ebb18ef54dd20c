"""A source that fails now and then gives the same explanation, or one that says what it lacks."""

import threading
import time

import numpy as np
import pytest

import spex

N = 10


@pytest.fixture(autouse=True)
def small_batches(monkeypatch):
    monkeypatch.setattr("spex.values.source._LARGEST_BATCH", 16)


class Faulty:
    """A function that fails in some batches; `ways` says how, by turns."""

    identity, features = "faulty", tuple(f"x{i}" for i in range(N))

    def __init__(self, ways, share=0.25, never=()):
        self.rng, self.ways, self.share, self.never = np.random.default_rng(5), ways, share, never
        self.batches = self.failed = 0
        self.answered = []

    def __call__(self, masks):
        self.batches += 1
        values = masks[:, 0] * 2.0 - masks[:, 1] * masks[:, 2] + masks @ np.arange(N)
        poisoned = (masks @ (1 << np.arange(N)))[:, None] == np.array([*self.never, -1])
        if poisoned.any() or self.rng.random() < self.share:
            self.failed += 1
            way = self.ways[self.failed % len(self.ways)]
            if way == "raise":
                raise OSError("connection lost")
            if way == "hang":
                time.sleep(1.0)
            if way == "nan":
                bad = poisoned.any(axis=1)
                bad[0] |= not bad.any()
                values[bad] = np.nan
        self.answered += [row.tobytes() for row in masks[np.isfinite(values)]]
        return values


def plain(budget=300, **settings):
    return spex.explain(Faulty(["raise"], 0.0), budget=budget, **settings)


@pytest.mark.parametrize("ways", [["raise"], ["nan"], ["raise", "nan"]])
@pytest.mark.parametrize("target_r2", [None, 0.99])
def test_a_quarter_of_faulty_batches_changes_nothing(ways, target_r2):
    f = Faulty(ways)
    found = spex.explain(f, budget=300, target_r2=target_r2, faults=spex.Faults(retries=5))
    other = plain(target_r2=target_r2)
    assert f.failed >= 1
    assert list(found.spectrum.items()) == list(other.spectrum.items()) and found.r2 == other.r2
    assert found.notes == other.notes


def test_without_it_the_first_fault_is_raised():
    with pytest.raises(OSError, match="connection lost"):
        spex.explain(Faulty(["raise"]), budget=300)
    with pytest.raises(spex.ValueFunctionError):
        spex.explain(Faulty(["nan"]), budget=300)


@pytest.mark.parametrize(("way", "budget"), [("raise", 300), ("nan", 300), ("raise", 1 << N)])
def test_gaps(way, budget):
    never = np.random.default_rng(1).integers(0, 1 << N, 60).tolist()
    f = Faulty([way], share=0.0, never=never)
    e = spex.explain(f, budget=budget, faults=spex.Faults(gaps=0.1))
    note = e.notes[0]
    count = int(note.split()[0])
    assert note.startswith(f"{count} masks of {budget:,} failed each time") and count > 2
    assert e.n_evaluations == budget - count and len(set(f.answered)) == budget - count
    assert e.r2 > 0.99
    with pytest.raises((spex.ValueFunctionError, spex.BackendError, OSError)):
        spex.explain(Faulty([way], share=0.0, never=never), budget=budget,
                     faults=spex.Faults(gaps=0.001))  # fmt: skip


def test_an_error_says_which_mask_and_what_bears_it():
    f = Faulty(["nan"], share=0.0, never=[0b1111111101])
    with pytest.raises(spex.ValueFunctionError) as raised:
        spex.explain(f, budget=1 << N, faults=spex.Faults(retries=3))
    said = str(raised.value)
    assert "returned nan, no finite number" in said and "asked 4 times (feature 1 left out)" in said
    assert "1 mask of 1,024 would have no value, and gaps=0 bears 0: raise gaps (--max-g" in said
    f = Faulty(["raise"], share=0.0, never=[0b1])
    with pytest.raises(OSError, match="connection lost") as own:
        spex.explain(f, budget=1 << N, faults=spex.Faults(retries=1))
    assert "asked 2 times (feature 0 present)" in own.value.__notes__[0]


@pytest.mark.parametrize("more", [lambda v: np.stack([v, v], axis=1), lambda v: v[:, None],
                                  lambda v: np.append(v, 0.0), lambda v: v + 1j])  # fmt: skip
def test_a_batch_of_another_shape_is_asked_again(tmp_path, more):
    class Shaped(Faulty):
        def __call__(self, masks):
            values = super().__call__(masks)
            return more(values) if self.batches > 1 and self.batches % 4 == 0 else values

    for store in (None, tmp_path / "store.sqlite"):
        f = Shaped(["raise"], share=0.0)
        faults = spex.Faults(retries=8, gaps=0.2)
        found = spex.explain(f, budget=300, store=store, faults=faults)
        assert list(found.spectrum.items()) == list(plain().spectrum.items()) and f.batches > 20
    with pytest.raises(spex.SpexError):
        spex.explain(lambda m: np.ones((len(m) + 1, 2)), 5, budget=32, faults=spex.Faults())


def test_a_source_that_is_down_ends_soon():
    f = Faulty(["raise"], share=1.0)
    with pytest.raises(OSError, match="connection lost"):
        spex.explain(f, budget=300, faults=spex.Faults(gaps=0.05))
    assert f.batches < 100


def test_finished_values_of_a_failed_run_are_kept(tmp_path):
    f = Faulty(["raise"], share=0.0, never=[0b1111])
    store = tmp_path / "s.sqlite"
    with pytest.raises(OSError):
        spex.explain(f, budget=1 << N, store=store, faults=spex.Faults())
    before = len(f.answered)
    good = Faulty(["raise"], share=0.0)
    spex.explain(good, budget=1 << N, store=store)
    assert before > 4 and len(good.answered) == (1 << N) - before


def test_a_batch_that_hangs_is_left():
    f = Faulty(["hang"], share=0.2)
    start = time.monotonic()
    found = spex.explain(f, budget=60, faults=spex.Faults(retries=5, timeout=0.2))
    assert f.failed >= 1 and list(found.spectrum.items()) == list(plain(60).spectrum.items())
    assert time.monotonic() - start < 60
    assert all(thread.daemon for thread in threading.enumerate()[1:])


def test_wrong_arguments():
    for wrong in ({"retries": -1}, {"gaps": 1.0}, {"gaps": -0.1}, {"timeout": 0}):
        with pytest.raises(spex.ArgumentError):
            spex.Faults(**wrong)


def test_what_is_wrong_with_the_call_is_not_borne():
    def f(masks):
        raise spex.ArgumentError("too long")

    with pytest.raises(spex.ArgumentError, match="too long"):
        spex.explain(f, 8, budget=50, faults=spex.Faults(gaps=0.9))


def test_many(tmp_path):
    many = spex.explain_many({"a": Faulty(["raise"])}, budget=300, faults=spex.Faults(retries=5))
    assert list(many["a"].spectrum.items()) == list(plain().spectrum.items())
