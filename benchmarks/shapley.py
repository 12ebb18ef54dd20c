"""Shapley values and interactions of order 2: spex against what else estimates them.

Every method gets the same function and the same number of distinct masks. The error is the mean
squared error over the mean square of the truth: over n Shapley values, or over all n (n - 1) / 2
pairs. Functions of 12 to 16 features are tables of all 2^n values, so that the truth is known and a
run costs no model time; of trees on more features the truth is that of shap.TreeExplainer
(interventional, one background row), for Shapley values alone.

    python benchmarks/shapley.py --preset quick
    python benchmarks/shapley.py --preset full --data ../shared/data --out out/shapley.csv

Rows: a multi-layer perceptron on two digits, random forests on breast cancer, VADER on short
reviews, SmolLM2 on a review of 12 words, and LightGBM on 30, 60 and 100 features. --cache keeps the
tables, and the environment of the peers, which this script makes with uv and Python 3.12. spex runs
with both weightings of masks; FBII and R2 on uniform masks show what a weighting costs there. What
is measured is appended to --out; a second run with the same --out goes on where the first stopped.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

import spex
import spex.settings
from functions import (
    Classifier,
    FloatArray,
    Function,
    Prompted,
    Review,
    explained,
    reviews,
    uniform,
)
from intervals import restricted, true_spectrum
from peers import warm_up
from runs import Results, mean
from shapley_peers import METHODS as PEERS
from shapley_peers import PACKAGES, PAIR_INDICES, Counted, Game, load
from spex.f2.packing import unpack
from spex.fourier.mask_design import all_masks
from spex.fourier.mask_distribution import SHAPLEY, WEIGHTINGS
from spex.interactions.values import interactions
from spex.prior import Prior

# What spex does not offer: masks by size, and a coded design beside them as with uniform masks.
spex.settings.WEIGHTINGS = WEIGHTINGS | {"coded": replace(SHAPLEY, joins_coded=True)}
# spex with each weighting of masks; uniform is its default.
OURS: dict[str, dict[str, Any]] = {
    "spex": {},
    "spex-shapley": {"weighting": "shapley"},
    "spex-shapley-coded": {"weighting": "coded"},
}
DEFAULT = ("spex", "spex-shapley")
BUDGETS = {"quick": (60, 400), "full": (60, 150, 400, 1200, 4000)}
SEEDS = {"quick": (0,), "full": (0, 1, 2, 3, 4)}
# The goals: not above the best peer but for noise, half of its error, a quarter at few calls.
NOISE = 1.15
FEW = 150
# Smaller errors (a ten-thousandth of the values) count as this one: XGBoost, in several of the
# peers, computes in float32, and no ratio should be made of that.
EXACT = 1e-8
TEST_MASKS = 2000
VADER_REVIEWS = (6, 10, 19)
ASK = "Is the sentiment of this review positive or negative? Review: {input}\nAnswer with one word."


def grouped(function: Function, groups: Sequence[int]) -> Function:
    """A function whose features are groups of those of another; `groups` has the group of each."""
    columns = np.array(groups)
    return Function(int(columns.max()) + 1, lambda masks: function.values(masks[:, columns]), None)


def small_functions(arguments) -> dict[str, Callable[[], Function]]:
    """Functions of 12 to 16 features, by name."""
    # 2 x 2 pixels of the 8 x 8 are a feature.
    blocks = [4 * (row // 2) + column // 2 for row in range(8) for column in range(8)]
    found: dict[str, Callable[[], Function]] = {
        "network, digit 1, 14": lambda: restricted(
            grouped(Classifier("mlp", 64).build(), blocks), 14, 0
        ),
        "network, digit 2, 16": lambda: grouped(Classifier("mlp", 64, row=7).build(), blocks),
        "forest, 12": lambda: restricted(Classifier("forest", 30).build(), 12, 2),
        "forest, 14": lambda: restricted(Classifier("forest", 30).build(), 14, 1),
    }
    if arguments.data is None:
        return found
    path = arguments.data / "sentiment_reviews_dev80.jsonl"
    with path.open(encoding="utf-8") as lines:
        texts = [json.loads(line)["text"] for line in lines]
    # Those whose last words hold three or more that VADER knows.
    for number in VADER_REVIEWS:
        words = texts[number].split()[-16:]
        found[f"vader, review {number}, {len(words)}"] = Review(" ".join(words), len(words)).build
    review = reviews(path, 12, 12, 1)[0]
    found["smollm2, review, 12"] = Prompted(
        "", spex.Text(review.text, prompt=ASK), spex.LogOdds("positive", "negative"),
        arguments.cache / "values.sqlite",
    ).build  # fmt: skip
    return found


def write_table(path: Path, function: Function) -> None:
    """All values of a function, and all of its indices."""
    values = function.values(unpack(all_masks(function.n), function.n))
    table = Function(function.n, lambda masks: values[masks @ (1 << np.arange(function.n))], None)
    spectrum = true_spectrum(table)
    truth = {"SV": vector(interactions(spectrum, "SV", 1), function.n, 1)}
    for index in PAIR_INDICES:
        truth[index] = vector(interactions(spectrum, index, 2), function.n, 2)
    np.savez_compressed(path, values=values, is_sequence=function.is_sequence, **truth)


def write_trees(path: Path, n: int) -> None:
    """Trees on n features; absent features have the mean of the training data."""
    from lightgbm import LGBMClassifier
    from shap import TreeExplainer
    from sklearn.datasets import load_breast_cancer, make_classification
    from sklearn.model_selection import train_test_split

    x, y = (
        load_breast_cancer(return_X_y=True)
        if n == 30
        else make_classification(2000, n, n_informative=n // 2, random_state=0)
    )
    train, test, labels, _ = train_test_split(x, y, random_state=0)
    model = LGBMClassifier(n_estimators=200, random_state=0, verbose=-1, n_jobs=1)
    model.fit(train, labels)
    row, background = test[4], train.mean(axis=0)
    explainer = TreeExplainer(
        model.booster_, background[None], feature_perturbation="interventional"
    )
    np.savez_compressed(
        path, model=model.booster_.model_to_string(), row=row, background=background,
        is_sequence=False, SV=explainer.shap_values(row[None])[0],
    )  # fmt: skip
    game = Game(path)
    ends = game.values(np.array([np.zeros(n, bool), np.ones(n, bool)]))
    if not np.isclose(game.parts["SV"].sum(), ends[1] - ends[0]):
        raise AssertionError("the values of TreeExplainer do not add up to f(all) - f(none)")


def games(arguments, chosen: str) -> dict[str, Path]:
    """Files of the functions whose name matches a regular expression; the missing ones are made."""
    makers: dict[str, Callable[[Path], None]] = {
        name: lambda path, build=build: write_table(path, build())
        for name, build in small_functions(arguments).items()
    }
    for n in (30, 60, 100):
        makers[f"trees, {n}"] = lambda path, n=n: write_trees(path, n)
    found = {}
    for name, make in makers.items():
        path = arguments.cache / (re.sub(r"\W+", "-", name) + ".npz")
        if re.search(chosen, name):
            found[name] = path
            if not path.exists():
                make(path)
    return found


def vector(values, n: int, order: int) -> FloatArray:
    """The values of all interactions of one order; those not listed are 0."""
    return np.array([values.get(key, 0.0) for key in combinations(range(n), order)])


@dataclass(frozen=True)
class Cell:
    """What one method did on one function; a row of the CSV file.

    Args:
        function: Name.
        n: Number of features.
        index: SV, k-SII, FSII or FBII; all but SV of order 2.
        budget: Cap on distinct masks.
        seed: Of the method.
        method: Name.
        status: `ok`, `refused` (the budget), `failed` or `time-out`.
        reason: Why it is not `ok`.
        calls: Distinct masks evaluated.
        asked: Masks evaluated, repeats included.
        seconds: Wall clock outside the function; of spex for all indices together.
        error: Mean squared error over mean square.
        r2: Of spex's surrogate on uniform masks: all of them, or fresh ones where there are too
            many.
        version: Of the package.
    """

    function: str
    n: int
    index: str
    budget: int
    seed: int
    method: str
    status: str
    reason: str = ""
    calls: int = 0
    asked: int = 0
    seconds: float = float("nan")
    error: float = float("nan")
    r2: float = float("nan")
    version: str = ""

    @property
    def key(self) -> tuple[str, str, int, int, str]:
        return self.function, self.index, self.budget, self.seed, self.method


def run_ours(path: Path, method: str, budget: int, seed: int) -> dict[str, dict[str, Any]]:
    """Every index of one explanation."""
    warm_up("auto", 0, 0)  # compiles; what it is given does not matter for ours
    game = load(str(path))
    counted = Counted(game, budget)
    sequence = tuple(range(game.n)) if game.parts["is_sequence"] else ()
    counted.prior = Prior(sequence=sequence)  # type: ignore[attr-defined]
    found = spex.explain(counted, game.n, budget=budget, seed=seed, **OURS[method])
    orders = {index: 1 if index == "SV" else 2 for index in game.indices}
    values = {
        index: vector(found.interactions(index, order), game.n, order)
        for index, order in orders.items()
    }
    common = {"status": "ok", "version": spex.__version__, **counted.counts()}
    masks = (
        unpack(all_masks(game.n), game.n)
        if game.is_table
        else uniform(game.n, TEST_MASKS, [seed, 12345])
    )
    common["r2"] = explained(game.values(masks), found.predict(masks))
    return {index: {"error": game.error(index, values[index])} | common for index in orders}


class PeerProcess:
    """Runs peers with the Python of an environment of their own.

    Args:
        cache: Folder of that environment; it is made where it is missing.
        python: Its Python: a path, or a version for uv to find.
        limit: Seconds for one run.
    """

    def __init__(self, cache: Path, python: str, limit: int) -> None:
        uv, folder = [sys.executable, "-m", "uv"], cache / "peers"
        if not folder.exists():
            subprocess.run([*uv, "venv", "--python", python, str(folder)], check=True)
        self._python = folder / "bin" / "python"
        subprocess.run(
            [*uv, "pip", "install", "--quiet", "--python", str(self._python),
             "--only-binary", ":all:", *PACKAGES],
            check=True,
        )  # fmt: skip
        self._process = subprocess.Popen(
            [self._python, Path(__file__).with_name("shapley_peers.py"), str(limit)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )  # fmt: skip

    def run(self, path: Path, index: str, method: str, budget: int, seed: int) -> dict[str, Any]:
        job = {"path": str(path.resolve()), "index": index, "method": method, "budget": budget,
               "seed": seed}  # fmt: skip
        print(json.dumps(job), file=self._process.stdin, flush=True)
        package = "shap" if method.startswith("shap-") else "shapiq"
        version = next(p.split("==")[1] for p in PACKAGES if p.startswith(f"{package}=="))
        return json.loads(self._process.stdout.readline()) | {"version": version}

    def stop(self) -> None:
        self._process.stdin.close()
        self._process.wait()


def line(cell: Cell) -> str:
    head = f"{cell.function} | {cell.index} | {cell.budget} | {cell.seed} | {cell.method}:"
    if cell.status != "ok":
        return f"{head} {cell.status}, {cell.reason}"
    text = f"{head} error {cell.error:.2g}, {cell.calls} calls, {cell.seconds:.3g} s"
    return text if np.isnan(cell.r2) else f"{text}, R2 {cell.r2:.4f}"


def measure(
    files: dict[str, Path], methods: Sequence[str], arguments, results: Results, console: Console
) -> list[Cell]:
    """Every cell that has no result yet, until time is up or Ctrl-C; seeds in the outermost loop.

    Returns:
        Those that were reached, old and new.
    """
    deadline = time.monotonic() + 3600 * (arguments.hours or float("inf"))
    shown: list[Cell] = []
    peers = None

    def keep(name: str, index: str, budget: int, seed: int, method: str, found: dict) -> None:
        game = load(str(files[name]))
        cell = Cell(name, game.n, index, budget, seed, method, **found)
        results.add(cell)
        console.print(line(cell), highlight=False, markup=False, soft_wrap=True)

    try:
        for seed, budget, (name, path), method in (
            (s, b, f, m)
            for s in arguments.seeds for b in arguments.budgets
            for f in files.items() for m in methods
        ):  # fmt: skip
            indices = load(str(path)).indices
            wanted = [i for i in indices if method in OURS or i in PEERS[method][0]]
            for index in wanted:
                if results.get(name, index, budget, seed, method) is None:
                    if time.monotonic() > deadline:
                        console.print("time is up")
                        return shown
                    if method in OURS:
                        for each, found in run_ours(path, method, budget, seed).items():
                            keep(name, each, budget, seed, method, found)
                    else:
                        peers = peers or PeerProcess(
                            arguments.cache, arguments.peer_python, arguments.limit
                        )
                        found = peers.run(path, index, method, budget, seed)
                        keep(name, index, budget, seed, method, found)
                shown.append(results.get(name, index, budget, seed, method))
    except KeyboardInterrupt:
        console.print("interrupted; what was measured:")
    finally:
        if peers is not None:
            peers.stop()
    return shown


class Grid:
    """Errors by function, index, budget and method, in the mean over seeds."""

    def __init__(self, cells: Sequence[Cell]) -> None:
        self.methods = [m for m in (*OURS, *PEERS) if any(cell.method == m for cell in cells)]
        self.budgets = sorted({cell.budget for cell in cells})
        self._cells: dict[tuple[str, str, int, str], list[Cell]] = {}
        for cell in cells:
            key = (cell.function, cell.index, cell.budget, cell.method)
            self._cells.setdefault(key, []).append(cell)

    def functions(self, index: str) -> list[str]:
        return list(dict.fromkeys(key[0] for key in self._cells if key[1] == index))

    def cells(self, *key: Any) -> list[Cell]:
        return self._cells.get(key, [])

    def error(self, *key: Any) -> float:
        """NaN where a seed has none, for means over others do not compare."""
        found = self.cells(*key)
        return mean([c.error for c in found]) if all(c.status == "ok" for c in found) else np.nan

    def text(self, *key: Any) -> str:
        wrong = [cell.status for cell in self.cells(*key) if cell.status != "ok"]
        error = self.error(*key)
        return wrong[0] if wrong else "" if np.isnan(error) else f"{error:.2g}"

    def best(self, function: str, index: str, budget: int) -> tuple[float, str]:
        """The smallest error of a peer, and whose it is; (NaN, "") where there is none."""
        errors = [(self.error(function, index, budget, m), m) for m in self.methods if m in PEERS]
        return min((e for e in errors if not np.isnan(e[0])), default=(np.nan, ""))

    def ratio(self, function: str, index: str, budget: int, method: str) -> float:
        """Error of a method over that of the best peer."""
        ours, peer = self.error(function, index, budget, method), self.best(function, index, budget)
        return max(ours, EXACT) / max(peer[0], EXACT)


def every_error(grid: Grid, index: str, budget: int) -> Table:
    """Errors of all methods that have an index, at one budget."""
    functions = grid.functions(index)
    methods = [m for m in grid.methods if any(grid.cells(f, index, budget, m) for f in functions)]
    table = Table(title=f"{index}: error, {budget} calls")
    table.add_column("function")
    for method in methods:
        table.add_column(method.replace("-", "\n"), justify="right", no_wrap=True)
    for function in functions:
        table.add_row(function, *(grid.text(function, index, budget, m) for m in methods))
    return table


def against_the_best(grid: Grid, index: str, console: Console) -> None:
    """Errors of spex over that of the best peer, cell by cell and in the mean."""
    ours = [method for method in OURS if method in grid.methods]
    table = Table(title=f"{index}: error of spex over that of the best peer (bold: above {NOISE})")
    for title in ("function", "calls", "best peer", "", *ours):
        table.add_column(title, justify="right", no_wrap=True)
    ratios: dict[str, list[tuple[int, float]]] = {method: [] for method in ours}
    for function in grid.functions(index):
        for budget in grid.budgets:
            error, whose = grid.best(function, index, budget)
            texts = []
            for method in ours:
                ratio = grid.ratio(function, index, budget, method)
                if np.isnan(ratio):
                    texts.append("")
                    continue
                ratios[method].append((budget, ratio))
                text = f"{grid.text(function, index, budget, method)}, {ratio:.2f}"
                texts.append(f"[bold]{text}[/bold]" if ratio > NOISE else text)
            if whose:
                table.add_row(function, str(budget), f"{error:.2g}", whose, *texts)
    console.print(table)
    for method, found in ratios.items():
        if found:
            few = [ratio for budget, ratio in found if budget <= FEW]
            console.print(
                f"{index}, {method}: ratio {geometric([r for _, r in found]):.2f} in the geometric "
                f"mean, {geometric(few):.2f} up to {FEW} calls; above {NOISE} in "
                f"{sum(r > NOISE for _, r in found)} of {len(found)} cells"
            )


def geometric(ratios: Iterable[float]) -> float:
    return float(np.exp(mean([float(np.log(ratio)) for ratio in ratios])))


def price(grid: Grid) -> Table:
    """What a weighting costs where masks are uniform: R2 and the error of FBII."""
    table = Table(title="spex on uniform masks: R2, and the error of FBII of order 2")
    ours = [method for method in OURS if method in grid.methods]
    for title in ("function", "calls", *(f"R2 {m}" for m in ours), *(f"FBII {m}" for m in ours)):
        table.add_column(title, justify="right", no_wrap=True)
    for function in grid.functions("SV"):
        for budget in grid.budgets:
            runs = [grid.cells(function, "SV", budget, method) for method in ours]
            table.add_row(
                function, str(budget), *(f"{mean([c.r2 for c in cells]):.4f}" for cells in runs),
                *(grid.text(function, "FBII", budget, method) for method in ours),
            )  # fmt: skip
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", choices=BUDGETS, default="quick")
    parser.add_argument("--data", type=Path, help="folder with the reviews")
    parser.add_argument("--cache", type=Path, default=Path("out/shapley"),
                        help="folder of the tables and of the peers' environment")  # fmt: skip
    parser.add_argument("--budgets", type=int, nargs="+")
    parser.add_argument("--seeds", type=int, nargs="+")
    parser.add_argument("--methods", default=",".join((*DEFAULT, *PEERS)),
                        help="comma-separated; default: %(default)s")  # fmt: skip
    parser.add_argument("--functions", help="those whose name matches this regular expression; "
                        "default: all, for quick a forest and trees")  # fmt: skip
    parser.add_argument("--peer-python", default="3.12",
                        help="its version or path; default: %(default)s")  # fmt: skip
    parser.add_argument("--limit", type=int, default=300, help="seconds for one run of a peer")
    parser.add_argument("--hours", type=float, help="begin no new run after so many hours")
    parser.add_argument("--out", type=Path, help="CSV file to continue, or to begin")
    arguments = parser.parse_args()
    arguments.budgets = arguments.budgets or BUDGETS[arguments.preset]
    arguments.seeds = arguments.seeds or SEEDS[arguments.preset]
    chosen = arguments.functions or {"quick": "forest, 12|trees, 30", "full": ""}[arguments.preset]
    methods = arguments.methods.split(",")
    if unknown := set(methods) - OURS.keys() - PEERS.keys():
        raise SystemExit(f"no method {unknown}; choose from {', '.join((*OURS, *PEERS))}")
    arguments.cache.mkdir(parents=True, exist_ok=True)

    console = Console(width=None if Console().is_terminal else 250)
    files = games(arguments, chosen)
    grid = Grid(measure(files, methods, arguments, Results(arguments.out, Cell), console))
    for index in ("SV", "k-SII", "FSII"):
        for budget in grid.budgets:
            console.print(every_error(grid, index, budget))
        against_the_best(grid, index, console)
    if grid.methods and grid.methods[0] in OURS:
        console.print(price(grid))


if __name__ == "__main__":
    main()
