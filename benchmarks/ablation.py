"""What each candidate of `auto`, and what its choice of masks, is worth.

On the same masks all candidates are fitted once; `auto` then joins all of them, or all but one. R2
is on 2,000 fresh uniform masks. A second table has `auto` on masks chosen in other ways: the share
that is drawn uniformly, the rest being those of a coded design where it can be afforded.

    python benchmarks/ablation.py --data ../shared/data --budgets 100,300,1000
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from functions import (
    BoolArray,
    Case,
    Classifier,
    FloatArray,
    Function,
    Noise,
    Synthetic,
    published,
    reviews,
)
from spex.f2.packing import unpack
from spex.fitting.selection import fit_all, join
from spex.fourier.mask_design import DRAWN_OF_AUTO, coded_design
from spex.fourier.mask_distribution import UNIFORM
from spex.surrogates.base import CodedValues, Samples
from spex.surrogates.boosted_trees import BoostedTrees
from spex.surrogates.coded import Spex
from spex.surrogates.gaussian_process import GaussianProcess
from spex.surrogates.linear import Linear

NAMES = ("linear", "spex", "gp", "proxyspex")
SHARES = (1.0, 0.6, 0.3)
TEST_MASKS = 2000


def cases(data: Path | None) -> list[Case]:
    found: list[Case] = [Classifier("forest", 30), Classifier("mlp", 64)]
    path = data and data / "sentiment_reviews_dev80.jsonl"
    found += reviews(path, 20, 130, 4)
    noises = [Noise("network", share) for share in (0.0, 0.15, 0.4)]
    if data is None:
        return found + [Synthetic(n, 50, noise) for noise in noises for n in (48, 80)]
    for noise in noises:
        spectra = published(data / "llm_spectra_dev.json", noise, 0)
        found += [spectra[i] for i in (0, 2, 7)]
    return found


def sampled(function: Function, budget: int, seed: int, share: float) -> Samples:
    """A sample as `spex.explain` takes it, with another share of uniform masks."""
    drawn = replace(DRAWN_OF_AUTO, share=share)
    design = coded_design(drawn, function.n, budget, 0, 5, seed)
    words = np.zeros((0, (function.n + 63) // 64), dtype=np.uint64)
    if design is not None:
        words = np.unique(design.masks, axis=0)
    n_coded = len(words)
    for block, _ in UNIFORM.stream(function.n, seed):
        both = np.concatenate([words, block])
        _, first = np.unique(both, axis=0, return_index=True)
        words = both[np.sort(first)][:budget]
        if len(words) == budget:
            break
    values = function.values(unpack(words, function.n))
    coded = None
    if design is not None:
        number = {row.tobytes(): place for place, row in enumerate(words)}
        rows = [number[row.tobytes()] for row in design.masks]
        coded = CodedValues(design, values[rows], 5)
    designed = np.arange(budget) < n_coded
    return Samples(words, function.n, values, ~designed, coded, designed, function.prior)


def fitted(samples: Samples):
    """Every candidate's fit."""
    candidates = [Linear(), GaussianProcess(), BoostedTrees()]
    if samples.coded is not None:
        candidates.insert(1, Spex())
    return fit_all(candidates, [samples])[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder with reviews and published spectra")
    parser.add_argument("--budgets", default="100,300,1000")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    console = Console(width=150)
    columns = [f"without {name}" for name in NAMES]
    without = Table("function", "budget", "all", *columns, "joined",
                    title="R2 of auto without each candidate")  # fmt: skip
    designs = Table("function", "budget", *(f"{share:.0%} uniform" for share in SHARES),
                    title="R2 of auto by the share of uniform masks")  # fmt: skip
    losses: list[list[float]] = []
    for case in cases(arguments.data):
        function = case.build()
        fresh: BoolArray = np.random.default_rng(1000).random((TEST_MASKS, function.n)) < 0.5
        values = function.values(fresh)

        def r2(spectrum, fresh: BoolArray = fresh, values: FloatArray = values) -> float:
            return 1 - float(((spectrum.predict(fresh) - values) ** 2).mean() / values.var())

        for budget in map(int, arguments.budgets.split(",")):
            of_share = []
            for share in SHARES:
                samples = sampled(function, budget, arguments.seed, share)
                fits = fitted(samples)
                whole = join(fits, samples)
                of_share.append(r2(whole.spectrum))
            less = []
            for name in NAMES:
                kept = {other: fit for other, fit in fits.items() if other != name}
                less.append(r2(join(kept, samples).spectrum) if kept else np.nan)
            losses.append([of_share[-1] - each for each in less])
            row = [f"{case.name[:28]} {case.noise}", str(budget)]
            without.add_row(*row, f"{of_share[-1]:.3f}", *(f"{x:.3f}" for x in less), whole.method)
            designs.add_row(*row, *(f"{x:.3f}" for x in of_share))
            console.print(*row, *(f"{x:.3f}" for x in [*of_share, *less]), whole.method,
                          highlight=False, soft_wrap=True)  # fmt: skip
    console.print(without)
    means = zip(columns, np.nanmean(losses, axis=0), strict=True)
    console.print("mean loss:", *(f"{name} {loss:+.4f}" for name, loss in means))
    console.print(designs)


if __name__ == "__main__":
    main()
