"""Where decoding works: recall against the share of noise and the budget.

64 features, 30 coefficients of order up to 4, all of them 1 or -1 so that they are found or lost
together, white noise. Panels: spex (method="spex"), the soft and the hard decoding of
spectralexplain, and what density evolution predicts for spex before any evaluation. Soft decoding
takes minutes a cell; --panels leaves it out.

    python benchmarks/phase_diagram.py --out out/phase_diagram.csv --plot out/phase_diagram.png

Cells are appended to --out as they are measured, and a second run goes on from there. A light grey
cell is a budget that the method refuses, a dark grey one did not end within --limit.
"""

import argparse
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from functions import Noise, Synthetic
from runs import Job, Results, Worker, check_installed, mean

N = 64
N_COEFFICIENTS = 30
ORDER = 4
# For order 4 the reference evaluates 3 * 29 * 2^b masks with b at least 3, so that it refuses the
# first three. From there on these are exactly its designs, so that rounding down costs it nothing.
BUDGETS = (100, 200, 348, 696, 1392, 2784, 5568, 11_136, 22_272)
SHARES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
TITLES = {
    "spex": "spex",
    "spectralexplain-soft": "spectralexplain 0.0.4, soft",
    "spectralexplain-hard": "spectralexplain 0.0.4, hard",
    "predicted": "density evolution, predicted for spex",
}


# What stands for the recall of a cell that has none.
REFUSED, LATE = -1.0, -2.0
WITHOUT = {REFUSED: "-", LATE: "late"}


def case(share: float, seed: int) -> Synthetic:
    return Synthetic(N, N_COEFFICIENTS, Noise("white", share), seed, ORDER, "equal")


def predicted_recall(
    n: int, n_coefficients: int, order: int, budget: int, noise_share: float
) -> float:
    """Recall that density evolution predicts for `spex`; REFUSED where it has no coded design.

    Raises:
        ImportError: this version of spex has no density evolution.
    """
    from spex.fourier.mask_design import DRAWN_OF_SPEX, coded_design
    from spex.fourier.search import enumerable_order
    from spex.planning.density_evolution import Graph, density_evolution

    design = coded_design(DRAWN_OF_SPEX, n, budget, 0, order, 0)
    if design is None:
        return REFUSED
    graph = Graph(
        n_features=n,
        log2_bins=design.log2_bins,
        n_offsets=design.n_offsets,
        t=min(design.code.t, order),
        exhaustive_order=enumerable_order(n, order),
    )
    spectrum = Synthetic(n, n_coefficients, max_order=order, amplitudes="equal").coefficients()
    found = {k: value for k, value in spectrum.items() if k}
    energy = sum(value**2 for value in found.values())
    prediction = density_evolution(
        graph,
        np.array(list(found.values())),
        np.array([len(k) for k in found]),
        energy * noise_share / (1 - noise_share),
        np.random.default_rng(0),
    )
    return prediction.recovered


def show(name, shares, budgets, recall, console) -> None:
    table = Table(title=f"{TITLES[name]}: recall")
    table.add_column("noise \\ budget")
    for budget in budgets:
        table.add_column(str(budget), justify="right")
    for i in reversed(range(len(shares))):
        cells = (WITHOUT.get(value, f"{value:.2f}") for value in recall[i].tolist())
        table.add_row(f"{shares[i]:.0%}", *cells)
    console.print(table)


def plot(path: Path, shares, budgets, panels, limit: float) -> None:
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    figure = Figure(figsize=(5 * len(panels), 4.2), layout="constrained")
    axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axis, (name, recall) in zip(axes, panels.items(), strict=True):
        shown = np.ma.masked_less(recall, 0)
        grey = np.where(recall == LATE, 0.5, 0.85)
        axis.imshow(grey, origin="lower", aspect="auto", vmin=0, vmax=1, cmap="gray")
        image = axis.imshow(shown, origin="lower", aspect="auto", vmin=0, vmax=1, cmap="viridis")
        for (i, j), value in np.ndenumerate(recall):
            if value >= 0:
                colour = "black" if value > 0.6 else "white"
                axis.text(j, i, f"{value:.2f}", ha="center", va="center", color=colour, fontsize=7)
        axis.set_title(TITLES[name])
        axis.set_xticks(range(len(budgets)), [f"{budget:,}" for budget in budgets], rotation=45)
        axis.set_xlabel("budget (evaluations)")
    axes[0].set_yticks(range(len(shares)), [f"{share:.0%}" for share in shares])
    axes[0].set_ylabel("noise, share of the variance")
    figure.colorbar(image, ax=axes, label="recall")
    keys = [Patch(color="0.85", label="refused")]
    if any((recall == LATE).any() for recall in panels.values()):
        keys.append(Patch(color="0.5", label=f"not within {limit:.0f} s"))
    figure.legend(handles=keys, loc="outside lower left", ncols=len(keys), frameon=False)
    figure.suptitle(f"n = {N}, {N_COEFFICIENTS} equal coefficients of order up to {ORDER}")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--panels", default=",".join(TITLES), help="comma-separated")
    parser.add_argument("--budgets", type=int, nargs="+", default=BUDGETS)
    parser.add_argument("--shares", type=float, nargs="+", default=SHARES)
    parser.add_argument("--seeds", type=int, default=3, help="functions averaged in each cell")
    parser.add_argument("--limit", type=float, default=600, help="seconds for one run")
    parser.add_argument("--out", type=Path, help="CSV file to continue, or to begin")
    parser.add_argument("--plot", type=Path, help="PNG, SVG or PDF file")
    arguments = parser.parse_args()
    shares, budgets = arguments.shares, arguments.budgets
    names = arguments.panels.split(",")
    unknown = set(names) - TITLES.keys()
    if unknown:
        parser.error(f"no panel {', '.join(unknown)}; choose from {', '.join(TITLES)}")
    methods = [name for name in names if name != "predicted"]
    check_installed(methods)

    console = Console()
    results = Results(arguments.out)
    panels = {name: np.full((len(shares), len(budgets)), np.nan) for name in names}
    workers = {method: Worker(method, arguments.limit) for method in methods}
    try:
        for i, share in enumerate(shares):
            for j, budget in enumerate(budgets):
                for name in names:
                    if name == "predicted":
                        recall = predicted_recall(N, N_COEFFICIENTS, ORDER, budget, share)
                    else:
                        recall = measured(workers[name], results, arguments, share, budget)
                    panels[name][i, j] = recall
                    told = WITHOUT.get(recall, f"{recall:.2f}")
                    console.print(f"noise {share:.0%}, budget {budget}, {name}: {told}")
    finally:
        for worker in workers.values():
            worker.stop()
    for name, recall in panels.items():
        show(name, shares, budgets, recall, console)
    if arguments.plot:
        plot(arguments.plot, shares, budgets, panels, arguments.limit)


def measured(worker, results, arguments, share, budget) -> float:
    """Mean recall over the seeds, or why there is none."""
    recalls = []
    for seed in range(arguments.seeds):
        job = Job(case(share, seed), budget, ORDER, seed)
        one = results.get(*job.key(worker.method))
        if one is None:
            one = worker.run(job)
            results.add(one)
        if one.status in ("refused", "time-out"):
            return REFUSED if one.status == "refused" else LATE
        recalls.append(one.recall if one.status == "ok" else 0.0)  # what fails has found nothing
    return mean(recalls)


if __name__ == "__main__":
    main()
