"""What a Ray cluster costs and gains: seconds for each block, and 1 and 2 workers against local.

The function sleeps, so that workers do not share cores and what is measured is the engine. Starting
a cluster and its workers is told apart: a model is loaded there once, then all blocks find it.

    python benchmarks/ray_engine.py --masks 2000 --milliseconds 5
"""

import argparse
import os
import statistics
import time
from typing import Any

import numpy as np

from spex.engines.ray import RayEngine, _connect
from spex.f2.packing import pack
from spex.values.evaluator import values_of
from spex.values.source import as_source


def sleeping(seconds: float) -> Any:
    """A function of masks that takes so long for each."""

    def value(masks: Any) -> Any:
        import time

        time.sleep(seconds * len(masks))
        return masks.sum(axis=1) * 1.0

    return value


def overhead(n: int, rows: int, repeats: int) -> list[float]:
    """Seconds of a block of masks whose function takes no time, one block after the other."""
    source = as_source(sleeping(0.0), n)
    words = pack(np.random.default_rng(0).random((rows, n)) < 0.5)
    took = []
    with RayEngine(workers=1).running(source) as remote:
        workers: Any = remote.workers  # type: ignore[attr-defined]
        (actor,) = workers._actors.values()
        workers._ray.get(actor.evaluate.remote(remote.sent, words, n))
        for _ in range(repeats):
            began = time.perf_counter()
            workers._ray.get(actor.evaluate.remote(remote.sent, words, n))
            took.append(time.perf_counter() - began)
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--masks", type=int, default=2000)
    parser.add_argument("--milliseconds", type=float, default=5.0)
    parser.add_argument("--repeats", type=int, default=200)
    options = parser.parse_args()
    os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")  # at 127.0.0.1, on Linux too
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    import ray

    began = time.perf_counter()
    _connect(ray, None, 2)
    print(f"starting a cluster of one node: {time.perf_counter() - began:.1f} s")
    for rows in (1, 64, 4096):
        took = overhead(64, rows, options.repeats)
        ninth = statistics.quantiles(took, n=10)[-1]
        print(
            f"a block of {rows} masks of 64 features: median {1000 * statistics.median(took):.1f} "
            f"ms, nine in ten below {1000 * ninth:.1f} ms"
        )
    masks = np.unique(np.random.default_rng(1).random((options.masks, 64)) < 0.5, axis=0)
    source = as_source(sleeping(options.milliseconds / 1000), 64)
    began = time.perf_counter()
    expected = values_of(masks, source, None)
    print(f"local: {len(masks) / (time.perf_counter() - began):.0f} masks a second")
    for workers in (1, 2):
        began = time.perf_counter()
        with RayEngine(workers=workers).running(source) as remote:
            values_of(masks[: 8 * workers], remote, None)
            started = time.perf_counter()
            found = values_of(masks, remote, None)
            rate = len(masks) / (time.perf_counter() - started)
        assert np.array_equal(found, expected)
        print(
            f"{workers} workers: {rate:.0f} masks a second, after {started - began:.1f} s to start"
        )
    ray.shutdown()


if __name__ == "__main__":
    main()
