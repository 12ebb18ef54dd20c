"""What the sample store costs, in seconds of processor time.

Prints the rows a second of bulk writes and look-ups, what the store adds to asking a function of a
microsecond for many masks, and its share of an explanation with SmolLM2. Writers are killed with
kill -9, and the store is verified after each.

    python benchmarks/store.py --rows 1000000 --masks 100000 --budget 500
"""

import argparse
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import spex
from spex.f2.packing import pack
from spex.values.evaluator import values_of
from spex.values.source import as_source
from spex.values.storage.care import problems
from spex.values.storage.merging import merge

REVIEW = (
    "Her acting never fails to impress, but the plot drags on and on, and the ending, which I had "
    "hoped would save it, is not only predictable but badly told"
)


def seconds(action: Callable[[], Any]) -> float:
    """Of processor time, of this process and its threads."""
    began = time.process_time()
    action()
    return time.process_time() - began


def distinct(count: int, n: int, seed: int = 0) -> Any:
    """(count, n) bool, no two alike, in random order."""
    rng = np.random.default_rng(seed)
    masks = rng.random((count + count // 8, n)) < 0.5
    _, first = np.unique(pack(masks), axis=0, return_index=True)
    return masks[np.sort(first)[:count]]


def bulk(folder: Path, rows: int, at_once: int, n: int) -> None:
    masks = distinct(rows, n)
    keys, values = pack(masks), np.random.default_rng(1).normal(size=rows)
    parts = np.array_split(np.arange(rows), max(rows // at_once, 1))
    path = folder / f"bulk-{n}-{at_once}.sqlite"
    with spex.Store(path) as store:
        wrote = seconds(lambda: [store.put("f", keys[part], values[part]) for part in parts])
        found = np.empty(rows)

        def look_up() -> None:
            for part in parts:
                found[part] = store.get("f", keys[part])

        read = seconds(look_up)
        assert np.array_equal(found, values)
    size = path.stat().st_size / rows
    print(
        f"{rows:>9,} {n:>4} {at_once:>8,} {rows / wrote:>12,.0f} {rows / read:>12,.0f} {size:>6.0f}"
    )


def merging(folder: Path, rows: int, n: int) -> None:
    for name, seed in (("a", 1), ("b", 2)):
        with spex.Store(folder / f"{name}.sqlite") as store:
            store.put("f", pack(distinct(rows, n, seed)), np.zeros(rows))
    took = seconds(lambda: merge(folder / "a.sqlite", folder / "b.sqlite"))
    print(f"merge of two stores of {rows:,} rows: {rows / took:,.0f} rows a second")
    took = seconds(lambda: problems(folder / "a.sqlite"))
    print(f"verify of the {2 * rows:,}: {2 * rows / took:,.0f} rows a second")


def write_until_killed(path: Path, seed: int) -> None:
    with spex.Store(path) as store:
        for part in range(1_000_000):
            keys = pack(distinct(1000, 90, 1_000_000 * seed + part))
            store.claim(("f",), keys, 1000)
            store.put("f", keys, keys[:, 0] / 2.0**64)
            path.with_name("alive").touch()


def killed(folder: Path, kills: int) -> None:
    """Writers are ended by kill -9 at random moments; verify after each."""
    path, rng, found = folder / "killed.sqlite", np.random.default_rng(0), 0
    for seed in range(kills):
        context = multiprocessing.get_context("fork")
        process = context.Process(target=write_until_killed, args=(path, seed))
        process.start()
        while not (folder / "alive").exists():
            assert process.is_alive()
            time.sleep(0.002)
        time.sleep(rng.random() / 5)
        process.kill()
        process.join()
        (folder / "alive").unlink(missing_ok=True)
        found += len(problems(path))
        keys = pack(distinct(1000, 90, 1_000_000 * seed))
        with spex.Store(path) as store:  # the first part was kept before the kill
            assert np.array_equal(store.get("f", keys), keys[:, 0] / 2.0**64)
            rows = len(store)
    print(f"{kills} writers killed: {found} problems found by verify, {rows:,} rows")


class Sum:
    """A function of about a microsecond a mask."""

    identity = "sum v1"

    def __call__(self, masks: Any) -> Any:
        return masks @ np.arange(1.0, masks.shape[1] + 1)


def quick_function(folder: Path, count: int, n: int) -> None:
    masks, source = distinct(count, n), as_source(Sum(), n)
    without = seconds(lambda: values_of(masks, source, None))
    with spex.Store(folder / "quick.sqlite") as store:
        first = seconds(lambda: values_of(masks, source, store))
        again = seconds(lambda: values_of(masks, source, store))
    print(
        f"{count:,} masks of {n} features of a quick function: {without:.2f} s without a store, "
        f"{first:.2f} s with an empty one, {again:.2f} s with a full one"
    )


def smollm2(folder: Path, budget: int) -> None:
    text = spex.Text(REVIEW, prompt="Is this review positive or negative? {input}")
    value = spex.ValueFunction(text, "smollm2", spex.LogOdds("positive", "negative"))
    in_store = 0.0

    def timed(name: str) -> Any:
        method = getattr(spex.Store, name)

        def call(*arguments: Any) -> Any:
            nonlocal in_store
            began = time.process_time()
            try:
                return method(*arguments)
            finally:
                in_store += time.process_time() - began

        return call

    names = ("claim", "put_all", "release")
    methods = {name: timed(name) for name in names}
    kept = type("Timed", (spex.Store,), methods)
    with kept(folder / "smollm2.sqlite") as store:
        whole = seconds(lambda: spex.explain(value, budget=budget, store=store))
    print(
        f"SmolLM2, {budget} calls: {whole:.1f} s, of these {in_store:.3f} s in the store "
        f"({100 * in_store / whole:.2f} %)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--masks", type=int, default=100_000)
    parser.add_argument("--budget", type=int, default=500, help="0: without SmolLM2")
    parser.add_argument("--kills", type=int, default=20)
    options = parser.parse_args()
    load = os.getloadavg()[0]
    print(f"{os.cpu_count()} cores, load {load:.1f}; seconds are of processor time")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(
            f"{'rows':>9} {'n':>4} {'at once':>8} {'written /s':>12} {'found /s':>12} {'B/row':>6}"
        )
        for n, at_once in [(64, 1_000_000), (64, 10_000), (64, 100), (256, 10_000)]:
            bulk(folder, options.rows, at_once, n)
        merging(folder, options.rows // 2, 64)
        if options.kills:
            killed(folder, options.kills)
        quick_function(folder, options.masks, 64)
        if options.budget:
            smollm2(folder, options.budget)


if __name__ == "__main__":
    main()
