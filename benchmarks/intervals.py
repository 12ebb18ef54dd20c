"""Do intervals and forecasts hold what they promise, over many runs?

Every function has a known spectrum: up to 14 features all masks are evaluated (forests, networks,
VADER on short reviews), the others are sparse (published spectra, random ones). A run is right
where the interval of R2 holds the R2 over all masks, and the interval of an interaction holds the
value function's own; the TOP largest interactions of each run count. All intervals are of 90 %. A
forecast of R2 at two and four times the budget is held against the R2 of the run at that budget.

    python benchmarks/intervals.py --data ../shared/data --seeds 4
    python benchmarks/intervals.py --data ../shared/data --weighting shapley
"""

import argparse
import itertools
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

import spex
from functions import (
    BoolArray,
    Classifier,
    FloatArray,
    Function,
    Noise,
    Synthetic,
    published,
    reviews,
)
from spex.fourier.mask_design import all_masks
from spex.fourier.spectrum import Spectrum
from spex.fourier.wht import walsh_hadamard
from spex.interactions.values import interactions

MOST_EXACT = 14
TOP = 20
FRESH = 10_000  # masks that say what R2 is where it is not over uniform masks
INDICES = ("SV", "BII", "SII", "k-SII", "STII", "FSII", "FBII", "Fourier")


def restricted(function: Function, n: int, seed: int) -> Function:
    """A function of some of the features, the others present."""
    chosen = np.random.default_rng(seed).choice(function.n, size=n, replace=False)

    def values(masks: BoolArray) -> FloatArray:
        everyone = np.ones((len(masks), function.n), dtype=np.bool_)
        everyone[:, chosen] = masks
        return function.values(everyone)

    return Function(n, values, None)


def functions(data: Path | None) -> Iterator[tuple[str, Function]]:
    """Functions whose spectrum is known or can be computed."""
    for kind, n in (("forest", 30), ("mlp", 64)):
        for seed in range(3):
            yield f"{kind}, 13 features {seed}", restricted(Classifier(kind, n).build(), 13, seed)
    path = data and data / "sentiment_reviews_dev80.jsonl"
    for case in reviews(path, 8, MOST_EXACT, 5):
        yield case.name, case.build()
    for seed, share in itertools.product(range(2), (0.15, 0.4)):
        case = Synthetic(13, 20, Noise("network", share), seed)
        yield f"{case.name}, {case.noise} {seed}", replace(case.build(), truth=None)
    for seed in range(2):
        yield f"sparse, 40 features {seed}", Synthetic(40, 60, seed=seed).build()
    if data is not None:
        for case in published(data / "llm_spectra_dev.json", Noise(), 0):
            yield case.name, case.build()


def true_spectrum(function: Function) -> Spectrum:
    if function.truth is not None:
        return Spectrum.from_mapping(function.truth, function.n)
    masks = all_masks(function.n)
    from spex.f2.packing import unpack

    return Spectrum(function.n, masks, walsh_hadamard(function.values(unpack(masks, function.n))))


def r2_by_size(function: Function, found: Spectrum) -> float:
    """R2 over independent masks of size 1 to n - 1, each size alike."""
    rng = np.random.default_rng(12345)
    places = rng.random((FRESH, function.n)).argsort(axis=1).argsort(axis=1)
    masks = places < rng.integers(1, function.n, (FRESH, 1))
    values = function.values(masks)
    return 1 - float(((values - found.predict(masks)) ** 2).mean() / values.var())


def true_r2(truth: Spectrum, found: Spectrum) -> float:
    """R2 over all masks, by Parseval's theorem."""
    exact, guess = (
        {key: value for key, value in spectrum.items() if key} for spectrum in (truth, found)
    )
    total = sum(value**2 for value in exact.values())
    keys = exact.keys() | guess.keys()
    return 1 - sum((exact.get(k, 0.0) - guess.get(k, 0.0)) ** 2 for k in keys) / total


def judged(
    forecasts: dict[tuple[str, int, int], dict[int, float]],
    reached: dict[tuple[str, int, int], float],
) -> Table:
    """Forecasts beside what came; and what had been missed by saying that R2 stays as it is."""
    table = Table(
        "budget", "forecast for", "runs", "mean R2 forecast", "mean R2 reached", "mean |error|",
        "within .05", "mean |gain|",
        title="R2 forecast, and R2 reached with that budget",
    )  # fmt: skip
    rows: dict[tuple[int, int], list[tuple[float, float, float]]] = {}
    for (name, seed, budget), forecast in forecasts.items():
        for larger, expected in forecast.items():
            if (name, seed, larger) in reached:
                truth = reached[name, seed, larger]
                now = reached[name, seed, budget]
                rows.setdefault((budget, larger), []).append((expected, truth, now))
    for (budget, larger), row in sorted(rows.items()):
        expected, truth, now = np.array(row).T
        error = np.abs(expected - truth)
        table.add_row(
            *map(str, (budget, larger, len(row))),
            *(f"{x:.3f}" for x in (expected.mean(), truth.mean(), error.mean())),
            f"{(error <= 0.05).mean():.2f}", f"{np.abs(truth - now).mean():.3f}",
        )  # fmt: skip
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder with reviews and published spectra")
    parser.add_argument("--budgets", default="100,200,400,800")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--method", default="auto")
    parser.add_argument("--weighting", default="uniform", choices=("uniform", "shapley"))
    arguments = parser.parse_args()
    console = Console(width=150)
    table = Table(
        "budget", "runs", "R2 covered", "R2 said - true", *INDICES, "stable, of top 10",
        title=f"{arguments.method}, {arguments.weighting}: share of 90 % intervals that hold the "
        f"truth; top {TOP} of each",
    )  # fmt: skip
    cases = list(functions(arguments.data))
    reached: dict[tuple[str, int, int], float] = {}
    forecasts: dict[tuple[str, int, int], dict[int, float]] = {}
    started = time.perf_counter()
    for budget in map(int, arguments.budgets.split(",")):
        r2_covered, r2_errors, stable = [], [], []
        covered: dict[str, list[bool]] = {index: [] for index in INDICES}
        for (name, function), seed in itertools.product(cases, range(arguments.seeds)):

            def values(masks: BoolArray, function: Function = function) -> FloatArray:
                return function.values(masks)

            if np.ptp(values(np.random.default_rng(0).random((200, function.n)) < 0.5)) == 0:
                continue
            values.prior = function.prior  # type: ignore[attr-defined]
            found = spex.explain(
                values, function.n, budget=budget, seed=seed, method=arguments.method,
                weighting=arguments.weighting,
            )  # fmt: skip
            truth = true_spectrum(function)
            low, high = found.r2_interval
            true = true_r2(truth, found.spectrum)
            if found.r2_distribution == "shapley":
                true = r2_by_size(function, found.spectrum)
            r2_covered.append(low - 1e-9 <= true <= high + 1e-9)
            r2_errors.append(found.r2 - true)
            reached[name, seed, budget] = true
            forecasts[name, seed, budget] = found.forecast
            shares = []
            for index in INDICES:
                listed = found.interactions(index)
                exact = interactions(truth, index, listed.order)
                for key, _ in listed.top(TOP):
                    low, high = listed.interval(key)
                    slack = 1e-9 * abs(listed[key])
                    shares.append(low - slack <= exact.get(key, 0.0) <= high + slack)
                    covered[index].append(shares[-1])
            exact = interactions(truth, "FBII", found.interactions("FBII").order)
            top = {key for key, _ in exact.top(10)}
            for key, share in found.interactions("FBII").stability(10).items():
                stable.append((share, key in top))
            console.print(
                f"{budget} {name} {seed}: {found.method}, R2 {found.r2:.3f} {found.r2_interval}, "
                f"true {true:.3f}, covered {np.mean(shares):.2f}",
                highlight=False, soft_wrap=True,
            )  # fmt: skip
        promised, kept = np.mean([s for s, _ in stable]), np.mean([k for _, k in stable])
        table.add_row(
            str(budget), str(len(r2_covered)),
            f"{np.mean(r2_covered):.2f}", f"{np.mean(r2_errors):+.3f}",
            *(f"{np.mean(covered[index]):.2f}" for index in INDICES),
            f"{promised:.2f} said, {kept:.2f} true",
        )  # fmt: skip
    console.print(table)
    console.print(judged(forecasts, reached))
    console.print(f"{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
