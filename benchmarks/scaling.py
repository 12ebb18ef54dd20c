"""How decoding with spex grows: seconds and memory against n, bins and coefficients.

Everything of spex.explain(method="spex") but the value function is counted: masks, decoding and
refit. Each point is a process of its own that makes the same explanation twice. The second call is
the time; what the first one takes beyond that is loading what numba has compiled before. How long
compiling takes is measured once, with an empty cache. Memory is the peak of the process, that of
Python and its packages (`idle`) included. Recall is of the coefficients, energy of their squares.

    python benchmarks/scaling.py --plot out/scaling.png

A budget is given by b: 3 (P + 1) 2^b masks with P = order * ceil(log2(n + 1)), which buys a design
of 2^b bins in each of three groups; spex itself decides how it spends the budget.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

# numpy, spex and the rest are imported in the children only: the peak memory that the system
# reports for a child is at least what its parent held when it started it.

# What stays fixed while one of the three varies.
BASE = {"n": 1024, "b": 7, "k": 100}
LABELS = {"n": "features n", "b": "b (2^b bins)", "k": "coefficients"}
ORDER = 5


def point(n: int, b: int, k: int, noise: float, seed: int) -> dict[str, float]:
    """One point, measured in this process."""
    import spex.explain  # with it comes all that explaining imports

    import spex

    idle = peak_memory()
    from functions import Noise, Synthetic
    from peers import METHODS

    function = Synthetic(n, k, Noise("white", noise), seed).build()
    budget = 3 * (ORDER * n.bit_length() + 1) << b
    first = METHODS["spex"](function, budget, ORDER, seed)
    second = METHODS["spex"](function, budget, ORDER, seed)
    energies = {key: value**2 for key, value in function.truth.items() if key}
    found = energies.keys() & second.coefficients.keys()
    return {
        "calls": second.n_evaluations,
        "first": first.seconds,
        "second": second.seconds,
        "idle": idle,
        "peak": peak_memory(),
        "recall": len(found) / len(energies),
        "energy": sum(energies[key] for key in found) / sum(energies.values()),
        "version": spex.__version__,
    }


def peak_memory() -> float:
    """Peak resident memory of this process in GB."""
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used / 1e9 if sys.platform == "darwin" else used / 1e6


def run(chosen: dict[str, int], arguments, cache: str | None = None) -> dict[str, float] | None:
    """One point, measured in a fresh process; None where that fails."""
    environment = dict(os.environ, NUMBA_CACHE_DIR=cache) if cache else None
    values = [*(str(chosen[name]) for name in BASE), str(arguments.noise), str(arguments.seed)]
    try:
        done = subprocess.run(
            [sys.executable, __file__, "--point", *values],
            env=environment, timeout=arguments.limit, capture_output=True, text=True, check=True,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return None
    except subprocess.CalledProcessError as error:
        last = error.stderr.strip().splitlines()[-1:] or [f"exit status {error.returncode}"]
        print(f"{chosen}: {last[0]}", file=sys.stderr)
        return None
    return json.loads(done.stdout)


def show(rows: list[tuple[str, dict, dict | None]], console: Console) -> None:
    table = Table(title="spex.explain(method='spex'), everything but the value function")
    for title in ("varied", "n", "b", "k"):
        table.add_column(title, justify="left" if title == "varied" else "right")
    for title in ("calls", "s first call", "s", "GB idle", "GB peak", "recall", "energy"):
        table.add_column(title, justify="right")
    before = rows[0][0]
    for varied, chosen, found in rows:
        if varied != before:
            table.add_section()
        before = varied
        head = [varied, *(str(chosen[name]) for name in BASE)]
        if found is None:
            table.add_row(*head, "failed")
            continue
        table.add_row(
            *head, str(found["calls"]), f"{found['first']:.2f}", f"{found['second']:.2f}",
            f"{found['idle']:.2f}", f"{found['peak']:.2f}", f"{found['recall']:.2f}",
            f"{found['energy']:.4f}",
        )  # fmt: skip
    console.print(table)


def plot(path: Path, rows: list[tuple[str, dict, dict | None]]) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 6), layout="constrained")
    axes = figure.subplots(2, len(BASE), sharex="col", sharey="row")
    for column, varied in enumerate(BASE):
        good = [(c[varied], found) for name, c, found in rows if name == varied and found]
        xs = [x for x, _ in good]
        above, below = axes[0, column], axes[1, column]
        above.plot(xs, [found["second"] for _, found in good], "o-")
        below.plot(xs, [found["peak"] for _, found in good], "o-", label="peak")
        below.plot(xs, [found["idle"] for _, found in good], ":", label="Python and packages")
        above.set_yscale("log")
        if varied != "b":
            below.set_xscale("log")
        below.set_xticks(xs, [f"{x:,}" for x in xs])
        below.minorticks_off()
        below.set_xlabel(LABELS[varied])
        above.set_title(", ".join(f"{n} = {v}" for n, v in BASE.items() if n != varied))
        for axis in (above, below):
            axis.grid(alpha=0.3)
    axes[0, 0].set_ylabel("seconds outside the value function")
    axes[1, 0].set_ylabel("memory, GB")
    axes[1, 0].set_ylim(bottom=0)
    axes[1, 0].legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)


def main() -> None:
    if sys.argv[1:2] == ["--point"]:
        n, b, k, noise, seed = sys.argv[2:]
        print(json.dumps(point(int(n), int(b), int(k), float(noise), int(seed))))
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, nargs="*", default=[64, 256, 1024, 4096, 16_384])
    parser.add_argument("--b", type=int, nargs="*", default=[4, 5, 6, 7, 8, 9, 10])
    parser.add_argument("--k", type=int, nargs="*", default=[10, 30, 100, 300, 1000])
    parser.add_argument(
        "--base", type=int, nargs=3, metavar=("N", "B", "K"), help="what stays fixed"
    )
    parser.add_argument("--noise", type=float, default=0.1, help="white, share of the variance")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=float, default=900, help="seconds for one point")
    parser.add_argument("--out", type=Path, help="JSON lines, one for each point")
    parser.add_argument("--plot", type=Path, help="PNG, SVG or PDF file")
    arguments = parser.parse_args()
    if arguments.base:
        BASE.update(zip(BASE, arguments.base, strict=True))

    console = Console()
    smallest = {"n": 64, "b": 4, "k": 10}
    with tempfile.TemporaryDirectory() as cache, console.status("compiling"):
        compiled = run(smallest, arguments, cache)
    run(smallest, arguments)  # fills the lasting cache, if this is the first time
    loaded = run(smallest, arguments)
    for what, found in (("compiling", compiled), ("loading what is compiled", loaded)):
        if found is not None:
            console.print(f"{what}: {found['first'] - found['second']:.2f} s in the first call")
    rows: list[tuple[str, dict, dict | None]] = []
    known: dict[tuple, dict | None] = {}
    for varied in BASE:
        for value in getattr(arguments, varied):
            chosen = BASE | {varied: value}
            key = tuple(chosen.values())
            if key not in known:
                with console.status(str(chosen)):
                    known[key] = run(chosen, arguments)
                found = known[key]
                told = "failed" if found is None else f"{found['second']:.2f} s"
                console.print(", ".join(f"{k} = {v}" for k, v in chosen.items()), "|", told)
                if arguments.out and found is not None:
                    arguments.out.parent.mkdir(parents=True, exist_ok=True)
                    with arguments.out.open("a", encoding="utf-8") as file:
                        file.write(json.dumps(chosen | found) + "\n")
            rows.append((varied, chosen, known[key]))
    if rows:
        show(rows, console)
    if arguments.plot:
        plot(arguments.plot, rows)


if __name__ == "__main__":
    main()
