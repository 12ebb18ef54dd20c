"""The same seed, budget and method give the same bits, however the values come."""

import threading
import time

import numpy as np
import pytest

import spex
from spex.models import FunctionModel
from spex.values import source

N, BUDGET = 8, 100
METHODS = ["auto", "linear", "gp", "proxyspex", "spex", "exact"]
ROWS = np.random.default_rng(0).normal(size=(8, N))


def table(rows):
    """A function of a table: of each row alone, whatever rows come with it."""
    x = np.asarray(rows, dtype=float)
    return np.array([np.tanh(r[0] * r[1]) + r[2] * r[3] - 0.3 * r[4] + r.sum() / 7 for r in x])


table.identity = "table v1"


def predict(_):
    names = [f"x{number}" for number in range(N)]
    import pandas as pd

    rows = pd.DataFrame(ROWS, columns=names)
    return spex.PredictFunction(spex.Table(rows.iloc[0], rows.iloc[1:]), table)


def prompted(workers):
    """A function from prompt to reply that answers in no order."""

    def reply(prompt):
        if workers > 1:
            time.sleep(0.0005 * (hash(prompt) % 3))
        threads.add(threading.get_ident())
        return "yes" if "w0" in prompt and ("w3" in prompt or "w5" not in prompt) else "no"

    reply.identity = "reply v1"
    threads = set()
    text = spex.Text(" ".join(f"w{number}" for number in range(N)))
    model = FunctionModel(reply, identity="reply v1", concurrency=workers)
    return spex.ValueFunction(text, model, spex.Matches("yes"))


def explained(f, method, store=None):
    budget = {"exact": 1 << N, "spex": 200}.get(method, BUDGET)
    return spex.explain(f, budget=budget, method=method, seed=3, store=store)


def same(one, other):
    a, b = one.spectrum, other.spectrum
    return (
        np.array_equal(a.support, b.support)
        and a.coefficients.tobytes() == b.coefficients.tobytes()
        and one.r2 == other.r2
    )


@pytest.mark.parametrize(
    ("make", "method"),
    [*((predict, method) for method in METHODS), (prompted, "auto"), (prompted, "spex")],
)
def test_the_same_bits(tmp_path, monkeypatch, make, method):
    first = explained(make(1), method)
    assert first.spectrum.coefficients.any()
    different = []
    ways = [(1, 1, "a"), (8, 64, "a"), (8, 1, "b"), (1, 64, None)]
    if make is predict:  # which has no workers
        ways.remove((8, 1, "b"))
    if method == "proxyspex":  # trees take seconds
        ways = ways[1:]
    for workers, batch, name in ways:
        monkeypatch.setattr(source, "_FIRST_BATCH", batch)
        monkeypatch.setattr(source, "_LARGEST_BATCH", batch)
        f, path = make(workers), None if name is None else tmp_path / name
        if make is predict:
            f._masks_at_once = batch
        if not same(first, explained(f, method, path)):
            different.append((workers, batch, name))
    assert different == []
