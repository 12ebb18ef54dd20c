"""Sparse Walsh-Hadamard decoding: spex against the SPEX authors' packages.

Every method gets the same function and the same budget, and searches for interactions up to order
five. For each: distinct masks evaluated, seconds of everything but the value function (compiling
excluded), R2 on 2,000 fresh uniform masks, and what it found of the true spectrum. `R2 true` is
what the true sparse spectrum reaches on the same masks: with white noise nothing can do better.

    python benchmarks/decoding.py --preset quick
    python benchmarks/decoding.py --preset full --out out/decoding.csv --hours 8 \
        --reviews ../shared/data/sentiment_reviews_dev80.jsonl \
        --spectra ../shared/data/llm_spectra_dev.json

Rows are printed as they are measured and appended to --out; a second run with the same --out goes
on where the first one stopped. The peers are in benchmarks/requirements.txt.
"""

import argparse
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from functions import Case, Noise, Synthetic, published, reviews
from peers import OURS
from runs import Job, Measured, Results, check_installed, run_all

# P + 1 of the reference's design for order 5; it evaluates 3 (P + 1) 2^b masks (see peers.py).
REFERENCE_OFFSETS = {32: 28, 64: 36, 128: 41, 256: 46, 1000: 56}
REFERENCE_LOG2_BINS = 8  # where the authors' published results stand
BUDGETS = {
    32: (100, 300, 1000, 3000, 10_000),
    64: (100, 300, 1000, 3000, 10_000),
    128: (100, 300, 1000, 3000, 10_000, 30_000),
    256: (300, 1000, 3000, 10_000, 30_000),
    1000: (1000, 3000, 10_000, 30_000),
}
COUNTS = (100, 20, 500)
NOISES = (
    Noise(),
    Noise("white", 0.1),
    Noise("tail", 0.1),
    Noise("white", 0.3),
    Noise("tail", 0.3),
    Noise("white", 0.6),
    Noise("tail", 0.6),
)
PEERS = (
    "spectralexplain-soft",
    "spectralexplain-hard",
    "sparse-transform-soft",
    "sparse-transform-hard",
)
# Differences of recall or R2 below this are no difference.
TOLERANCE = 0.005


def reference_budget(n: int, log2_bins: int = REFERENCE_LOG2_BINS) -> int:
    """The masks that the reference evaluates with 2^b bins in each group."""
    return 3 * REFERENCE_OFFSETS[n] << log2_bins


def quick_rows(arguments) -> list[tuple[Case, int]]:
    """The headline, and a row of each kind that takes the reference seconds."""
    seed = arguments.seed
    rows: list[tuple[Case, int]] = [
        (Synthetic(64, 100, Noise("white", 0.1), seed), reference_budget(64)),
        (Synthetic(64, 20, Noise(), seed), 300),
        (Synthetic(64, 20, Noise(), seed), 1000),
        (Synthetic(64, 20, Noise("white", 0.1), seed), 1000),
        (Synthetic(256, 20, Noise(), seed), 3000),
    ]
    rows += [(case, 1000) for case in reviews(arguments.reviews, 20, 60, 1)]
    if arguments.spectra:
        rows.append((published(arguments.spectra, Noise("tail", 0.15), seed)[0], 2000))
    return rows


def headline_rows(arguments) -> list[tuple[Case, int]]:
    """The reference at b = 8 and order 5, the budget of the authors' published results."""
    return [
        (Synthetic(n, count, noise, arguments.seed), reference_budget(n))
        for count in (100, 20)
        for noise in (Noise("white", 0.1), Noise(), Noise("tail", 0.1))
        for n in (64, 256)
    ]


def full_rows(arguments) -> list[tuple[Case, int]]:
    """Everything, what says most first: cut short, the table still covers all kinds."""
    seed = arguments.seed
    rows = quick_rows(arguments) + headline_rows(arguments)
    applied: list[tuple[Case, int]] = []
    for budget in (2000, 500, 6000):
        if arguments.spectra:
            for noise in (Noise("tail", 0.15), Noise()):
                applied += [(case, budget) for case in published(arguments.spectra, noise, seed)]
        if arguments.reviews:
            applied += [(case, 2 * budget) for case in reviews(arguments.reviews, 20, 130, 5)]
    synthetic = [
        (Synthetic(n, count, noise, seed), budget)
        for count in COUNTS
        for noise in NOISES
        for n, budgets in BUDGETS.items()
        for budget in (*budgets, reference_budget(n))
    ]
    first = [
        (case, budget)
        for case, budget in synthetic
        if case.n_coefficients == COUNTS[0] and case.added in NOISES[:3]
    ]
    return list(dict.fromkeys(rows + first + applied + synthetic))


PRESETS = {"quick": quick_rows, "headline": headline_rows, "full": full_rows}


def table(measurements: Iterable[Measured]) -> Table:
    """One line for each function, budget and method."""
    columns = Table(title="s: seconds outside the value function")
    for title in ("function", "noise", "budget", "method"):
        columns.add_column(title, no_wrap=title == "method")
    for title in ("calls", "s", "R2", "R2 true", "precision", "recall", "by energy"):
        columns.add_column(title, justify="right", no_wrap=True)
    before = None
    for one in measurements:
        if before is not None and one.row != before:
            columns.add_section()
        head = ["", "", ""] if one.row == before else [one.function, one.noise, str(one.budget)]
        columns.add_row(*head, *cells(one))
        before = one.row
    return columns


def cells(one: Measured) -> list[str]:
    if one.status != "ok":
        return [one.method, one.status, "", "", "", "", "", ""]
    shares = (one.r2, one.r2_truth, one.precision, one.recall, one.recall_energy)
    return [
        one.method,
        str(one.calls),
        f"{one.seconds:.3g}",
        *("-" if np.isnan(share) else f"{share:.3f}" for share in shares),
    ]


def line(one: Measured) -> str:
    """A measurement as one line of text, printed as soon as it is there."""
    head = f"{one.function} | {one.noise} | {one.budget} | {one.method}:"
    if one.status != "ok":
        return f"{head} {one.status}, {one.reason}"
    text = f"{head} {one.calls} calls, {one.seconds:.3g} s, R2 {one.r2:.3f}"
    if not np.isnan(one.recall):
        text += f", recall {one.recall:.3f} ({one.recall_energy:.3f} of the energy)"
    return text


def summarise(measurements: list[Measured], ours: str, console: Console) -> None:
    """Speed ratios, wins and losses of one of our methods against each peer."""
    by_row: dict[tuple, dict[str, Measured]] = {}
    for one in measurements:
        by_row.setdefault(one.row, {})[one.method] = one
    peers = [name for name in PEERS if any(name in row for row in by_row.values())]
    for peer in peers:
        pairs = [(row[ours], row[peer]) for row in by_row.values() if ours in row and peer in row]
        both = [(a, b) for a, b in pairs if a.status == b.status == "ok"]
        console.print(
            f"\n[bold]{ours} against {peer}[/bold]: {len(pairs)} rows, {len(both)} by both"
        )
        for who, other in ((0, 1), (1, 0)):
            lost = [pair for pair in pairs if pair[who].status == "ok" != pair[other].status]
            if lost:
                statuses = sorted({pair[other].status for pair in lost})
                console.print(
                    f"  {len(lost)} rows only by {(ours, peer)[who]} "
                    f"({(ours, peer)[other]}: {', '.join(statuses)})"
                )
        if not both:
            continue
        for name, label in (("seconds", "seconds"), ("cpu_seconds", "processor seconds")):
            ratios = [getattr(b, name) / getattr(a, name) for a, b in both]
            console.print(
                f"  {label}, theirs / ours: geometric mean "
                f"{np.exp(np.mean(np.log(ratios))):.1f}, {min(ratios):.1f} to {max(ratios):.1f}"
            )
        calls = [b.calls / a.calls for a, b in both]
        console.print(f"  calls, theirs / ours: {min(calls):.2f} to {max(calls):.2f}")
        for name, label in (("r2", "R2"), ("recall", "recall"), ("recall_energy", "energy")):
            known = [(a, b) for a, b in both if not np.isnan(getattr(a, name))]
            gains = [getattr(a, name) - getattr(b, name) for a, b in known]
            wins = sum(gain > TOLERANCE for gain in gains)
            losses = [pair for pair, gain in zip(known, gains, strict=True) if gain < -TOLERANCE]
            console.print(
                f"  {label} by more than {TOLERANCE}: better in {wins}, worse in {len(losses)} of "
                f"{len(known)} rows"
            )
            for a, b in losses:
                console.print(
                    f"    worse: {a.function} | {a.noise} | {a.budget}: {getattr(a, name):.3f} "
                    f"against {getattr(b, name):.3f}",
                    highlight=False,
                )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", choices=PRESETS, default="quick")
    parser.add_argument(
        "--methods",
        help=f"comma-separated, of {', '.join(OURS + PEERS)}; default: spex and the soft "
        "decoding of spectralexplain for quick, spex and all peers otherwise",
    )
    parser.add_argument("--reviews", type=Path, help="JSON lines with a 'text' each")
    parser.add_argument("--spectra", type=Path, help="JSON list of published spectra")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="rows whose 'function | noise | budget' "
                        "matches this regular expression")  # fmt: skip
    parser.add_argument("--limit", type=float, default=600, help="seconds for one method and row")
    parser.add_argument("--hours", type=float, help="begin no new row after so many hours")
    parser.add_argument("--out", type=Path, help="CSV file to continue, or to begin")
    arguments = parser.parse_args()

    default = ("spex", "spectralexplain-soft") if arguments.preset == "quick" else ("spex", *PEERS)
    methods = arguments.methods.split(",") if arguments.methods else default
    check_installed(methods)
    results = Results(arguments.out)
    selected = [
        Job(case, budget, seed=arguments.seed)
        for case, budget in PRESETS[arguments.preset](arguments)
        if re.search(arguments.only, f"{case.name} | {case.noise} | {budget}")
    ]
    console = Console(width=None if Console().is_terminal else 140)
    shown = run_all(
        selected, methods, results, console, line, limit=arguments.limit, hours=arguments.hours
    )
    console.print(table(shown))
    for ours in OURS:
        if ours in methods:
            summarise(shown, ours, console)


if __name__ == "__main__":
    main()
